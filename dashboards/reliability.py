"""What a reliability table says of each group, in rows and sentences: shared by the page and the report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from audit.measurement import Measurement, Slice
from audit.result import Result
from audit.scores.calibration import OBSERVED, PROMISED
from dashboards.labels import reading_order
from dashboards.tables import interval_text, number_text, value_text

SHOWN = (
    "expected_calibration_error",
    "maximum_calibration_error",
    "calibration_in_the_large",
    "calibration_intercept",
    "calibration_slope",
    "brier_score",
)
"""The metrics of calibration that stand beside the picture."""

ORDER = "expected_calibration_error"


class Bin(NamedTuple):
    """One range of scores of one group: what was promised, and what came true.

    Examples
    --------
    >>> observed = Measurement(metric="observed_rate", at=(("bin", 3),), value=0.2, low=0.1, high=0.3, n=90, level=0.95,
    ...                        method="wilson")
    >>> promised = Measurement(metric="mean_score", at=(("bin", 3),), value=0.34, n=90, method="mean")
    >>> one = Bin(observed, promised)
    >>> one.scores, one.outside
    ('0.3 to 0.4', True)
    """

    observed: Measurement
    promised: Measurement

    @property
    def scores(self) -> str:
        """The range in words."""
        place = int(dict(self.observed.at)["bin"])
        return f"{place / 10:.1f} to {(place + 1) / 10:.1f}"

    @property
    def outside(self) -> bool:
        """Whether the mean score lies outside the interval of what came true."""
        promised, low, high = self.promised.value, self.observed.low, self.observed.high
        return promised is not None and low is not None and high is not None and not low <= promised <= high


def curves(rows: Sequence[Measurement]) -> dict[Slice, tuple[Bin, ...]]:
    """Return the bins that hold labelled rows by group, in the order of the scores; groups in reading order.

    Examples
    --------
    >>> observed = Measurement(metric="observed_rate", at=(("bin", 3),), value=0.2, low=0.1, high=0.3, n=90, level=0.95,
    ...                        method="wilson")
    >>> promised = Measurement(metric="mean_score", at=(("bin", 3),), value=0.34, n=90, method="mean")
    >>> [(group, len(bins)) for group, bins in curves([observed, promised]).items()]
    [((), 1)]
    """
    promised = {(row.slice, row.at): row for row in rows if row.metric == PROMISED}
    found: dict[Slice, list[Bin]] = {}
    for row in rows:
        if row.metric == OBSERVED:
            bins = found.setdefault(row.slice, [])
            if row.value is not None:
                bins.append(Bin(row, promised[row.slice, row.at]))
    groups = sorted(found, key=reading_order)
    return {group: tuple(sorted(found[group], key=lambda one: one.observed.at)) for group in groups}


def worst_first(groups: Sequence[Slice], result: Result) -> tuple[Slice, ...]:
    """Return groups by their calibration error: the largest that is shown for sure first, then the largest estimate.

    By the estimate alone the smallest groups would lead: it grows as rows become few.

    Examples
    --------
    >>> def error(name: str, value: float, low: float) -> Measurement:
    ...     return Measurement(metric=ORDER, slice=(("g", name),), value=value, low=low, high=0.5, n=90, level=0.95,
    ...                        method="simultaneous_bins")
    >>> rows = [error("a", 0.2, 0.0), error("b", 0.1, 0.05), error("c", 0.3, 0.0)]
    >>> [group[0][1] for group in worst_first([row.slice for row in rows], Result(measurements=rows))]
    ['b', 'c', 'a']
    """
    errors = {row.slice: row for row in result.measurements if row.metric == ORDER and row.against is None}

    def order(group: Slice) -> tuple[float, float]:
        row = errors.get(group)
        return (0.0, 0.0) if row is None else (-(row.low or 0.0), -(row.value or 0.0))

    return tuple(sorted(groups, key=order))


def calibration_sentence(rows: Mapping[str, Measurement], bins: Sequence[Bin]) -> str:
    """Return what is shown of one group's calibration, in a few plain sentences.

    Parameters
    ----------
    rows
        The group's metrics by name.
    bins
        Its reliability table.

    Examples
    --------
    >>> row = Measurement(metric="calibration_in_the_large", value=0.05, low=0.03, high=0.07, n=900, level=0.95,
    ...                   method="delta")
    >>> calibration_sentence({row.metric: row}, [])
    'All in all the scores promise too much, by 5.0 points [3.0, 7.0].'
    >>> calibration_sentence({}, [])
    'Nothing is shown: not enough labelled rows.'
    """
    parts = [_in_the_large(rows.get("calibration_in_the_large")), _slope(rows.get("calibration_slope")), _bins(bins)]
    return " ".join(part for part in parts if part) or "Nothing is shown: not enough labelled rows."


def _in_the_large(row: Measurement | None) -> str:
    if row is None or row.value is None or row.low is None or row.high is None:
        return ""
    if row.low > 0:
        return f"All in all the scores promise too much, by {value_text(row)} {interval_text(row)}."
    if row.high < 0:
        ends = [number_text(-end, unit="points") for end in (row.value, row.high, row.low)]
        return f"All in all the scores promise too little, by {ends[0]} points [{ends[1]}, {ends[2]}]."
    return f"All in all no error is shown: {value_text(row)} {interval_text(row)}."


def _slope(row: Measurement | None) -> str:
    if row is None or row.low is None or row.high is None:
        return ""
    if row.high < 1:
        return f"They are too extreme (slope {value_text(row)} {interval_text(row)})."
    return f"They are too timid (slope {value_text(row)} {interval_text(row)})." if row.low > 1 else ""


def _bins(bins: Sequence[Bin]) -> str:
    outside = [one for one in bins if one.outside]
    if not bins:
        return ""
    if not outside:
        return "In no range of scores is the promise shown to be wrong."

    def distance(one: Bin) -> float:
        return abs((one.observed.value or 0.0) - (one.promised.value or 0.0))

    worst = max(outside, key=distance)
    share = f"{len(outside)} of {len(bins)} ranges of scores"
    came = f"{value_text(worst.observed)} {interval_text(worst.observed)}"
    return (
        f"The promise is shown to be wrong in {share}; most in {worst.scores}: promised {value_text(worst.promised)}, "
        f"came true {came}, n = {worst.observed.n:,}."
    )


def has_calibration(result: Result) -> bool:
    """Return whether a result holds calibration errors, and the counts that its reliability tables are made from.

    Examples
    --------
    >>> has_calibration(Result(measurements=[]))
    False
    """
    return holds_scores(result) and any(row.metric == ORDER and row.against is None for row in result.measurements)


def holds_scores(result: Result) -> bool:
    """Return whether a result holds the counts that calibration is measured from, whatever kind of run made them.

    Examples
    --------
    >>> holds_scores(Result(measurements=[]))
    False
    """
    tally = result.tally
    return tally is not None and tally.bins is not None and tally.positive is not None and not tally.deferral


def level_of(result: Result) -> float:
    """Return the confidence level of a result's calibration errors.

    Examples
    --------
    >>> row = Measurement(metric=ORDER, value=0.1, low=0.0, high=0.2, n=90, level=0.9, method="simultaneous_bins")
    >>> level_of(Result(measurements=[row]))
    0.9
    """
    return next((row.level for row in result.measurements if row.metric == ORDER and row.level is not None), 0.95)
