"""How train and test differ: clusters in both, time order, labels, features, missing values."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from audit.inference.gap_intervals import gap_of_rates
from audit.inference.intervals import Interval, clopper_pearson
from audit.inference.linearised import (
    Linearised,
    Place,
    auc,
    auc_bounds,
    bounds,
    mean,
    part_difference,
    rate_bounds,
    row,
)
from audit.measurement import Measurement
from audit.splits.split_columns import Feature
from audit.splits.split_table import SplitTable

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FEWEST = 20
"""Categories with fewer rows in both parts together are not compared."""

TEST_AGAINST_TRAIN = Place(slice=(("split", "test"),), against={"kind": "slice", "slice": {"split": "train"}})


def not_checked(metric: str, reason: str) -> Measurement:
    """Return the row of a check that was not made, and why.

    Examples
    --------
    >>> not_checked("split_roc_auc", "not checked: one row").value is None
    True
    """
    return Measurement(metric=metric, value=None, n=0, method="not_checked", reason=reason)


def cluster_row(table: SplitTable, *, level: float) -> Measurement:
    """Return the share of test rows whose cluster has rows in train, in [0, 1]; clusters are the independent units.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> train, test = pa.table({"x": [1, 2], "y": [0, 1], "who": ["a", "b"]}), pa.table(
    ...     {"x": [3, 4], "y": [0, 1], "who": ["b", "c"]})
    >>> cluster_row(read_splits(train, test, y_true="y", cluster="who"), level=0.95).value
    0.5
    """
    if table.cluster is None:
        return not_checked("cluster_overlap_rate", "not checked: no cluster column is named (person, site, household)")
    shared = np.isin(table.cluster, table.cluster[~table.test])[table.test]
    found = mean(shared, cluster=table.cluster[table.test])
    interval, how = rate_bounds(found, level=level)
    return row("cluster_overlap_rate", found, interval, method=how, level=level)


def time_row(table: SplitTable, *, level: float) -> Measurement:
    """Return the share of pairs of a train and a test row in which the train row is later, in [0, 1].

    0 where time order holds, 1/2 where rows were drawn without regard to time; equal times are in order. One odd time
    among m test rows moves it by 1/m at most. The interval is that of m disjoint pairs, m the rows of the smaller part
    (or the clusters, where these are fewer): the mean over all pairs varies no more than that over disjoint ones
    (Hoeffding 1948, doi:10.1214/aoms/1177730196), so it is conservative.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> train, test = pa.table({"x": [1, 2], "y": [0, 1], "t": [1, 5]}), pa.table({"x": [3], "y": [0], "t": [4]})
    >>> time_row(read_splits(train, test, y_true="y", timestamp="t"), level=0.95).value
    0.5
    """
    name = "train_after_test_rate"
    if table.timestamp is None:
        return not_checked(name, "not checked: no timestamp column is named")
    train, test = (table.timestamp[side][~np.isnan(table.timestamp[side])] for side in (~table.test, table.test))
    if not len(train) or not len(test):
        return not_checked(name, "not checked: a part has no times")
    known = ~np.isnan(table.timestamp)
    # Twice the place in time, and one more for test rows: of equal times the test row counts as the later one.
    places = 2 * np.unique(table.timestamp[known], return_inverse=True)[1] + table.test[known]
    found = auc(~table.test[known], places, cluster=None if table.cluster is None else table.cluster[known])
    why = f"the first test row is of {_time_text(test.min())}, the last train row of {_time_text(train.max())}"
    pairs = min(found.n, found.units)
    interval = clopper_pearson(found.value * pairs, pairs, alpha=1 - level)
    return row(name, found, interval, method="disjoint_pairs", level=level, reason=why)


def label_row(table: SplitTable, *, level: float) -> Measurement:
    """Return the share of positive labels in test minus that in train, with its interval.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> train, test = pa.table({"x": [1] * 4, "y": [0, 1, 0, 1]}), pa.table({"x": [1] * 4, "y": [1, 1, 1, 1]})
    >>> label_row(read_splits(train, test, y_true="y"), level=0.95).value
    0.5
    """
    known = ~np.isnan(table.y)
    cluster = None if table.cluster is None else table.cluster[known]
    return _share_row("prevalence_difference", table.y[known], table.test[known], cluster, level=level)


def missing_rows(table: SplitTable, *, level: float) -> list[Measurement]:
    """Return, for each column with missing values, the share that is missing in test minus that in train.

    Simultaneous over the columns (Bonferroni).

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> train, test = pa.table({"x": [1, 2], "y": [0, 1]}), pa.table({"x": [None, 2], "y": [0, 1]})
    >>> [(found.at, found.value) for found in missing_rows(read_splits(train, test, y_true="y"), level=0.95)]
    [((('feature', 'x'),), 0.5)]
    """
    gone = {feature.name: np.isnan(feature.values) for feature in table.features}
    gone = {name: flags for name, flags in gone.items() if flags.any()}
    metric, many = "missing_rate_difference", len(gone)
    if not gone:
        return [not_checked(metric, "no feature has missing values")]
    return [
        _share_row(metric, flags, table.test, table.cluster, level=level, comparisons=many, feature=name)
        for name, flags in gone.items()
    ]


def shift_rows(table: SplitTable, *, level: float) -> list[Measurement]:
    """Return how the distribution of each feature differs between the parts; simultaneous over features (Bonferroni).

    Numbers: `feature_split_roc_auc`, how often a test row's value lies above a train row's (0.5 = no shift; changes of
    spread alone stay 0.5, and are left to the domain classifier). Texts: `category_share_difference` of the category
    whose share differs most, simultaneous over its categories too.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> train, test = pa.table({"x": [1, 2], "y": [0, 1]}), pa.table({"x": [3, 4], "y": [0, 1]})
    >>> shift_rows(read_splits(train, test, y_true="y"), level=0.95)[0].value
    1.0
    """
    many = len(table.features)
    rows = [
        (_category_row if feature.is_text else _number_row)(feature, table, level=level, comparisons=many)
        for feature in table.features
    ]
    return [found for found in rows if found is not None]


def _number_row(feature: Feature, table: SplitTable, *, level: float, comparisons: int) -> Measurement:
    known = ~np.isnan(feature.values)
    cluster = None if table.cluster is None else table.cluster[known]
    found = auc(table.test[known], feature.values[known], cluster=cluster)
    interval, how = auc_bounds(found, level=level, comparisons=comparisons)
    place = Place(at=(("feature", feature.name),))
    method = f"{how}, simultaneous over {comparisons}" if comparisons > 1 else how
    return row("feature_split_roc_auc", found, interval, method=method, level=level, place=place)


def _category_row(feature: Feature, table: SplitTable, *, level: float, comparisons: int) -> Measurement | None:
    codes = np.nan_to_num(feature.values, nan=-1).astype(np.int64)
    sizes = np.bincount(codes[codes >= 0], minlength=len(feature.texts))
    kept = np.flatnonzero(sizes >= FEWEST)
    if not len(kept):
        return None
    parts = [np.bincount(codes[side & (codes >= 0)], minlength=len(sizes)) for side in (table.test, ~table.test)]
    gaps = np.abs(parts[0] / table.test.sum() - parts[1] / (~table.test).sum())[kept]
    largest = int(kept[np.argmax(gaps)])
    flags = codes == largest
    return _share_row(
        "category_share_difference", flags, table.test, table.cluster, level=level,
        comparisons=comparisons * len(kept), feature=feature.name, category=feature.texts[largest],
    )  # fmt: skip


def _share_row(
    metric: str,
    values: Floats | Flags,
    test: Flags,
    cluster: npt.NDArray[np.int64] | None,
    *,
    level: float,
    comparisons: int = 1,
    feature: str | None = None,
    category: str | None = None,
) -> Measurement:
    found = part_difference(values, test, cluster=cluster)
    interval, how = share_bounds(found, values, test, level=level, comparisons=comparisons)
    at = tuple((key, name) for key, name in (("class", category), ("feature", feature)) if name is not None)
    method = f"{how}, simultaneous over {comparisons}" if comparisons > 1 else how
    return row(metric, found, interval, method=method, level=level, place=TEST_AGAINST_TRAIN._replace(at=at))


def share_bounds(
    found: Linearised, values: Sequence[float] | Floats | Flags, test: Flags, *, level: float, comparisons: int = 1
) -> tuple[Interval, str]:
    """Return the interval of a difference of shares: Agresti-Caffo, or linearised where rows are clustered.

    Examples
    --------
    >>> flags = np.array([True] * 5 + [False] * 5)
    >>> interval, how = share_bounds(part_difference(flags, flags), flags, flags, level=0.95)
    >>> round(float(interval.low), 3), float(interval.high), how
    (0.348, 1.0, 'agresti_caffo')
    """
    if found.cluster is not None and np.any(found.influence):
        return bounds(found, level=level, comparisons=comparisons), "linearised, cluster-robust"
    array = np.asarray(values, dtype=np.float64)
    sides = [(array[side].sum(), side.sum()) for side in (test, ~test)]
    return gap_of_rates(*sides[0], *sides[1], level=level, comparisons=comparisons), "agresti_caffo"


def _time_text(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds > 1e7 else f"{seconds:g}"
    except (ValueError, OverflowError, OSError):  # a number that is no time of a calendar
        return f"{seconds:g}"
