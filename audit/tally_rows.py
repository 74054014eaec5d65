"""From a tally of any task to its rows: every way of looking at it, with the checks of what is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.measuring import Asked, default_depth, metric_rows
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.result import Result
from audit.rollup import Partition, cells_of, partition
from audit.tally import Tally
from audit.tasks.multiclass import CONFUSION, WHOLE_UP_TO, confusion_rows, with_labels_named
from audit.views import Look, looks_of, metric_names

LEVEL = 0.95
MAX_PAIRED = 50
"""Of more groups than this, all pairs are not written out: 1,225 pairs per metric are more than anyone reads."""
MAX_CROSSED = 1000
"""At most so many combinations of features are audited: of forty, all pairs (820 with the features themselves)."""


def measure(
    tally: Tally,
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    all_pairs: bool = False,
    baseline: Result | None = None,
    intersections: int | None = None,
) -> tuple[Measurement, ...]:
    """Return the rows of `audit.run.run_audit` from a tally.

    Raises
    ------
    InputError
        If an option names what does not exist.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1] * 10, "p": [1] * 9 + [0]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> [(row.metric, row.value, row.n) for row in measure(tally, metrics=["true_positive_rate"])]
    [('count', 10, 10), ('true_positive_rate', 0.9, 10)]
    """
    depth = depth_of(intersections, len(tally.features))
    singles = _singles(tally) if reference or all_pairs else {}
    raise_violations(_option_violations(singles, level, reference, metrics, baseline, tally))
    raise_violations(depth_violations(intersections, len(tally.features)))
    raise_violations(_too_many_pairs(singles) if all_pairs else [])
    then = None if baseline is None else baseline.tally
    earlier = None if then is None else then.digest()
    asked = Asked(level, reference, all_pairs, depth, earlier, by_name=metrics is not None)
    rows: list[Measurement] = []
    for look in looks_of(tally):
        chosen = [facts for facts in look.metrics if metrics is None or facts.name in metrics]
        if metrics is not None:
            chosen.sort(key=lambda facts: list(metrics).index(facts.name))
        if chosen or not rows:
            rows += _look_rows(look, tally, chosen, asked, then, counts=not rows)
    if tally.task == "multiclass" and (metrics is None or set(CONFUSION) & set(metrics)):
        rows += confusion_rows(tally, level=level)
    return tuple(rows if tally.task == "binary" else with_labels_named(rows, tally))


def _look_rows(
    look: Look, tally: Tally, chosen: Sequence[Metric], asked: Asked, then: Tally | None, *, counts: bool
) -> list[Measurement]:
    label = dict(look.at).get("class")
    if label is not None and len(tally.labels) > WHOLE_UP_TO:
        asked = asked._replace(depth=1)
    earlier = None if then is None or (label is not None and label not in then.labels) else look.make(then)
    rows = metric_rows(look.make(tally), chosen, asked=asked, baseline=earlier, counts=counts)
    return [replace(row, at=look.at) for row in rows] if look.at else rows


def _singles(tally: Tally) -> dict[str, Partition]:
    cells = cells_of(tally)
    return {name: partition(cells, [name]) for name in tally.features}


def depth_of(intersections: int | None, features: int) -> int:
    """Return how many features are crossed.

    Examples
    --------
    >>> depth_of(None, 3), depth_of(None, 9), depth_of(1, 9)
    (3, 2, 1)
    """
    return default_depth(features) if intersections is None else intersections


def depth_violations(intersections: int | None, features: int) -> list[str]:
    """Return what is wrong with a depth: below one, or more combinations of features than anyone reads.

    Examples
    --------
    >>> depth_violations(0, 2)
    ['intersections must be at least 1 (no intersections at all); got 0']
    """
    depth = depth_of(intersections, features)
    if intersections is not None and intersections < 1:
        return [f"intersections must be at least 1 (no intersections at all); got {intersections}"]
    number = sum(comb(features, size) for size in range(min(depth, features) + 1))
    if number <= MAX_CROSSED:
        return []
    return [
        f"{features} features have {number:,} combinations of up to {depth}, more than {MAX_CROSSED:,}; cross fewer of "
        f"them (intersections={depth - 1}, --intersections {depth - 1}), or name fewer features"
    ]


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
    measurable = [*metric_names(tally), *(CONFUSION if tally.task == "multiclass" else ())] if metrics else []
    for name in metrics or []:
        if name not in measurable and name in METRICS and METRICS[name].needs_scores:
            violations.append(f"{name} needs scores; name y_score")
        elif name not in measurable:
            violations.append(f"unknown metric {name!r}; expected one of {', '.join(measurable)}")
    if baseline is not None and baseline.tally is None:
        violations.append("the baseline has no tally; pass a saved run (its folder), not its result.json alone")
    elif baseline is not None and baseline.tally is not None and _kind(baseline.tally) != _kind(tally):
        violations.append(
            f"the baseline is a {_kind(baseline.tally)} audit, this one {_kind(tally)}; compare like with like"
        )
    return violations


def _kind(tally: Tally) -> str:
    return tally.task + (" with deferral" if tally.deferral else "")


def _too_many_pairs(singles: Mapping[str, Partition]) -> list[str]:
    return [
        f"all pairs of the {len(slices.groups)} groups of {name!r} are too many to read; at most {MAX_PAIRED} groups: "
        f"name a reference group instead, or merge groups"
        for name, slices in singles.items()
        if len(slices.groups) > MAX_PAIRED
    ]
