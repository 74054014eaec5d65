"""What ``evenhanded audit`` prints of groups against each other: a reference, every pair, other things held fixed."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import reading_order, safe_label, slice_label
from dashboards.subjects import comparison_text
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title
from evenhanded.headlines import headlines
from evenhanded.printing import MAX_GROUPS, console, more_text, print_rows

_BY = ("nothing", "strata", "regression")
_LIMIT = 28
_SIMULTANEOUS = "Shares in points; intervals are simultaneous over the groups or pairs of a feature."


def print_pairs(result: Result, *, out: Console | None = None) -> None:
    """Print each group's difference from its reference, and every pair where pairs were asked for; nothing otherwise.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> plain = Measurement(metric="accuracy", value=0.7, n=90, method="x")
    >>> gap = Measurement(metric="accuracy_difference", slice=(("sex", "F"),), value=-0.1, low=-0.2, high=0.0, n=40,
    ...                   against={"kind": "slice", "slice": {"sex": "M"}}, level=0.95, method="agresti_caffo")
    >>> print_pairs(Result(measurements=[plain, gap], provenance=Provenance(given={"reference": {"sex": "M"}})))
    Difference from sex = M
    group                Accuracy
    F      −10.0 [−20.0, 0.0]
    Shares in points; intervals are simultaneous over the groups or pairs of a feature.
    """
    given = result.provenance.given
    reference: Mapping[str, str] = given.get("reference") or {}
    gaps = [row for row in result.measurements if _is_pair(row)]
    for feature, group in reference.items():
        against = {feature: group}
        found = [row for row in gaps if (row.against or {})["slice"] == against]
        title = f"Difference from {slice_label(((feature, group),), target='terminal', limit=60)}"
        _print_differences(title, found, headlines(result), out=out)
    if given.get("all_pairs"):
        _print_differences("Every pair of groups: the first minus the second", gaps, headlines(result), out=out)
    if gaps and (reference or given.get("all_pairs")):
        (out or console()).print(_SIMULTANEOUS)


def print_adjusted(result: Result, *, out: Console | None = None) -> None:
    """Print raw gaps beside those with other columns held fixed; nothing without any.

    Examples
    --------
    >>> facts = {"metric": "selection_rate_difference", "slice": (("sex", "F"),), "at": (("feature", "dept"),),
    ...          "n": 900, "level": 0.95, "method": "agresti_caffo"}
    >>> against = {"kind": "slice", "slice": {"sex": "M"}}
    >>> rows = [Measurement(against=against | {"by": by}, value=value, low=value - 0.02, high=value + 0.02, **facts)
    ...         for by, value in (("nothing", -0.1), ("strata", 0.01))]
    >>> print_adjusted(Result(measurements=rows))
    Gaps with dept held fixed: the first minus the second
    groups               metric                           raw  within strata by regression
    sex = F, sex = M  Selection rate  −10.0 [−12.0, −8.0]  +1.0 [−1.0, +3.0]
    """
    rows = [row for row in result.measurements if "by" in (row.against or {})]
    for control in dict.fromkeys(str(dict(row.at)["feature"]) for row in rows):
        of_control = [row for row in rows if dict(row.at)["feature"] == control]
        lines: dict[tuple[str, str], dict[str, Measurement]] = {}
        for row in of_control:
            pair = f"{slice_label(row.slice, target='terminal', limit=_LIMIT)}, {_other(row)}"
            lines.setdefault((pair, row.metric), {})[(row.against or {})["by"]] = row
        table = [
            [pair, metric_title(metric.removesuffix("_difference")), *(_cell(by.get(how)) for how in _BY)]
            for (pair, metric), by in lines.items()
        ]
        title = f"Gaps with {safe_label(control, target='terminal', limit=60)} held fixed: the first minus the second"
        _print(title, ["groups", "metric", "raw", "within strata", "by regression"], table, out)
        for text in _incomparable(result, control):
            (out or console()).print(text)


def _print_differences(title: str, gaps: Sequence[Measurement], shown: Sequence[str], *, out: Console | None) -> None:
    metrics = [name for name in shown if any(row.metric == f"{name}_difference" for row in gaps)]
    by_pair: dict[tuple[object, ...], dict[str, Measurement]] = {}
    for row in sorted(gaps, key=lambda each: reading_order(each.slice)):
        by_pair.setdefault((row.slice, _other(row)), {})[row.metric] = row
    one = len({_other(row) for row in gaps}) == 1 and title.startswith("Difference")
    table = []
    for rows in by_pair.values():
        first = next(iter(rows.values()))
        whom = safe_label(first.slice[0][1], target="terminal", limit=_LIMIT)
        named = whom if one else f"{slice_label(first.slice, target='terminal', limit=40)}, {_group(first)}"
        table.append([named, *(_cell(rows.get(f"{name}_difference")) for name in metrics)])
    _print(title, ["group" if one else "groups", *(metric_title(name) for name in metrics)], table, out)


def _print(title: str, head: Sequence[str], table: Sequence[Sequence[str]], out: Console | None) -> None:
    if not table:
        return
    print_rows(title, head, table[:MAX_GROUPS], out=out)
    if len(table) > MAX_GROUPS:
        (out or console()).print(more_text(len(table) - MAX_GROUPS))


def _is_pair(row: Measurement) -> bool:
    against = row.against or {}
    return (
        against.get("kind") == "slice"
        and "by" not in against
        and row.metric.endswith("_difference")
        and len(row.slice) == 1
        and not row.at
        and row.window is None
    )


def _incomparable(result: Result, control: str) -> Iterable[str]:
    """Return whom nobody in the same stratum can be compared with, once for each group."""
    found = [
        row
        for row in result.measurements
        if row.metric.endswith("_adjustment_support") and dict(row.at).get("feature") == control and row.reason
    ]
    for row in {row.slice: row for row in found}.values():
        reason = safe_label(row.reason, target="terminal", limit=160)
        yield f"- {slice_label(row.slice, target='terminal', limit=40)}: {reason}"


def _other(row: Measurement) -> str:
    return safe_label(comparison_text(row), target="terminal", limit=40)


def _group(row: Measurement) -> str:
    ((_, value),) = dict((row.against or {})["slice"]).items()
    return safe_label(value, target="terminal", limit=_LIMIT)


def _cell(row: Measurement | None) -> str:
    if row is None:
        return ""
    interval = interval_text(row) or ("" if row.value is None else "(no interval)")
    return f"{value_text(row).removesuffix(' points')} {interval}".strip()
