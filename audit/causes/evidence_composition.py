"""Evidence from who is in the data: too few of a group to learn from (representation), or to judge by (evaluation)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from audit.causes.evidence import (
    MATERIAL,
    Case,
    Evidence,
    compared,
    difference_row,
    effect_verdict,
    errors_of,
    limit_sentence,
    numbers,
    points,
    share_row,
)
from audit.causes.learning_curves import Gain, LearningCurve, curve_rows, learning_curve
from audit.causes.samples import MISSING_GROUP, Mask, Matrix, Sample, fitted, predictions
from audit.counting import count
from audit.errors import InputError
from audit.inference import intervals
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.publishing.representation import representation as group_shares
from audit.tally import Tally

UNDER = 0.8
"""A group is under-represented where its share is shown to lie below this part of its share of the population."""

WORTH = 0.01
"""Doubling a group's rows counts as help only if its error is expected to fall by more than this."""

MISSTATED = 0.01
"""An overall error that differs by less than this between benchmark and deployment counts as the same."""

MIN_MEASURED = 20
"""With fewer benchmark rows of a group, what its share in deployment changes is not said."""


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
        "error_rate", case.whom(), at, (wrong[counted & mine], wrong[counted & ~mine]), level=case.level,
        together=case.together,
    )  # fmt: skip
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
    where, by = compared(gap, "above", "below")
    facts = f"{few}; its error is {by} {where} that of others; {_curve_text(case.group, gain)}"
    if worse and curve.gain(4 * int(curve.sizes[-1])).high < (gap.value or 0.0):
        facts += "; not even four times the rows are expected to close the gap"
    if under and worse and helps:
        return Evidence("representation", "supported", facts, tuple(found))
    if under and worse and gain.high > 2 * MATERIAL and gain.low <= 0:
        text = f"not testable because the learning curve leaves it open; {facts}"
        return Evidence("representation", "not testable", text, tuple(found))
    facts += (
        "; it would speak for this source if the group were rarer than in the population, its error at least "
        f"{100 * MATERIAL:g} points above that of others, and more rows were expected to lower it"
    )
    return Evidence("representation", "not supported", facts, tuple(found))


def evaluation(case: Case) -> Evidence:
    """Return evidence that the benchmark holds other people than deployment does, so that its error misleads.

    The benchmark's errors by group are weighted as the groups are in deployment; what that changes in the overall error
    decides, not the composition alone. Where groups with fewer than `MIN_MEASURED` benchmark rows change their share by
    more than `MISSTATED` together, that is not testable.

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
    share = difference_row(
        "composition", case.whom(), at, sides, level=case.level, against=_DEPLOYED, together=case.together
    )
    share = replace(share, reason="share of the group in deployment minus its share of the benchmark")
    absent = [group for group in case.deployment.groups if not (counted & (sample.group == group)).any()]
    if absent:
        text = f"{', '.join(absent)} occur in deployment and in no row of the benchmark: their error was never measured"
        return Evidence("evaluation", "supported", text, (share,))
    row = _misstated(case, sample, wrong, counted)
    verdict = effect_verdict(*numbers(row), material=MISSTATED)
    few = _unmeasured(case, sample, counted)
    text = (
        f"the error in deployment's mix of groups differs from the benchmark's by {points(row)}; the group's share "
        f"differs by {points(share)}"
    )
    if few:
        verdict = "not testable"
        text = f"not testable because the benchmark holds fewer than {MIN_MEASURED} rows of {', '.join(few)}: {text}"
    elif verdict == "supported":
        text += "; report errors by group, and weight the benchmark by who is there in use"
    elif verdict == "not testable":
        text = f"not testable because the benchmark is too small to tell: {text}"
    else:
        text += limit_sentence(MISSTATED)
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
    if case.group == MISSING_GROUP:
        row = share_row("composition_share", case.whom(), at, mine, level=case.level)
        text = f"{case.group} is {100 * (row.value or 0.0):.1f} % of the rows, and no group of a population"
        return replace(row, reason=text), False, text
    named = [group for group in case.data.groups if group != MISSING_GROUP]
    wanted = case.population or dict.fromkeys(named, 1 / len(named))
    found = {
        row.metric: row
        for row in group_shares(_who(case), case.feature, wanted, level=case.level)
        if row.slice == case.whom()
    }
    row, share = found["representation_share"], 100 * (found["representation_share"].value or 0.0)
    if case.population is None:
        few = (row.value or 0.0) < 1 / len(named) / 2
        text = f"{case.group} is {share:.1f} % of the rows (no population was named to compare with)"
    else:
        ratio = found["representation_ratio"]
        few = ratio.high is not None and ratio.high < UNDER
        text = (
            f"{case.group} is {share:.1f} % [{100 * (row.low or 0.0):.1f}, {100 * (row.high or 0.0):.1f}] of the rows "
            f"and {100 * wanted[case.group]:.1f} % of the population"
        )
    return replace(row, metric="composition_share", at=at, reason=text), few, text


def _who(case: Case) -> Tally:
    """Return the rows counted by group; those whose group is missing have none."""
    groups = [None if group == MISSING_GROUP else group for group in case.data.group.tolist()]
    ones = [1] * len(groups)
    names = [f"{case.feature}, {part}" for part in ("y", "p")]
    frame = pa.table({case.feature: groups, names[0]: ones, names[1]: ones})
    return count(PredictionLog.from_frame(frame, y_true=names[0], y_pred=names[1], sensitive_features=[case.feature]))


def _curve_text(group: str, gain: Gain) -> str:
    change = f"{100 * gain.value:.1f} points [{100 * gain.low:.1f}, {100 * gain.high:.1f}]"
    rows, error = f"{gain.rows:,} more rows of {group}", f"its error of {100 * gain.error:.1f} %"
    if gain.low > 0 and gain.value > WORTH:
        return f"{rows} are expected to lower {error} by {change}"
    return f"{rows} are not shown to lower {error}: {change}"


def _mixes(case: Case, sample: Sample, groups: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Return the share of each group in the benchmark and in deployment."""
    there = sample.group[:0] if case.deployment is None else case.deployment.group
    here, used = (
        np.array([(column == group).sum() for group in groups]) / max(len(column), 1)
        for column in (sample.group, there)
    )
    return here, used


def _unmeasured(case: Case, sample: Sample, counted: Mask) -> list[str]:
    """Return the groups with few benchmark rows, if together they change their share enough to matter."""
    few = [group for group in sample.groups if (counted & (sample.group == group)).sum() < MIN_MEASURED]
    here, there = _mixes(case, sample, few)
    return few if float(np.abs(there - here).sum()) > MISSTATED else []


def _misstated(case: Case, sample: Sample, wrong: Mask, counted: Mask) -> Measurement:
    """Return what deployment's mix of groups changes in the benchmark's error.

    The interval combines those of the groups' errors (Wilson or Clopper-Pearson) by MOVER (Zou & Donner 2008,
    doi:10.1002/sim.3095): sum c_g e_g has the lower half-width sqrt(sum (c_g e_g - min(c_g low_g, c_g high_g))^2), and
    the upper one likewise; the variance of the two mixes is added.
    """
    groups = [group for group in sample.groups if (counted & (sample.group == group)).any()]
    hits = np.array([wrong[counted & (sample.group == group)].sum() for group in groups], dtype=np.float64)
    sizes = np.array([(counted & (sample.group == group)).sum() for group in groups], dtype=np.float64)
    errors, ends = hits / sizes, intervals.rate(hits, sizes, level=case.level)
    here, there = _mixes(case, sample, groups)
    moved, mixes = there - here, 0.0
    used = 0 if case.deployment is None else len(case.deployment)
    for weights, rows in ((here, len(sample)), (there, used)):
        mixes += ((weights * errors**2).sum() - (weights * errors).sum() ** 2) / max(rows, 1)
    value, both = float((moved * errors).sum()), np.stack([moved * ends.low, moved * ends.high])
    mixes *= float(intervals.quantile(case.level)) ** 2
    below = float(np.sqrt(((moved * errors - both.min(axis=0)) ** 2).sum() + mixes))
    above = float(np.sqrt(((both.max(axis=0) - moved * errors) ** 2).sum() + mixes))
    return Measurement(
        metric="error_rate_difference", slice=(), at=case.at("evaluation"), against=_DEPLOYED, value=value,
        low=value - below, high=value + above, n=int(sizes.min()), level=case.level,
        method="reweighted groups, square_and_add",
    )  # fmt: skip
