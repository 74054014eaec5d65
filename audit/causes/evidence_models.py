"""Evidence from models: one model for unlike groups (aggregation), another use than was meant (deployment).

And the model's own part: what remains on balanced data. Unbiased data is not unbiased decisions.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from audit.causes.evidence import (
    MATERIAL,
    RELEVANT,
    Case,
    Evidence,
    compared,
    difference_row,
    effect_verdict,
    errors_of,
    held_out_labels,
    limit_sentence,
    mean_row,
    numbers,
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
    row; the intervals hold together over the groups (Bonferroni). One group whose whole interval lies beyond `MATERIAL`
    is enough; where none does, every group must be known not to reach `RELEVANT`: a group that is too small for a model
    of its own, or whose interval reaches further, leaves the question open.

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
    sizes = {group: int((case.data.group == group).sum()) for group in case.data.groups}
    few = [group for group, size in sizes.items() if size < FEW]
    rows = [_own_model_row(case, group, len(sizes) - len(few)) for group in sizes if group not in few]
    if not rows:
        text = f"not testable because no group has {FEW} rows for a model of its own"
        return Evidence("aggregation", "not testable", text, ())
    worst = max(rows, key=lambda row: numbers(row)[1] if row.low is not None else -1.0)
    told = partial(_own_model_text, asked=case.group)
    speaking = [row for row in rows if row.low is not None and row.low > MATERIAL]
    wide = [row for row in rows if row.high is None or row.high > RELEVANT]
    if speaking:
        text = "; ".join(map(told, speaking))
        text += "; model the group's own relations (interactions, or a model per group)"
        return Evidence("aggregation", "supported", text, _with_reason(rows, worst, text))
    open_questions = [told(row) for row in wide]
    open_questions += [f"{group} has {sizes[group]} rows, fewer than {FEW} for a model of its own" for group in few]
    if open_questions:
        text = f"not testable because these groups leave it open: {'; '.join(open_questions)}"
        return Evidence("aggregation", "not testable", text, _with_reason(rows, worst, text))
    text = f"of all groups most: {told(worst)}{limit_sentence()}"
    return Evidence("aggregation", "not supported", text, _with_reason(rows, worst, text))


def _own_model_row(case: Case, group: str, together: int) -> Measurement:
    """Return by how much the pooled model errs more often on a group than a model of its own, paired by row."""
    wrong, counted = errors_of(case.data, case.held_out)
    mine = np.flatnonzero(case.data.group == group)
    own = held_out_labels(case.data.take(mine), case.fit, random_state=case.random_state)
    alone = errors_of(case.data, _placed(case, mine, own))[0][mine]
    kept = counted[mine]
    more = wrong[mine][kept].astype(float) - alone[kept]
    return mean_row(
        "error_rate_difference", case.whom(group), case.at("aggregation"), more, level=case.level,
        against={"kind": "model", "model_version": "fitted on the group alone"}, together=together,
    )  # fmt: skip


def _own_model_text(row: Measurement, *, asked: str) -> str:
    often, by = compared(row, "more often", "less often")
    return f"the pooled model errs {often} on {_whom(row, asked)} than a model of its own by {by}"


def _whom(row: Measurement, asked: str) -> str:
    """Return the group of a row; where it is not the one in question, that is said."""
    group = str(row.slice[0][1])
    return group if group == asked else f"{group} (not {asked}, the group in question)"


def _with_reason(rows: Sequence[Measurement], chosen: Measurement, text: str) -> tuple[Measurement, ...]:
    return tuple(replace(row, reason=text) if row is chosen else row for row in rows)


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
        text = "; ".join(_named(row, case.group) for row in speaking)
        return Evidence("deployment", "supported", text, tuple(found))
    text = "; ".join(_named(row, case.group) for row in found)
    if "not testable" in verdicts:
        return Evidence("deployment", "not testable", f"not testable because rows leave it open: {text}", tuple(found))
    limits = {MATERIAL if row.metric.startswith("override") else CHANGED for row in found}
    text += (
        limit_sentence(min(limits))
        if len(limits) == 1
        else (
            f"; it would speak for this source if a whole interval lay beyond {100 * MATERIAL:g} points of decisions "
            f"or {100 * CHANGED:g} points of errors"
        )
    )
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
        (wrong[counted & mine], wrong[counted & ~mine]), level=case.level, together=case.together,
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
    rows = [
        difference_row(
            "override_rate", case.whom(), at, (changed[mine], changed[~mine]), level=case.level, together=case.together
        )
    ]
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


def _named(row: Measurement, asked: str) -> str:
    group = _whom(row, asked)
    if row.metric.startswith("override"):
        often, by = compared(row, "more often", "less often")
        return f"decisions on {group} overrule the model {often} than those on others by {by}"
    which, by = compared(row, "exceeds", "is below")
    return f"the error on {group} in deployment {which} that on the benchmark by {by}"
