"""Metrics of calibration: whether a score of 0.3 means three in ten, all in all, over the range, and per bin of scores.

All rest on the labelled rows of a slice by true label and score bin, each bin with the exact mean and variance of the
scores that are in it. Under sampling weights the mean within a bin is that of its rows, weighed alike: exact where a
bin holds one distinct score, else off by less than the width of a bin.
"""

from typing import NamedTuple

import numpy as np

from audit.metrics.metric import Array, BinErrors, Distance, Scored, ScoreMoments

CLIP = 0.001
"""Scores below this, or above 1 minus this, count as it where a log odds is taken: that of 0 and 1 is infinite."""

_PASSES = 60
_CLOSE = 1e-8  # Newton's error after a step is of the order of its square


def brier_score(scores: ScoreMoments) -> Scored:
    """Mean squared difference of score and label (1 or 0), in [0, 1], smaller is better: mean of (s - y)^2.

    It mixes calibration and ranking, and its level follows the prevalence: a constant score of the prevalence p has
    p (1 - p). Undefined without labels. The value is exact; the variance of the loss within a bin is the delta
    method's, 4 (s - y)^2 var(s), which is all but nothing beside that between bins. With fewer than ten rows of either
    label the interval allows for those that were not seen (`audit.rare_labels`).

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, doi:10.1175/1520-0493(1950)078.

    Examples
    --------
    Negatives at 0.2 and 0.4, a positive at 0.9: (0.04 + 0.16 + 0.01) / 3.

    >>> weight, mean = np.array([[[2.0, 0.0]], [[0.0, 1.0]]]), np.array([[[0.3, 0.0]], [[0.0, 0.9]]])
    >>> brier_score(ScoreMoments(weight, mean, variance=np.array([[[0.01, 0.0]], [[0.0, 0.0]]]))).value.round(4)
    array([0.07])
    """
    off = scores.mean - _LABEL
    loss = off**2 + scores.variance
    rows = scores.weight.sum(axis=(0, 2))
    value = _per(rows, (scores.weight * loss).sum(axis=(0, 2)))
    influence = _per(rows, loss - np.nan_to_num(value)[:, None])
    within = _per(rows, 2 * np.abs(off) * np.sqrt(scores.variance))
    mean, variance = _pooled(scores)
    return Scored(value, influence, within=within, losses=(mean - _LABEL) ** 2 + variance)


def calibration_in_the_large(scores: ScoreMoments) -> Scored:
    """Mean score minus prevalence, in [-1, 1]: above 0 the scores promise too much, below 0 too little; 0 is best.

    The value is exact. Undefined without labels. With fewer than ten rows of either label its interval is the exact
    one of the prevalence about the mean score, squared and added to that of the mean score (`audit.rare_labels`).

    Source: Steyerberg et al. 2010, Assessing the performance of prediction models, doi:10.1097/EDE.0b013e3181c30fb2.

    Examples
    --------
    Negatives at 0.2 and 0.4, a positive at 0.9: 0.5 - 1/3.

    >>> weight, mean = np.array([[[2.0, 0.0]], [[0.0, 1.0]]]), np.array([[[0.3, 0.0]], [[0.0, 0.9]]])
    >>> calibration_in_the_large(ScoreMoments(weight, mean, variance=np.zeros((2, 1, 2)))).value.round(4)
    array([0.1667])
    """
    off = scores.mean - _LABEL
    rows = scores.weight.sum(axis=(0, 2))
    value = _per(rows, (scores.weight * off).sum(axis=(0, 2)))
    influence = _per(rows, off - np.nan_to_num(value)[:, None])
    return Scored(value, influence, within=_per(rows, np.sqrt(scores.variance)), losses=_pooled(scores)[0] - _LABEL)


def calibration_slope(scores: ScoreMoments) -> Scored:
    """How far the log odds of the label move with those of the score; 1 is best, below 1 the scores are too extreme.

    The slope b of the logistic regression log odds(y = 1) = a + b log odds(s), by maximum likelihood, in (-inf, inf);
    0 says that the scores tell nothing, above 1 that they are too timid. Its interval is Wald's with the sandwich
    variance, so that it does not presume the line; with some 15 rows of the rarer label it covers in .92 instead of .95
    of samples, from 60 on in .94 to .95. The log odds are those of the mean score of each bin and label:
    exact where a bin holds one distinct score. Scores within 0.001 of 0 or 1 (`CLIP`) count as 0.001 or 0.999.
    Undefined without both labels, and where a threshold on the score parts them, or all scores are alike: no finite
    slope is most likely then.

    Sources: Cox 1958, Two further applications of a model for binary regression, doi:10.1093/biomet/45.3-4.562;
    Van Calster et al. 2019, Calibration: the Achilles heel of predictive analytics, doi:10.1186/s12916-019-1466-7.

    Examples
    --------
    Of rows scored 0.2, one in three is positive, of those scored 0.8 two in three: log odds of 2 rather than 4.

    >>> weight, mean = np.array([[[2.0, 1.0]], [[1.0, 2.0]]]), np.array([[[0.2, 0.8]], [[0.2, 0.8]]])
    >>> calibration_slope(ScoreMoments(weight, mean, variance=np.zeros((2, 1, 2)))).value.round(4)
    array([0.5])
    """
    odds = _log_odds(scores)
    held = scores.weight > 0
    lowest, highest = np.where(held, odds, np.inf).min(axis=2), np.where(held, odds, -np.inf).max(axis=2)
    overlap = (highest > lowest[::-1]).all(axis=0)  # of each label beyond the lowest of the other
    line = _logistic_line(scores.weight, odds, overlap)
    return Scored(np.where(overlap & line.found, line.slope, np.nan), line.influence, rests_on="both")


def calibration_intercept(scores: ScoreMoments) -> Scored:
    """By how much the log odds of the score fall short of the label's, at slope 1; 0 is best.

    The intercept a of the logistic regression log odds(y = 1) = a + log odds(s), in (-inf, inf): below 0 the scores
    promise too much, above 0 too little. It is `calibration_in_the_large` on the scale of log odds (with the opposite
    sign). Intervals, bins and scores of 0 and 1 as in `calibration_slope`. Undefined without both labels.

    Sources: Cox 1958, doi:10.1093/biomet/45.3-4.562; Van Calster et al. 2016, A calibration hierarchy for risk models
    was defined, doi:10.1016/j.jclinepi.2015.12.005.

    Examples
    --------
    Of the rows scored 0.5, three in four are positive: log odds of 3.

    >>> scores = ScoreMoments(np.array([[[1.0]], [[3.0]]]), mean=np.full((2, 1, 1), 0.5), variance=np.zeros((2, 1, 1)))
    >>> calibration_intercept(scores).value.round(4), np.log(3).round(4).item()
    (array([1.0986]), 1.0986)
    """
    odds = _log_odds(scores)
    defined = (scores.weight.sum(axis=2) > 0).all(axis=0)
    value = _shift(scores.weight, odds, defined)
    chance = _chance(odds + value[:, None])
    bent = (scores.weight * chance * (1 - chance)).sum(axis=(0, 2))
    return Scored(np.where(defined, value, np.nan), _per(bent, _LABEL - chance), rests_on="both")


def expected_calibration_error(errors: BinErrors) -> Distance:
    """Mean distance of observed rate and mean score over ten bins of scores, in [0, 1], smaller is better.

    ECE = sum over ten equal-width, left-closed bins of share(b) |observed(b) - score(b)|; undefined without labels. The
    estimate is above 0 for a perfectly calibrated model, the more so the fewer rows there are: only the interval, from
    simultaneous intervals of the bins (`audit.inference.distance_bounds`) to which the error of the bins' shares is
    squared and added, tells what is shown. It errs on the safe side: of miscalibrated models it covers in nearly all
    samples.

    Sources: Naeini, Cooper & Hauskrecht 2015, Obtaining well calibrated probabilities using Bayesian binning,
    doi:10.1609/aaai.v29i1.9602; Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599, eq. 3.

    Examples
    --------
    >>> errors = BinErrors(error=np.array([[0.1, 0.3, np.nan]]), share=np.array([[0.75, 0.25, 0.0]]))
    >>> expected_calibration_error(errors).value.round(4)
    array([0.15])
    """
    held = errors.share > 0
    value = np.where(held, errors.share * errors.error, 0.0).sum(axis=1)
    by_row = np.where(held, errors.error, 0.0)
    return Distance(np.where(held.any(axis=1), value, np.nan), by_row=by_row)


def maximum_calibration_error(errors: BinErrors) -> Distance:
    """Largest distance of observed rate and mean score over ten bins of scores, in [0, 1], smaller is better.

    MCE = max over the bins that hold a labelled row; bins, interval and bias as in `expected_calibration_error`. It
    rests on the emptiest of those bins, whose rows are its n.

    Source: Naeini, Cooper & Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602.

    Examples
    --------
    >>> errors = BinErrors(error=np.array([[0.1, 0.3, np.nan]]), share=np.array([[0.75, 0.25, 0.0]]))
    >>> maximum_calibration_error(errors).value
    array([0.3])
    """
    held = errors.share > 0
    value = np.where(held, errors.error, 0.0).max(axis=1, initial=0.0)
    return Distance(np.where(held.any(axis=1), value, np.nan), n_of="emptiest")


_LABEL = np.array([0.0, 1.0])[:, None, None]
_WIDEST = 4 * float(np.log(1 / CLIP))  # no intercept lies farther out, whatever the share of positives


class _Line(NamedTuple):
    """Slopes with the influence of one unit of weight on them, and whether they were found."""

    slope: Array
    influence: Array
    found: Array


class _Slopes(NamedTuple):
    """First derivatives of the log likelihood of a line, and its information matrix, per slice."""

    first: tuple[Array, Array]
    information: tuple[Array, Array, Array]
    chance: Array


def _logistic_line(weight: Array, odds: Array, defined: Array) -> _Line:
    """Return the slopes of most likely logistic lines by Newton's method; a step that overshoots is halved.

    Along a step the likelihood is concave: it went too far where it falls there more steeply than it rose before.
    """
    rows = weight.sum(axis=(0, 2))
    centre = _per(rows, (weight * odds).sum(axis=(0, 2)), empty=0.0)
    x = odds - centre[:, None]
    line = np.stack([centre, np.ones(len(centre))])  # the line of a calibrated score
    here = _derivatives(weight, x, line)
    step = _newton(here, defined)
    found = ~defined
    for _ in range(_PASSES):
        there = _derivatives(weight, x, line + step)
        before, after = (side.first[0] * step[0] + side.first[1] * step[1] for side in (here, there))
        found = ~defined | (np.abs(step).max(axis=0) < _CLOSE * np.maximum(1.0, np.abs(line[1])))
        overshot = (after < -before) & ~found
        line = np.where(overshot, line, line + step)
        here = _derivatives(weight, x, line) if overshot.any() else there
        if found.all():
            break
        step = np.where(overshot, step / 2, _newton(here, defined))
    flat, tilt, _ = here.information
    across = flat[:, None] * x - tilt[:, None]
    return _Line(line[1], _per(_determinant(here.information), (_LABEL - here.chance) * across), found)


def _shift(weight: Array, odds: Array, defined: Array) -> Array:
    """Return the most likely intercepts by Newton's method, kept between bounds that close in on them."""
    positives = weight[1].sum(axis=1)
    low, high = (np.full(len(defined), sign * _WIDEST) for sign in (-1.0, 1.0))
    value = np.zeros(len(defined))
    for _ in range(_PASSES):
        chance = _chance(odds + value[:, None])
        missed = positives - (weight * chance).sum(axis=(0, 2))  # falls as the value grows
        bent = (weight * chance * (1 - chance)).sum(axis=(0, 2))
        low, high = np.where(missed >= 0, value, low), np.where(missed <= 0, value, high)
        wanted = value + _per(bent, missed, empty=0.0)
        wanted = np.where((wanted >= low) & (wanted <= high), wanted, (low + high) / 2)
        moved = np.where(defined, wanted - value, 0.0)
        value = value + moved
        if np.abs(moved).max(initial=0.0) < _CLOSE:
            break
    return value


def _derivatives(weight: Array, x: Array, line: Array) -> _Slopes:
    chance = _chance(line[0][:, None] + line[1][:, None] * x)
    missed = weight * (_LABEL - chance)
    bent = weight * chance * (1 - chance)
    tilt = bent * x
    first = missed.sum(axis=(0, 2)), (missed * x).sum(axis=(0, 2))
    return _Slopes(first, (bent.sum(axis=(0, 2)), tilt.sum(axis=(0, 2)), (tilt * x).sum(axis=(0, 2))), chance)


def _newton(at: _Slopes, defined: Array) -> Array:
    (rise, turn), (flat, tilt, steep) = at.first, at.information
    whole = np.where(defined, _determinant(at.information), 0.0)
    moves = steep * rise - tilt * turn, flat * turn - tilt * rise
    return np.stack([_per(whole, move, empty=0.0) for move in moves])


def _determinant(information: tuple[Array, Array, Array]) -> Array:
    flat, tilt, steep = information
    return np.asarray(flat * steep - tilt**2)


def _pooled(scores: ScoreMoments) -> tuple[Array, Array]:
    """Return mean and variance of the scores in each bin over both labels, with an axis of labels before."""
    held = scores.weight.sum(axis=0)
    safe = np.where(held > 0, held, 1.0)
    mean = (scores.weight * scores.mean).sum(axis=0) / safe
    square = (scores.weight * (scores.variance + scores.mean**2)).sum(axis=0) / safe
    return mean[None], np.maximum(square - mean**2, 0.0)[None]


def _log_odds(scores: ScoreMoments) -> Array:
    inside = np.clip(scores.mean, CLIP, 1 - CLIP)
    return np.asarray(np.log(inside / (1 - inside)))


def _chance(odds: Array) -> Array:
    """Return 1 / (1 + exp(-odds)), through tanh, which never overflows."""
    return np.asarray(0.5 + 0.5 * np.tanh(odds / 2))


def _per(rows: Array, amount: Array, *, empty: float = np.nan) -> Array:
    """Divide by what each slice holds; `empty` where it holds nothing, 0 in what has an axis of slices among three."""
    if amount.ndim > 1:
        return np.asarray(amount * np.where(rows > 0, 1 / np.where(rows > 0, rows, 1.0), 0.0)[:, None])
    return np.asarray(np.where(rows > 0, amount / np.where(rows > 0, rows, 1.0), empty))
