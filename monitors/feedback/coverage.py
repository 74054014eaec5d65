"""For whom outcomes become known: by group, by score, by retraining round."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw

from audit.measurement import Measurement
from audit.predictions import PredictionLog, feature_column
from audit.reading import Role
from audit.values import canonical
from monitors.feedback.agreement_rounds import CANNOT, Round, round_column, round_role, rounds_of
from monitors.feedback.blocks import first_time
from monitors.feedback.coverage_counts import Mark, Share, largest_gap, share_evidence, share_of, share_row
from monitors.feedback.coverage_outcomes import with_outcomes
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import Estimate, bounds, difference, evidence_of
from monitors.feedback.moment_sums import Moments, moment_sums
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings

COVERAGE = "outcome_coverage"
GAP = "outcome_coverage_difference"
CHANGE = "outcome_coverage_change"
LOWEST, LARGEST_GAP, LEAST_CHANGE = 0.5, 0.2, 0.0
FALLING = 3
"""So many retrainings in a row, each with a lower share than the one before, ring."""

_BINS = 10
_COLUMNS = ("one", "observed")


def measure_coverage(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return which share of outcomes is known: everyone's, by group, by score and by round, and how it differs."""
    rows = _rows(log)
    everyone = moment_sums(log, rows, _COLUMNS, by=[], flags=True)
    if not everyone:
        return _none(COVERAGE, f"{CANNOT} the log has no rows. Log each decision.")
    since = first_time(log)
    limit = settings.limits.get(COVERAGE, LOWEST)
    share = share_of(everyone[()], 1)
    row = share_row(COVERAGE, share, level=settings.level, mark=Mark())
    found = [LoopRows((row,), (Evidence(row.key(), share_evidence(share, limit=limit, above=False), since),))]
    found += [_of_feature(log, rows, place, settings, since) for place in range(len(log.sensitive_features))]
    if "y_score" in log.columns:
        found.append(_of_bins(moment_sums(log, rows, _COLUMNS, by=["bin"], flags=True), settings))
    if round_role(log) is not None:
        found.append(_of_rounds(log, rows, settings))
    return LoopRows(
        tuple(row for each in found for row in each.rows), tuple(one for each in found for one in each.evidence)
    )


def falling(shares: list[Share], *, limit: float) -> tuple[Estimate, float] | None:
    """Return the change over the last three retrainings, and the e-value that each of them lies below the limit.

    The evidence is the smallest of the three: while one of the changes is none, its expectation is at most 1.

    Parameters
    ----------
    shares
        By round, in the order of time.
    limit
        Of each change; 0 = any fall.

    Returns
    -------
    tuple or None
        None below four rounds.

    Examples
    --------
    >>> shares = [Share(p, 1000, 1000 * p, 1000.0, 999.0, clustered=False) for p in (0.9, 0.8, 0.7, 0.6)]
    >>> change, e_value = falling(shares, limit=0.0)
    >>> round(change.value, 6), e_value > 20
    (-0.3, True)
    """
    if len(shares) <= FALLING:
        return None
    last = [share.as_estimate() for share in shares[-FALLING - 1 :]]
    steps = [difference(later, earlier) for earlier, later in pairwise(last)]
    return difference(last[-1], last[0]), min(evidence_of(step, limit=limit, side="below") for step in steps)


def _rows(log: PredictionLog) -> nw.LazyFrame[Any]:
    rows = with_outcomes(log, decisions(log)).with_columns(round_column(log), one=nw.lit(1.0))
    if "y_score" not in log.columns:
        return rows
    inside = (nw.col("y_score") >= 0) & (nw.col("y_score") <= 1)
    place = (nw.col("y_score") * _BINS + 1e-9).floor()
    last = nw.lit(_BINS - 1.0)
    clipped = nw.when(place > last).then(last).otherwise(place)
    return rows.with_columns(bin=nw.when(inside).then(clipped).cast(nw.Int16))


def _of_feature(
    log: PredictionLog, rows: nw.LazyFrame[Any], place: int, settings: LoopSettings, since: datetime
) -> LoopRows:
    name, column = log.sensitive_features[place], feature_column(place)
    cells = moment_sums(log, rows, _COLUMNS, by=[column], flags=True)
    shares = {canonical(key[0]): share for key, cell in cells.items() if (share := share_of(cell, 1))}
    limit = settings.limits.get(COVERAGE, LOWEST)
    found, evidence = [], []
    for group in sorted(shares, key=_first_none):
        row = share_row(COVERAGE, shares[group], level=settings.level, mark=Mark(slice=((name, group),)))
        found.append(row)
        evidence.append(Evidence(row.key(), share_evidence(shares[group], limit=limit, above=False), since))
    named = {"(missing)" if group is None else group: share for group, share in shares.items()}
    largest = settings.limits.get(GAP, LARGEST_GAP)
    gap = largest_gap(GAP, named, feature=name, level=settings.level, limit=largest)
    if gap.row.value is not None:
        evidence.append(Evidence(gap.row.key(), gap.e_value, since))
    if "y_score" in log.columns:
        by_bin = moment_sums(log, rows, _COLUMNS, by=["bin", column], flags=True)
        for group in sorted(shares, key=_first_none):
            own = {key[:1]: cell for key, cell in by_bin.items() if canonical(key[1]) == group}
            found += _of_bins(own, settings, ((name, group),)).rows
    return LoopRows((*found, gap.row), tuple(evidence))


def _of_bins(
    cells: Mapping[tuple[Any, ...], Moments], settings: LoopSettings, group: tuple[tuple[str, str | None], ...] = ()
) -> LoopRows:
    rows = []
    for (place,), cell in sorted((item for item in cells.items() if item[0][0] is not None), key=_place):
        at = (("bin", f"{place / _BINS:.1f}-{(place + 1) / _BINS:.1f}"),)
        rows.append(share_row(COVERAGE, share_of(cell, 1), level=settings.level, mark=Mark(slice=group, at=at)))
    return LoopRows(tuple(rows))


def _of_rounds(log: PredictionLog, rows: nw.LazyFrame[Any], settings: LoopSettings) -> LoopRows:
    order = rounds_of(log)
    if order.fault:
        return _none(CHANGE, order.fault)
    cells = moment_sums(log, rows, _COLUMNS, by=["round_name"], flags=True)
    found: list[Measurement] = []
    shares: list[Share] = []
    for place in order.rounds:
        share = share_of(cells[(place.name or "",)], 1)
        mark = Mark(at=place.at, window=place.window)
        found.append(share_row(COVERAGE, share, level=settings.level, mark=mark))
        shares += [share] if share else []
    change = _change(order.rounds, shares, settings)
    return LoopRows((*found, *change.rows), change.evidence)


def _change(rounds: tuple[Round, ...], shares: list[Share], settings: LoopSettings) -> LoopRows:
    fallen = falling(shares, limit=settings.limits.get(CHANGE, LEAST_CHANGE))
    if fallen is None:
        said = f"there are {len(rounds)} retraining rounds; {FALLING} changes need {FALLING + 1}. Wait for more rounds."
        return _none(CHANGE, f"{CANNOT} {said}", sum(share.n for share in shares))
    change, e_value = fallen
    ends = _plus_minus(change, settings.level)
    first, last = rounds[-FALLING - 1], rounds[-1]
    row = Measurement(
        metric=CHANGE, at=last.at, window=last.window, value=change.value, low=ends[0], high=ends[1], n=change.n,
        level=settings.level if ends[0] is not None else None, method="delta_method",
        reason=f"since round {first.name}" + ("" if ends[0] is not None else "; no interval: too few clusters"),
    )  # fmt: skip
    return LoopRows((row,), (Evidence(row.key(), e_value, first.since),))


def _plus_minus(change: Estimate, level: float) -> tuple[float | None, float | None]:
    ends = bounds(change, level=level)
    return (None, None) if ends is None else (max(ends[0], -1.0), min(ends[1], 1.0))


def _none(metric: str, reason: str, n: int = 0) -> LoopRows:
    return LoopRows((Measurement(metric=metric, value=None, n=n, method="none", reason=reason),))


def _first_none(name: str | None) -> tuple[bool, str]:
    return name is not None, name or ""


def _place(item: tuple[tuple[Any, ...], Moments]) -> int:
    return int(item[0][0])


_OBTAIN = (
    "Log for every decision whether its outcome became known (outcome_observed), or leave the outcome empty where it "
    "did not; name the sensitive features, the score and the retraining round."
)
_SOURCE = "Lakkaraju et al. 2017, The selective labels problem, doi:10.1145/3097983.3098066."
_HELPS: tuple[Role, ...] = ("outcome", "y_true", "y_score", "round", "model_version", "cluster", "user", "timestamp")

FAMILY: Family = (
    LoopMetric(
        name=COVERAGE,
        title="How often we learn how it turned out",
        question="is there a loop",
        needs=("outcome_observed",),
        helps=_HELPS,
        meaning="The share of decisions whose outcome became known, for everyone, each group, each score and round.",
        limit=LOWEST,
        side="below",
        why=(
            "Below one half, most of what the model would need to learn from is never seen, and error rates of the "
            "seen rows say little about the others. An alarm asks to observe a random sample of the rest."
        ),
        not_when=(
            "Not while outcomes are merely late: a loan that still runs is not yet unknown. Rows that hang together "
            "must name their user or cluster."
        ),
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_coverage,
    ),
    LoopMetric(
        name=GAP,
        title="For whom we learn it less often",
        question="for whom",
        needs=("outcome_observed",),
        helps=_HELPS,
        meaning="The largest difference between two groups in the share of decisions whose outcome became known.",
        limit=LARGEST_GAP,
        why=(
            "The next model learns about one group from much less evidence than about another. An alarm asks who is "
            "not observed because of what the model said, and to explore there."
        ),
        not_when="Not where groups differ in how long outcomes take: compare decisions that are old enough.",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_coverage,
    ),
    LoopMetric(
        name=CHANGE,
        title="Whether we learn it less and less often",
        question="is there a loop",
        needs=("outcome_observed", "round"),
        helps=_HELPS,
        meaning="How the share of known outcomes changed over the last three retrainings; it rings if each was a fall.",
        limit=LEAST_CHANGE,
        side="below",
        why=(
            "A share that falls at each retraining is the mark of a loop that narrows its own view. An alarm asks "
            "which rows are not acted on any more, and to keep a random share of them observed."
        ),
        not_when="Not where the latest rounds still wait for outcomes.",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_coverage,
    ),
)
