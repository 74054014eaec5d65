"""The audit: from a log, in one pass, to every rate of every group with its interval, and the gaps between groups."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from audit.counting import BINS, counted
from audit.errors import raise_violations
from audit.gaps import NAMED, equalized_odds, extreme_rows, value_rows
from audit.intervals import Interval
from audit.measurement import Against, Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.pairs import (
    Compare,
    Compared,
    Places,
    compared,
    compared_with_rest,
    families,
    gap_interval,
    gap_method,
    gaps,
    in_stack,
    stacked,
)
from audit.predictions import PredictionLog
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.rollup import Cells, Partition, cells_of, partition, without_scores
from audit.rows import Row, measurement
from audit.tally import Tally

LEVEL = 0.95
MAX_PAIRED = 50
"""Of more groups than this, all pairs are not written out: 1,225 pairs per metric are more than anyone reads."""
_NAMED_PARTS = frozenset(part for parts, _ in NAMED.values() for part in parts)
_ODDS = NAMED["equalized_odds_difference"][0]


def run_audit(
    log: PredictionLog,
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    all_pairs: bool = False,
    baseline: Result | None = None,
) -> Result:
    """Audit a log of predictions.

    Parameters
    ----------
    log
        The predictions.
    level
        Confidence level of every interval, in (0, 1).
    reference
        The reference group by feature: ``{"race": "White"}``; each other group is compared with it. Never inferred.
    metrics
        Names from `audit.metrics.METRICS`; None = all that the columns allow.
    all_pairs
        Also compare every pair of groups of a feature; at most `MAX_PAIRED` groups.
    baseline
        The result of an earlier run: differences to it are added.

    Returns
    -------
    Result
        Plain values of every observed slice (everyone, each group, every intersection); for each feature every group
        against the rest and against the reference, simultaneous over the pairs of that feature and metric, and the
        largest gap; for each intersection the largest gap of what has a name (demographic parity, equal opportunity,
        equalized odds). The tally is attached: `audit.gaps.extreme` rolls up any other gap.

    Raises
    ------
    InputError
        If the log holds what it should not, or an option names what does not exist: every violation at once.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"label": [1, 1, 0, 0] * 10, "flagged": [1, 0, 0, 1] * 10, "sex": ["F", "M"] * 20})
    >>> log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    >>> row = run_audit(log).find("true_positive_rate", {"sex": "F"})
    >>> row.value, round(row.low, 3), row.n
    (1.0, 0.692, 10)
    """
    tally, dropped = counted(log)
    given, defaulted = _settings(
        log, {"level": level, "reference": reference, "metrics": metrics, "all_pairs": all_pairs}
    )
    if dropped:
        given["rows_dropped_for_missing_sensitive_value"] = dropped
    if log.unmatched:
        given["rows_without_attributes"] = log.unmatched
    provenance = Provenance(
        tally=tally.digest(),
        data=file_digests(log.source),
        versions=recorded_versions(),
        given=given,
        defaulted=defaulted,
    )
    rows = measure(tally, level=level, reference=reference, metrics=metrics, all_pairs=all_pairs, baseline=baseline)
    return Result(measurements=rows, provenance=provenance, tally=tally)


def measure(
    tally: Tally,
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    all_pairs: bool = False,
    baseline: Result | None = None,
) -> tuple[Measurement, ...]:
    """Return the rows of `run_audit` from a tally.

    Raises
    ------
    InputError
        If an option names what does not exist.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> frame = pa.table({"y": [1] * 10, "p": [1] * 9 + [0]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> [(row.metric, row.value, row.n) for row in measure(tally, metrics=["true_positive_rate"])]
    [('count', 10, 10), ('true_positive_rate', 0.9, 10)]
    """
    cells = cells_of(tally)
    singles = {name: partition(cells, [name]) for name in tally.features}
    raise_violations(_option_violations(singles, level, reference, metrics, baseline, tally))
    raise_violations(_too_many_pairs(singles) if all_pairs else [])
    chosen = _chosen(metrics, tally)
    rows: list[Measurement] = []
    coarse = without_scores(cells)
    for features in _combinations(tally.features):
        slices, scored = partition(coarse, features), partition(cells, features)
        rows += _counts(coarse, slices)
        bases = {
            metric.name: compared(metric, cells, scored)
            if metric.kind == "ranked"
            else compared(metric, coarse, slices)
            for metric in chosen
        }
        rows += value_rows(list(bases.values()), level=level)
        rows += extreme_rows(_with_gaps(bases, features), level=level) if features else []
        if len(features) == 1:
            rows += _comparisons(list(bases.values()), level, (reference or {}).get(features[0]), all_pairs)
        if features and bases.keys() >= set(_ODDS):
            rows.append(equalized_odds(bases[_ODDS[0]], bases[_ODDS[1]], level=level))
    if baseline is not None and baseline.tally is not None:
        rows += _against_baseline(chosen, cells, baseline.tally, level)
    return tuple(rows)


def _with_gaps(bases: Mapping[str, Compared], features: Sequence[str]) -> list[Compared]:
    """Return the metrics whose largest gap is written: all of a single feature, those with a name of intersections."""
    return [base for name, base in bases.items() if len(features) == 1 or name in _NAMED_PARTS]


def _combinations(features: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(len(features) + 1):
        yield from combinations(features, size)


def _chosen(metrics: Sequence[str] | None, tally: Tally) -> list[Metric]:
    names = metrics if metrics is not None else METRICS
    return [METRICS[name] for name in names if tally.bins is not None or METRICS[name].kind != "ranked"]


def _counts(cells: Cells, slices: Partition) -> list[Measurement]:
    rows = np.bincount(slices.member, weights=cells.n, minlength=len(slices.groups)).astype(np.int64).tolist()
    return [
        Measurement(metric="count", slice=slices.slice_of(place), value=n, n=n, method="count")
        for place, n in enumerate(rows)
    ]


def _comparisons(bases: Sequence[Compared], level: float, reference: str | None, all_pairs: bool) -> list[Measurement]:  # noqa: FBT001
    rows: list[Measurement] = []
    for family in families(bases):
        slices = family[0].slices
        named = np.array([i for i, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
        groups = len(named)
        if len(slices.groups) < 2 or not groups:
            return []
        halves = compared_with_rest(family)
        rows += _pair_rows(halves, named * 2, named * 2 + 1, [{"kind": "rest"}] * groups, level, groups)
        pairs = groups * (groups - 1) // 2
        place = None if reference is None else slices.groups.index((reference,))
        if place is not None:
            others = named[named != place]
            against = [_group_at(slices, place)] * len(others)
            rows += _pair_rows(family, others, np.full(len(others), place), against, level, pairs)
        if all_pairs:
            first, second = (named[side] for side in np.triu_indices(groups, k=1))
            keep = np.ones(len(first), dtype=bool) if place is None else (first != place) & (second != place)
            against = [_group_at(slices, other) for other in second[keep].tolist()]
            rows += _pair_rows(family, first[keep], second[keep], against, level, pairs)
    return rows


def _pair_rows(
    family: Sequence[Compared],
    first: Places,
    second: Places,
    against: Sequence[Against],
    level: float,
    comparisons: int,
) -> list[Measurement]:
    rows = []
    joined = stacked(family)
    stack = in_stack(family, first, second)
    slices = [joined.slices.slice_of(place) for place in first.tolist()]
    kinds: tuple[Compare, ...] = ("difference", "ratio") if joined.metric.kind == "rate" else ("difference",)
    for compare in kinds:
        found = gaps(joined, *stack, compare=compare)
        bounds = gap_interval(joined, found, compare=compare, level=level, comparisons=comparisons)
        how = gap_method(joined, compare) + (f", simultaneous over {comparisons}" if comparisons > 1 else "")
        columns = zip(found.value.tolist(), *_lists(bounds), found.n.tolist(), strict=True)
        names = [f"{base.metric.name}_{compare}" for base in family]
        rows += [
            measurement(
                Row(name, slice_, other, level), value=value, low=low, high=high, n=n, method=how,
                reason=_why(value, compare),
            )
            for (name, (slice_, other)), (value, low, high, n) in zip(
                product(names, list(zip(slices, against, strict=True))), columns, strict=True
            )
        ]  # fmt: skip
    return rows


def _against_baseline(chosen: Sequence[Metric], cells: Cells, baseline: Tally, level: float) -> list[Measurement]:
    earlier = cells_of(baseline)
    against = {"kind": "reference", "digest": baseline.digest()}
    rows = []
    for features in _combinations([name for name in cells.features if name in earlier.features]):
        now, then = partition(cells, features), partition(earlier, features)
        both = [(place, then.groups.index(group)) for place, group in enumerate(now.groups) if group in then.groups]
        for metric in chosen:
            if metric.kind == "ranked" and earlier.bins is None:
                continue
            base = compared(metric, cells, now)._replace(right=compared(metric, earlier, then).left)
            first, second = (np.array([pair[side] for pair in both], dtype=np.int64) for side in (0, 1))
            found = gaps(base, first, second, compare="baseline")
            bounds = gap_interval(base, found, compare="baseline", level=level)
            columns = zip(found.value.tolist(), *_lists(bounds), found.n.tolist(), first.tolist(), strict=True)
            rows += [
                measurement(
                    Row(f"{metric.name}_difference", now.slice_of(place), against, level), value=value, low=low,
                    high=high, n=n, method=gap_method(base, "baseline"), reason=_why(value, "difference"),
                )
                for value, low, high, n, place in columns
            ]  # fmt: skip
    return rows


def _lists(bounds: Interval) -> tuple[list[float], list[float]]:
    return bounds.low.tolist(), bounds.high.tolist()


def _why(value: float, compare: Compare) -> str | None:
    if not np.isnan(value):
        return None
    return "undefined in one of the two" if compare == "difference" else "undefined in one of the two, or 0 / 0"


def _group_at(slices: Partition, place: int) -> Against:
    return {"kind": "slice", "slice": dict(slices.slice_of(place))}


def _option_violations(
    singles: Mapping[str, Partition],
    level: float,
    reference: Mapping[str, str] | None,
    metrics: Sequence[str] | None,
    baseline: Result | None,
    tally: Tally,
) -> list[str]:
    violations = []
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    for name, group in (reference or {}).items():
        known = [values[0] for values in singles[name].groups] if name in singles else []
        if name not in singles:
            violations.append(
                f"reference names {name!r}, which is no sensitive feature; expected one of {list(singles)}"
            )
        elif group not in known:
            violations.append(f"reference group {group!r} of {name!r} has no rows; expected one of {known[:20]}")
    for name in metrics or []:
        if name not in METRICS:
            violations.append(f"unknown metric {name!r}; expected one of {', '.join(METRICS)}")
        elif METRICS[name].kind == "ranked" and tally.bins is None:
            violations.append(f"{name} needs scores; name y_score")
    if baseline is not None and baseline.tally is None:
        violations.append("the baseline has no tally; pass a saved run (its folder), not its result.json alone")
    return violations


def _too_many_pairs(singles: Mapping[str, Partition]) -> list[str]:
    return [
        f"all pairs of the {len(slices.groups)} groups of {name!r} are too many to read; at most {MAX_PAIRED} groups: "
        f"name a reference group instead, or merge groups"
        for name, slices in singles.items()
        if len(slices.groups) > MAX_PAIRED
    ]


def _settings(log: PredictionLog, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    reading = log.reading
    settings = {
        **options,
        "metrics": None if options["metrics"] is None else list(options["metrics"]),
        "columns": dict(log.columns),
        "sensitive_features": list(log.sensitive_features),
        "positive": reading.positive,
        "threshold": reading.threshold,
        "score_max": reading.score_max,
        "bins": {name: list(edges) for name, edges in reading.bins.items()},
        "missing": reading.missing,
        "weights": reading.weights,
        "score_bins": BINS,
    }
    defaults: dict[str, Any] = {
        "level": LEVEL, "reference": None, "metrics": None, "all_pairs": False, "positive": None, "threshold": None,
        "score_max": 1.0, "bins": {}, "missing": "group", "weights": "none", "score_bins": BINS,
    }  # fmt: skip
    defaulted = {name: value for name, value in settings.items() if name in defaults and value == defaults[name]}
    return {name: value for name, value in settings.items() if name not in defaulted}, defaulted
