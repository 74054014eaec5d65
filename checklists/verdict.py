"""The four verdicts, their words on pages, and the exit code that a list of them leads to."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

Verdict = Literal["PASS", "FAIL", "INSUFFICIENT", "INVALID"]

PRECEDENCE: tuple[Verdict, ...] = ("INVALID", "FAIL", "INSUFFICIENT", "PASS")
"""The first of these that occurs decides for all."""

WORDS: Mapping[Verdict, str] = MappingProxyType(
    {"PASS": "holds", "FAIL": "fails", "INSUFFICIENT": "not shown", "INVALID": "broken evidence"}
)
EXIT_CODES: Mapping[Verdict, int] = MappingProxyType({"INVALID": 4, "FAIL": 1, "INSUFFICIENT": 3, "PASS": 0})


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one verdict that a list of verdicts comes to.

    Any INVALID makes it INVALID, else any FAIL makes it FAIL, else any INSUFFICIENT makes it INSUFFICIENT, else PASS.
    No verdict at all is INVALID: no evidence never passes.

    Parameters
    ----------
    verdicts
        The verdicts of all requirements.

    Raises
    ------
    ValueError
        If something else than a verdict is among them.

    Examples
    --------
    >>> overall(["PASS", "FAIL", "INSUFFICIENT"]), overall(["PASS", "PASS"]), overall([])
    ('FAIL', 'PASS', 'INVALID')
    """
    given = set(verdicts)
    unknown = sorted(given.difference(PRECEDENCE))
    if unknown:
        msg = f"a verdict is one of {', '.join(PRECEDENCE)}; got {', '.join(map(repr, unknown))}"
        raise ValueError(msg)
    return next((verdict for verdict in PRECEDENCE if verdict in given), "INVALID")


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return the exit code of a gate: 4 for INVALID, else 1 for FAIL, else 3 for INSUFFICIENT, else 0.

    Code 2 is kept for wrong use and never comes from a verdict.

    Parameters
    ----------
    verdicts
        The verdicts of all requirements; none at all gives 4.

    Raises
    ------
    ValueError
        If something else than a verdict is among them.

    Examples
    --------
    >>> exit_code(["PASS"]), exit_code(["INSUFFICIENT", "PASS"]), exit_code(["FAIL", "INVALID"]), exit_code([])
    (0, 3, 4, 4)
    """
    return EXIT_CODES[overall(verdicts)]
