"""What stored rows cannot say where labels are missing: whether a requirement would hold whatever those labels are."""

from collections.abc import Mapping

import numpy as np

from audit.largest import group_label
from audit.metrics.catalog import METRICS
from audit.result import Result
from audit.rollup import GroupValues, cells_of, partition
from audit.tally import Tally
from audit.unknowns.bounds import LOWER, UPPER
from audit.unknowns.outcome_coverage import BOUNDED, concerned_by
from audit.views import known_metric
from checklists.comparisons import comparison
from checklists.judging import Finding
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.unlabelled import Lacking

RECORD = "rows_without_y_true"
"""Where the provenance of a result without a tally says how many rows had no true label."""

OF_ALL_LABELLED = frozenset(
    {
        "log_loss",
        "mean_error",
        "mean_absolute_error",
        "mean_squared_error",
        "root_mean_squared_error",
        "root_mean_squared_log_error",
        "mean_pinball_loss",
    }
)
"""Metrics whose n is every labelled row: what their rows lack against the count of the same slice has no label."""

WITHOUT_LABELS = frozenset(
    {
        "attribute_coverage",
        "conditional_expectation_quantile",
        "count",
        "counterfactual_flip_rate",
        "counterfactual_score_change",
        "duplicate_rate",
        "empty_set_rate",
        "exposure_share",
        "flip_to_negative_rate",
        "flip_to_positive_rate",
        "impact_ratio",
        "item_share",
        "matched_pair_flip_rate",
        "near_duplicate_rate",
        "outcome_coverage",
        "override_rate",
        "perturbation_flip_rate",
        "perturbation_score_change",
        "population_stability_index",
        "prediction_set_size",
        "representation_difference",
        "representation_ratio",
        "representation_share",
        "slices_searched",
    }
)
"""Stored metrics that no true label enters; every other one that the catalog does not know may rest on labels."""

_GAPS = ("_difference", "_ratio")


def rests_on_labels(requirement: Requirement) -> bool:
    """Return whether labels that are missing could change what a requirement asks for.

    A bound on a metric over the missing labels (`audit.unknowns.bounds`) allows for them already.

    Examples
    --------
    >>> asked = [Requirement(id="r", metric=name, max=0.5) for name in ("log_loss", "override_rate", "prevalence")]
    >>> [rests_on_labels(each) for each in asked]
    [True, False, True]
    """
    metric = requirement.metric
    if metric in WITHOUT_LABELS or (metric.endswith((LOWER, UPPER)) and not requirement.at):
        return False
    compared = comparison(metric, requirement.compare)
    if compared is None:
        return next((metric.removesuffix(gap) for gap in _GAPS if metric.endswith(gap)), metric) not in WITHOUT_LABELS
    return any(map(_enters, compared.rests_on))


def unlabelled_rows_of(requirement: Requirement, result: Result) -> Lacking | None:
    """Return the rows without a true label that a result knows of; None where it knows of none.

    They stand in its tally; without one in its provenance (`RECORD`), or in rows whose n is less than their count.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> rows = [Measurement(metric="count", value=90, n=90, method="count"),
    ...         Measurement(metric="log_loss", value=0.4, low=0.3, high=0.5, n=60, level=0.95, method="m")]
    >>> unlabelled_rows_of(Requirement(id="r", metric="log_loss", max=0.5), Result(measurements=rows)).text
    '30 of 90 rows (33.3 %) have no true label'
    """
    features = requirement.groups or tuple(sorted(requirement.slice))
    chosen = None if requirement.groups else tuple(requirement.slice[name] for name in features)
    wanted = {chosen, tuple(requirement.against[name] for name in features if name in requirement.against)}
    if result.tally is not None:
        known = set(features) <= set(result.tally.features)
        rows, of = _of_tally(result.tally, features if known else ())
        wanted = wanted if known else {()}
    else:
        rows, of = _of_rows(requirement, result, features)
        recorded = result.provenance.given.get(RECORD)
        if not of and isinstance(recorded, int):
            everyone = (row.n for row in result.measurements if row.metric == "count" and not row.slice)
            return Lacking(recorded, max(next(everyone, 0), recorded), ()) if recorded else None
    if chosen is not None:
        rows, of = ({group: n for group, n in side.items() if group in wanted} for side in (rows, of))
    named = sorted(((group_label(group) if group else "", n) for group, n in rows.items() if n),
                   key=lambda pair: (-pair[1], pair[0]))  # fmt: skip
    return Lacking(sum(n for _, n in named), sum(of.values()), tuple(named)) if named else None


def with_unlabelled(found: Finding, requirement: Requirement, policy: Policy, lacking: Lacking | None) -> Finding:
    """Return a finding on stored rows, or INSUFFICIENT where missing labels could turn it and are not to be ignored.

    Examples
    --------
    >>> asked = Requirement(id="r", metric="log_loss", max=0.5)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> with_unlabelled(Finding("PASS"), asked, policy, Lacking(30, 90, ())).verdict
    'INSUFFICIENT'
    """
    if lacking is None or found.verdict not in {"PASS", "FAIL"} or not rests_on_labels(requirement):
        return found
    if (requirement.missing_labels or policy.missing_labels) == "ignore":
        note = f"{lacking.text} and are ignored (missing_labels: ignore): this speaks of the labelled rows only"
        return found._replace(reason=f"{found.reason}; {note}" if found.reason else note)
    verb = "holds" if found.verdict == "PASS" else "fails"
    why = f"{lacking.text}; on the labelled rows alone it {verb}, and no worst case is known for {requirement.metric}"
    return found._replace(verdict="INSUFFICIENT", reason=f"{why}; missing_labels: ignore would not ask")


def _enters(metric: str) -> bool:
    """Return whether a true label enters a metric that some tally answers."""
    facts = known_metric(metric)
    if facts is None or facts.function not in {known.function for known in METRICS.values()}:
        return True
    return facts.kind not in BOUNDED or any(concerned_by(facts))


def _of_tally(tally: Tally, features: tuple[str, ...]) -> tuple[Mapping[GroupValues, int], Mapping[GroupValues, int]]:
    cells = cells_of(tally)
    slices = partition(cells, features)
    gone = tally.cells["y_true"].is_null().to_numpy()
    rows, of = (
        np.bincount(slices.member, weights=n, minlength=len(slices.groups)).astype(np.int64).tolist()
        for n in (cells.n * gone, cells.n)
    )
    return dict(zip(slices.groups, rows, strict=True)), dict(zip(slices.groups, of, strict=True))


def _of_rows(
    requirement: Requirement, result: Result, features: tuple[str, ...]
) -> tuple[Mapping[GroupValues, int], Mapping[GroupValues, int]]:
    base = next((requirement.metric.removesuffix(gap) for gap in _GAPS if requirement.metric.endswith(gap)),
                requirement.metric)  # fmt: skip
    if base not in OF_ALL_LABELLED:
        return {}, {}
    at = tuple(sorted(requirement.at.items()))
    counted, labelled = dict[GroupValues, int](), dict[GroupValues, int]()
    for row in result.measurements:
        if row.against is None and {name for name, _ in row.slice} == set(features):
            group = tuple(dict(row.slice)[name] for name in features)
            if row.metric == "count":
                counted[group] = row.n
            elif row.metric == base and row.at == at:
                labelled[group] = row.n
    return {group: max(counted[group] - n, 0) for group, n in labelled.items() if group in counted}, counted
