"""The table that a model is trained on, read as its settings say, and split; and the model that learns from it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pandas as pd

from audit.errors import InputError, raise_violations
from audit.values import BINARY, canonical
from checklists.policy_errors import suggestion
from evenhanded.frames import Columns as Reading
from evenhanded.training import Training, named_columns, network_of, recipe_of

if TYPE_CHECKING:
    from trainer.data.columns import Columns, Label
    from trainer.data.kinds import Data
    from trainer.data.splits import Split
    from trainer.fitting.training import OnEpoch
    from trainer.learner import Learner

T = TypeVar("T")
SHOWN = 20
MOST_CLASSES = 20
"""Different labels with a fraction from which on they are taken for measurements."""


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
        If a column is missing, or as `Table.from_frame` and `Ratings.from_frame`; all of it at once.
    """
    from trainer.data.ratings import Ratings
    from trainer.data.splits import split_given
    from trainer.data.table import Table

    violations = absent_columns(settings, list(frame.columns))
    found, known = _Found(violations), not violations
    if settings.task == "classes" and not settings.labels and settings.target in frame.columns:
        frame = frame.assign(**{settings.target: _labels(frame[settings.target])})
        many = _number_label(settings, frame[settings.target])
        violations += many
        known &= not many
    positive = found.of(lambda: _positive(frame, settings.target, settings.positive))
    if positive is None and settings.positive is not None and known:
        positive = frame[settings.target].dropna().iloc[0]  # any will do to find what else is wrong
    columns = found.of(lambda: _columns(settings, positive))
    if not known or columns is None:
        raise InputError(violations)
    split = found.of(lambda: _split(settings, frame)) or split_given(train=range(len(frame)), valid=[], test=[])
    if settings.features is None:  # a time has a role already, so it is no feature by default
        frame = frame.drop(columns=[*settings.drop, *([settings.time] if settings.time is not None else [])])
    if settings.user is not None and settings.item is not None:
        user, item = settings.user, settings.item
        ratings = found.of(lambda: Ratings.from_frame(frame, columns=columns, user=user, item=item, split=split))
        data: Data | None = ratings
    else:
        data = found.of(lambda: Table.from_frame(frame, columns=columns, split=split))
    raise_violations(list(dict.fromkeys(violations)))
    if data is None:  # pragma: no cover - its fault was raised above
        raise InputError(["no data"])
    return data


def absent_columns(settings: Training, names: Sequence[str]) -> list[str]:
    """Return a sentence for each column that the settings name and the data lack.

    Examples
    --------
    >>> absent_columns(Training(data="t.csv", target="ill", sensitive=("sexx",)), ["ill", "sex"])
    ["column 'sexx' (sensitive) is missing; did you mean 'sex'? the data has ill, sex"]
    """
    shown = ", ".join(map(str, names[:SHOWN])) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return [
        f"column {name!r} ({role}) is missing{_meant(name, names)} the data has {shown}"
        for role, named in named_columns(settings).items()
        for name in named
        if name not in names
    ]


def learner_of(settings: Training, frame: pd.DataFrame) -> "Learner":
    """Return the learner that the settings describe, untrained.

    Raises
    ------
    InputError
        As in `data_of` and `Learner`.
    """
    from trainer.learner import Learner

    return Learner(
        data_of(settings, frame),
        network=network_of(settings),
        models=settings.models,
        resample=settings.resample,
        seed=settings.seed,
        device=settings.device,
    )


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


class _Found(NamedTuple):
    """Gathers what is wrong, so that a person hears all of it at once."""

    violations: list[str]

    def of(self, made: Callable[[], T]) -> T | None:
        """Return what is made, or None where it is refused; the reasons are kept."""
        try:
            return made()
        except InputError as error:
            self.violations.extend(error.violations)
            return None


def _meant(name: str, names: Sequence[str]) -> str:
    return suggestion(name, tuple(map(str, names))) or ";"


def _number_label(settings: Training, labels: pd.Series) -> list[str]:
    """Return one sentence where the labels look like measurements, in place of one for each of them."""
    values = labels.dropna().unique()
    numbers = pd.to_numeric(pd.Series(values), errors="coerce")
    n = len(values)
    if n <= MOST_CLASSES or numbers.isna().any() or (numbers == numbers.round()).all():
        return []
    told = f"label {settings.target!r} holds {n:,} different numbers, which would be as many classes"
    return [f"{told}: to learn the number itself, say --task number (task: number)"]


def _columns(settings: Training, positive: "Label | None") -> "Columns":
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
        positive=positive,
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
