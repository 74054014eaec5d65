"""Evidence from models: one model for unlike groups (aggregation), another use than was meant (deployment).

And the model's own part: what remains on balanced data. Unbiased data is not unbiased decisions.
"""

from dataclasses import replace

import numpy as np

from audit.causes.evidence import (
    MATERIAL,
    Case,
    Evidence,
    difference_row,
    effect_verdict,
    errors_of,
    held_out_labels,
    mean_row,
    numbers,
    points,
    share_row,
)
from audit.causes.evidence_composition import benchmark_errors
from audit.causes.samples import Matrix, Sample, fitted, predictions
from audit.measurement import Measurement

FEW = 100
"""With fewer rows a group is not given a model of its own."""

CHANGED = 0.03
"""The error of a group in deployment counts as changed only beyond this."""


def aggregation(case: Case) -> Evidence:
    """Return evidence that one model does not suit all groups: a group's own model does better on its held-out rows.

    Both models see the same rows of the group; the pooled one sees those of the others as well. Errors are paired by
    row.

    Examples
    --------
    >>> from audit.causes.fits import logistic_fit
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("aggregation", n=2000)
    >>> case = Case(data=world.data, feature="group", group="B", fit=logistic_fit,
    ...             held_out=held_out_labels(world.data, logistic_fit))
    >>> aggregation(case).verdict
    'supported'
    """
    sample, at = case.data, case.at("aggregation")
    wrong, counted = errors_of(sample, case.held_out)
    rows: list[Measurement] = []
    for group in sample.groups:
        mine = np.flatnonzero(sample.group == group)
        if len(mine) < FEW:
            continue
        own = held_out_labels(sample.take(mine), case.fit, random_state=case.random_state)
        alone = errors_of(sample, _placed(case, mine, own))[0][mine]
        kept = counted[mine]
        pooled_minus_own = wrong[mine][kept].astype(float) - alone[kept]
        rows.append(
            mean_row(
                "error_rate_difference", case.whom(group), at, pooled_minus_own, level=case.level,
                against={"kind": "model", "name": "fitted on the group alone"},
            )
        )  # fmt: skip
    if not rows:
        text = f"not testable because no group has {FEW} rows for a model of its own"
        return Evidence("aggregation", "not testable", text, ())
    worst = max(rows, key=lambda row: numbers(row)[1] if row.low is not None else -1.0)
    verdict = effect_verdict(*numbers(worst))
    if (worst.value or 0.0) <= 0 and verdict == "supported":
        verdict = "not supported"  # a model of its own does worse: the groups learn from each other
    text = f"the pooled model errs more often on {worst.slice[0][1]} than a model of its own by {points(worst)}"
    if verdict == "supported":
        text += "; model the group's own relations (interactions, or a model per group)"
    elif verdict == "not testable":
        text = f"not testable because the rows leave it open: {text}"
    return Evidence(
        "aggregation", verdict, text, tuple(replace(row, reason=text) if row is worst else row for row in rows)
    )


def deployment(case: Case) -> Evidence:
    """Return evidence that in use something else happens than was evaluated: decisions overruled, errors that changed.

    People who overrule the model for one group more often than for another, and errors of the same model within a group
    that differ between benchmark and deployment, speak for it.

    Examples
    --------
    >>> from audit.causes.fits import logistic_fit
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("deployment")
    >>> case = Case(data=world.data, feature="group", group="B", fit=logistic_fit, held_out=world.data.y,
    ...             benchmark=world.benchmark, deployment=world.deployment)
    >>> deployment(case).verdict, deployment(replace(case, deployment=None)).verdict
    ('supported', 'not testable')
    """
    used = case.deployment
    if used is None or not len(used):
        text = "not testable because no rows from deployment were given: pass them, with decisions or outcomes"
        return Evidence("deployment", "not testable", text, ())
    found = [*_overruled(case, used), *_changed(case, used)]
    if not found:
        text = "not testable because the rows from deployment hold neither decisions beside predictions nor outcomes"
        return Evidence("deployment", "not testable", text, ())
    verdicts = [
        effect_verdict(*numbers(row), material=MATERIAL if row.metric.startswith("override") else CHANGED)
        for row in found
    ]
    speaking = [row for row, verdict in zip(found, verdicts, strict=True) if verdict == "supported"]
    if speaking:
        text = "; ".join(f"{_named(row)} by {points(row)}" for row in speaking)
        return Evidence("deployment", "supported", text, tuple(found))
    text = "; ".join(f"{_named(row)} by {points(row)}" for row in found)
    if "not testable" in verdicts:
        return Evidence("deployment", "not testable", f"not testable because rows leave it open: {text}", tuple(found))
    return Evidence("deployment", "not supported", text, tuple(found))


def on_balanced_data(case: Case) -> Measurement:
    """Return the gap in error that remains when every group and label weighs the same: the model's own part.

    Each cell of group and label gets the same total weight (Kamiran & Calders 2012, doi:10.1007/s10115-011-0463-8, go
    further and keep the shares). A gap that remains comes from the features and the model, not from the mix of rows.

    Examples
    --------
    >>> from audit.causes.fits import logistic_fit
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("none", n=1000)
    >>> case = Case(data=world.data, feature="group", group="B", fit=logistic_fit, held_out=world.data.y)
    >>> row = on_balanced_data(case)
    >>> row.metric, row.low < 0 < row.high
    ('balanced_error_rate_difference', True)
    """
    sample = case.data
    labels = held_out_labels(sample, case.fit, weight=balancing_weights(sample), random_state=case.random_state)
    wrong, counted = errors_of(sample, labels)
    mine = sample.group == case.group
    row = difference_row(
        "balanced_error_rate", case.whom(), (("feature", case.feature),),
        (wrong[counted & mine], wrong[counted & ~mine]), level=case.level,
    )  # fmt: skip
    text = "unbiased data is not unbiased decisions: the gap that remains when groups and labels weigh the same"
    return replace(row, reason=text)


def balancing_weights(sample: Sample) -> Matrix:
    """Return weights with which every observed cell of group and label has the same total; they average 1.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((3, 1)), group=np.array(["F", "M", "M"]), y=np.array([1, 1, 1]))
    >>> balancing_weights(sample).tolist()
    [1.5, 0.75, 0.75]
    """
    cells = np.unique(
        np.stack([np.unique(sample.group, return_inverse=True)[1], np.asarray(sample.y)]), axis=1, return_inverse=True
    )[1]
    sizes = np.bincount(cells)
    return np.asarray(len(sample) / len(sizes) / sizes[cells], dtype=np.float64)


def _placed(case: Case, places: np.ndarray, labels: np.ndarray) -> np.ndarray:
    found = np.array(case.held_out)
    found[places] = labels
    return found


def _overruled(case: Case, used: Sample) -> list[Measurement]:
    if used.decision is None or used.predicted is None:
        return []
    at, mine = case.at("deployment"), used.group == case.group
    changed = np.asarray(used.decision != used.predicted)
    rows = [difference_row("override_rate", case.whom(), at, (changed[mine], changed[~mine]), level=case.level)]
    shares = [
        share_row("override_rate", case.whom(group), at, changed[used.group == group], level=case.level)
        for group in used.groups
    ]
    reason = "; ".join(f"{row.slice[0][1]} {100 * (row.value or 0):.1f} %" for row in shares)
    return [replace(rows[0], reason=f"decisions that overrule the model: {reason}")]


def _changed(case: Case, used: Sample) -> list[Measurement]:
    if used.y is None:
        return []
    sample, wrong, counted = benchmark_errors(case)
    there, known = errors_of(used, predictions(fitted(case.fit, case.data), used.features))
    rows = []
    for group in used.groups:
        if group in sample.groups:
            sides = there[known & (used.group == group)], wrong[counted & (sample.group == group)]
            against = {"kind": "reference", "digest": None, "name": "benchmark"}
            rows.append(
                difference_row(
                    "error_rate", case.whom(group), case.at("deployment"), sides, level=case.level, against=against
                )
            )
    return rows


def _named(row: Measurement) -> str:
    group = row.slice[0][1]
    if row.metric.startswith("override"):
        return f"decisions on {group} overrule the model more often than those on others"
    return f"the error on {group} in deployment exceeds that on the benchmark"
