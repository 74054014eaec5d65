"""Shares of rows with intervals, and the largest gap of a share between groups; rows of one user may hang together."""

from collections.abc import Mapping
from itertools import permutations
from math import isfinite, sqrt
from typing import Any, NamedTuple

import numpy as np

from audit.inference.gap_intervals import gap_of_rates
from audit.inference.intervals import enough_units, rate, uses_clopper_pearson
from audit.measurement import EVERYONE, Against, At, Measurement, Slice, Window
from monitors.feedback.moment_estimates import Estimate, estimate, evidence_of
from monitors.feedback.moment_sums import Moments

MOST_GROUPS = 100


class Share(NamedTuple):
    """A share of n rows, worth `x` of `size` independent rows.

    Examples
    --------
    >>> Share(0.5, 10, 5.0, 10.0, 9.0, clustered=False).value
    0.5
    """

    value: float
    n: int
    x: float
    size: float
    df: float
    clustered: bool

    def as_estimate(self) -> Estimate:
        """Return the share with its standard error after one success and one failure are added: never 0.

        Examples
        --------
        >>> found = Share(1.0, 2, 2.0, 2.0, 1.0, clustered=False).as_estimate()
        >>> found.value, round(found.error, 4)  # sqrt(.75 x .25 / 4)
        (1.0, 0.2165)
        """
        shrunk = (self.x + 1.0) / (self.size + 2.0)
        error = sqrt(shrunk * (1.0 - shrunk) / (self.size + 2.0))
        return Estimate(self.value, error, self.n, self.df, self.clustered)


class Mark(NamedTuple):
    """What identifies a row beside its metric, and what is said with it.

    Examples
    --------
    >>> Mark(at=(("round", "3"),)).slice
    ()
    """

    slice: Slice = EVERYONE
    at: At = ()
    against: Against | None = None
    window: Window | None = None
    reason: str | None = None


def share_of(moments: Moments, column: int) -> Share | None:
    """Return the share that a column makes of the first one, which counts rows; None where there are no rows.

    Where rows hang together (a user's, a cluster's), the share is worth as many independent rows as would have its
    standard error, and never more than there are.

    Examples
    --------
    Two users with two rows each, who are all alike: worth two rows.

    >>> from monitors.feedback.moment_sums import moments_of
    >>> rows = [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
    >>> share_of(moments_of(rows), 1).size, share_of(moments_of(rows, ["a", "a", "b", "b"]), 1).size
    (4.0, 1.0)
    """
    n = float(moments.total[0])
    if n <= 0:
        return None
    value = min(max(float(moments.total[column]) / n, 0.0), 1.0)
    size = n
    if moments.clustered:
        found = estimate(moments, lambda total: total[column] / total[0])
        spread = value * (1.0 - value)
        # A share of 0 or 1 shows no scatter; its clusters are then taken for one row each.
        size = min(n, spread / found.error**2) if spread > 0 and found.error > 0 else float(min(moments.units, n))
    return Share(value, moments.n, value * size, size, moments.units - 1.0, moments.clustered)


def share_row(metric: str, share: Share | None, *, level: float, mark: Mark) -> Measurement:
    """Return the row of a share; without rows it has no value and says so.

    Examples
    --------
    >>> row = share_row("usage", Share(0.5, 100, 50.0, 100.0, 99.0, clustered=False), level=0.95, mark=Mark())
    >>> round(row.low, 4), round(row.high, 4), row.method
    (0.4038, 0.5962, 'wilson')
    """
    where: dict[str, Any] = {"metric": metric, "slice": mark.slice, "at": mark.at, "against": mark.against}
    where |= {"window": mark.window}
    if share is None:
        reason = mark.reason or "cannot be measured, because there are no such rows"
        return Measurement(**where, value=None, n=0, method="none", reason=reason)
    few = share.clustered and not bool(enough_units(level, df=share.df))
    method = "clopper_pearson" if bool(uses_clopper_pearson(share.x, share.size)) else "wilson"
    if few:
        said = f"no interval: {share.df + 1:.0f} clusters are too few to show how much they differ"
        reason = "; ".join(filter(None, [mark.reason, said]))
        return Measurement(**where, value=share.value, n=share.n, method="none", reason=reason)
    ends = rate(share.x, share.size, level=level, df=share.df if share.clustered else None)
    return Measurement(
        **where, value=share.value, low=float(ends.low), high=float(ends.high), n=share.n, level=level,
        method=f"{method}, cluster_robust" if share.clustered else method, reason=mark.reason,
    )  # fmt: skip


def share_evidence(share: Share | None, *, limit: float, above: bool) -> float:
    """Return the e-value that the share lies beyond a limit; 0 where too few clusters speak.

    Examples
    --------
    >>> share = Share(0.3, 400, 120.0, 400.0, 399.0, clustered=False)
    >>> share_evidence(share, limit=0.5, above=False) > 20 > 1 > share_evidence(share, limit=0.5, above=True)
    True
    """
    if share is None:
        return 0.0
    return evidence_of(share.as_estimate(), limit=limit, side="above" if above else "below")


class Gap(NamedTuple):
    """The largest gap of a share between groups: its row, and the e-value that some gap lies above the limit.

    Examples
    --------
    >>> Gap(share_row("outcome_coverage_difference", None, level=0.95, mark=Mark()), 0.0).e_value
    0.0
    """

    row: Measurement
    e_value: float


def largest_gap(metric: str, shares: Mapping[str, Share], *, feature: str, level: float, limit: float) -> Gap:
    """Return the largest difference of a share between two groups of a feature.

    Parameters
    ----------
    metric
        Name of the row.
    shares
        By group, as a person reads its name.
    feature
        Whose groups they are.
    level
        Confidence level.
    limit
        Of the gap; the evidence is the mean of that of all pairs, so that its expectation is at most 1 while no pair
        passes it.

    Notes
    -----
    The interval is that of an intersection-union test: its upper end is the largest unadjusted upper end of a pair, its
    lower end the largest of ends that hold for all pairs together (Bonferroni). R. L. Berger (1982), Multiparameter
    hypothesis testing and acceptance sampling, doi:10.1080/00401706.1982.10487790.

    Examples
    --------
    >>> one, other = (Share(p, 1000, 1000 * p, 1000.0, 999.0, clustered=False) for p in (0.9, 0.4))
    >>> found = largest_gap("outcome_coverage_difference", {"a": one, "b": other}, feature="f", level=0.95, limit=0.2)
    >>> found.row.value, round(found.row.low, 2), found.e_value > 1000, found.row.reason
    (0.5, 0.46, True, 'between a and b')
    """
    against = {"kind": "groups", "features": [feature], "among": [[name] for name in sorted(shares)]}
    n = min((share.n for share in shares.values()), default=0)
    if not 2 <= len(shares) <= MOST_GROUPS:
        few = "fewer than two groups of it have rows" if len(shares) < 2 else f"it has {len(shares):,} groups"
        reason = f"cannot be measured, because {few}. Name a feature of 2 to {MOST_GROUPS} groups, or give it bins."
        row = Measurement(metric=metric, against=against, value=None, n=n, method="none", reason=reason)
        return Gap(row, 0.0)
    pairs = list(permutations(shares.items(), 2))
    ones, others = ([pair[side][1] for pair in pairs] for side in (0, 1))
    gaps = np.array([one.value - other.value for one, other in zip(ones, others, strict=True)])
    plain, joint = (_ends(ones, others, level, comparisons) for comparisons in (1, len(pairs) // 2))
    worst = int(gaps.argmax())
    values = [evidence_of(_difference(*each), limit=limit) for each in zip(ones, others, strict=True)]
    # Where a pair has too few clusters for an interval, nothing bounds the largest gap from above.
    low, high = float(np.nanmax(joint[0], initial=-np.inf)), float(plain[1].max())
    sure = isfinite(low) and isfinite(high)
    clustered = any(share.clustered for share in shares.values())
    names = f"between {pairs[worst][0][0]} and {pairs[worst][1][0]}"
    row = Measurement(
        metric=metric, against=against, value=float(gaps[worst]), low=max(low, 0.0) if sure else None,
        high=high if sure else None, n=n, level=level if sure else None,
        method=("agresti_caffo, cluster_robust" if clustered else "agresti_caffo") if sure else "none",
        reason=names if sure else f"{names}; no interval: a group has too few clusters",
    )  # fmt: skip
    return Gap(row, float(np.mean(values)))


def _ends(ones: list[Share], others: list[Share], level: float, comparisons: int) -> tuple[np.ndarray, np.ndarray]:
    x1, n1 = np.array([(each.x, each.size) for each in ones]).T
    x2, n2 = np.array([(each.x, each.size) for each in others]).T
    degrees = [min(_df(one), _df(other)) for one, other in zip(ones, others, strict=True)]
    found = gap_of_rates(x1, n1, x2, n2, level=level, df=np.array(degrees), comparisons=comparisons)
    return np.asarray(found.low), np.asarray(found.high)


def _df(share: Share) -> float:
    return share.df if share.clustered else np.inf


def _difference(one: Share, other: Share) -> Estimate:
    """Return the difference with the larger of the errors that the groups' own sizes allow."""
    first, second = one.as_estimate(), other.as_estimate()
    error = sqrt(first.error**2 + second.error**2)
    df = min(first.df, second.df)
    return Estimate(one.value - other.value, error, min(one.n, other.n), df, one.clustered or other.clustered)
