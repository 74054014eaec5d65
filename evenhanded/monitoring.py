"""What `evenhanded monitor` shows in a terminal."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from audit.result import Alarm, Result
from dashboards.labels import safe_label
from dashboards.monitoring import changes_of, lead_sentences
from evenhanded.printing import print_rows


def print_monitoring(result: Result, *, new: Sequence[Alarm] | None = None, out: Console) -> int:
    """Print what changed, and return how many changes are shown.

    Parameters
    ----------
    result
        Of `monitors.run.run_monitors`.
    new
        Show only these alarms of the result; None = all.
    out
        Where to print.

    Examples
    --------
    >>> from io import StringIO
    >>> print_monitoring(Result(measurements=()), out=Console(file=StringIO()))
    0
    """
    shown = result if new is None else replace(result, alarms=tuple(new))
    changes = changes_of(shown)
    if changes:
        titles = ["since", "what", "for whom", "before", "now", "how sure"]
        rows = [
            [f"{change.since:%Y-%m-%d}", change.subject, change.whom, change.before, change.now, change.evidence]
            for change in changes
        ]
        print_rows("What changed", titles, rows, out=out)
    for sentence in lead_sentences(shown, of=None if new is None else result):
        out.print(safe_label(sentence, target="terminal", limit=800))
    return len(changes)
