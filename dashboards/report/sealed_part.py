"""What a report says of a test that was sealed: what was fixed when, who opened it, what that protects against."""

from collections.abc import Mapping
from typing import Any

from audit.result import Result
from dashboards.report.section import Section

_LIMITS = (
    "This protects against choosing threshold, metric or policy after the fact, against trying again until the result "
    "pleases, and against labels that change in between. It is no encryption and no signature: whoever could write the "
    "folder could have forged it, unless the digest of the seal was noted elsewhere before."
)


def sections(result: Result) -> tuple[Section, ...]:
    """Return the section on the seal; none where the result is of no sealed test.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    record = result.provenance.given.get("sealed")
    if not isinstance(record, Mapping):
        return ()
    text = "\n\n".join([_what(record), _attempts(record), _digests(record), _LIMITS])
    return (Section(title="A sealed test", text=text),)


def _what(record: Mapping[str, Any]) -> str:
    return (
        f"The labels of these {record.get('rows'):,} rows and the policy were fixed at {record.get('sealed_at')} by "
        f"{record.get('sealed_by')}, before any prediction was seen. Predictions were sent in, and the test was opened "
        f"once, at {record.get('opened_at')} by {record.get('opened_by')}. Labels, rows and policy were then still "
        f"those that had been sealed."
    )


def _attempts(record: Mapping[str, Any]) -> str:
    refused = record.get("refused_before") or 0
    if not refused:
        return "No attempt to open it was refused before."
    many = "1 attempt" if refused == 1 else f"{refused} attempts"
    return f"{many} to open it had been refused before, without any result being seen; the folder's record says why."


def _digests(record: Mapping[str, Any]) -> str:
    named = ", ".join(f"{name} {record.get(name)}" for name in ("seal", "predictions", "policy"))
    return f"SHA-256: {named}."
