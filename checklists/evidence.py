"""What speaks against the evidence as a whole, before any requirement is looked at."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from audit.result import Result
from audit.rollup import cells_of
from checklists.policy import Policy
from checklists.wording import legible

_DECIDING = ("threshold", "score_max", "bins", "missing")
"""Settings that change what is counted as what."""


def broken(policy: Policy, results: Sequence[Result], baseline: Result | None) -> str | None:
    """Return why none of the evidence can be trusted; None where nothing speaks against it.

    Results whose counts are missing or are not those that they were made from; a feature that the policy names and no
    result holds; an expected value that no result holds.

    Parameters
    ----------
    policy
        What names features and expected values.
    results
        What is judged.
    baseline
        The earlier run, where there is one.

    Examples
    --------
    >>> from checklists.requirement import Requirement
    >>> needed = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> broken(Policy(schema="evenhanded/policy/1", requirements=(needed,)), (), None)
    'there is no result to judge'
    """
    if not results:
        return "there is no result to judge"
    return next(_of_counts(results, baseline), None) or next(_of_names(policy, results), None)


def made_otherwise(now: Result, then: Result) -> str | None:
    """Return how an earlier run was counted differently, so that the two cannot be compared; None where alike.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> runs = [Result(measurements=(), provenance=Provenance(given={"threshold": cut})) for cut in (0.5, 0.3)]
    >>> made_otherwise(*runs)
    'the earlier run was made otherwise: threshold 0.3 then, 0.5 now'
    """
    facts = [_counted_as(result) for result in (then, now)]
    differing = [
        f"{name} {facts[0][name]!r} then, {value!r} now"
        for name, value in facts[1].items()
        if name in facts[0] and facts[0][name] != value
    ]
    return legible(f"the earlier run was made otherwise: {'; '.join(differing)}") if differing else None


def _of_counts(results: Sequence[Result], baseline: Result | None) -> Iterator[str]:
    for name, result in [*(("the result", result) for result in results), ("the baseline", baseline)]:
        if result is not None and result.tally is not None and result.tally.digest() != result.provenance.tally:
            yield f"the counts of {name} are not those that it was made from (digests differ); run the audit again"
    if any(result.tally is None and result.provenance.tally is not None for result in results):
        yield "this result was made from a tally that is not at hand; name the folder of the run"
    if baseline is not None and baseline.tally is None:
        yield "the baseline has no tally; pass a saved run (its folder), not its result.json alone"


def _of_names(policy: Policy, results: Sequence[Result]) -> Iterator[str]:
    held: dict[str, set[str | None]] = {}
    for result in results:
        for feature, values in _held(result):
            held.setdefault(feature, set()).update(values)
    named = [("expect", name) for name in policy.expect]
    named += [("not_auditable", name) for entry in policy.not_auditable for name in entry.slice]
    for where, name in named:
        if name not in held:
            yield legible(f"{where} names the feature {name!r}, which no result has; {_instead(name, list(held))}")
    # Rows over all groups of a feature may not say which groups those are: then nothing is known to be absent.
    absent = [
        f"{name}={value}"
        for name, expected in policy.expect.items()
        for value in expected
        if held[name] and value not in held[name]
    ]
    if absent:
        yield legible(f"expected, and absent from the data: {'; '.join(absent)}")


def _held(result: Result) -> Iterator[tuple[str, set[str | None]]]:
    """Return the features that a result holds, each with values that occur in it."""
    if result.tally is not None:
        for name, (_, values) in cells_of(result.tally).features.items():
            yield name, set(values)
    for row in result.measurements:
        for name, value in row.slice:
            yield name, {value}
        against = row.against or {}
        for name, value in dict(against.get("slice") or {}).items():
            yield name, {value}
        features = list(against.get("features") or ())
        for place, name in enumerate(features):
            yield name, {group[place] for group in against.get("among") or () if len(group) == len(features)}


def _instead(name: str, known: list[str]) -> str:
    alike = [other for other in known if other.casefold() == name.casefold()] or get_close_matches(name, known, n=1)
    return (f"did you mean {alike[0]!r}? " if alike else "") + f"There is {', '.join(sorted(known)) or 'none'}"


def _counted_as(result: Result) -> Mapping[str, Any]:
    settings = {**result.provenance.defaulted, **result.provenance.given}
    facts = {name: settings[name] for name in _DECIDING if name in settings}
    if result.tally is not None:
        facts["task"] = result.tally.task
        facts["positive label"] = result.tally.positive
        facts["rows may be deferred"] = result.tally.deferral
        facts["weights"] = result.tally.weights
        facts["clustered"] = result.tally.clustered
    return facts
