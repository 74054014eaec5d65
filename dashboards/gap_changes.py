"""Whether the gap between groups grew or shrank from the baseline to a candidate: a sentence per headline metric."""

from collections.abc import Collection, Sequence
from itertools import permutations
from typing import NamedTuple

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.changes import HEADLINES, baseline, candidates
from dashboards.labels import group_label, safe_label
from dashboards.tables import number_text
from dashboards.words import metric_title, unit_of

_ENDING = "_change_difference"


class GapChange(NamedTuple):
    """How far two groups lie apart under both models: first minus second.

    Examples
    --------
    >>> row = Measurement(metric="accuracy_change_difference", value=0.2, low=0.1, high=0.3, n=90, level=0.95,
    ...                   method="x")
    >>> GapChange(row, (("sex", "M"),), (("sex", "F"),), before=0.05, after=0.25).grew
    True
    """

    row: Measurement
    first: Slice
    second: Slice
    before: float
    after: float

    @property
    def grew(self) -> bool:
        """Whether the groups lie further apart now, whichever is ahead."""
        return abs(self.after) > abs(self.before)

    @property
    def sure(self) -> bool:
        """Whether the interval of the change leaves 0 out."""
        return self.row.low is not None and self.row.high is not None and (self.row.low > 0 or self.row.high < 0)


def gap_sentences(
    result: Result,
    *,
    candidate: str | None = None,
    metrics: Sequence[str] = HEADLINES,
    min_cell: int = 0,
    hidden: Collection[Slice] = (),
) -> tuple[str, ...]:
    """Return for each metric how the two groups whose changes differ most moved: apart, together, or not shown to.

    Parameters
    ----------
    result
        A comparison of models on the same rows.
    candidate
        Which candidate; None = the first.
    metrics
        Names of metrics.
    min_cell, hidden
        What rests on fewer rows, or on these groups, is left out.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.paired.comparison import run_compare
    >>> frame = pa.table({"y": [1] * 200, "new": [0, 1] * 100, "old": [1] * 200, "sex": list("FM") * 100})
    >>> result = run_compare(frame, y_true="y", candidate="new", baseline="old", sensitive_features=["sex"])
    >>> print(gap_sentences(result, metrics=["accuracy"])[0])
    Accuracy: the gap between M and F grew, from 0.0 points with old to +100.0 points with new: by +100.0
    points [+90.8, +103.9], n = 100.
    """
    names = candidates(result)
    if not names:
        return ()
    name = candidate if candidate is not None else names[0]
    at = (("model_version", name),) if len(names) > 1 else ()
    texts = []
    for metric in metrics:
        rows = [row for row in result.measurements if row.metric == metric + _ENDING and row.at == at and not row.slice]
        kept = [row for row in rows if row.value is not None and row.n >= max(min_cell, 1)]
        found = [change for row in kept if (change := _change(result, row, metric, name, hidden)) is not None]
        if found:
            most = max(found, key=lambda each: (each.sure, abs(each.row.value or 0.0)))
            texts.append(_sentence(most, metric, result, name))
    return tuple(texts)


def unpublished_sentence(result: Result, *, hidden: Collection[Slice]) -> str:
    """Return that gaps may not be told, where groups that are hidden take part in them; "" where nothing is kept back.

    Examples
    --------
    >>> unpublished_sentence(Result(measurements=()), hidden=[(("sex", "F"),)])
    ''
    """
    among = (row for row in result.measurements if row.metric.endswith(_ENDING) and not row.slice)
    if not hidden or not any(True for _ in among):
        return ""
    return "Whether every gap between groups grew or shrank is not told here, to protect groups too small to publish."


def _change(result: Result, row: Measurement, metric: str, name: str, hidden: Collection[Slice]) -> GapChange | None:
    """Return the two groups that the row speaks of; None where one is hidden or a value is missing."""
    against = row.against or {}
    features = tuple(against.get("features") or ())
    if against.get("kind") != "groups" or len(features) != 1 or row.value is None:
        return None
    values = {(each.slice, dict(each.at).get("model_version")): each.value for each in result.measurements
              if each.metric == metric and each.against is None and len(each.at) == 1}  # fmt: skip
    among: list[Slice] = [tuple(zip(features, group, strict=True)) for group in against.get("among") or ()]
    for first, second in permutations(among, 2):
        sides = [[values.get((group, model)) for group in (first, second)] for model in (baseline(result), name)]
        known = [[value for value in side if value is not None] for side in sides]
        if any(len(side) < 2 for side in known):
            continue
        before, after = (side[0] - side[1] for side in known)
        if abs(after - before - row.value) < 1e-9:
            return None if {first, second} & {*hidden} else GapChange(row, first, second, before, after)
    return None


def _sentence(change: GapChange, metric: str, result: Result, name: str) -> str:
    row = change.row
    old, new = (safe_label(model, target="text", limit=40) for model in (baseline(result), name))
    whom = f"the gap between {group_label(change.first, limit=40)} and {group_label(change.second, limit=40)}"
    if not change.sure:
        moved = "is not shown to have grown or shrunk,"
    elif change.before * change.after < 0:
        moved = "turned round,"
    else:
        moved = f"{'grew' if change.grew else 'shrank'},"
    unit = unit_of(row.metric)
    ends = [_signed(value, unit) for value in (change.before, change.after, row.value or 0.0)]
    word = " points" if unit == "points" else ""
    span = "" if row.low is None or row.high is None else f" [{_signed(row.low, unit)}, {_signed(row.high, unit)}]"
    return (
        f"{metric_title(metric)}: {whom} {moved} from {ends[0]}{word} with {old} to {ends[1]}{word} with {new}: by "
        f"{ends[2]}{word}{span}, n = {row.n:,}."
    )


def _signed(value: float, unit: str) -> str:
    return number_text(value, unit="points" if unit == "points" else "number", signed=True)
