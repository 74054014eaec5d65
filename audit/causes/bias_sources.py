"""Where a gap comes from: evidence for and against each source of bias, and what would help.

The sources are those of H. Suresh and J. Guttag 2021, A framework for understanding sources of harm throughout the
machine learning life cycle, doi:10.1145/3465416.3483305 (first as arXiv:1901.10002). A verdict never stands alone: it
comes with the numbers that it rests on, and "not testable" says what is missing.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.causes.evidence import SOURCES, Case, Evidence, difference_row, errors_of, held_out_labels, share_row
from audit.causes.evidence_composition import evaluation, representation
from audit.causes.evidence_labels import historical, measurement
from audit.causes.evidence_models import aggregation, deployment, on_balanced_data
from audit.causes.learning_curves import MIN_ROWS
from audit.causes.samples import MISSING_GROUP, Fit, Sample
from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.provenance import Provenance, recorded_versions
from audit.publishing.representation import strangers
from audit.result import Result
from audit.seeds import seed_violations

VERDICT = "bias_source"
"""Metric of the rows that say what the evidence comes to: 1 supported, 0 not supported, undefined = not testable."""

_TESTS = {
    "historical": historical,
    "representation": representation,
    "measurement": measurement,
    "aggregation": aggregation,
    "evaluation": evaluation,
    "deployment": deployment,
}


def bias_sources(
    data: Sample,
    fit: Fit,
    *,
    feature: str = "group",
    group: str | None = None,
    population: Mapping[str, float] | None = None,
    benchmark: Sample | None = None,
    deployment_rows: Sample | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> Result:
    """Return the evidence for and against each source of bias, one verdict row per source, and the remedy.

    Parameters
    ----------
    data
        Development data with recorded labels; audited labels, where there are some.
    fit
        ``fit(X, y, sample_weight) -> predict``: how the model in question is made.
    feature
        Name of the sensitive feature.
    group
        The group in question; None = the one with the highest held-out error (of those with enough rows): then the
        intervals of its gaps hold together over the groups that it was chosen from (Bonferroni; of two groups, the one
        gap is the other's mirror).
    population
        How common each group is where the model will be used: shares or counts, of every group of the data.
    benchmark
        The rows that the model is evaluated on; None = the development data, each row held out once.
    deployment_rows
        Rows that came in after deployment: groups; predictions and decisions; outcomes.
    level
        Confidence level of every interval.
    random_state
        Seed of folds and orders.

    Returns
    -------
    Result
        ``bias_source`` rows (``at["class"]`` names the source; `reason` says it in a sentence) and their evidence.

    Raises
    ------
    InputError
        If the data have no labels, fewer than two groups, no such group, `population` is none or lacks a group of
        the data, or the seed is negative: all at once.

    Examples
    --------
    >>> from audit.causes.fits import logistic_fit
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("measurement", n=1500)
    >>> result = bias_sources(world.data, logistic_fit, population=world.population)
    >>> named_sources(result)
    ('measurement',)
    """
    raise_violations([*_violations(data, group, population, level), *seed_violations(random_state)])
    held_out = held_out_labels(data, fit, random_state=random_state)
    candidates = [group] if group is not None else _candidates(data, held_out)
    case = Case(
        data=data,
        feature=feature,
        group=_worst(data, held_out, candidates),
        together=len(candidates) if len(data.groups) > 2 else 1,
        fit=fit,
        held_out=held_out,
        population=None if population is None else _shares(population),
        benchmark=benchmark,
        deployment=deployment_rows,
        level=level,
        random_state=random_state,
    )
    evidence = [_TESTS[source](case) for source in SOURCES]
    rows = [_verdict(case, each) for each in evidence]
    rows += [row for each in evidence for row in each.measurements]
    rows += [*_errors(case), on_balanced_data(case)]
    given = {"feature": feature, "group": case.group, "rows": len(data), "level": level}
    return Result(
        measurements=tuple(rows),
        provenance=Provenance(versions=recorded_versions(), seed=random_state, given=given),
    )


def named_sources(result: Result) -> tuple[str, ...]:
    """Return the sources that a result finds supported.

    Examples
    --------
    >>> row = Measurement(metric="bias_source", at=(("class", "historical"),), value=1.0, n=9, method="evidence")
    >>> named_sources(Result(measurements=[row]))
    ('historical',)
    """
    return tuple(str(dict(row.at)["class"]) for row in result.measurements if row.metric == VERDICT and row.value == 1)


def verdict_of(row: Measurement) -> str:
    """Return the verdict of a ``bias_source`` row in words.

    Examples
    --------
    >>> verdict_of(Measurement(metric="bias_source", value=None, n=0, method="evidence", reason="no deployment rows"))
    'not testable'
    """
    if row.value is None:
        return "not testable"
    return "supported" if row.value == 1 else "not supported"


def _verdict(case: Case, evidence: Evidence) -> Measurement:
    value = {"supported": 1.0, "not supported": 0.0, "not testable": None}[evidence.verdict]
    n = min((row.n for row in evidence.measurements if row.n), default=0)
    return Measurement(
        metric=VERDICT, slice=case.whom(), at=case.at(evidence.source), value=value, n=n, method="evidence",
        reason=evidence.sentence,
    )  # fmt: skip


def _errors(case: Case) -> Iterator[Measurement]:
    """Return how many rows there are, the held-out error of each group, and the gap that all of this is about."""
    wrong, counted = errors_of(case.data, case.held_out)
    for whom, n in [((), len(case.data)), *((case.whom(each), _size(case, each)) for each in case.data.groups)]:
        yield Measurement(metric="count", slice=whom, value=n, n=n, method="count")
    for group in case.data.groups:
        chosen = counted & (case.data.group == group)
        yield share_row("held_out_error_rate", case.whom(group), (), wrong[chosen], level=case.level)
    mine = case.data.group == case.group
    sides = wrong[counted & mine], wrong[counted & ~mine]
    yield difference_row("held_out_error_rate", case.whom(), (), sides, level=case.level, together=case.together)


def _size(case: Case, group: str) -> int:
    return int((case.data.group == group).sum())


def _candidates(data: Sample, held_out: np.ndarray) -> list[str]:
    _, counted = errors_of(data, held_out)
    enough = [group for group in data.groups if (counted & (data.group == group)).sum() >= MIN_ROWS]
    return enough or list(data.groups)


def _worst(data: Sample, held_out: np.ndarray, candidates: Sequence[str]) -> str:
    wrong, counted = errors_of(data, held_out)
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda group: float(wrong[counted & (data.group == group)].mean()))


def _shares(population: Mapping[str, float]) -> dict[str, float]:
    total = sum(population.values())
    return {name: amount / total for name, amount in population.items()}


def _violations(data: Sample, group: str | None, population: Mapping[str, float] | None, level: float) -> Sequence[str]:
    violations = []
    if data.y is None:
        violations.append("the development data have no labels; pass y")
    elif len(np.unique(data.y)) < 2:
        violations.append(f"all {len(data)} labels are the same; a model needs both")
    if len(data.groups) < 2:
        violations.append(f"expected at least two groups; the data have {list(data.groups)}")
    elif group is not None and group not in data.groups:
        violations.append(f"there is no group {group!r}; expected one of {list(data.groups)[:20]}")
    amounts = list((population or {"": 1.0}).values())
    if not all(np.isfinite(amount) and amount >= 0 for amount in amounts) or not sum(amounts) > 0:
        violations.append(
            f"population must hold shares or counts of at least 0, some above; got {dict(population or {})}"
        )
    violations += strangers([name for name in data.groups if name != MISSING_GROUP], population or {}, whole=True)
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    return violations
