"""Which mix of old and new rows to retrain on, from two logs: the watched features stand in for the model's inputs."""

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.causes.fits import boosting_fit
from audit.causes.samples import Fit, Sample
from audit.errors import raise_violations
from audit.expressions import key_expressions
from audit.measurement import Measurement
from audit.predictions import PredictionLog, feature_column, input_column
from audit.splits.split_columns import feature_of, labels_of
from audit.values import canonical_array
from monitors.counts.reference import Reference
from monitors.found import Found
from monitors.settings import wrong_logs
from monitors.shift.retraining import MixSettings, retraining_mixes
from monitors.timestamps import collected, time_expression

METRIC = "retraining_best_share"
FEWEST = 200
"""Of fewer labelled rows on a side nothing is advised."""

_TIME = "row time"


class _Rows(NamedTuple):
    """Labelled rows, the oldest first, and the group of each by sensitive feature."""

    table: pa.Table
    groups: dict[str, list[str | None]]


def retraining_advice(
    reference: PredictionLog | Reference,
    current: PredictionLog,
    *,
    fit: Fit = boosting_fit,
    most: int = 20_000,
    settings: MixSettings | None = None,
) -> Found:
    """Measure on the newest labelled rows which mix of old and new rows a model is best fitted to.

    The model is `fit` on the watched features (texts as codes, missing values as a value of their own): not the model
    in use, whose training is not known here. `monitors.shift.retraining.retraining_mixes` takes any other.

    Parameters
    ----------
    reference
        The log of before: the old rows. Frozen counts hold no rows, and give no advice.
    current
        The log since, with the role `timestamp`: the new rows.
    fit
        ``fit(X, y, sample_weight) -> predict``.
    most
        Rows of each side that are used at most: old ones drawn at random, of the new ones the newest.
    settings
        Which mixes, and how they are compared; None = the defaults.

    Returns
    -------
    Found
        As `retraining_mixes`, for everyone and each group of each sensitive feature. Without evidence (no labels, a
        task of more than two labels, frozen counts, fewer than 200 labelled rows on a side) one
        ``retraining_best_share`` without a value, and the reason. Rows without a label are left out; where labels come
        late for one kind of rows, those that are there are not like those to come.

    Raises
    ------
    InputError
        If the two logs watch other features, or a setting is out of range.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"p": [1], "t": ["2026-01-05T00:00Z"]}), task="watch", y_pred="p",
    ...                                timestamp="t")
    >>> retraining_advice(log, log).rows[0].reason
    'no labels: mixes are compared by their errors'
    """
    raise_violations(wrong_logs(reference, current))
    chosen = settings or MixSettings()
    why = _nothing(reference, current)
    if why is not None or isinstance(reference, Reference):
        return _undecided(why or "", 0)
    raise_violations(_violations(reference, current, most))
    old, new = _labelled(reference), _labelled(current)
    sizes = old.table.num_rows, new.table.num_rows
    if min(sizes) < FEWEST:
        few = f"{sizes[0]:,} old and {sizes[1]:,} new rows have labels; expected {FEWEST} of each"
        return _undecided(few, min(sizes))
    drawn = np.sort(np.random.default_rng(chosen.random_state).permutation(sizes[0])[:most])
    first = max(sizes[1] - most, 0)
    samples = _samples(old.table.take(pa.array(drawn)), new.table.slice(first), current)
    groups = {name: values[first:] for name, values in new.groups.items()}
    return retraining_mixes(*samples, fit, groups=groups, settings=chosen)


def _nothing(reference: PredictionLog | Reference, current: PredictionLog) -> str | None:
    """Return why nothing can be advised, whatever the rows; None where something may be."""
    if isinstance(reference, Reference):
        return "the reference is frozen counts, without rows to fit a model to; name its log"
    if any("y_true" not in log.columns for log in (reference, current)):
        return "no labels: mixes are compared by their errors"
    if current.reading.task != "binary":
        return f"the task is {current.reading.task!r}; mixes are compared for two labels"
    return None if current.features else "no features are watched; a model needs inputs"


def _labelled(log: PredictionLog) -> _Rows:
    """Return the rows of a log that have a label, in order of time where there is one."""
    places = range(len(log.sensitive_features))
    keys = key_expressions(log, log.table.collect_schema(), 1)
    wanted = {input_column(place): nw.col(input_column(place)) for place in range(len(log.features))}
    wanted |= {feature_column(place): keys[feature_column(place)] for place in places} | {"y_true": nw.col("y_true")}
    if "timestamp" in log.columns:
        wanted[_TIME] = time_expression(log)
    table = collected(log, log.table.select(**wanted))
    label = canonical_array(table["y_true"])
    table = table.filter(label.is_valid())
    if _TIME in table.column_names:
        table = table.take(pa.array(np.argsort(table[_TIME].to_numpy(), kind="stable")))
    groups = {
        name: canonical_array(table[feature_column(place)]).to_pylist()
        for place, name in zip(places, log.sensitive_features, strict=True)
    }
    return _Rows(table, groups)


def _samples(old: pa.Table, new: pa.Table, log: PredictionLog) -> tuple[Sample, Sample]:
    violations: list[str] = []
    parts = (old, new)
    columns = [
        _filled(feature_of(name, _both(parts, input_column(place)), violations).values)
        for place, name in enumerate(log.features)
    ]
    test = np.repeat([False, True], [old.num_rows, new.num_rows])
    y, _ = labels_of(_both(parts, "y_true"), "y_true", log.reading.positive, test, violations)
    raise_violations(violations)
    features, labels = np.column_stack(columns), y.astype(np.int64)
    before, since = (
        Sample(features=features[test == side], group=np.full(int((test == side).sum()), "all"), y=labels[test == side])
        for side in (False, True)
    )
    return before, since


def _both(parts: tuple[pa.Table, pa.Table], name: str) -> pa.Array:
    """Return a column of both parts; as text where they are of different types."""
    arrays = [part[name].combine_chunks() for part in parts]
    if arrays[0].type != arrays[1].type:
        arrays = [canonical_array(array) for array in arrays]
    return pa.concat_arrays(arrays)


def _filled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return numbers with the missing ones below all others: a value of their own."""
    missing = np.isnan(values)
    return np.where(missing, (values[~missing].min() if not missing.all() else 0.0) - 1.0, values)


def _undecided(why: str, n: int) -> Found:
    return Found((Measurement(metric=METRIC, value=None, n=n, method="not_checked", reason=why),))


def _violations(reference: PredictionLog, current: PredictionLog, most: int) -> list[str]:
    found = []
    if list(reference.features) != list(current.features):
        both = f"the reference watches {list(reference.features)[:20]}, the log {list(current.features)[:20]}"
        found.append(f"both logs must watch the same features in one order; {both}")
    if "timestamp" not in current.columns:
        found.append("the log names no timestamp; which rows are the newest is not known: name its column")
    if most < FEWEST:
        found.append(f"most must be at least {FEWEST}; got {most}")
    return found
