"""Bounds on group rates and gaps when the sensitive attribute itself is inferred or misrecorded, with stated errors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any, NamedTuple, cast

import numpy as np

from audit.errors import raise_violations
from audit.inference.intervals import rate
from audit.measurement import Measurement, as_slice
from audit.metrics.catalog import METRICS
from audit.pairwise import over
from audit.rollup import Cells, Floats, cells_of, counts_of, partition, without_scores
from audit.rows import Row, measurement
from audit.tally import Tally

Shares = Mapping[str, Mapping[str, float]]
"""By recorded group: which share of it truly belongs to which group; each sums to 1."""

_METRICS = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
_METHOD = "frechet bounds, stated errors of the attribute"


class _Ends(NamedTuple):
    """Smallest and largest rate per true group, from given rates of the recorded groups."""

    lower: Floats
    upper: Floats


def misrecorded_rows(
    tally: Tally, *, feature: str, shares: Shares, metrics: Sequence[str] = _METRICS, level: float = 0.95
) -> tuple[Measurement, ...]:
    r"""Return bounds on the rates of the true groups, and on the gaps between them.

    Parameters
    ----------
    tally
        The counts, by the recorded values of the feature.
    feature
        The sensitive feature that is inferred or misrecorded.
    shares
        ``{"recorded F": {"F": .95, "M": .05}, ...}``: who the people of each recorded group truly are, as a person
        states it, from a validation sample or the makers of the inference (`shares_from_errors` turns error rates into
        it). One entry per recorded value that has rows; rows without a value are left out.
    metrics
        Names of rates.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    tuple of Measurement
        For each metric and true group ``<metric>_lower_bound`` and ``<metric>_upper_bound``; for the largest gap
        ``<metric>_difference_lower_bound`` (0 where the groups may be equal) and ``_upper_bound``; `at.feature` names
        the feature. Their `low` and `high` allow for chance in the rates of the recorded groups, jointly over these
        (Bonferroni). A bound is undefined where a metric is undefined in a recorded group.

    Raises
    ------
    InputError
        If there is no such feature or rate, no row has a value of it, or shares do not sum to 1 or miss a recorded
        group.

    Notes
    -----
    Let d_r be the rows of the recorded group r in the denominator, p_r its rate, Q_rt the share who truly are t. How
    outcomes are spread over the true groups within r is not known, so that what t contributes lies in
    [max(0, p_r - (1 - Q_rt)), min(Q_rt, p_r)] (Frechet), and its rate between the sums of d_r times these over
    sum d_r Q_rt. Both ends of two groups can be reached at once, so a gap is at most upper_t - lower_u. Sharp, given Q:
    Kallus, Mao & Zhou 2022, Assessing algorithmic fairness with unobserved protected class using data combination,
    doi:10.1287/mnsc.2020.3850; that plugging in the likeliest group is biased in either direction: Chen et al.
    2019, Fairness under unawareness, arXiv:1811.11154. Two assumptions are ours: Q holds within the rows that a metric
    counts (also among positives, for a true positive rate), and Q is taken as exact.

    Examples
    --------
    Recorded F: 3 of 4 selected, recorded M: 1 of 4; of either a quarter is misrecorded. Truly F: between
    (4 x .5 + 4 x 0) / 4 and (4 x .75 + 4 x .25) / 4.

    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1] * 8, "p": [1, 1, 1, 0, 1, 0, 0, 0], "sex": ["F"] * 4 + ["M"] * 4})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> shares = {"F": {"F": 0.75, "M": 0.25}, "M": {"F": 0.25, "M": 0.75}}
    >>> rows = misrecorded_rows(tally, feature="sex", shares=shares, metrics=["selection_rate"])
    >>> [(row.metric.removeprefix("selection_rate_"), row.slice[0][1], row.value) for row in rows[:2]]
    [('lower_bound', 'F', 0.5), ('upper_bound', 'F', 1.0)]
    """
    raise_violations(_violations(tally, feature, shares, metrics, level))
    cells = without_scores(cells_of(tally))
    truly = sorted({group for given in shares.values() for group in given})
    rows: list[Measurement] = []
    for metric in metrics:
        rows += _metric_rows(metric, cells, feature, shares, truly, level)
    return tuple(rows)


def shares_from_errors(errors: Shares, recorded: Mapping[str, float]) -> dict[str, dict[str, float]]:
    r"""Return who the people of each recorded group truly are, from error rates of the recording.

    Parameters
    ----------
    errors
        By true group: which share of it is recorded as which group; each sums to 1.
    recorded
        The share (or number) of rows by recorded group.

    Raises
    ------
    InputError
        If no mixture of true groups gives the recorded shares, these are negative, infinite or all 0, or the matrix
        cannot be inverted.

    Notes
    -----
    With q = E' pi, the true shares are pi = (E')^-1 q, and Q_rt = E_tr pi_t / q_r (Bayes). Needs as many true as
    recorded groups.

    Examples
    --------
    Everyone who is F is recorded as F, and a fifth of M too: of 60 + 40 rows, M are 40 / .8 = 50, F are 50.

    >>> found = shares_from_errors({"F": {"F": 1.0}, "M": {"F": 0.2, "M": 0.8}}, {"F": 60, "M": 40})
    >>> {group: round(share, 4) for group, share in found["F"].items()}
    {'F': 0.8333, 'M': 0.1667}
    """
    truly, seen = sorted(errors), sorted(recorded)
    matrix = np.array([[errors[true].get(group, 0.0) for group in seen] for true in truly])
    observed = np.array([recorded[group] for group in seen], dtype=np.float64)
    violations = _share_violations(errors)
    if not (np.isfinite(observed).all() and (observed >= 0).all() and observed.sum() > 0):
        violations.append(f"recorded must hold shares or counts of at least 0, some above; got {dict(recorded)}")
    if len(truly) != len(seen) or np.linalg.matrix_rank(matrix) < len(truly):
        violations.append(f"errors of {len(truly)} true into {len(seen)} recorded groups cannot be inverted")
    raise_violations(violations)
    observed = observed / observed.sum()
    true_shares = np.linalg.solve(matrix.T, observed)
    if (true_shares < -1e-9).any():
        short = {group: round(float(share), 3) for group, share in zip(truly, true_shares, strict=True)}
        raise_violations(
            [f"no mixture of true groups gives the recorded shares: it would be {short}; check the errors"]
        )
    joint = matrix * true_shares[:, None]
    return {
        group: {true: float(joint[t, r] / observed[r]) for t, true in enumerate(truly)}
        for r, group in enumerate(seen)
        if observed[r] > 0
    }


def _metric_rows(
    metric: str, cells: Cells, feature: str, shares: Shares, truly: Sequence[str], level: float
) -> Iterator[Measurement]:
    slices = partition(cells, [feature])
    named = [place for place, group in enumerate(slices.groups) if group[0] is not None]
    function = cast("Any", METRICS[metric].function)
    found = function(counts_of(cells, slices, cells.n))
    successes, trials = (np.asarray(side, dtype=np.float64)[named] for side in found)
    mixed = np.array([[shares[str(slices.groups[place][0])].get(true, 0.0) for true in truly] for place in named])
    bounds = rate(successes, trials, level=level, comparisons=len(named))
    known = trials > 0
    value = np.divide(successes, trials, out=np.full(len(named), np.nan), where=known)
    at_value, at_low, at_high = (_ends(rates, trials, mixed) for rates in (value, bounds.low, bounds.high))
    n = int(trials.min(initial=np.inf)) if named else 0
    reason = None if known.all() else f"no {METRICS[metric].needs} in a recorded group"
    parts = [
        (f"{metric}_{side}_bound", [getattr(ends, side) for ends in (at_value, at_low, at_high)])
        for side in ("lower", "upper")
    ]
    for t, true in enumerate(truly):
        for name, (middle, low, high) in parts:
            row = Row(name, as_slice({feature: true}), None, level)
            yield _at(
                measurement(row, value=middle[t], low=low[t], high=high[t], n=n, method=_METHOD, reason=reason), feature
            )
    yield from _gap_rows(metric, (feature, truly), (at_value, at_low, at_high), n, reason, level)


def _gap_rows(
    metric: str,
    whom: tuple[str, Sequence[str]],
    ends: tuple[_Ends, _Ends, _Ends],
    n: int,
    reason: str | None,
    level: float,
) -> Iterator[Measurement]:
    (feature, truly), (at_value, at_low, at_high) = whom, ends
    pairs = list(permutations(range(len(at_value.lower)), 2))
    named = [[group] for group in truly]
    # Whatever a recorded group lacks, people of every true group may be in it.
    against = over([feature]) | ({"among": named} if reason is None else {"among": [], "undefined": named})

    def largest(upper: Floats, lower: Floats) -> float:
        return max(float(upper[one] - lower[two]) for one, two in pairs)

    def smallest(lower: Floats, upper: Floats) -> float:
        return max([0.0, *(float(lower[one] - upper[two]) for one, two in pairs)])

    if not pairs:
        return
    found = {
        "upper": (
            largest(at_value.upper, at_value.lower),
            largest(at_low.upper, at_high.lower),
            largest(at_high.upper, at_low.lower),
        ),
        "lower": (
            smallest(at_value.lower, at_value.upper),
            smallest(at_low.lower, at_high.upper),
            smallest(at_high.lower, at_low.upper),
        ),
    }
    for side, (value, low, high) in found.items():
        row = Row(f"{metric}_difference_{side}_bound", (), against, level)
        undefined = np.nan if reason is not None else value
        yield _at(measurement(row, value=undefined, low=low, high=high, n=n, method=_METHOD, reason=reason), feature)


def _ends(rates: Floats, trials: Floats, mixed: Floats) -> _Ends:
    weight = trials[:, None] * mixed
    total = weight.sum(axis=0)
    least = np.maximum(0.0, rates[:, None] - (1 - mixed))
    most = np.minimum(mixed, rates[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Ends((trials[:, None] * least).sum(axis=0) / total, (trials[:, None] * most).sum(axis=0) / total)


def _at(row: Measurement, feature: str) -> Measurement:
    return replace(row, at=(("feature", feature),))


def _violations(tally: Tally, feature: str, shares: Shares, metrics: Sequence[str], level: float) -> list[str]:
    violations = [] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]
    rates = [name for name, metric in METRICS.items() if metric.kind == "rate"]
    violations += [f"{name!r} is no rate; expected some of {', '.join(rates)}" for name in metrics if name not in rates]
    if tally.weights == "sampling" or tally.pairs is not None:
        violations.append("these bounds take rows for independent and alike; leave weights and clusters out")
    if feature not in tally.features:
        return [*violations, f"{feature!r} is no sensitive feature; expected one of {list(tally.features)}"]
    cells = cells_of(tally)
    recorded = [value for value in cells.features[feature][1] if value is not None]
    if not recorded:
        violations.append(f"no row has a recorded value of {feature!r}; bounds need recorded groups to start from")
    violations += [
        f"shares say nothing of the recorded group {value!r} of {feature!r}"
        for value in recorded
        if value not in shares
    ]
    return [*violations, *_share_violations(shares)]


def _share_violations(shares: Shares) -> list[str]:
    return [
        f"the shares of {name!r} must lie in [0, 1] and sum to 1; got {dict(given)}"
        for name, given in shares.items()
        if not all(0 <= share <= 1 for share in given.values()) or abs(sum(given.values()) - 1) > 1e-6
    ]
