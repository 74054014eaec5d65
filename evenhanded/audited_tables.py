"""What ``evenhanded audit`` prints beside rates and gaps: impact ratios, who is in the data, who else decides."""

from dataclasses import replace

from rich.console import Console

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import slice_label
from dashboards.tables import interval_text, value_text
from evenhanded.printing import FEW, MAX_GROUPS, console, more_text, print_rows

_FOUR_FIFTHS = 0.8
_DECIDERS = ("model", "human", "final")
_OVERRIDES = {"helpful_override_rate": "helpful overrides", "harmful_override_rate": "harmful overrides"}


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
        (out or console()).print(more_text(len(found) - MAX_GROUPS))


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
        (out or console()).print(more_text(len(shares) - MAX_GROUPS, "groups"))


def print_deciders(result: Result, *, out: Console | None = None) -> None:
    """Print how often model, person and final decision are wrong in each group, and what overriding does there.

    Examples
    --------
    >>> facts = {"n": 200, "level": 0.95, "method": "wilson"}
    >>> at = [(("model_version", name),) for name in ("model", "final")]
    >>> rows = [Measurement(metric="accuracy", at=at[0], value=0.7, low=0.65, high=0.75, **facts),
    ...         Measurement(metric="accuracy", at=at[1], value=0.8, low=0.75, high=0.85, **facts),
    ...         Measurement(metric="helpful_override_rate", value=0.12, low=0.1, high=0.2, **facts),
    ...         Measurement(metric="harmful_override_rate", value=0.02, low=0.01, high=0.05, **facts)]
    >>> print_deciders(Result(measurements=rows))
    Wrong decisions, and overrides of the model, of labelled rows
    group             model wrong        final wrong  helpful overrides  harmful overrides
    everyone  30.0 % [25.0, 35.0]  20.0 % [15.0, 25.0]  12.0 % [10.0, 20.0]  2.0 % [1.0, 5.0]
    """
    rows = [row for row in result.measurements if row.against is None and row.window is None and len(row.slice) <= 1]
    decided = {(row.slice, row.at[0][1]): row for row in rows if row.metric == "accuracy" and _is_of_decider(row)}
    overridden = {(row.slice, row.metric): row for row in rows if row.metric in _OVERRIDES and not row.at}
    if not decided and not overridden:
        return
    deciders = [name for name in _DECIDERS if any(decider == name for _, decider in decided)]
    shown = [name for name in _OVERRIDES if any(metric == name for _, metric in overridden)]
    slices = list(dict.fromkeys(group for group, _ in (*decided, *overridden)))
    table = [
        [slice_label(group, target="terminal", limit=28), *(_wrong(decided.get((group, name))) for name in deciders),
         *(_share(overridden.get((group, name))) for name in shown)]
        for group in slices
    ]  # fmt: skip
    head = ["group", *(f"{name} wrong" for name in deciders), *(_OVERRIDES[name] for name in shown)]
    print_rows("Wrong decisions, and overrides of the model, of labelled rows", head, table[:MAX_GROUPS], out=out)
    if len(table) > MAX_GROUPS:
        (out or console()).print(more_text(len(table) - MAX_GROUPS, "groups"))


def _is_of_decider(row: Measurement) -> bool:
    return len(row.at) == 1 and row.at[0][0] == "model_version" and row.at[0][1] in _DECIDERS


def _wrong(row: Measurement | None) -> str:
    """Return the share of wrong decisions: what is left of accuracy, and its interval turned round."""
    if row is None or row.value is None:
        return _share(row)
    high, low = (None if end is None else 1.0 - end for end in (row.low, row.high))
    return _share(replace(row, value=1.0 - row.value, low=low, high=high))


def _share(row: Measurement | None) -> str:
    if row is None:
        return ""
    few = f" (n = {row.n:,})" if row.value is None or row.n < FEW else ""
    return f"{value_text(row)} {interval_text(row)}".strip() + few


def _four_fifths(row: Measurement) -> str:
    if row.low is None and row.high is None:
        return "the highest" if row.value == 1 else ""
    if row.high is not None and row.high < _FOUR_FIFTHS:
        return "shown"
    return "no" if row.low is not None and row.low >= _FOUR_FIFTHS else "not shown"
