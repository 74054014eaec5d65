"""The table that a model is trained on, read as its settings say, and split; and the model that learns from it."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from audit.errors import InputError, raise_violations
from audit.values import BINARY, canonical
from evenhanded.frames import Columns as Reading
from evenhanded.training import Training, network_of, recipe_of

if TYPE_CHECKING:
    from trainer.data.columns import Columns
    from trainer.data.kinds import Data
    from trainer.data.splits import Split
    from trainer.fitting.training import OnEpoch
    from trainer.learner import Learner


def reading_of(settings: Training) -> Reading:
    """Return how the columns of a CSV file are read: what an audit groups by as text, labels of classes too.

    Examples
    --------
    >>> sorted(reading_of(Training(data="t.csv", target="ill", sensitive=("sex",))).spelled)
    ['ill', 'sex']
    """
    named = {settings.group, settings.id, *settings.sensitive} - {None}
    if settings.task != "number" and settings.user is None and not settings.labels:
        named |= {settings.target}
    numbers = set(settings.features or ()) - set(settings.categorical) - set(settings.text) - set(settings.dates)
    return Reading(spelled={str(name) for name in named}, numbers=numbers - set(settings.ordered))


def data_of(settings: Training, frame: pd.DataFrame) -> "Data":
    """Return the data of the kind that the settings describe, split as they say.

    Raises
    ------
    InputError
        If a column is missing, or as `Table.from_frame` and `Ratings.from_frame`.
    """
    from trainer.data.ratings import Ratings
    from trainer.data.table import Table

    roles = {"group": settings.group, "time": settings.time}
    raise_violations(
        [
            f"column {name!r} ({role}) is missing; the data has {list(frame.columns)[:20]}"
            for role, name in roles.items()
            if name is not None and name not in frame.columns
        ]
    )
    if settings.task == "classes" and not settings.labels and settings.target in frame.columns:
        frame = frame.assign(**{settings.target: _labels(frame[settings.target])})
    columns, split = _columns(settings, frame), _split(settings, frame)
    if settings.time is not None and settings.features is None:
        frame = frame.drop(columns=settings.time)  # it has a role already, so it is no feature by default
    if settings.user is not None and settings.item is not None:
        return Ratings.from_frame(frame, columns=columns, user=settings.user, item=settings.item, split=split)
    return Table.from_frame(frame, columns=columns, split=split)


def learner_of(settings: Training, frame: pd.DataFrame) -> "Learner":
    """Return the learner that the settings describe, untrained.

    Raises
    ------
    InputError
        As in `data_of` and `Learner`.
    """
    from trainer.learner import Learner

    data, network = data_of(settings, frame), network_of(settings)
    return Learner(data, network=network, models=settings.models, seed=settings.seed, device=settings.device)


def fit(learner: "Learner", settings: Training, *, on_epoch: "OnEpoch | None" = None) -> None:
    """Train for the cycle that the settings describe.

    Raises
    ------
    InputError
        As in `Learner.fit_one_cycle`.
    """
    recipe = recipe_of(settings)
    learner.fit_one_cycle(
        settings.epochs, settings.lr, batch_size=settings.batch_size, recipe=recipe, on_epoch=on_epoch
    )


def _columns(settings: Training, frame: pd.DataFrame) -> "Columns":
    from trainer.data.columns import Columns

    return Columns(
        y=settings.target,
        features=settings.features,
        categorical=settings.categorical,
        ordered=settings.ordered,
        dates=settings.dates,
        text=settings.text,
        min_count=settings.min_count,
        missing=settings.missing,
        sensitive_features=settings.sensitive,
        sample_weight=settings.weight,
        cluster=settings.group,
        prediction_id=settings.id,
        positive=_positive(frame, settings.target, settings.positive),
        task="number" if settings.user is not None else settings.task,
        labels=settings.labels,
        separator=settings.separator,
        loss=settings.loss,
        range=settings.range,
    )


def _split(settings: Training, frame: pd.DataFrame) -> "Split":
    from trainer.data.splits import split_groups, split_rows, split_time

    shares = {"valid": settings.valid, "test": settings.test}
    if settings.method == "time":
        return split_time(frame[str(settings.time)], **shares)
    if settings.method == "groups":
        return split_groups(frame[str(settings.group)], **shares, seed=settings.seed)
    return split_rows(len(frame), **shares, seed=settings.seed)


def _labels(column: pd.Series) -> pd.Series:
    """Return labels that spell 0 and 1 as these numbers, others as they are."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return column
    words = {text: canonical(text) for text in column.dropna().unique()}
    if not set(words.values()) <= set(BINARY):
        return column.map(words)
    numbers = column.map({text: int(BINARY[str(word)]) for text, word in words.items()})
    return numbers if numbers.isna().any() else numbers.astype(int)


def _positive(frame: pd.DataFrame, target: str, label: Any) -> Any:  # noqa: ANN401 - a label of the data
    if label is None or target not in frame.columns:
        return label
    known = {canonical(value): value for value in frame[target].dropna().unique().tolist()}
    wanted = canonical(label)
    if wanted in BINARY and set(known) <= set(BINARY):
        known = {BINARY[str(text)]: value for text, value in known.items()}
        wanted = BINARY[str(wanted)]
    if wanted not in known:
        found = sorted(map(str, known))[:20]
        raise InputError([f"the positive label {label!r} does not occur in {target!r}; it has {found}"])
    return known[wanted]
