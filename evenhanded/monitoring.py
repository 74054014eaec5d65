"""What `evenhanded monitor` shows in a terminal."""

from datetime import datetime

from rich.console import Console

from audit.result import Result
from dashboards.labels import safe_label
from dashboards.monitoring import changes_of, lead_sentences
from evenhanded.printing import print_rows


def print_monitoring(result: Result, *, since: datetime | None, out: Console) -> int:
    """Print what changed, and return how many alarms are shown.

    Parameters
    ----------
    result
        Of `monitors.run.run_monitors`.
    since
        Show only what rang from this time on; None = all.
    out
        Where to print.

    Examples
    --------
    >>> from io import StringIO
    >>> print_monitoring(Result(measurements=()), since=None, out=Console(file=StringIO()))
    0
    """
    changes = [change for change in changes_of(result) if since is None or change.since >= since]
    if changes:
        titles = ["since", "what", "for whom", "before", "now", "how sure"]
        rows = [
            [f"{change.since:%Y-%m-%d}", change.subject, change.whom, change.before, change.now, change.evidence]
            for change in changes
        ]
        print_rows("What changed", titles, rows, out=out)
    for sentence in lead_sentences(result):
        out.print(safe_label(sentence, target="terminal", limit=800))
    return len(changes)
