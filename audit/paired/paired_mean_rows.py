"""Rows of a comparison by log loss or by the errors of a regression: read per row, summed, with paired intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import raise_violations
from audit.measurement import At, Measurement
from audit.paired.paired import Change
from audit.paired.paired_means import ENDLESS, PAIRED_MEANS, changed_by, mean_change, mean_metric
from audit.paired.paired_models import is_positive
from audit.paired.paired_rows import Sides, change_rows, extreme_change_rows, growth_rows
from audit.paired.paired_scores import free_name, numbers_of
from audit.paired.paired_tables import Asked, opened_table
from audit.predictions import PredictionLog, RoleColumns
from audit.rollup import Floats, Partition, partition
from audit.tally import Codes
from audit.tasks.mean_rows import mean_rows
from audit.tasks.moments import Moments, collect_moments
from audit.values import canonical_array

_SENTINEL = -1.0  # of a loss that is infinite: no log loss is negative
_SHOWN_ROWS = 5


class Read(NamedTuple):
    """The columns that no model changes, and each model's losses by metric, one per row; NaN of an unlabelled row.

    Examples
    --------
    >>> Read(pa.table({"g": ["a"]}), {"log_loss": {"new": np.array([0.5])}}).losses["log_loss"]["new"].tolist()
    [0.5]
    """

    about: pa.Table
    losses: Mapping[str, Mapping[str, Floats]]


def read_log_losses(data: Any, asked: Asked, *, positive: str) -> Read:  # noqa: ANN401 - a table or a path
    """Return the log loss of every row under every model; see `audit.tasks.log_loss.log_loss_rows`.

    Parameters
    ----------
    data
        The table of all models.
    asked
        What is compared, with scores or a threshold; checked already.
    positive
        The positive label.

    Examples
    --------
    >>> frame = pa.table({"y": [1, 0], "new": [0.5, 0.5], "old": [0.75, 1.0]})
    >>> asked = Asked(y_true="y", candidates=("new",), baseline="old", threshold=0.5)
    >>> read = read_log_losses(frame, asked, positive="1")
    >>> read.losses["log_loss"]["old"].round(4).tolist()  # the last is infinite
    [0.2877, -1.0]
    """
    about, values = numbers_of(opened_table(data, wanted={*asked.about_rows, *asked.models, *asked.scores}), asked)
    labels = canonical_array(about[asked.y_true]).dictionary_encode()
    true = _looked_up(labels, is_positive(labels.dictionary.to_pylist(), positive))
    missing = pc.is_null(labels).to_numpy(zero_copy_only=False)
    found = {}
    for name, column in zip(asked.models, asked.scores or asked.models, strict=True):
        score = values[column] / asked.score_max
        side = np.where(true, score, 1.0 - score)
        loss = np.where(side > 0, -np.log(np.where(side > 0, side, 1.0)), _SENTINEL)
        found[name] = np.where(missing, np.nan, loss)
    return Read(about, {"log_loss": found})


def read_errors(data: Any, asked: Asked, metrics: Sequence[str]) -> Read:  # noqa: ANN401 - a table or a path
    """Return the losses of every row under every model that predicts a number.

    Raises
    ------
    InputError
        If a value is no finite number, no row has a label, or a logarithm is asked for of negative numbers.

    Examples
    --------
    >>> frame = pa.table({"y": [1.0, 2.0], "new": [1.5, 2.0], "old": [3.0, 2.0]})
    >>> read = read_errors(frame, Asked(y_true="y", candidates=("new",), baseline="old"), ["mean_absolute_error"])
    >>> {name: loss.tolist() for name, loss in read.losses["mean_absolute_error"].items()}
    {'new': [0.5, 0.0], 'old': [2.0, 0.0]}
    """
    columns = asked._replace(candidates=(asked.y_true, *asked.candidates), threshold=0.0, scores=())
    about, values = numbers_of(opened_table(data, wanted={*asked.about_rows, *asked.models}), columns)
    y_true = values[asked.y_true]
    spelled = canonical_array(about[asked.y_true])
    empty = pc.fill_null(pc.equal(spelled, ""), fill_value=True).to_numpy(zero_copy_only=False)
    raise_violations(list(_value_violations(values, asked, empty, metrics)))
    found: dict[str, dict[str, Floats]] = {name: {} for name in metrics}
    for model in asked.models:
        error = values[model] - y_true
        for name in metrics:
            found[name][model] = _loss(PAIRED_MEANS[name].loss, error, values[model], y_true)
    return Read(about, found)


def mean_compare_rows(
    read: Read, asked: Asked, *, level: float, reference: Mapping[str, str] | None = None
) -> Iterator[Measurement]:
    """Yield the rows of `audit.paired.comparison.run_compare` for metrics that are means of a loss.

    Examples
    --------
    >>> frame = pa.table({"y": [0.0] * 40, "new": [1.0, 2.0] * 20, "old": [2.0, 3.0] * 20})
    >>> asked = Asked(y_true="y", candidates=("new",), baseline="old")
    >>> rows = list(mean_compare_rows(read_errors(frame, asked, ["mean_absolute_error"]), asked, level=0.95))
    >>> [(row.metric, row.value, row.n) for row in rows]
    [('mean_absolute_error', 1.5, 40), ('mean_absolute_error', 2.5, 40), ('mean_absolute_error_difference', -1.0, 40)]
    """
    for name, losses in read.losses.items():
        for place, candidate in enumerate(asked.candidates):
            moments = _moments(read.about, asked, losses[candidate], losses[asked.baseline], endless=name == "log_loss")
            sides = {"new": candidate} | ({"old": asked.baseline} if not place else {})
            for side, model in sides.items():
                mean = PAIRED_MEANS[name]._replace(loss=side)
                for row in mean_rows(moments, [mean], level=level):
                    if row.metric == name and row.against is None:
                        yield replace(row, at=(("model_version", model),))
            at: At = (("model_version", candidate),) if len(asked.candidates) > 1 else ()
            for row in _of_candidate(name, moments, asked, level, reference or {}):
                yield replace(row, at=at)


def _of_candidate(
    name: str, moments: Moments, asked: Asked, level: float, reference: Mapping[str, str]
) -> Iterator[Measurement]:
    sides = Sides(moments.cells, moments.cells, asked.baseline, level)

    def again(slices: Partition) -> Change:
        found = mean_change(moments, slices, root=PAIRED_MEANS[name].root)
        return Change(mean_metric(name), moments.cells, slices, found.new, found.old, changed_by(found),
                      np.minimum(found.new.n, found.old.n), found.change.df, means=found)  # fmt: skip

    for size in range(len(asked.features) + 1):
        for features in combinations(asked.features, size):
            found = again(partition(moments.cells, features))
            yield from change_rows(found, sides)
            yield from extreme_change_rows(found, sides)
            if size == 1:
                yield from growth_rows(found, sides, reference.get(features[0]), again)


def _moments(about: pa.Table, asked: Asked, new: Floats, old: Floats, *, endless: bool) -> Moments:
    table, names = about, []
    for wanted, losses in (("loss of the candidate", new), ("loss of the baseline", old)):
        names.append(free_name(wanted, table))
        table = table.append_column(names[-1], pa.array(losses, mask=np.isnan(new) | np.isnan(old)))
    roles: RoleColumns = {"y_true": names[0], "y_pred": names[1]}
    if asked.sample_weight is not None:
        roles["sample_weight"] = asked.sample_weight
    if asked.cluster is not None:
        roles["cluster"] = asked.cluster
    log = PredictionLog.from_frame(
        table, sensitive_features=asked.features, task="regression", bins=asked.bins, weights=asked.weights, **roles
    )
    one, two = nw.col("y_true"), nw.col("y_pred")
    flags = {"changed": nw.when(one != two).then(1).otherwise(0)}
    if endless:
        flags[ENDLESS] = nw.when((one < 0) | (two < 0)).then(1).otherwise(0)
    return collect_moments(log, {"new": one, "old": two, "change": one - two}, usable=~one.is_null(), flags=flags)


def _loss(kind: str, error: Floats, predicted: Floats, y_true: Floats) -> Floats:
    if kind == "squared_log":
        return np.asarray((np.log1p(predicted) - np.log1p(y_true)) ** 2, dtype=np.float64)
    return {"error": error, "absolute": np.abs(error), "squared": error**2}[kind]


def _looked_up(labels: pa.DictionaryArray, of_value: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    places: Codes = pc.fill_null(labels.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.append(of_value, False)[places]


def _value_violations(
    values: Mapping[str, Floats], asked: Asked, empty: npt.NDArray[np.bool_], metrics: Sequence[str]
) -> Iterator[str]:
    logarithmic = any(PAIRED_MEANS[name].loss == "squared_log" for name in metrics)
    for name in dict.fromkeys([asked.y_true, *asked.models]):
        column = values[name]
        needed = ~empty if name == asked.y_true else np.ones(len(column), dtype=bool)
        bad = np.flatnonzero(needed & ~np.isfinite(column))
        if len(bad):
            shown = ", ".join(str(row + 1) for row in bad[:_SHOWN_ROWS].tolist())
            yield f"column {name!r} holds no finite number in {len(bad):,} rows (row {shown}, ...); mend or drop them"
        elif logarithmic and (column[needed & ~empty] < 0).any():
            yield f"column {name!r} holds negative numbers; leave root_mean_squared_log_error out, or mend those rows"
    if empty.all():
        yield "y_true: every value is missing; a comparison of errors needs some: join the labels"
