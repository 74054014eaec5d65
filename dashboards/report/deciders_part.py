"""What a report says of people beside the model: rows left to them, who decides how well, what overriding does."""

from collections.abc import Sequence

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import slice_label
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.tables import DEFAULT_MIN_CELL, cell_text, interval_text, value_text

_DECIDERS = ("model", "human", "final")
_OVERRIDES = ("override_rate", "helpful_override_rate", "harmful_override_rate", "corrected_error_rate")


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return what is to be said of deferral and of overrides; nothing where the result has neither.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    return (*_deferral(result, min_cell), *_deciders(result, min_cell))


def _deferral(result: Result, min_cell: int) -> tuple[Section, ...]:
    rate = _plain(result, "deferral_rate")
    if rate is None:
        return ()
    names = ("deferral_rate", "accuracy", "decided_accuracy", "accuracy_if_deferred_right")
    rows = [row for name in names if (row := _plain(result, name)) is not None]
    text = (
        f"The model leaves {cell_text(rate)} of all rows to a person. A deferred row never counts as right: error "
        f"rates on this page count it as wrong, so that deferring hard cases improves none of them. Rates of the "
        f"decided rows alone, and what they would be if every deferred row were decided rightly, stand below."
    )
    return (
        Section(
            title="Left to people",
            text=f"{text}\n\n{_by_group(result, 'deferral_rate', min_cell)}",
            measurements=tuple(rows),
        ),
    )


def _deciders(result: Result, min_cell: int) -> tuple[Section, ...]:
    rows = [
        row
        for metric in ("accuracy", "false_positive_rate", "false_negative_rate")
        for decider in _DECIDERS
        for row in result.measurements
        if row.metric == metric and row.at == (("model_version", decider),) and not row.slice and row.against is None
    ]
    if not rows:
        return ()
    overrides = [row for name in _OVERRIDES if (row := _plain(result, name)) is not None]
    deferring = any(row.metric == "deferral_rate" for row in result.measurements)
    parts = (
        [_override_sentence(overrides, deferring=deferring), _by_group(result, "harmful_override_rate", min_cell)]
        if overrides
        else []
    )
    text = "\n\n".join([part for part in parts if part] or ["Model and people decided the same rows."])
    return (Section(title="Model, human and final decision", text=text, measurements=(*overrides, *rows)),)


def _plain(result: Result, metric: str) -> Measurement | None:
    wanted = (row for row in result.measurements if row.metric == metric and not (row.at or row.slice))
    return next((row for row in wanted if row.against is None), None)


def _override_sentence(overrides: Sequence[Measurement], *, deferring: bool) -> str:
    by_name = {row.metric: row for row in overrides}
    helpful, harmful = by_name.get("helpful_override_rate"), by_name.get("harmful_override_rate")
    if helpful is None or harmful is None or helpful.value is None or harmful.value is None:
        return ""
    net = round(100 * (helpful.value - harmful.value), 1)
    rows = "labelled rows that it had decided" if deferring else "labelled rows"
    adds, to = ("adds", "to") if net > 0 else ("takes", "from")
    change = (
        f"That {adds} {abs(net):.1f} points {to} the accuracy there." if net else "That leaves the accuracy as it is."
    )
    return (
        f"Overriding the model corrected {value_text(helpful)} {interval_text(helpful)} of the {rows} and spoiled "
        f"{value_text(harmful)} {interval_text(harmful)}. {change}"
    )


def _by_group(result: Result, metric: str, min_cell: int) -> str:
    """Return for whom a rate differs most for sure from the rest; that none does; nothing without groups."""
    hidden = hidden_groups(result, min_cell=min_cell)
    rows = [
        row
        for row in result.measurements
        if row.metric == f"{metric}_difference"
        and row.slice not in hidden
        and row.against == {"kind": "rest"}
        and not row.at
        and row.n >= min_cell
        and None not in (row.value, row.low, row.high)
    ]
    if not rows:
        return ""
    name = metric.replace("_", " ")
    # Of two groups one lies as far above as the other below: the one above is whom the rate falls on.
    worst = max(rows, key=lambda row: (round(max(row.low or 0.0, -(row.high or 0.0)), 9), row.value, row.key()))
    if max(worst.low or 0.0, -(worst.high or 0.0)) <= 0:
        return f"For no group does the {name} differ for sure from that of the rest."
    side = "above" if (worst.value or 0.0) > 0 else "below"
    size = value_text(worst).lstrip("+−")
    return f"The {name} of {slice_label(worst.slice)} lies {size} {side} that of the rest {interval_text(worst)}."
