"""What a person reads in a terminal: short tables; the full numbers stand in the files."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from audit.measurement import Measurement
from audit.result import Result
from checklists.gate_result import GateResult
from checklists.planning import Plan
from checklists.verdict import WORDS
from dashboards.labels import reading_order, safe_label
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title
from evenhanded.gate_rows import excuse, gate_cells, not_counted, whose
from evenhanded.headlines import HEADLINES, headlines, is_headline, main_gaps, units_sentence, without_row

MAX_GROUPS = 30
FEW = 30
_FILE_WIDTH = 120
_STYLES = {"PASS": "green", "FAIL": "bold red", "INSUFFICIENT": "yellow", "INVALID": "bold magenta"}


def console() -> Console:
    """Return a console for standard output that never reads markup out of data.

    Examples
    --------
    >>> console().print("[b]a name, not markup[/b]")
    [b]a name, not markup[/b]
    """
    screen = Console(markup=False, highlight=False, emoji=False)
    return screen if screen.is_terminal else Console(markup=False, highlight=False, emoji=False, width=_FILE_WIDTH)


def progress(text: str) -> Status:
    """Return a spinner on standard error that says what is being done; silent where that is no terminal.

    Examples
    --------
    >>> with progress("counting"):
    ...     total = 2 + 2
    >>> total
    4
    """
    return Console(stderr=True, markup=False, emoji=False).status(Text(text))


def print_groups(result: Result, *, out: Console | None = None) -> None:
    """Print the headline metrics of everyone and of each group, with intervals and n.

    Examples
    --------
    >>> everyone = Measurement(metric="count", value=90, n=90, method="count")
    >>> right = Measurement(metric="accuracy", value=0.7, low=0.6, high=0.8, n=90, level=0.95, method="wilson")
    >>> print_groups(Result(measurements=[everyone, right]))
    group     rows             Accuracy
    everyone    90  70.0 % [60.0, 80.0]
    Percent [interval at 95 %]; (n = ...) marks what rests on fewer than 30 rows.
    """
    screen = out or console()
    plain = {(row.metric, row.slice): row for row in result.measurements if is_headline(row)}
    slices = [pairs for metric, pairs in plain if metric == "count" and len(pairs) <= 1]
    features = list(dict.fromkeys(name for pairs in slices for name, _ in pairs))
    slices.sort(key=lambda pairs: (features.index(pairs[0][0]) if pairs else -1, reading_order(pairs)))
    shown = headlines(result)
    table = _table(["group", "rows", *(metric_title(metric) for metric in shown)])
    feature = ""
    for pairs in slices[:MAX_GROUPS]:
        cells = [_cell(plain.get((metric, pairs))) for metric in shown]
        label = "everyone" if not pairs else f"  {safe_label(pairs[0][1], target='terminal', limit=28)}"
        if pairs and pairs[0][0] != feature:
            feature = pairs[0][0]
            table.add_row(safe_label(feature, target="terminal", limit=28))
        table.add_row(label, f"{plain['count', pairs].n:,}", *cells)
    screen.print(table)
    if len(slices) > MAX_GROUPS:
        screen.print(more_text(len(slices) - MAX_GROUPS, "groups"))
    auc = plain.get(("roc_auc", ()))
    if auc is not None and "roc_auc" not in shown:
        screen.print(f"{metric_title('roc_auc')} of everyone: {_cell(auc)}")
    if ("deferral_rate", ()) in plain:
        screen.print("Deferred rows never count as right; decided_<metric> of --json FILE leaves them out.")
    for metric, keys in without_row(result).items():
        screen.print(f"{metric_title(metric)} stands by {' and '.join(keys)}: --json FILE or --html FILE holds it.")
    if shown:
        units = units_sentence(shown, _level(result))
        screen.print(f"{units}; (n = ...) marks what rests on fewer than {FEW} rows.")


def more_text(left: int, of: str = "rows") -> str:
    """Return how many rows a table leaves out, and where they stand.

    Examples
    --------
    >>> more_text(1200, "groups")
    '... and 1,200 more groups; --json FILE holds them all'
    """
    return f"... and {left:,} more {of}; --json FILE holds them all"


def print_gaps(result: Result, *, out: Console | None = None) -> None:
    """Print the largest gap between the groups of each feature.

    Examples
    --------
    >>> gap = Measurement(metric="accuracy_difference", against={"kind": "groups", "features": ["sex"]}, value=0.1,
    ...                   low=0.0, high=0.2, n=40, level=0.95, method="agresti_caffo", reason="between F and M")
    >>> print_gaps(Result(measurements=[gap]))
    largest gap  feature        value     interval  smallest n  between
    Accuracy     sex      10.0 points  [0.0, 20.0]          40  between F and M
    """
    screen = out or console()
    rows = main_gaps(result)
    table = _table(["largest gap", "feature", "value", "interval", "smallest n", "between"])
    for row in rows:
        feature = safe_label(str((row.against or {})["features"][0]), target="terminal")
        title = metric_title(row.metric.removesuffix("_difference"))
        between = safe_label(row.reason or "", target="terminal", limit=60) if row.reason else ""
        table.add_row(title, feature, value_text(row), interval_text(row), f"{row.n:,}", between)
    if rows:
        screen.print(table)


def print_gate(gate: GateResult, *, result: Result | None = None, out: Console | None = None) -> None:
    """Print who is not audited, then each requirement with its numbers and verdict in words, the failing ones first.

    Parameters
    ----------
    gate
        The verdicts.
    result
        What was judged, where it is at hand: it says which group has the smallest n, and which ones are too small.
    out
        Where to print.

    Examples
    --------
    >>> from checklists.gate_result import Judgement
    >>> from checklists.policy import Policy
    >>> from checklists.requirement import Requirement
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> missed = Judgement(requirement=asked, verdict="INSUFFICIENT", reason="12 rows, fewer than 30")
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> print_gate(GateResult(judgements=(missed,), policy=policy, result="ab12", false_fail_level=0.05))
    requirement  value  interval          limit  smallest n  verdict
    accuracy                      at least 60 %              not shown
    - accuracy: 12 rows, fewer than 30
    Verdict: INSUFFICIENT (not shown)
    """
    screen = out or console()
    for entry in gate.policy.not_auditable:
        screen.print(f"- {excuse(entry)}")
    table = _table(["requirement", "value", "interval", "limit", "smallest n", "verdict"])
    order = {"FAIL": 0, "INVALID": 1, "INSUFFICIENT": 2, "PASS": 3}
    notes: dict[str, list[str]] = {}
    for judged in sorted(gate.judgements, key=lambda each: order[each.verdict]):
        name = safe_label(judged.requirement.id, target="terminal", limit=40)
        verdict = Text(WORDS[judged.verdict], style=_STYLES[judged.verdict])
        row = judged.measurement
        subject = f"{name}\n  {whose(row)}" if whose(row) else name  # below it: beside it no terminal has the room
        table.add_row(subject, *gate_cells(judged, result), verdict)
        reason = "" if row is not None and whose(row) and judged.reason == row.reason else judged.reason or ""
        for note in (reason, not_counted(judged, gate.policy, result)):
            if note:
                notes.setdefault(safe_label(note, target="terminal", limit=400), []).append(name)
    screen.print(table)
    for note, names in notes.items():
        screen.print(f"- {', '.join(names)}: {note}")
    screen.print(f"Verdict: {gate.verdict} ({WORDS[gate.verdict]})", style=_STYLES[gate.verdict])


def print_plan(plan: Plan, *, out: Console | None = None) -> None:
    """Print how many rows each group has and the smallest gap that they can decide, for the headline metrics.

    Examples
    --------
    Two groups with standard error .02 each: (1.960 + 1.282) * .02 * sqrt(2) (`checklists.planning.decidable_gap`).

    >>> from checklists.planning import PlanRow
    >>> row = PlanRow(feature="sex", metric="accuracy", sizes=(("F", 900), ("M", 800)),
    ...               errors=(("F", 0.02), ("M", 0.02)), decidable_gap=0.0917)
    >>> print_plan(Plan(level=0.95, min_n=30, rows=(row,)))
    What this data can decide
    feature  metric    smallest gap  n per group
    sex      Accuracy    9.2 points  F 900, M 800
    Smallest gap: the limit that equal groups would be shown to keep with 80 % power at 95 %. Groups with n below 30 are
    left out of it.
    """
    rows = []
    for row in plan.rows:
        if row.metric not in HEADLINES:
            continue
        sizes = ", ".join(f"{safe_label(group, target='terminal', limit=28)} {n:,}" for group, n in row.sizes)
        gap = "too few rows" if row.decidable_gap is None else f"{100 * row.decidable_gap:.1f} points"
        rows.append([safe_label(row.feature, target="terminal", limit=28), metric_title(row.metric), gap, sizes])
    print_rows("What this data can decide", ["feature", "metric", "smallest gap", "n per group"], rows, out=out)
    screen = out or console()
    screen.print(
        f"Smallest gap: the limit that equal groups would be shown to keep with 80 % power at {100 * plan.level:g} %. "
        f"Groups with n below {plan.min_n} are left out of it."
    )


def print_rows(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, out: Console | None = None) -> None:
    """Print a table of texts.

    Examples
    --------
    >>> print_rows("Sizes", ["feature", "n"], [["sex", "90"]])
    Sizes
    feature   n
    sex      90
    """
    screen = out or console()
    table = _table(head)
    table.title = Text(title, style="bold")
    table.title_justify = "left"
    for row in rows:
        table.add_row(*row)
    screen.print(table)


_LEFT = frozenset(
    {"feature", "metric", "between", "verdict", "n per group", "to have it", "what", "for whom", "how sure", "log"}
)


def _table(head: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(head):
        left = not place or name in _LEFT
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    return table


def _cell(row: Measurement | None) -> str:
    if row is None:
        return ""
    few = row.value is None or row.n < FEW
    return f"{value_text(row)} {interval_text(row)}".strip() + (f" (n = {row.n:,})" if few else "")


def _level(result: Result) -> str:
    levels = sorted({row.level for row in result.measurements if row.level is not None})
    return ", ".join(f"{100 * level:g} %" for level in levels) or "no level"
