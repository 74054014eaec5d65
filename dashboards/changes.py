"""What a comparison of models says, in the order in which people need it: who got worse, what is unknown, the rest."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from audit.measurement import Measurement, Slice
from audit.paired.paired_models import models_of
from audit.paired.paired_rows import Outcome, outcome_of
from audit.publishing.redaction import hidden_slices as hidden_of
from audit.result import Result
from dashboards.labels import safe_label, slice_label
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title

HEADLINES = (
    "false_negative_rate",
    "false_positive_rate",
    "accuracy",
    "selection_rate",
    "precision",
    "roc_auc",
)
"""What tables lead with; the other metrics stand in the JSON and on the page."""

OUTCOMES: Mapping[Outcome, str] = MappingProxyType(
    {"worse": "✕ worse", "changed": "△ changed", "not shown": "◇ not shown", "better": "✓ better"}
)
"""In the order in which they are read."""

LISTED = 12
"""So many changes for the worse are told one by one."""


class Shown(NamedTuple):
    """One change with what it shows, and the values under both models.

    Examples
    --------
    >>> row = Measurement(metric="accuracy_difference", against={"kind": "model", "model_version": "old"}, value=0.1,
    ...                   low=0.05, high=0.15, n=90, level=0.95, method="paired_score")
    >>> Shown(row, "better").outcome
    'better'
    """

    row: Measurement
    outcome: Outcome
    before: Measurement | None = None
    after: Measurement | None = None

    @property
    def metric(self) -> str:
        """The metric that changed."""
        return self.row.metric.removesuffix("_difference")


def candidates(result: Result) -> tuple[str, ...]:
    """Return the names of the candidates; none where the result compares no models on the same rows.

    Examples
    --------
    >>> candidates(Result(measurements=()))
    ()
    """
    models = models_of(result)
    return () if models is None else tuple(model.name for model in models.candidates)


def baseline(result: Result) -> str:
    """Return the name of the baseline; "" where there is none.

    Examples
    --------
    >>> baseline(Result(measurements=()))
    ''
    """
    models = models_of(result)
    return "" if models is None else models.baseline.name


def changes(
    result: Result,
    *,
    metrics: Sequence[str] = HEADLINES,
    features: Sequence[str] | None = None,
    candidate: str | None = None,
    min_cell: int = 0,
    hidden: Collection[Slice] = (),
) -> tuple[Shown, ...]:
    """Return the changes of everyone and of single features' groups: worse, changed, not shown, better; largest first.

    Parameters
    ----------
    result
        A comparison.
    metrics
        Names of metrics.
    features
        The groups of this combination of features alone; None = everyone and all groups of single features.
    candidate
        Which candidate; None = the first.
    min_cell, hidden
        Changes that rest on fewer rows, and those of these groups, are left out.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.paired.comparison import run_compare
    >>> frame = pa.table({"y": [1] * 100, "new": [0] * 60 + [1] * 40, "old": [1] * 100, "sex": list("FM") * 50})
    >>> result = run_compare(frame, y_true="y", candidate="new", baseline="old", sensitive_features=["sex"])
    >>> [(shown.metric, shown.outcome) for shown in changes(result, metrics=["accuracy"])][:1]
    [('accuracy', 'worse')]
    """
    names = candidates(result)
    if not names:
        return ()
    name = candidate if candidate is not None else names[0]
    at = (("model_version", name),) if len(names) > 1 else ()
    wanted = {f"{metric}_difference" for metric in metrics}
    plain = {(row.metric, row.slice, row.at): row for row in result.measurements if row.against is None}
    found = []
    for row in result.measurements:
        if row.metric not in wanted or row.at != at or row.against is None or row.against["kind"] != "model":
            continue
        if not _asked_for(row.slice, features) or row.n < min_cell or row.slice in hidden:
            continue
        sides = [
            plain.get((row.metric.removesuffix("_difference"), row.slice, (("model_version", model),)))
            for model in (baseline(result), name)
        ]
        found.append(Shown(row, outcome_of(row), sides[0], sides[1]))
    order = {outcome: place for place, outcome in enumerate(OUTCOMES)}
    return tuple(sorted(found, key=lambda shown: (order[shown.outcome], -abs(shown.row.value or 0.0))))


def hidden_slices(result: Result, *, min_cell: int) -> frozenset[Slice]:
    """Return the groups of single features whose numbers are not published, small ones and those that protect them.

    Examples
    --------
    >>> hidden_slices(Result(measurements=()), min_cell=10)
    frozenset()
    """
    return hidden_of(result, metrics=(), compared=HEADLINES, min_cell=min_cell)


def change_sentence(shown: Shown) -> str:
    """Return what one change says: "False negative rate, sex = F: +4.0 points [1.2, 6.9] (from 20.0 % to 24.0 %)".

    Examples
    --------
    >>> row = Measurement(metric="accuracy_difference", against={"kind": "model", "model_version": "old"}, value=0.1,
    ...                   low=0.05, high=0.15, n=90, level=0.95, method="paired_score")
    >>> change_sentence(Shown(row, "better"))
    'Accuracy, everyone: +10.0 points [+5.0, +15.0], n = 90'
    """
    row = shown.row
    interval = interval_text(row)
    text = f"{metric_title(shown.metric)}, {slice_label(row.slice, limit=40)}: {value_text(row)}"
    text += f" {interval}" if interval else ""
    if shown.before is not None and shown.after is not None and row.value is not None:
        text += f" (from {value_text(shown.before)} to {value_text(shown.after)})"
    return f"{text}, n = {row.n:,}"


def summary(
    result: Result, *, candidate: str | None = None, min_cell: int = 0, hidden: Collection[Slice] = ()
) -> tuple[str, ...]:
    """Return the sentences that a comparison begins with: who got worse for sure, what is unknown, who gained.

    Examples
    --------
    >>> summary(Result(measurements=()))
    ()
    """
    found = changes(result, candidate=candidate, min_cell=min_cell, hidden=hidden)
    if not found:
        return ()
    name = candidate if candidate is not None else candidates(result)[0]
    by_outcome: dict[Outcome, list[Shown]] = {
        outcome: [shown for shown in found if shown.outcome == outcome] for outcome in OUTCOMES
    }
    pair = f"{safe_label(name, target='text')} instead of {safe_label(baseline(result), target='text')}"
    worse, unknown = by_outcome["worse"], by_outcome["not shown"]
    texts = [
        f"With {pair}, {_counted(len(worse), 'number')} got worse for sure:"
        if worse
        else f"With {pair}, nothing that was measured got worse for sure. That is no proof that nothing did."
    ]
    texts += [change_sentence(shown) for shown in worse[:LISTED]]
    if unknown:
        widest = max(unknown, key=_room)
        texts.append(
            f"Not known, as the interval reaches both sides of 0: {_counted(len(unknown), 'change')}. The least known: "
            f"{change_sentence(widest)}."
        )
    openings: tuple[tuple[Outcome, str], ...] = (
        ("changed", "Changed, neither good nor bad in itself"),
        ("better", "Better for sure"),
    )
    for outcome, opening in openings:
        rows = by_outcome[outcome]
        if rows:
            more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
            texts.append(f"{opening}: {'; '.join(map(change_sentence, rows[:3]))}{more}.")
    return tuple(texts)


def helped_and_harmed(
    result: Result, *, features: Sequence[str] | None = None, candidate: str | None = None
) -> tuple[tuple[Measurement, Measurement], ...]:
    """Return, per group, how many rows became right and how many became wrong; of whom and with whom as `changes`.

    Examples
    --------
    >>> helped_and_harmed(Result(measurements=()))
    ()
    """
    names = candidates(result)
    at = (("model_version", candidate or names[0]),) if len(names) > 1 else ()
    found: dict[Slice, dict[str, Measurement]] = {}
    for row in result.measurements:
        if row.metric in {"became_right", "became_wrong"} and row.at == at and _asked_for(row.slice, features):
            found.setdefault(row.slice, {})[row.metric] = row
    return tuple((pair["became_right"], pair["became_wrong"]) for pair in found.values() if len(pair) == 2)


def _asked_for(pairs: Slice, features: Sequence[str] | None) -> bool:
    return len(pairs) <= 1 if features is None else tuple(name for name, _ in pairs) == tuple(sorted(features))


def _room(shown: Shown) -> float:
    row = shown.row
    if row.value is None or row.low is None or row.high is None:
        return float("inf")
    return row.high - row.low


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
