"""Whom a requirement speaks of: the expected groups, those that lack rows, and those that are excused."""

from collections.abc import Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

from audit.errors import EvidenceError
from audit.gaps import group_label
from audit.rollup import GroupValues, cells_of, partition
from audit.tally import Tally
from checklists.policy import NotAuditable, Policy
from checklists.policy_errors import suggestion
from checklists.requirement import Requirement


class Whom(NamedTuple):
    """The groups that a requirement speaks of.

    `expected` groups must be shown to keep the limit. `absent` names expected values that occur nowhere in the data.
    `unexpected` groups occur and need not be shown to. `reference` is the group that the others are compared with.

    Examples
    --------
    >>> found = Whom(("sex",), expected=(("F",), ("M",)), absent=(), unexpected=((None,),), reference=("M",))
    >>> [dict(zip(found.features, group)) for group in found.expected]
    [{'sex': 'F'}, {'sex': 'M'}]
    """

    features: tuple[str, ...]
    expected: tuple[GroupValues, ...]
    absent: tuple[str, ...]
    unexpected: tuple[GroupValues, ...]
    reference: GroupValues | None


class Excuses(NamedTuple):
    """Groups that a policy excuses, with the entry that does; and what must be said of entries that no longer do.

    Examples
    --------
    >>> entry = NotAuditable(slice={"sex": "X"}, reason="9 rows", owner="R. Sato", expires=date(2027, 3, 1))
    >>> Excuses({("X",): entry}, expired=()).groups[("X",)].reason
    '9 rows'
    """

    groups: dict[GroupValues, NotAuditable]
    expired: tuple[str, ...]


def whom(requirement: Requirement, policy: Policy, tally: Tally) -> Whom:
    """Return the groups that a requirement speaks of.

    With a slice: that slice. With groups: every combination of the expected values of their features; where a feature
    has no expectation, of its observed values, the missing one left out. An expected value that no row has is absent:
    the evidence is broken. A combination that no row has, of values that do occur, is a group with 0 rows.

    Raises
    ------
    EvidenceError
        If the tally does not hold a feature.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0], "p": [1, 1], "sex": ["F", "M"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> asked = Requirement(id="accuracy", metric="accuracy", groups=("sex",), min=0.6)
    >>> policy = Policy(schema="evenhanded/policy/1", expect={"sex": ("F", "X")}, requirements=(asked,))
    >>> found = whom(asked, policy, tally)
    >>> found.expected, found.absent, found.unexpected
    ((('F',), ('X',)), ('sex=X',), (('M',),))
    """
    features = requirement.groups or tuple(sorted(requirement.slice))
    lacking = [name for name in features if name not in tally.features]
    if lacking:
        near = "".join(suggestion(name, tally.features) for name in lacking[:1])
        held = ", ".join(tally.features) or "none"
        msg = f"the result has no sensitive feature {', '.join(lacking)}; it has {held}{near}"
        raise EvidenceError(msg)
    cells = cells_of(tally)
    observed = partition(cells, features).groups
    values = {name: cells.features[name][1] for name in features}
    named = {name: policy.expect[name] for name in requirement.groups if name in policy.expect}
    named |= {name: (value,) for name, value in requirement.slice.items()}
    reference = tuple(requirement.against[name] for name in features) if requirement.against else None
    wanted = [*named.items(), *((name, (value,)) for name, value in requirement.against.items())]
    absent = [f"{name}={value}" for name, expected in wanted for value in expected if value not in values[name]]
    expected = combinations(features, named, observed)
    listed = {*expected, reference}
    unexpected = () if requirement.slice else tuple(group for group in observed if group not in listed)
    return Whom(features, expected, tuple(dict.fromkeys(absent)), unexpected, reference)


def excuses(policy: Policy, features: Sequence[str], groups: Sequence[GroupValues], *, today: date) -> Excuses:
    """Return which groups the policy lists as not auditable; an entry speaks of every group inside its slice.

    Examples
    --------
    >>> asked = Requirement(id="accuracy", metric="accuracy", groups=("sex",), min=0.6)
    >>> entry = NotAuditable(slice={"sex": "X"}, reason="9 rows", owner="R. Sato", expires=date(2027, 3, 1))
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,), not_auditable=(entry,))
    >>> list(excuses(policy, ["sex"], [("F",), ("X",)], today=date(2027, 3, 1)).groups)
    [('X',)]
    >>> excuses(policy, ["sex"], [("F",), ("X",)], today=date(2027, 3, 2)).expired
    ('the entry that excused X expired on 2027-03-01',)
    """
    found: dict[GroupValues, NotAuditable] = {}
    expired = []
    for entry in policy.not_auditable:
        inside = [group for group in groups if entry.slice.items() <= dict(zip(features, group, strict=True)).items()]
        if entry.expired(today):
            expired += [f"the entry that excused {group_label(group)} expired on {entry.expires}" for group in inside]
        else:
            found |= dict.fromkeys(inside, entry)
    return Excuses(found, tuple(expired))


def combinations(
    features: Sequence[str], named: dict[str, tuple[str | None, ...]], observed: Sequence[GroupValues]
) -> tuple[GroupValues, ...]:
    """Return all combinations of named values; with features that have none, those observed, null left out.

    Examples
    --------
    >>> combinations(["race"], {}, [("a",), (None,)]), combinations(["race"], {"race": ("a", "b")}, [("a",)])
    ((('a',),), (('a',), ('b',)))
    """
    if all(name in named for name in features):
        return tuple(product(*(named[name] for name in features)))
    return tuple(
        group
        for group in observed
        if all(
            value in named[name] if name in named else value is not None
            for name, value in zip(features, group, strict=True)
        )
    )
