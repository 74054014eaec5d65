"""Verdicts where labels are missing: what the labelled rows show must hold whatever the other labels are."""

from datetime import date
from typing import Literal, NamedTuple

import numpy as np

from audit.largest import group_label
from audit.rollup import Cells, Partition, cells_of, partition
from audit.tally import Codes, Tally
from audit.unknowns.bounded_gaps import WORST
from audit.unknowns.outcome_coverage import has_bounds, unlabelled_rows
from audit.unknowns.relabelled import partly_labelled
from checklists.groups import whom
from checklists.judging import Case, Finding, judge_tally
from checklists.wording import interval

_HALVINGS = 6
_NAMED = 3


class Lacking(NamedTuple):
    """Unlabelled rows that a requirement depends on: how many, of how many rows, and by group, the most first.

    Examples
    --------
    >>> Lacking(300, 1000, (("F", 200), ("M", 100))).text
    '300 of 1,000 rows (30.0 %) have no true label (F 200, M 100)'
    """

    rows: int
    of: int
    groups: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """The share in words."""
        named = [f"{group} {rows:,}" for group, rows in self.groups[:_NAMED] if group]
        whom = f" ({', '.join(named)}{', ...' if len(self.groups) > _NAMED else ''})" if named else ""
        verb = "has" if self.rows == 1 else "have"
        return f"{self.rows:,} of {self.of:,} rows ({100 * self.rows / self.of:.1f} %) {verb} no true label{whom}"


def judge_with_unlabelled(case: Case, *, today: date) -> Finding:
    """Return the verdict of `checklists.judging.judge_tally`, or INSUFFICIENT where the missing labels could turn it.

    With ``missing_labels: bounds`` (the default) PASS and FAIL must hold for every assignment of labels to unlabelled
    rows that the requirement depends on (Manski's bounds, `audit.unknowns.bounded_gaps`); the measurement of such a
    verdict has the interval that allows for them. With ``missing_labels: ignore`` the labelled rows decide, and the
    reason says so.

    Raises
    ------
    EvidenceError, ValueError
        As `judge_tally`.

    Examples
    --------
    Ninety of a hundred labelled rows are right; of a hundred more nobody knows.

    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> from checklists.comparisons import comparison
    >>> from checklists.policy import Policy
    >>> from checklists.requirement import Requirement
    >>> frame = pa.table({"y": ["1"] * 100 + [None] * 100, "p": ["1"] * 90 + ["0"] * 10 + ["1"] * 100})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.8)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> case = Case(asked, policy, comparison("accuracy", "value"), tally, None)
    >>> judge_tally(case, today=date(2027, 3, 1)).verdict
    'PASS'
    >>> judge_with_unlabelled(case, today=date(2027, 3, 1)).verdict
    'INSUFFICIENT'
    """
    alone = judge_tally(case, today=today)
    if alone.verdict not in {"PASS", "FAIL"}:
        return alone
    lacking = lacking_labels(case)
    if not lacking.rows:
        return alone
    if (case.requirement.missing_labels or case.policy.missing_labels) == "ignore":
        note = f"{lacking.text} and are ignored (missing_labels: ignore): this speaks of the labelled rows only"
        return alone._replace(reason=_joined(alone.reason, note))
    worst = judge_tally(case._replace(missing_labels="bounds"), today=today)
    if worst.verdict == alone.verdict:
        note = f"{lacking.text}; this is so whatever their labels are"
        return worst._replace(reason=_joined(worst.reason, note))
    return Finding("INSUFFICIENT", worst.measurement or alone.measurement, _reason(case, alone, worst, lacking, today))


def lacking_labels(case: Case) -> Lacking:
    """Return the unlabelled rows that a requirement depends on, now and in the baseline.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> from checklists.comparisons import comparison
    >>> from checklists.policy import Policy
    >>> from checklists.requirement import Requirement
    >>> tally = count(PredictionLog.from_frame(pa.table({"y": ["1", None], "p": ["1", "0"]}), y_true="y", y_pred="p"))
    >>> asked = [Requirement(id=name, metric=name, min=0.8) for name in ("accuracy", "precision")]
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=tuple(asked))
    >>> [lacking_labels(Case(each, policy, comparison(each.metric, "value"), tally, None)).rows for each in asked]
    [1, 0]
    """
    concerned = whom(case.requirement, case.policy, case.tally)
    wanted = {*concerned.expected, *concerned.unexpected, concerned.reference}
    by_group: dict[str, int] = {}
    total = 0
    for tally in (case.tally, case.baseline if case.compared.compare == "baseline" else None):
        if tally is None:
            continue
        cells = cells_of(tally)
        slices = partition(cells, concerned.features)
        counted = [_counted(tally, metric, cells, slices) for metric in case.compared.rests_on]
        rows, of = (np.max([each[side] for each in counted], axis=0) for side in (0, 1))
        for place, group in enumerate(slices.groups):
            if group in wanted and (None not in group or group in concerned.expected):
                total += int(of[place])
                if rows[place]:
                    name = group_label(group) if group else ""
                    by_group[name] = by_group.get(name, 0) + int(rows[place])
    order = sorted(by_group.items(), key=lambda pair: (-pair[1], pair[0]))
    return Lacking(sum(by_group.values()), total, tuple(order))


def _reason(case: Case, alone: Finding, worst: Finding, lacking: Lacking, today: date) -> str:
    verb: dict[str, Literal["holds", "fails"]] = {"PASS": "holds", "FAIL": "fails"}
    parts = [f"{lacking.text}; on the labelled rows alone it {verb[alone.verdict]}"]
    if not all(has_bounds(case.tally, name) for name in case.compared.rests_on):
        parts.append(f"no worst case is known for {case.requirement.metric}; missing_labels: ignore would not ask")
        return "; ".join(parts)
    if worst.measurement is not None:
        parts.append(f"with {WORST} the interval is {interval(worst.measurement)}")
    share = labels_needed(case, alone, today=today)
    if share is not None:
        most = "all of them" if share >= 1 else f"about {round(share * lacking.rows):,} of them"
        parts.append(f"labels of {most} would decide if they turn out like the labelled ones")
    parts.append("a random sample of the unlabelled rows, labelled in full and weighted, needs fewer")
    return "; ".join(parts)


def labels_needed(case: Case, alone: Finding, *, today: date) -> float | None:
    """Return the share of unlabelled rows whose labels would uphold a verdict, if they were like the labelled ones.

    None where the log has clusters, or where new labels would change the verdict itself.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> from checklists.comparisons import comparison
    >>> from checklists.policy import Policy
    >>> from checklists.requirement import Requirement
    >>> frame = pa.table({"y": ["1"] * 100 + [None] * 100, "p": ["1"] * 90 + ["0"] * 10 + ["1"] * 90 + ["0"] * 10})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.7)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> case = Case(asked, policy, comparison("accuracy", "value"), tally, None)
    >>> alone = judge_tally(case, today=date(2027, 3, 1))
    >>> 0.6 < labels_needed(case, alone, today=date(2027, 3, 1)) < 0.8
    True
    """
    if case.tally.pairs is not None or (case.baseline is not None and case.compared.compare == "baseline"):
        return None
    if not _upholds(case, case.tally, 1.0, alone, today):
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _upholds(case, case.tally, middle, alone, today) else (middle, high)
    return high


def _upholds(case: Case, tally: Tally, share: float, alone: Finding, today: date) -> bool:
    then = case._replace(tally=partly_labelled(tally, share), missing_labels="bounds")
    return judge_tally(then, today=today).verdict == alone.verdict


def _counted(tally: Tally, metric: str, cells: Cells, slices: Partition) -> tuple[Codes, Codes]:
    if has_bounds(tally, metric):
        return unlabelled_rows(metric, cells, slices)
    size, lacking = len(slices.groups), tally.cells["y_true"].is_null().to_numpy()
    rows, of = (np.bincount(slices.member, weights=n, minlength=size) for n in (cells.n * lacking, cells.n))
    return rows.astype(np.int64), of.astype(np.int64)


def _joined(*texts: str | None) -> str:
    return "; ".join(text for text in texts if text)
