"""What a person should hear of a training beside its numbers: how columns were read, what leaks, what is no better."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label

if TYPE_CHECKING:
    from trainer.data.card import CardRow
    from trainer.learner import Learner

MOST = 8
"""Names that a line lists; the others are counted."""

_KINDS = {
    "number": "numbers",
    "category": "categories",
    "ordered": "ordered categories",
    "date": "dates",
    "text": "texts, word by word",
}


def card_of(learner: "Learner") -> tuple["CardRow", ...]:
    """Return the card of the data that a learner holds; none where they have none of columns."""
    data: Any = learner.training_data()[0]
    rows = data.card() if hasattr(data, "card") else ()
    return tuple(row for row in rows if hasattr(row, "role"))


def columns_read(card: Sequence["CardRow"]) -> tuple[str, ...]:
    r"""Return how the features were read, a line by kind, and what is worth a second look.

    Examples
    --------
    >>> from trainer.data.card import CardRow
    >>> row = CardRow(name="day", role="feature", kind="category", n=9, levels=9, missing=0, unseen=4,
    ...               note="almost a value per row: an identifier?")
    >>> print(*columns_read([row]), sep="\n")
    reads as categories: day (9 values)
    note: 'day': almost a value per row: an identifier?
    """
    features = [row for row in card if row.role == "feature"]
    lines = []
    for kind, words in _KINDS.items():
        named = [_named(row) for row in features if row.kind == kind]
        more = f" and {len(named) - MOST} more" if len(named) > MOST else ""
        lines += [f"reads as {words}: {', '.join(named[:MOST])}{more}"] if named else []
    noted = [f"note: {_shown(row.name)!r}: {row.note}" for row in features if row.note]
    return (*lines, *noted[:MOST])


def leaks_of(card: Sequence["CardRow"]) -> tuple[Mapping[str, object], ...]:
    """Return what looks like a leak, as JSON values.

    Examples
    --------
    >>> from trainer.data.card import CardRow
    >>> row = CardRow(name="x", role="leak", kind="tells the label", n=9, levels=None, missing=0, unseen=0, note="all")
    >>> leaks_of([row])
    ({'column': 'x', 'kind': 'tells the label', 'rows': 9, 'note': 'all'},)
    """
    return tuple(
        {"column": row.name, "kind": row.kind, "rows": row.n, "note": row.note} for row in card if row.role == "leak"
    )


def leak_lines(leaks: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Return one warning per leak.

    Examples
    --------
    >>> leak_lines([{"column": "x", "kind": "tells the label", "rows": 9, "note": "alone removes 100 % of the errors"}])
    ("warning, a leak? 'x' tells the label, 9 rows: alone removes 100 % of the errors",)
    """
    lines = []
    for leak in leaks:
        about = f"{_shown(str(leak['column']))!r} {leak['kind']}, {leak['rows']:,} rows"
        lines.append(f"warning, a leak? {about}: {safe_label(str(leak['note']), target='terminal', limit=300)}")
    return tuple(lines)


def with_notes(result: Result, leaks: Sequence[Mapping[str, object]], together: Measurement | None) -> Result:
    """Return the result of a training with what looks like a leak, and how its models do together.

    Parameters
    ----------
    result
        From `trainer.evidence.training_rows.training_result`.
    leaks
        From `leaks_of`.
    together
        From `trainer.evidence.ensemble.ensemble_row`; None for a single model.

    Examples
    --------
    >>> row = Measurement(metric="valid_accuracy", at=(("round", 1),), value=0.7, n=90, method="mean")
    >>> one = Measurement(metric="valid_ensemble_accuracy", at=(("round", 1),), value=0.8, n=90, method="x")
    >>> [row.metric for row in with_notes(Result(measurements=[row]), (), one).measurements]
    ['valid_accuracy', 'valid_ensemble_accuracy']
    """
    rows = result.measurements
    if together is not None:
        rows = (*(row for row in rows if row.metric != together.metric), together)
    given = {**result.provenance.given, "leaks": [dict(leak) for leak in leaks]}
    return replace(result, measurements=rows, provenance=replace(result.provenance, given=given))


def validation_lines(learner: "Learner", together: Measurement | None) -> tuple[str, ...]:
    """Return how well the model did on the validation rows, in words that say whose number it is.

    Parameters
    ----------
    learner
        Trained.
    together
        From `trainer.evidence.ensemble.ensemble_row`.
    """
    last, data = learner.history[-1], learner.training_data()[0]
    name, n = last.metric.replace("_", " "), f"on {len(data.split.valid):,} rows"
    if last.valid_value is None:
        reason = last.valid_reason if len(data.split.valid) else "no rows were kept for it"
        return (f"validation {name} unknown: {reason}",)
    constant = _constant(learner)
    beside = f"the best constant answer: {constant:.4f}"
    unit = " (in standard deviations of the train rows)" if learner.spec.target.kind == "number" else ""
    loss = f"loss unknown: {last.valid_reason}" if last.valid_loss is None else f"loss {last.valid_loss:.4f}{unit}"
    value = last.valid_value
    if together is None:
        lines = [f"validation {name} {value:.4f}, {loss}, {n}; {beside}"]
    else:
        whose = f"the mean of {learner.models} single models, {loss}, {n}; {beside}"
        lines = [
            f"validation {name} {value:.4f}: {whose}",
            f"validation {name} of the ensemble, which is what predicts: {_told(together)}, {n}",
        ]
    known = value if together is None or together.value is None else together.value
    worse = known >= constant if learner.spec.target.metric == "mean_absolute_error" else known <= constant
    if worse:
        lines.append("note: that is no better than a constant answer: look at the inputs, or train longer")
    return tuple(lines)


def _constant(learner: "Learner") -> float:
    """Return what the best constant answer reaches on the validation rows."""
    from trainer.evidence.health import constant_metric

    source = learner.training_data()[1]
    return constant_metric(source.take(learner.rows("valid")).target, learner.spec.target)


def _told(row: Measurement) -> str:
    value = "unknown" if row.value is None else f"{row.value:.4f}"
    known = row.low is not None and row.high is not None and row.level is not None
    return value + (f" [{row.low:.4f}, {row.high:.4f}] at {row.level:.0%}" if known else "")


def _named(row: "CardRow") -> str:
    values = f" ({row.levels:,} values)" if row.kind in ("category", "ordered") and row.levels is not None else ""
    return f"{_shown(row.name)}{values}"


def _shown(name: str) -> str:
    return safe_label(name, target="terminal", limit=60)
