"""What ``evenhanded audit`` prints of what is not known: labels that are missing, and the worst cases they allow."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow.compute as pc
from rich.console import Console

from audit.measurement import Measurement, Slice
from audit.result import Result
from audit.unknowns.bounds import LOWER, UPPER
from dashboards.labels import EVERYONE_LABEL, features_label, safe_label, slice_label
from dashboards.tables import interval_text, number_text, value_text
from dashboards.words import metric_title, unit_of
from evenhanded.headlines import headlines
from evenhanded.printing import MAX_GROUPS, console, more_text, print_rows

_MEANING = {"sampling": "each row stands for so many people", "frequency": "each row was repeated so often"}


def print_basis(result: Result, *, out: Console | None = None) -> None:
    """Print what the rates rest on where it is not every row alike: missing labels, weights.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> frame = pa.table({"sick": [1, 0, None], "said": [1, 1, 0], "w": [2.0, 1.0, 1.0]})
    >>> log = PredictionLog.from_frame(frame, y_true="sick", y_pred="said", sample_weight="w")
    >>> print_basis(run_audit(log))
    labels known for 2 of 3 rows; rates of sick rest on these
    weighted by w: each row stands for so many people; rows and n are counted without weights
    """
    screen, given = out or console(), result.provenance.given
    columns: Mapping[str, str] = given.get("columns") or {}
    everyone = [row for row in result.measurements if row.metric == "count" and not row.slice and not row.at]
    rows = next((row.n for row in everyone if row.against is None and row.window is None), 0)
    unknown = _unlabelled(result)
    if unknown:
        name = safe_label(columns.get("y_true", "y_true"), target="terminal", limit=60)
        screen.print(f"labels known for {rows - unknown:,} of {rows:,} rows; rates of {name} rest on these")
    if "sample_weight" in columns:
        name = safe_label(columns["sample_weight"], target="terminal", limit=60)
        settings = {**result.provenance.defaulted, **given}
        meaning = _MEANING[str(settings.get("weights", "sampling"))]
        screen.print(f"weighted by {name}: {meaning}; rows and n are counted without weights")


def print_bounds(result: Result, *, out: Console | None = None) -> None:
    """Print the lowest and the highest value that missing labels and missing groups allow, where that was asked for.

    Examples
    --------
    Ten of thirty granted loans are repaid, twenty are not; seventy are refused, and nobody knows of them.

    >>> import pyarrow as pa
    >>> from dataclasses import replace
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> from audit.unknowns.bounds import label_bound_rows
    >>> frame = pa.table({"y": ["1"] * 10 + ["0"] * 20 + [None] * 70, "p": ["1"] * 30 + ["0"] * 70})
    >>> found = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p"), metrics=["accuracy"])
    >>> rows = (*found.measurements, *label_bound_rows(found.tally, metrics=["accuracy"]))
    >>> asked = replace(found.provenance, given={**found.provenance.given, "bounds": True})
    >>> print_bounds(replace(found, measurements=rows, provenance=asked))
    Lowest and highest value, whatever the missing labels are
    group           Accuracy
    everyone  10.0 to 80.0 %
    """
    if not result.provenance.given.get("bounds"):
        return
    screen = out or console()
    bounds = [row for row in result.measurements if row.metric.endswith((LOWER, UPPER)) and row.against is None]
    of_labels = [row for row in bounds if "class" in dict(row.at)]
    _print_ends("Lowest and highest value, whatever the missing labels are", of_labels, headlines(result), screen)
    for feature in dict.fromkeys(str(dict(row.at)["feature"]) for row in bounds if "feature" in dict(row.at)):
        of_feature = [row for row in bounds if dict(row.at).get("feature") == feature]
        name = features_label((feature,))
        title = f"Lowest and highest value, whatever the missing {safe_label(name, target='terminal')} is"
        _print_ends(title, of_feature, _bases(of_feature), screen)
    for row in result.measurements:
        if row.metric.endswith(f"_difference{UPPER}"):
            metric = metric_title(row.metric.removesuffix(f"_difference{UPPER}"))
            reason = safe_label(row.reason, target="terminal", limit=80)
            screen.print(f"- {metric}: largest gap up to {value_text(row)} {interval_text(row)} {reason}")
    if not bounds:
        screen.print("No label and no group is missing: there are no worst cases to show.")


def _print_ends(title: str, rows: Sequence[Measurement], metrics: Iterable[str], screen: Console) -> None:
    ends = {(row.metric, row.slice): row for row in rows}
    shown = [name for name in metrics if any(row.metric == f"{name}{LOWER}" for row in rows)]
    slices = list(dict.fromkeys(row.slice for row in rows if len(row.slice) <= 1))
    table = [[_whom(group), *(_between(ends, name, group) for name in shown)] for group in slices]
    if table and shown:
        print_rows(title, ["group", *(metric_title(name) for name in shown)], table[:MAX_GROUPS], out=screen)
    if len(table) > MAX_GROUPS:
        screen.print(more_text(len(table) - MAX_GROUPS, "groups"))


def _between(ends: Mapping[tuple[str, Slice], Measurement], name: str, group: Slice) -> str:
    low, high = ends.get((f"{name}{LOWER}", group)), ends.get((f"{name}{UPPER}", group))
    if low is None or high is None or low.value is None or high.value is None:
        return "not known"
    unit = unit_of(name)
    texts = [number_text(value, unit=unit) for value in (low.value, high.value)]
    return f"{texts[0]} to {texts[1]}" + (" %" if unit == "share" else "")


def _bases(rows: Iterable[Measurement]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.metric.removesuffix(LOWER) for row in rows if row.metric.endswith(LOWER)))


def _unlabelled(result: Result) -> int:
    if result.tally is not None and result.tally.task != "multilabel":
        cells = result.tally.cells
        return int(pc.sum(pc.filter(cells["n"], pc.is_null(cells["y_true"]))).as_py() or 0)
    return int(result.provenance.given.get("rows_without_y_true", 0))


def _whom(group: Slice) -> str:
    return slice_label(group, target="terminal", limit=40) if group else EVERYONE_LABEL
