"""From a gate's record (schema ``evenhanded/gate/1``) to what people read: what fails, what is not known, and why."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, cast

from audit.errors import EvidenceError
from audit.measurement import Measurement
from checklists.verdict import Verdict
from dashboards.labels import safe_label
from dashboards.tables import DisplayRow, display_row, limit_text
from dashboards.theme import VERDICTS

GATE_SCHEMA = "evenhanded/gate/1"

_COUNTS = re.compile(r"\bn = (\d+(?:,\d{3})*)(, fewer than \d+(?:,\d{3})*)?(?: \(no [^()]*\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """One requirement with its verdict, as text.

    Parameters
    ----------
    id
        Name of the requirement in its policy.
    verdict
        The verdict; shown as words and a shape by `dashboards.theme.VERDICTS`.
    limit
        "at most 5 points".
    measured
        What was measured; None where nothing could be.
    reason
        Why the verdict is what it is; "" where the numbers say it.
    rows_needed
        How large n would have to become; "" where unknown.
    judged
        The row that the text is made from; None where nothing could be measured, or where it may not be shown.

    Examples
    --------
    >>> row = JudgedRow(id="accuracy", verdict="INVALID", limit="at least 60 %", measured=None, reason="metric absent",
    ...                 rows_needed="")
    >>> f"{row.id} {VERDICTS[row.verdict].words}: {row.reason}"
    'accuracy broken evidence: metric absent'
    """

    id: str
    verdict: Verdict
    limit: str
    measured: DisplayRow | None
    reason: str
    rows_needed: str
    judged: Measurement | None = None

    @property
    def rests_on(self) -> str:
        """What n says: the rows of the group, or those of the smallest of all groups that took part in a gap."""
        if self.measured is None or not self.measured.n:
            return ""
        among = self.judged is not None and (self.judged.against or {}).get("kind") == "groups"
        return f"n = {self.measured.n}{' in the smallest group' if among else ''}"

    @property
    def unmeasured(self) -> str:
        """What is said where nothing could be measured: why, where that is known."""
        why = self.reason.partition(";")[0].strip().rstrip(".")
        return f"Nothing could be measured{f': {why}' if why else ''}."


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedGate:
    """A gate as text: the rows in the order in which they are read, and what a person declared not auditable.

    Parameters
    ----------
    verdict
        The one verdict that the rows come to.
    rows
        What fails first, then broken evidence, then what is not shown, then what holds; else as in the policy.
    not_auditable
        One sentence each: the slice, the reason, the owner and until when.
    policy
        Path and digest of the policy.
    stage
        Stage of a rollout that was judged; "" without one.
    level, false_fail_level
        Confidence level of the gate, and the chance of one false FAIL over all requirements; None where not recorded.
    result
        Digest of the result that was judged; "" where not recorded.

    Examples
    --------
    >>> row = JudgedRow(id="accuracy", verdict="INVALID", limit="at least 60 %", measured=None, reason="metric absent",
    ...                 rows_needed="")
    >>> gate = JudgedGate(verdict="INVALID", rows=(row,), not_auditable=(), policy=(), stage="", level=0.95,
    ...                   false_fail_level=0.05, result="")
    >>> len(gate.having("INVALID")), gate.having("FAIL")
    (1, ())
    """

    verdict: Verdict
    rows: tuple[JudgedRow, ...]
    not_auditable: tuple[str, ...]
    policy: tuple[tuple[str, str], ...]
    stage: str
    level: float | None
    false_fail_level: float | None
    result: str

    def having(self, verdict: Verdict) -> tuple[JudgedRow, ...]:
        """Return the rows with a verdict."""
        return tuple(row for row in self.rows if row.verdict == verdict)


def read_gate(text: str) -> Mapping[str, Any]:
    """Return the record of a stored ``gate.json``.

    Raises
    ------
    EvidenceError
        If it is no JSON or of another schema.

    Examples
    --------
    >>> read_gate('{"schema": "evenhanded/gate/1", "verdict": "PASS"}')["verdict"]
    'PASS'
    >>> read_gate('{"schema": "other/1"}')
    Traceback (most recent call last):
    audit.errors.EvidenceError: expected a gate of schema 'evenhanded/gate/1', got 'other/1'; run the gate again to
    make a new one
    """
    try:
        record = json.loads(text)
    except ValueError as error:
        msg = f"gate.json is no JSON: {error}; run the gate again to make a new one"
        raise EvidenceError(msg) from error
    found = record.get("schema") if isinstance(record, dict) else None
    if found != GATE_SCHEMA:
        msg = f"expected a gate of schema {GATE_SCHEMA!r}, got {found!r}; run the gate again to make a new one"
        raise EvidenceError(msg)
    return cast("Mapping[str, Any]", record)


def judged_gate(record: Mapping[str, Any], *, min_cell: int) -> JudgedGate:
    """Return a gate's record as text.

    Parameters
    ----------
    record
        A gate as plain JSON values.
    min_cell
        Numbers that rest on fewer rows are hidden; verdicts are not.

    Raises
    ------
    EvidenceError
        If a part of the record is missing or of another type.

    Examples
    --------
    >>> row = {"id": "a", "verdict": "INVALID", "limit": {"min": None, "max": 0.05}, "measurement": None,
    ...        "reason": "metric absent", "rows_needed": None, "line": 3}
    >>> gate = judged_gate({"verdict": "INVALID", "policy": {"path": "p.yaml"}, "rows": [row], "not_auditable": []},
    ...                    min_cell=10)
    >>> gate.rows[0].reason, gate.rows[0].measured
    ('metric absent', None)
    """
    try:
        order = list(VERDICTS)
        rows = sorted((_judged(row, min_cell) for row in record["rows"]), key=lambda row: order.index(row.verdict))
        return JudgedGate(
            verdict=_verdict(record["verdict"]),
            rows=tuple(rows),
            not_auditable=tuple(_not_auditable(entry) for entry in record["not_auditable"]),
            policy=tuple(
                (key, _text(PurePath(str(value)).name if key == "path" else value))  # where it lay is nobody's business
                for key, value in (record.get("policy") or {}).items()
                if value is not None
            ),
            stage=_text(record.get("stage")),
            level=record.get("level"),
            false_fail_level=record.get("false_fail_level"),
            result=_text(record.get("result")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"this gate cannot be shown, a part of its record is missing or malformed: {error!r}; run the gate again"
        raise EvidenceError(msg) from error


def verdict_counts(gate: JudgedGate) -> str:
    """Return how many requirements have which verdict: "1 fails, 2 not shown, 3 hold".

    Examples
    --------
    >>> record = {"verdict": "INVALID", "rows": [], "not_auditable": []}
    >>> verdict_counts(judged_gate(record, min_cell=10))
    'no requirement was judged'
    """
    singular: Mapping[Verdict, str] = {verdict: style.words for verdict, style in VERDICTS.items()}
    plural: Mapping[Verdict, str] = {**singular, "FAIL": "fail", "PASS": "hold", "INVALID": "have broken evidence"}
    singular = {**singular, "INVALID": "has broken evidence"}
    counted = [(len(gate.having(verdict)), verdict) for verdict in VERDICTS]
    texts = [f"{n} {(singular if n == 1 else plural)[verdict]}" for n, verdict in counted if n]
    return ", ".join(texts) or "no requirement was judged"


def _judged(row: Mapping[str, Any], min_cell: int) -> JudgedRow:
    found = None if row["measurement"] is None else Measurement.from_json(row["measurement"])
    limit = row["limit"]
    asked = row.get("asked")
    metric = found.metric if found is not None else "" if asked is None else asked_metric(**asked)
    needed = row["rows_needed"]
    small = found is not None and found.n < min_cell
    return JudgedRow(
        id=_text(row["id"]),
        verdict=_verdict(row["verdict"]),
        limit=limit_text(metric, low=limit["min"], high=limit["max"]),
        measured=None if found is None else display_row(found, min_cell=min_cell),
        reason="" if small else _masked(_text(row["reason"], limit=400), min_cell),
        rows_needed=""
        if needed is None
        else f"n of about {needed:,} would decide it, with 80 % power if the estimate is true",
        judged=None if small else found,
    )


def asked_metric(metric: str, compare: str) -> str:
    """Return the name of what a requirement limits: that of a difference, ratio or change of its metric.

    Examples
    --------
    >>> asked_metric("accuracy", "baseline"), asked_metric("selection_rate", "ratio"), asked_metric("accuracy", "value")
    ('accuracy_difference', 'selection_rate_ratio', 'accuracy')
    """
    ending = {"difference": "_difference", "baseline": "_difference", "ratio": "_ratio"}.get(compare, "")
    return metric if metric.endswith(("_difference", "_ratio")) else metric + ending


def _masked(reason: str, min_cell: int) -> str:
    """Return a reason without the counts that the page may not show: of a group of 3 it says that n < 10."""
    return _COUNTS.sub(
        lambda found: found[0] if int(found[1].replace(",", "")) >= min_cell else f"n < {min_cell}{found[2] or ''}",
        reason,
    )


def _verdict(text: str) -> Verdict:
    if text not in VERDICTS:
        msg = f"unknown verdict {text!r}"
        raise ValueError(msg)
    return cast("Verdict", text)


def _not_auditable(entry: Mapping[str, Any]) -> str:
    chosen: Sequence[tuple[str, str | None]] = sorted(entry["slice"].items())
    whom = ", ".join(f"{_text(name)} = {safe_label(value, target='text')}" for name, value in chosen)
    return (
        f"{whom}: {_text(entry['reason'], limit=240)} (owner: {_text(entry['owner'])}; until {_text(entry['expires'])})"
    )


def _text(value: object, *, limit: int = 120) -> str:
    return "" if value is None else safe_label(str(value), target="text", limit=limit)
