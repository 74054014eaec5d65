"""How strongly a loop feeds itself: what a small random extra of attention brings back to the training data."""

import numpy as np
import numpy.typing as npt

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.blocks import first_time
from monitors.feedback.gain_counts import Grid, grid_of
from monitors.feedback.gain_faults import not_enough, not_random, one_place
from monitors.feedback.gain_fit import ElasticityFit, fit_elasticity, log_past, within
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import Estimate, evidence_of, of_estimate
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings

Array = npt.NDArray[np.float64]

GAIN, ELASTICITY = "loop_gain", "observation_elasticity"
WATCH = 0.7
"""A gain above it multiplies a first advantage more than threefold, 1 / (1 - gain)."""
RUNAWAY = 1.0
"""From here on a first advantage grows without end: gates hold the upper end of the interval against it."""

_METHOD = "place_jackknife"


def measure_gain(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return the loop gain and the observation elasticity of a log, as far as it has the columns."""
    gain, elasticity = LoopRows(), LoopRows()
    if "dither" in log.columns:
        grid = grid_of(log, window=settings.window, dithered=True)
        gain = _gain(grid, log, settings)
    if "exposure" in log.columns:
        grid = grid_of(log, window=settings.window, dithered=False)
        elasticity = _elasticity(grid, settings)
    return LoopRows((*gain.rows, *elasticity.rows), gain.evidence)


def loop_gain(fed_back: Array, dither: Array, *, plan: Array | None = None, ordered: bool = True) -> ElasticityFit:
    r"""Return the share of a small random shift of attention that comes back in what the model is trained on.

    0 is no loop; at 1 the model confirms whatever it did. Below 1 a first advantage ends up multiplied by
    1 / (1 - gain).

    Parameters
    ----------
    fed_back : array, shape (n_places, n_periods)
        What the training data got from a place in a period, at least 0; NaN = no such cell.
    dither : array, shape (n_places, n_periods)
        The random shift of the logarithm of attention, drawn anew for each period; NaN = none was drawn.
    plan : array, shape (n_places, n_periods), optional
        Logarithm of the attention that was planned, before the dither.
    ordered
        Whether periods stand in the order of time.

    Returns
    -------
    ElasticityFit
        NaN where the dither does not vary between the places of a period.

    Notes
    -----
    :math:`\log E[s_{it}] = \lambda_t + \gamma \log p_{it} + \beta \log h_{it} + G \delta_{it}` with s what was fed
    back, p the plan, h the place's part of all that was fed back before and :math:`\delta` the dither. Only because
    the dither is random is G the effect of attention: the same regression on the plan alone shows what places have in
    common with their plans. Effects of periods hold whatever moves all places at once, such as weekly cycles. The plan
    and the past stand in for effects of places: those would be means over the future, which the dither has changed,
    and would bias a gain of 1 to .94 in half a year of weeks. An urn and its gain: D. Ensign et al. (2018), Runaway
    feedback loops in predictive policing, arXiv:1706.09847.

    Examples
    --------
    Where all that was fed back follows attention, the gain is 1; where it does not, 0.

    >>> dither = np.random.default_rng(1).normal(0, 0.3, (20, 26))
    >>> round(loop_gain(100 * np.exp(dither), dither).estimate, 6)
    1.0
    >>> abs(round(loop_gain(np.full((20, 26), 100.0), dither).estimate, 6))
    0.0
    """
    counts = np.where(np.isfinite(dither), fed_back, np.nan)
    controls = [] if plan is None else [plan]
    if ordered:
        controls.append(log_past(fed_back))
    return fit_elasticity(counts, dither, controls=[each for each in controls if _moves(each, counts)])


def observation_elasticity(found: Array, attention: Array) -> ElasticityFit:
    r"""Return by how many per cent more is found in a place where one looks one per cent more.

    About 1: what is found says where one looked; about 0: it does not depend on it. It describes and is no gain:
    attention is not random, and goes where much was found before.

    Parameters
    ----------
    found : array, shape (n_places, n_periods)
        Outcomes that were observed; NaN = no such cell.
    attention : array, shape (n_places, n_periods)
        Units of attention; cells with none are left out.

    Notes
    -----
    :math:`\log E[y_{it}] = \mu_i + \lambda_t + \eta \log a_{it}`, with effects of places and periods.

    Examples
    --------
    >>> attention = np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 1.0]])
    >>> round(observation_elasticity(np.sqrt(attention), attention).estimate, 6)
    0.5
    """
    looked = np.isfinite(attention) & (attention > 0)
    regressor = np.log(np.where(looked, attention, 1.0))
    return fit_elasticity(np.where(looked, found, np.nan), regressor, place_effects=True)


def _gain(grid: Grid, log: PredictionLog, settings: LoopSettings) -> LoopRows:
    if grid.fault or grid.dither is None:
        return _none(GAIN, grid.fault or CANNOT, grid.rows)
    fault = not_enough(grid.fed_back) or not_random(grid)
    if fault:
        return _none(GAIN, fault, grid.rows)
    found = loop_gain(grid.fed_back, grid.dither, plan=grid.plan, ordered=grid.ordered)
    if not np.isfinite(found.standard_error):
        return _none(GAIN, f"{CANNOT} the fit did not settle on a number. Log more places or periods.", grid.rows)
    if fault := one_place(found.largest_part):
        return _none(GAIN, fault, grid.rows)
    said = None
    if "training_weight" not in log.columns:
        said = "every observed outcome is taken to be fed back with weight 1: the log names no training_weight"
    estimate = _estimate(found, grid.rows)
    row = of_estimate(GAIN, estimate, level=settings.level, method=_METHOD, reason=said)
    value = evidence_of(estimate, limit=settings.limits.get(GAIN, WATCH))
    return LoopRows((row,), (Evidence(row.key(), value, first_time(log)),))


def _elasticity(grid: Grid, settings: LoopSettings) -> LoopRows:
    if grid.fault or grid.attention is None:
        return _none(ELASTICITY, grid.fault or CANNOT, grid.rows)
    looked = np.isfinite(grid.attention) & (grid.attention > 0)
    if not looked.any():
        return _none(ELASTICITY, f"{CANNOT} every exposure is 0: nobody looked anywhere. Log attention.", grid.rows)
    fault = not_enough(np.where(looked, grid.found, np.nan))
    if fault:
        return _none(ELASTICITY, fault, grid.rows)
    found = observation_elasticity(grid.found, grid.attention)
    if not np.isfinite(found.standard_error):
        said = "attention moves alike in all places, so that it cannot be told from the time. Vary it by place."
        return _none(ELASTICITY, f"{CANNOT} {said}", grid.rows)
    empty = int((np.isfinite(grid.attention) & (grid.attention <= 0)).sum())
    note = f"{empty:,} places and periods without attention are left out" if empty else None
    row = of_estimate(ELASTICITY, _estimate(found, grid.rows), level=settings.level, method=_METHOD, reason=note)
    return LoopRows((row,))


def _estimate(found: ElasticityFit, rows: int) -> Estimate:
    return Estimate(found.estimate, found.standard_error, rows, found.places - 1.0, clustered=True)


def _none(metric: str, reason: str, n: int) -> LoopRows:
    return LoopRows((Measurement(metric=metric, value=None, n=n, method="none", reason=reason),))


def _moves(column: Array, counts: Array) -> bool:
    """Return whether a control says anything beside the periods."""
    weights = np.isfinite(counts).astype(np.float64)
    left = within(np.nan_to_num(column)[None], weights, place_effects=False)[0] * weights
    return bool((left**2).sum() > 1e-9)


FAMILY: Family = (
    LoopMetric(
        name=GAIN,
        title="How much of its own attention the model gets back",
        question="how strong",
        needs=("place", "dither", "outcome"),
        helps=("training_weight", "outcome_observed", "propensity", "round", "model_version", "timestamp"),
        meaning=(
            "If a place gets 10 % more attention by pure chance, the data that the model learns from next shows about "
            "10 % times this number more of it: 0 means no loop, 1 means the model confirms whatever it did."
        ),
        limit=WATCH,
        why=(
            "At .7 a first, perhaps accidental advantage of a place ends up more than three times as large; from 1 on "
            "it grows without end. An alarm asks to look at what is fed back to training: weigh findings by how much "
            "was looked, or learn from reports that do not depend on looking. A gate that must stop a rollout holds "
            "the upper end of the interval against 1."
        ),
        not_when=(
            "Not without a random dither that was drawn anew for each place and period and logged: the same regression "
            "without it gives a number that is wrong in both directions. Not where attention in one place draws "
            "findings away from another."
        ),
        obtain=(
            "Let the system multiply each place's planned attention by exp(d), with d drawn from a normal distribution "
            "of standard deviation about 0.3 anew in every period, and log d as dither; log place, period (round or "
            "timestamp), the plan (propensity), what was found (outcome) and its weight in training."
        ),
        source=(
            "Ensign et al. 2018, arXiv:1706.09847 (the urn and its gain); Poisson quasi-likelihood: Gourieroux, "
            "Monfort & Trognon 1984, doi:10.2307/1913471."
        ),
        measure=measure_gain,
    ),
    LoopMetric(
        name=ELASTICITY,
        title="Whether more is found where one looks more",
        question="is there a loop",
        needs=("place", "exposure", "outcome"),
        helps=("outcome_observed", "round", "model_version", "timestamp"),
        meaning=(
            "By how many per cent more is found in a place in the weeks in which one looked one per cent more: about 1 "
            "means that findings say where one looked, about 0 that they do not."
        ),
        why=(
            "It only describes and has no limit. Near 1, findings should not be fed back to training as they are: they "
            "measure attention as much as they measure what is there."
        ),
        not_when=(
            "Never as the strength of the loop: attention is not random, it goes where much was found or expected, and "
            "the number mixes both. Use the loop gain with a dither for that."
        ),
        obtain="Log how much one looked (exposure: hours, visits, impressions) and the outcome, by place and period.",
        source="As the loop gain, with realised attention in place of the dither and effects of places and periods.",
        measure=measure_gain,
    ),
)
