"""What `evenhanded monitor --loops` shows in a terminal: three answers, six numbers, and what is not known."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from audit.measurement import Measurement
from audit.result import Alarm, Result
from dashboards.alarm_words import numbered
from dashboards.labels import safe_label
from dashboards.loop_columns import because, column_sentence, columns_to_log, unmeasured
from dashboards.loop_sentences import answers
from dashboards.loops import headline, limit_words, loop_alarms
from dashboards.tables import cell_text, interval_text, value_text
from evenhanded.printing import print_rows
from monitors.feedback.catalog import BY_NAME, CATALOG, FIRST

_COLUMNS = 3
_SHOWN = 100
_NOT_KNOWN = "not measured"


def print_loops(result: Result, *, new: Sequence[Alarm] | None = None, show_all: bool = False, out: Console) -> int:
    """Print what a log says of feedback loops, and return how many alarms are shown.

    Parameters
    ----------
    result
        Of `monitors.feedback.run.run_loops`.
    new
        Count only these of its alarms; None = all. What there is to say of a loop is said all the same.
    show_all
        Every metric by group and round, and why the others are not measured.
    out
        Where to print.

    Examples
    --------
    >>> from io import StringIO
    >>> print_loops(Result(measurements=()), out=Console(file=StringIO()))
    0
    """
    rang = loop_alarms(result)
    shown = rang if new is None else loop_alarms(replace(result, alarms=tuple(new)))
    told_below = set(map(column_sentence, columns_to_log(result)))
    for question, sentences in answers(result, min_cell=0).questions:
        out.print(question, style="bold")
        for sentence in sentences:
            if sentence not in told_below:
                out.print(f"  {safe_label(sentence, target='terminal', limit=800)}")
    if new is not None and rang:
        out.print(f"{len(shown) or 'None'} of {numbered(len(rang), 'alarm')} of loops {_is(len(shown))} new.")
    titles = ["metric", "now", "limit", "n"]
    print_rows("The first six numbers", titles, [_cells(result, name) for name in FIRST], out=out)
    if show_all:
        _print_all(result, out)
    _print_unknown(result, out, show_all=show_all)
    out.print(promise(result))
    return len(shown)


def _is(number: int) -> str:
    return "is" if number < 2 else "are"


def promise(result: Result) -> str:
    """Return how rarely a log without a loop rings, and for how many looks that holds.

    Examples
    --------
    >>> promise(Result(measurements=()))
    'A log without a loop rings with a chance of at most 5 %, in this one run: whoever looks every week looks often.'
    """
    settings = {**result.provenance.defaulted, **result.provenance.given}
    alpha = 100 * float(settings.get("alpha", 0.05))
    return (
        f"A log without a loop rings with a chance of at most {alpha:g} %, in this one run: whoever looks every week "
        "looks often."
    )


def _cells(result: Result, name: str) -> list[str]:
    metric, row = BY_NAME[name], headline(result, name)
    limit = limit_words(result, metric)
    if row is None or row.value is None:
        return [metric.title, _NOT_KNOWN, limit, ""]
    where = ", ".join(f"{key} {value}" for key, value in row.at if key not in {"k"})
    of = f" ({safe_label(where, target='terminal', limit=40)})" if where else ""
    return [metric.title, f"{value_text(row)} {interval_text(row)}".strip() + of, limit, f"{row.n:,}"]


def _print_all(result: Result, out: Console) -> None:
    order = {metric.name: place for place, metric in enumerate(CATALOG)}
    known = [row for row in result.measurements if row.value is not None]
    known.sort(key=lambda row: order.get(row.metric, len(order)))
    rows = [[row.metric, _whom(row), cell_text(row)] for row in known[:_SHOWN]]
    print_rows("All that was measured", ["metric", "for whom", "what"], rows, out=out)
    if len(known) > _SHOWN:
        out.print(f"... and {len(known) - _SHOWN:,} more rows; --json FILE holds them all")


def _whom(row: Measurement) -> str:
    parts = [f"{name} = {value}" for name, value in row.slice] + [f"{key} {value}" for key, value in row.at]
    return safe_label(", ".join(parts) or "everyone", target="terminal", limit=60)


def _print_unknown(result: Result, out: Console, *, show_all: bool) -> None:
    """Print what is not known: of the first six why; of the others how many, and what would tell most."""
    missing = unmeasured(result)
    told = [row for row in missing if show_all or row.metric in FIRST]
    if told:
        out.print("Not measured", style="bold")
    for row in told:
        text = f"{BY_NAME[row.metric].title}: {because(row)}. {BY_NAME[row.metric].obtain if show_all else ''}"
        out.print(f"  {safe_label(text.strip(), target='terminal', limit=800)}")
    if not show_all and len(missing) > len(told):
        left = len(missing) - len(told)
        out.print(f"{left} more are not measured; --all says why, and what to log for each.")
    columns = columns_to_log(result)[:_COLUMNS]
    if columns:
        named = ", ".join(f"{column.role} ({column.holds})" if column.holds else column.role for column in columns)
        out.print(f"What to log from tomorrow, what tells most first: {named}.")
