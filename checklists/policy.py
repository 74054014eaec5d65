"""A policy: everything that must hold, as people write it in YAML or in Python."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from audit.errors import InputError
from audit.measurement import canonical_json
from checklists.policy_errors import Keys, plain_errors, sentences
from checklists.policy_yaml import read_yaml
from checklists.requirement import (
    FORBID_UNKNOWN,
    Count,
    GroupValue,
    Level,
    MissingLabels,
    Requirement,
    Text,
    refuse,
)

SCHEMA = "evenhanded/policy/1"

Profile = Literal["solo", "team", "regulated"]


@plain_errors
@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_UNKNOWN)
class NotAuditable:
    """A group that cannot be judged for now, who says so, why, and until when.

    Parameters
    ----------
    slice
        The group as {feature: value}.
    reason
        Why, such as "23 negatives".
    owner
        Who answers for leaving it out.
    expires
        The last day on which this counts.

    Raises
    ------
    InputError
        If the slice is empty, or reason or owner is blank.

    Examples
    --------
    >>> entry = NotAuditable(slice={"race": "Asian"}, reason="23 negatives", owner="R. Sato", expires=date(2027, 3, 1))
    >>> entry.expired(date(2027, 3, 1)), entry.expired(date(2027, 3, 2))
    (False, True)
    """

    slice: Annotated[Mapping[str, GroupValue], Field(min_length=1)]
    reason: Text
    owner: Text
    expires: Annotated[date, Strict()]

    def expired(self, today: date) -> bool:
        """Return whether its last day lies before today."""
        return today > self.expires

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return {
            "slice": dict(self.slice),
            "reason": self.reason,
            "owner": self.owner,
            "expires": self.expires.isoformat(),
        }


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class PolicySource:
    """Where a policy was read: the file, and the line of each requirement by its id.

    Examples
    --------
    >>> source = PolicySource(path="policy.yaml", lines={"accuracy": 4})
    >>> f"{source.path}:{source.lines['accuracy']}"
    'policy.yaml:4'
    """

    path: str
    lines: Mapping[str, int]


@plain_errors
@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_UNKNOWN)
class Policy:
    """Everything that must hold, at which level, for whom.

    Parameters
    ----------
    schema
        Version of the form.
    profile
        "solo", "team" or "regulated": how many sign, whether self-approval is allowed, what is suppressed.
    level
        Confidence level of every interval that decides, in (0.5, 1).
    min_n
        Fewer rows than this in a denominator: INSUFFICIENT.
    min_cell
        Fewer rows than this: hidden in anything published.
    missing_labels
        "bounds": a verdict must hold whatever the labels of unlabelled rows are (`checklists.unlabelled`); "ignore":
        it speaks of the labelled rows, and says so.
    expect
        The groups of each feature that must be there.
    requirements
        What must hold; ids are unique.
    not_auditable
        Groups that are excused, with reason, owner and expiry.
    source
        Where it was read; set by `load_policy`, None where it was made in Python.

    Raises
    ------
    InputError
        A `ValueError` that lists every fault.

    Examples
    --------
    >>> accurate = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(accurate,))
    >>> policy.level, policy.min_n, policy.line("accuracy")
    (0.95, 30, None)
    """

    schema: Literal["evenhanded/policy/1"]
    profile: Profile = "team"
    level: Level = 0.95
    min_n: Count = 30
    min_cell: Count = 10
    missing_labels: MissingLabels = "bounds"
    expect: Mapping[str, Annotated[tuple[GroupValue, ...], Field(min_length=1)]] = field(default_factory=dict)
    requirements: Annotated[tuple[Requirement, ...], Field(min_length=1)]
    not_auditable: tuple[NotAuditable, ...] = ()
    source: PolicySource | None = field(default=None, init=False, compare=False, repr=False)

    @field_validator("expect")
    @classmethod
    def _distinct_values(cls, expect: Mapping[str, tuple[str | None, ...]]) -> Mapping[str, tuple[str | None, ...]]:
        twice = [name for name, values in expect.items() if len(set(values)) != len(values)]
        refuse(twice, f"expected each value once; repeated in {', '.join(twice)}")
        return expect

    @field_validator("requirements")
    @classmethod
    def _distinct_ids(cls, requirements: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
        ids = Counter(requirement.id for requirement in requirements)
        twice = sorted(name for name, times in ids.items() if times > 1)
        refuse(twice, f"expected unique ids; repeated: {', '.join(twice)}")
        return requirements

    def line(self, requirement: str) -> int | None:
        """Return the line of a requirement in its file; None where there is no file."""
        return None if self.source is None else self.source.lines.get(requirement)

    def digest(self) -> str:
        """Return the SHA-256 of what the policy says; comments, order of keys and the file's name do not count."""
        content = TypeAdapter(Policy).dump_python(self, mode="json", exclude={"source"})
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()


_KEYS: Keys = {
    "policy": tuple(name for name in Policy.__dataclass_fields__ if name != "source"),
    "requirements": tuple(Requirement.__dataclass_fields__),
    "not_auditable": tuple(NotAuditable.__dataclass_fields__),
}


def load_policy(path: str | Path) -> Policy:
    r"""Read a policy from YAML.

    Parameters
    ----------
    path
        A file of at most 1 MiB. Keys as in `Policy`, `Requirement` and `NotAuditable`; anything else is refused.

    Raises
    ------
    InputError
        One error with all faults, each with file, line, key, what was expected and what came.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "policy.yaml")
    ...     _ = file.write_text("schema: evenhanded/policy/1\nrequirements: [{id: a, metric: accuracy, min: 0.6}]\n")
    ...     policy = load_policy(file)
    >>> policy.requirements[0].min, policy.line("a")
    (0.6, 2)
    """
    path = Path(path)
    document = read_yaml(path)
    content = document.content
    if not isinstance(content, dict):
        msg = f"{path}:1: expected keys such as schema and requirements; got {type(content).__name__}"
        raise InputError([msg])
    try:
        policy = TypeAdapter(Policy).validate_python(content)
    except ValidationError as error:
        raise InputError(sentences(error, document, name=str(path), keys=_KEYS)) from error
    lines = {needed.id: document.line(("requirements", place)) for place, needed in enumerate(policy.requirements)}
    object.__setattr__(policy, "source", PolicySource(path=str(path), lines=lines))
    return policy
