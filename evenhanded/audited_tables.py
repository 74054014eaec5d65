"""What ``evenhanded audit`` prints beside rates and gaps: impact ratios, and who is in the data."""

from rich.console import Console

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import slice_label
from dashboards.tables import interval_text, value_text
from evenhanded.printing import MAX_GROUPS, console, print_rows

_FOUR_FIFTHS = 0.8


def print_impact(result: Result, *, out: Console | None = None) -> None:
    """Print the impact ratios, the lowest first, and which are shown to lie below four fifths; nothing without any.

    Examples
    --------
    >>> facts = {"metric": "impact_ratio", "against": {"kind": "slice", "slice": {"sex": "M"}}, "n": 90, "level": 0.95,
    ...          "method": "koopman"}
    >>> row = Measurement(slice=(("sex", "F"),), value=0.6, low=0.5, high=0.7, **facts)
    >>> print_impact(Result(measurements=[row]))
    Impact ratios
    group    rate / highest rate      interval   n  below .8
    sex = F                 0.60  [0.50, 0.70]  90     shown
    """
    found = [row for row in result.measurements if row.metric == "impact_ratio"]
    found.sort(key=lambda row: (len(row.slice), 2.0 if row.value is None else row.value))
    rows = [
        [slice_label(row.slice, target="terminal", limit=40), value_text(row), interval_text(row), f"{row.n:,}",
         _four_fifths(row)]
        for row in found[:MAX_GROUPS]
    ]  # fmt: skip
    if rows:
        head = ["group", "rate / highest rate", "interval", "n", "below .8"]
        print_rows("Impact ratios", head, rows, out=out)
    if len(found) > MAX_GROUPS:
        (out or console()).print(f"... and {len(found) - MAX_GROUPS} more; all of them stand in the JSON")


def print_population(result: Result, *, out: Console | None = None) -> None:
    """Print the share of each group in the data over that in the reference population; nothing without any.

    Examples
    --------
    >>> facts = {"slice": (("sex", "F"),), "n": 90, "level": 0.95, "method": "wilson, simultaneous over 2"}
    >>> rows = [Measurement(metric="representation_share", value=0.2, low=0.1, high=0.3, **facts),
    ...         Measurement(metric="representation_ratio", value=0.4, low=0.2, high=0.6, **facts)]
    >>> print_population(Result(measurements=rows))
    Who is in the data
    group     share  share / share in the population      interval   n
    sex = F  20.0 %                             0.40  [0.20, 0.60]  90
    """
    ratios = {row.slice: row for row in result.measurements if row.metric == "representation_ratio"}
    shares = [row for row in result.measurements if row.metric == "representation_share"]
    rows = []
    for share in shares[:MAX_GROUPS]:
        ratio = ratios.get(share.slice)
        shown = ["not in the population", ""] if ratio is None else [value_text(ratio), interval_text(ratio)]
        rows.append([slice_label(share.slice, target="terminal", limit=40), value_text(share), *shown, f"{share.n:,}"])
    if rows:
        head = ["group", "share", "share / share in the population", "interval", "n"]
        print_rows("Who is in the data", head, rows, out=out)
    if len(shares) > MAX_GROUPS:
        (out or console()).print(f"... and {len(shares) - MAX_GROUPS} more groups; all of them stand in the JSON")


def _four_fifths(row: Measurement) -> str:
    if row.low is None and row.high is None:
        return "the highest" if row.value == 1 else ""
    if row.high is not None and row.high < _FOUR_FIFTHS:
        return "shown"
    return "no" if row.low is not None and row.low >= _FOUR_FIFTHS else "not shown"
