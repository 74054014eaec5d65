"""What is wrong with a policy, as sentences with file, line and key."""

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from audit.errors import InputError
from checklists.policy_yaml import Document, KeyPath, shown

T = TypeVar("T")
Keys = Mapping[str, tuple[str, ...]]
"""The keys that may stand at the top ("policy") and in each item of a list of records (by the name of the list)."""

_EXPECTED = {
    "missing": "this key is missing",
    "too_short": "expected at least one entry",
    "string_too_short": "expected text that is not empty",
    "greater_than_equal": "expected 1 or more",
    "tuple_type": "expected a list, such as [race, sex]",
    "dataclass_type": "expected keys and values",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "int_type": "expected a whole number",
    "string_type": "expected text; put it in quotes",
    "date_type": "expected a date, such as 2027-03-01",
    "string_pattern_mismatch": "expected text that is not blank",
}
_PATTERNS = {
    "id": "expected up to 100 letters, digits, _, . and -",
    "metric": "expected the name of a metric, such as false_negative_rate",
}
_OWN = {"level": "expected a confidence level above 0.5 and below 1, such as 0.95"}
_SHOWN = 60


def sentences(error: ValidationError, document: Document, *, name: str, keys: Keys) -> list[str]:
    """Return one sentence for each fault of a policy.

    Parameters
    ----------
    error
        What pydantic found.
    document
        The policy as it was read.
    name
        The file.
    keys
        Which keys may stand where.

    Returns
    -------
    list of str
        ``file:line: key: what was expected; what came``, by line.

    Examples
    --------
    >>> from pydantic import TypeAdapter
    >>> from checklists.requirement import Requirement
    >>> asked = {"id": "accuracy", "metric": "accuracy", "min": "high"}
    >>> try:
    ...     TypeAdapter(Requirement).validate_python(asked)
    ... except ValidationError as error:
    ...     sentences(error, Document(content=asked, lines={("min",): 3}), name="policy.yaml", keys={})
    ["policy.yaml:3: min: expected a number; got 'high'"]
    """
    repeated = _repeated_ids(document)
    details = [detail for detail in error.errors() if not _echoes(detail) and not (repeated and _is_about_ids(detail))]
    found = [_fault(detail, keys) for detail in details]
    ordered = sorted({(document.line(path), shown(path), text) for path, text in [*found, *repeated]})
    return [f"{name}:{line}: {where}: {text}" for line, where, text in ordered]


def plain_errors(cls: type[T]) -> type[T]:
    """Return a record of pydantic whose constructor says in plain sentences what is wrong, as its YAML would.

    Raises
    ------
    InputError
        By the constructor: one sentence for each fault, named as the parameter that it is about.

    Examples
    --------
    >>> from checklists.requirement import Requirement
    >>> Requirement(id="accuracy", metric="accuracy", min="high")
    Traceback (most recent call last):
    audit.errors.InputError: Requirement: min: expected a number; got 'high'
    """
    init, names = cls.__init__, tuple(cls.__dataclass_fields__)  # type: ignore[attr-defined]

    @wraps(init)
    def checked(self: T, *given: Any, **named: Any) -> None:  # noqa: ANN401 - whatever the record takes
        try:
            init(self, *given, **named)
        except ValidationError as error:
            faults = [_fault(detail, {"policy": names}) for detail in error.errors() if not _echoes(detail)]
            ordered = sorted({f"{cls.__name__}: {shown(path)}: {text}" for path, text in faults})
            raise InputError(ordered) from None  # the chain would show what pydantic says, links and all

    setattr(cls, "__init__", checked)  # noqa: B010 - mypy lets no method be assigned to
    return cls


def suggestion(word: str, known: tuple[str, ...]) -> str:
    """Return "; did you mean ...?" for a near miss, else nothing.

    Examples
    --------
    >>> suggestion("metrc", ("metric", "max")), suggestion("zzz", ("metric",))
    ("; did you mean 'metric'?", '')
    """
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _fault(detail: ErrorDetails, keys: Keys) -> tuple[KeyPath, str]:
    path, kind = tuple(detail["loc"]), detail["type"]
    if kind == "unexpected_keyword_argument":
        known = keys.get(str(path[0]), ()) if len(path) > 1 else keys["policy"]
        near = suggestion(str(path[-1]), known) or (f"; expected one of {', '.join(known)}" if known else "")
        return path, f"unknown key{near}"
    if kind == "missing":
        return path, _EXPECTED["missing"]
    if kind == "value_error":
        return path, detail["msg"].removeprefix("Value error, ")
    return path, f"{_text(detail, path)}; got {_short(detail['input'])}"


def _text(detail: ErrorDetails, path: KeyPath) -> str:
    kind = detail["type"]
    if path[-1] in _OWN:
        return _OWN[str(path[-1])]
    if kind == "string_pattern_mismatch" and path[-1] in _PATTERNS:
        return _PATTERNS[str(path[-1])]
    if kind == "literal_error":
        return f"expected {detail['ctx']['expected']}"
    return _EXPECTED.get(kind, detail["msg"].replace("Input should be", "expected").replace("String", "text"))


def _echoes(detail: ErrorDetails) -> bool:
    """Return whether a list is called too short only because each of its entries is at fault."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _is_about_ids(detail: ErrorDetails) -> bool:
    return detail["loc"] == ("requirements",) and detail["type"] == "value_error"


def _repeated_ids(document: Document) -> list[tuple[KeyPath, str]]:
    """Find ids that occur twice, also where other faults keep pydantic from looking at the list as a whole."""
    requirements = document.content.get("requirements")
    records = requirements if isinstance(requirements, list) else []
    ids = [record.get("id") if isinstance(record, dict) else None for record in records]
    seen: Counter[Any] = Counter()
    faults: list[tuple[KeyPath, str]] = []
    for place, given in enumerate(ids):
        if isinstance(given, str) and seen[given]:
            first = document.line(("requirements", ids.index(given)))
            faults.append(
                (("requirements", place, "id"), f"{given!r} is the id of line {first} already; ids are unique")
            )
        seen[given if isinstance(given, str) else None] += 1
    return faults


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
