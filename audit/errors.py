"""What can go wrong at a door, as errors that name the mend.

::

    ValueError
      InputError       what the user named is missing, malformed or misused (exit code 2)
    RuntimeError
      EvidenceError    evidence that a policy, a run or a ledger names is missing or changed (exit code 4)
"""

from collections.abc import Sequence


class InputError(ValueError):
    """Input that cannot be audited: one error that lists every violation.

    Parameters
    ----------
    violations
        One sentence each: what was expected, what came, where, and the next step.

    Examples
    --------
    >>> error = InputError(["column 'y' is missing; the data has 'x'", "y_score lies outside [0, 1] at row 3"])
    >>> print(error)
    2 problems with the input:
      1. column 'y' is missing; the data has 'x'
      2. y_score lies outside [0, 1] at row 3
    """

    def __init__(self, violations: Sequence[str]) -> None:
        self.violations = tuple(violations)
        super().__init__(_listed(self.violations))


class EvidenceError(RuntimeError):
    """Evidence that something relies on is missing, broken or no longer what it was.

    Examples
    --------
    >>> raise EvidenceError("runs/7 holds no readable result.json; name the folder of a saved run")
    Traceback (most recent call last):
    audit.errors.EvidenceError: runs/7 holds no readable result.json; name the folder of a saved run
    """


def raise_violations(violations: Sequence[str]) -> None:
    """Raise one `InputError` for all violations; do nothing where there are none.

    Raises
    ------
    InputError
        If `violations` is not empty.

    Examples
    --------
    >>> raise_violations([])
    """
    if violations:
        raise InputError(violations)


def _listed(violations: tuple[str, ...]) -> str:
    if len(violations) == 1:
        return violations[0]
    lines = [f"  {number}. {text}" for number, text in enumerate(violations, start=1)]
    return "\n".join([f"{len(violations)} problems with the input:", *lines])
