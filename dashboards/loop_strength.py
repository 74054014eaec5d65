"""How strong a feedback loop is, in sentences without the field's words, each from one row."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from audit.measurement import Measurement
from audit.result import Result
from dashboards.loops import GAIN, GAP, TREND, known_rows
from dashboards.tables import is_small


def strength_sentences(result: Result, *, min_cell: int) -> tuple[str, ...]:
    """Return how strong the feedback loops of a run are; that nothing tells it where nothing does.

    Parameters
    ----------
    result
        Made by `monitors.feedback.run.run_loops`.
    min_cell
        Numbers that rest on fewer rows are not told.

    Examples
    --------
    >>> row = Measurement(metric="loop_gain", value=0.4, low=0.2, high=0.6, n=520, level=0.95, method="x")
    >>> strength_sentences(Result(measurements=[row]), min_cell=10)
    ('Of every extra bit of attention, about 40 % comes back in what the model is trained on (20 % to 60 %, n = 520). \
If it stays so, a first advantage ends up 1.7 times as large.',)
    """
    said = []
    for name, sentence in _STRENGTH.items():
        rows = [row for row in known_rows(result, name) if not row.slice and not is_small(row, min_cell=min_cell)]
        said += [sentence(rows[0])] if rows else []
    return tuple(said) or ("Nothing that tells how strong a loop is could be measured; log what is named below.",)


def _gain(row: Measurement) -> str:
    text = (
        f"Of every extra bit of attention, about {_percent(row.value)} comes back in what the model is trained on"
        f"{_range(row)}."
    )
    value = row.value or 0.0
    if value >= 1:
        return f"{text} At 100 % or more a first advantage grows without end."
    high = row.high if row.high is not None else value
    if high >= 1:
        return f"{text} 100 %, from where on a first advantage grows without end, is not ruled out."
    grown = f" If it stays so, a first advantage ends up {1 / (1 - value):.1f} times as large." if value > 0 else ""
    return text + grown


_BETTER: Mapping[str, str] = MappingProxyType(
    {
        "r2_score": "the model explains {} points more of the differences between cases",
        "brier_skill_score": "the model's forecasts seem {} points more skilful (100 would be perfect)",
        "accuracy": "the model is right {} points more often",
    }
)


def _gap(row: Measurement) -> str:
    quality = next((name for name in _BETTER if name in row.method), "")
    better = _BETTER.get(quality, "the model looks {} points better").format(f"{100 * (row.value or 0.0):.0f}")
    return f"On data that it influenced, {better} than on the hold-out that it never touched{_range(row, '')}."


def _trend(row: Measurement) -> str:
    unsure = row.low is None or row.high is None or row.low <= 0 <= row.high
    more = "; it may as well stay as it is" if unsure else ""
    change = _number(100 * (row.value or 0.0), 1)
    return f"With each retraining that gap changes by {change} points{_range(row, '', digits=1)}{more}."


def _usage(row: Measurement) -> str:
    return f"The model's output was seen or used in {_percent(row.value)} of the rows{_range(row)}."


def _adherence(row: Measurement) -> str:
    return f"People who see its proposal decide so {100 * (row.value or 0.0):.0f} points more often{_range(row, '')}."


def _coverage(row: Measurement) -> str:
    return f"How it turned out is known for {_percent(row.value)} of the decisions{_range(row)}."


def _unequal(row: Measurement) -> str:
    return (
        "On a scale from 0 (all items are shown alike) to 1 (one gets everything), what the model shows lies "
        f"{abs(row.value or 0.0):.2f} {'above' if (row.value or 0.0) >= 0 else 'below'} what is shown without it"
        f"{_range(row, '', scale=1, digits=2)}."
    )


_STRENGTH: Mapping[str, Callable[[Measurement], str]] = MappingProxyType(
    {
        GAIN: _gain,
        GAP: _gap,
        TREND: _trend,
        "usage": _usage,
        "adherence_difference": _adherence,
        "outcome_coverage": _coverage,
        "gini_index_difference": _unequal,
    }
)


def _percent(value: float | None) -> str:
    return _number(100 * (value or 0.0), 0) + " %"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", "−")


def _range(row: Measurement, unit: str = " %", *, scale: float = 100, digits: int = 0) -> str:
    """Return interval and n in brackets: " (87 % to 109 %, n = 520)"."""
    if row.low is None or row.high is None:
        return f" (n = {row.n:,})"
    digits += _number(scale * row.low, digits) == _number(scale * row.high, digits)  # rather "99.9 % to 100.0 %"
    low, high = (_number(scale * end, digits) + unit for end in (row.low, row.high))
    return f" ({low} to {high}, n = {row.n:,})" if low != high else f" (n = {row.n:,})"
