"""Evidence from who is in the data: too few of a group to learn from (representation), or to judge by (evaluation)."""

from dataclasses import replace

import numpy as np

from audit.causes.evidence import (
    MATERIAL,
    Case,
    Evidence,
    difference_row,
    effect_verdict,
    errors_of,
    numbers,
    points,
    share_row,
)
from audit.causes.learning_curves import Gain, LearningCurve, curve_rows, learning_curve
from audit.causes.samples import Sample, fitted, predictions
from audit.errors import InputError
from audit.inference import intervals
from audit.measurement import Measurement

UNDER = 0.8
"""A group is under-represented where its share is shown to lie below this part of its share of the population."""

WORTH = 0.01
"""Doubling a group's rows counts as help only if its error is expected to fall by more than this."""

MISSTATED = 0.01
"""An overall error that differs by less than this between benchmark and deployment counts as the same."""


def representation(case: Case) -> Evidence:
    """Return evidence that a group is too rare in the development data to be learned, and that more of it would help.

    Three things must come together: the group is under-represented (against the population where that is known, else:
    it has less than half of an equal share of the rows), its error is estimated to be higher than that of others, and
    its learning curve is shown to fall. That a rare group's own gap is seldom decided is what rareness means.

    Examples
    --------
    >>> from audit.causes.evidence import held_out_labels
    >>> from audit.causes.fits import logistic_fit
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("representation")
    >>> case = Case(data=world.data, feature="group", group="B", fit=logistic_fit, population=world.population,
    ...             held_out=held_out_labels(world.data, logistic_fit))
    >>> representation(case).verdict
    'supported'
    """
    at, sample = case.at("representation"), case.data
    mine = sample.group == case.group
    wrong, counted = errors_of(sample, case.held_out)
    gap = difference_row(
        "error_rate", case.whom(), at, (wrong[counted & mine], wrong[counted & ~mine]), level=case.level
    )
    share, under, few = _composition(case)
    found = [share, gap]
    try:
        curve = learning_curve(sample, case.fit, group=case.group, level=case.level, random_state=case.random_state)
    except InputError as error:
        text = f"not testable because no learning curve can be drawn: {error}"
        return Evidence("representation", "not testable", text, tuple(found))
    gain = curve.gain(2 * int(curve.sizes[-1]))
    found += [*curve_rows(curve, feature=case.feature), gain_row(case, curve, gain)]
    worse = (gap.value or 0.0) >= MATERIAL
    helps = gain.low > 0 and gain.value > WORTH
    facts = f"{few}; its error is {points(gap)} above that of others; {_curve_text(case.group, gain)}"
    if worse and curve.gain(4 * int(curve.sizes[-1])).high < (gap.value or 0.0):
        facts += "; not even four times the rows are expected to close the gap"
    if under and worse and helps:
        return Evidence("representation", "supported", facts, tuple(found))
    if under and worse and gain.high > 2 * MATERIAL and gain.low <= 0:
        text = f"not testable because the learning curve leaves it open; {facts}"
        return Evidence("representation", "not testable", text, tuple(found))
    return Evidence("representation", "not supported", facts, tuple(found))


def evaluation(case: Case) -> Evidence:
    """Return evidence that the benchmark holds other people than deployment does, so that its error misleads.

    The benchmark's errors by group are weighted as the groups are in deployment; what that changes in the overall error
    decides, not the composition alone.

    Examples
    --------
    >>> from audit.causes.fits import logistic_fit
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("evaluation")
    >>> case = Case(data=world.data, feature="group", group="B", fit=logistic_fit, held_out=world.data.y,
    ...             benchmark=world.benchmark, deployment=world.deployment)
    >>> evaluation(case).verdict, evaluation(replace(case, deployment=None)).verdict
    ('supported', 'not testable')
    """
    if case.deployment is None or not len(case.deployment):
        text = "not testable because no rows from deployment were given: pass them, with the group of each"
        return Evidence("evaluation", "not testable", text, ())
    at = case.at("evaluation")
    sample, wrong, counted = benchmark_errors(case)
    sides = (case.deployment.group == case.group, sample.group == case.group)
    share = difference_row("composition", case.whom(), at, sides, level=case.level, against=_DEPLOYED)
    share = replace(share, reason="share of the group in deployment minus its share of the benchmark")
    absent = [group for group in case.deployment.groups if group not in sample.groups]
    if absent:
        text = f"{', '.join(absent)} occur in deployment and in no row of the benchmark: their error was never measured"
        return Evidence("evaluation", "supported", text, (share,))
    row = _misstated(case, sample, wrong, counted)
    verdict = effect_verdict(*numbers(row), material=MISSTATED)
    text = (
        f"the error in deployment's mix of groups differs from the benchmark's by {points(row)}; the group's share "
        f"differs by {points(share)}"
    )
    if verdict == "supported":
        text += "; report errors by group, and weight the benchmark by who is there in use"
    elif verdict == "not testable":
        text = f"not testable because the benchmark is too small to tell: {text}"
    shares = [
        share_row("error_rate", case.whom(group), at, wrong[counted & (sample.group == group)], level=case.level)
        for group in sample.groups
    ]
    return Evidence("evaluation", verdict, text, (replace(row, reason=text), share, *shares))


def benchmark_errors(case: Case) -> tuple[Sample, np.ndarray, np.ndarray]:
    """Return the benchmark, which of its rows the model gets wrong, and which rows count.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([1, 1]))
    >>> case = Case(data=sample, feature="sex", group="F", fit=lambda x, y, w: None, held_out=np.array([1, 0]))
    >>> benchmark_errors(case)[1].tolist()
    [False, True]
    """
    if case.benchmark is None:
        return (case.data, *errors_of(case.data, case.held_out))
    predicted = predictions(fitted(case.fit, case.data), case.benchmark.features)
    return (case.benchmark, *errors_of(case.benchmark, predicted))


def gain_row(case: Case, curve: LearningCurve, gain: Gain) -> Measurement:
    """Return what more rows of a group are expected to bring: ``expected_<score>_reduction`` at that many more rows.

    Examples
    --------
    >>> losses = np.array([[1.0, 0.25]] * 5 + [[0.0, 0.0]] * 5)
    >>> curve = LearningCurve(group="F", score="error_rate", sizes=np.array([4, 16]), losses=losses, level=0.95)
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([1, 1]))
    >>> case = Case(data=sample, feature="sex", group="F", fit=lambda x, y, w: None, held_out=np.array([1, 0]))
    >>> row = gain_row(case, curve, curve.gain(64))
    >>> row.metric, row.value, dict(row.at)["k"]
    ('expected_error_rate_reduction', 0.09375, 48)
    """
    at = (*case.at("representation"), ("k", gain.rows))
    return Measurement(
        metric=f"expected_{curve.score}_reduction", slice=case.whom(), at=at, value=gain.value, low=gain.low,
        high=gain.high, n=len(curve.losses), level=case.level, method="inverse power curve, student over rows",
        reason=_curve_text(case.group, gain),
    )  # fmt: skip


_DEPLOYED = {"kind": "reference", "digest": None, "name": "benchmark"}


def _composition(case: Case) -> tuple[Measurement, bool, str]:
    """Return the group's share against the population, whether it is under-represented, and the sentence."""
    at, mine = case.at("representation"), case.data.group == case.group
    row = share_row("composition_share", case.whom(), at, mine, level=case.level)
    equal = 1 / len(case.data.groups)
    share = row.value or 0.0
    if case.population is None:
        few = share < equal / 2
        text = f"{case.group} is {100 * share:.1f} % of the rows (no population was named to compare with)"
        return replace(row, reason=text), few, text
    wanted = case.population.get(case.group, 0.0)
    under = (row.high or 0.0) < UNDER * wanted
    text = f"{case.group} is {100 * share:.1f} % of the rows and {100 * wanted:.1f} % of the population"
    return replace(row, reason=text), under, text


def _curve_text(group: str, gain: Gain) -> str:
    change = f"{100 * gain.value:.1f} points [{100 * gain.low:.1f}, {100 * gain.high:.1f}]"
    rows, error = f"{gain.rows:,} more rows of {group}", f"its error of {100 * gain.error:.1f} %"
    if gain.low > 0 and gain.value > WORTH:
        return f"{rows} are expected to lower {error} by {change}"
    return f"{rows} are not shown to lower {error}: {change}"


def _misstated(case: Case, sample: Sample, wrong: np.ndarray, counted: np.ndarray) -> Measurement:
    deployment = case.deployment
    groups = sample.groups
    sizes = np.array([(counted & (sample.group == group)).sum() for group in groups], dtype=np.float64)
    errors = np.array([wrong[counted & (sample.group == group)].mean() for group in groups])
    here = np.array([(sample.group == group).mean() for group in groups])
    there = np.array(
        [(np.asarray(deployment.group) == group).mean() if deployment is not None else 0.0 for group in groups]
    )
    moved = there - here
    value = float((moved * errors).sum())
    spread = (moved**2 * errors * (1 - errors) / sizes).sum()
    for weights, rows in ((here, len(sample)), (there, 0 if deployment is None else len(deployment))):
        spread += ((weights * errors**2).sum() - (weights * errors).sum() ** 2) / max(rows, 1)
    half = float(intervals.quantile(case.level)) * float(np.sqrt(spread))
    return Measurement(
        metric="error_rate_difference", slice=(), at=case.at("evaluation"), against=_DEPLOYED, value=value,
        low=value - half, high=value + half, n=int(sizes.min()), level=case.level, method="reweighted groups, delta",
    )  # fmt: skip
