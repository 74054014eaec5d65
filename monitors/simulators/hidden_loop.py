"""The hidden loop: people shown a prediction move towards it, and the next model is trained on what they did."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_among, not_below, not_shares
from monitors.simulators.ridge import FEATURES, Array, Ridge, friedman1, r_squared, ridge

_TRAIN = 0.75
TrainOn = Literal["all", "unexposed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenLoop:
    """The settings of a hidden loop.

    Parameters
    ----------
    usage
        Share of the rows whose outcome the prediction sways, in [0, 1].
    adherence
        Standard deviation of a swayed outcome around the prediction, in mean absolute errors of the model; at least 0.
    rows
        All rows of the closed data: those the first model sees, and those that come after.
    holdout
        Rows that no prediction is ever shown for, and no model trained on.
    window
        Share of ``rows`` that a model is trained on and tested with; the oldest leave as new ones come.
    step
        Rows between two models.
    noise
        Standard deviation of outcomes around Friedman's function.
    exploration
        Share of the rows for which the prediction is withheld by chance, in [0, 1].
    train_on
        "all", or "unexposed": only rows whose outcome no prediction swayed (what a weight of 1 / P(unexposed) makes
        of rows whose exposure is drawn by chance).

    Examples
    --------
    >>> HiddenLoop().fits
    19
    """

    usage: float = 0.7
    adherence: float = 0.2
    rows: int = 540
    holdout: int = 60
    window: float = 0.3
    step: int = 20
    noise: float = 2.0
    exploration: float = 0.0
    train_on: TrainOn = "all"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If settings are outside their ranges: all at once.
        """
        violations = not_shares(usage=self.usage, exploration=self.exploration)
        violations += not_below(0, adherence=self.adherence, noise=self.noise)
        violations += not_below(1, step=self.step) + not_below(2, holdout=self.holdout)
        if not 0 < self.window < 1 or self.kept < 2 * FEATURES:
            violations.append(
                f"window must be a share in (0, 1) of at least {2 * FEATURES} rows; got {self.window} of {self.rows}"
            )
        violations += not_among(get_args(TrainOn), train_on=self.train_on)
        raise_violations(violations)

    @property
    def kept(self) -> int:
        """Rows in the window."""
        return int(self.rows * self.window)

    @property
    def fits(self) -> int:
        """Models that are fitted, the first included."""
        return 1 + (self.rows - self.kept) // self.step

    @property
    def exposure(self) -> float:
        """Chance that a row's outcome is swayed."""
        return self.usage * (1 - self.exploration)


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenLoopRuns:
    """What became of many runs, by model; every array has shape (runs, fits).

    Parameters
    ----------
    r2_closed, mae_closed
        R² and mean absolute error on the test part of the window: what the team sees.
    r2_holdout
        R² on the rows that no prediction ever swayed: what is true.

    Examples
    --------
    >>> hidden_loop_runs(HiddenLoop(), runs=3, seed=1).self_agreement_gap.shape
    (3, 19)
    """

    r2_closed: Array
    mae_closed: Array
    r2_holdout: Array

    @property
    def self_agreement_gap(self) -> Array:
        """R² on closed data less R² on the hold-out, shape (runs, fits)."""
        return self.r2_closed - self.r2_holdout


class Fit(NamedTuple):
    """A model of every run, and how good it is on its own window.

    Examples
    --------
    >>> Fit._fields
    ('model', 'r2_closed', 'mae_closed')
    """

    model: Ridge
    r2_closed: Array
    mae_closed: Array


class Window(NamedTuple):
    """The rows that models are trained on: features (runs, rows, 10), outcomes and exposure (runs, rows).

    Examples
    --------
    >>> Window._fields
    ('features', 'outcome', 'exposed')
    """

    features: Array
    outcome: Array
    exposed: NDArray[np.bool_]


class Arrivals(NamedTuple):
    """The rows of one round, with the model that speaks of them and what people then did.

    Examples
    --------
    >>> Arrivals._fields
    ('rows', 'y_pred', 'fit')
    """

    rows: Window
    y_pred: Array
    fit: Fit


def hidden_loop_runs(loop: HiddenLoop, *, runs: int = 200, seed: int = 0) -> HiddenLoopRuns:
    """Simulate a hidden loop many times.

    A ridge model is fitted to three quarters of the window and tested on the rest. For each new row chance decides
    whether the prediction is used; if so, the outcome is drawn from N(prediction, (adherence * MAE)²), else it is what
    it would have been. After ``step`` rows the window has moved on and the next model is fitted.

    Source: Khritankov, Hidden feedback loops in machine learning systems: a simulation model and preliminary results,
    SWQD 2021 (arXiv 2101.05673); with the data of Friedman (1991) in place of Boston's house prices.

    Parameters
    ----------
    loop
        The settings.
    runs
        Number of runs.
    seed
        Of the random numbers.

    Examples
    --------
    When all outcomes follow the prediction the team sees a perfect model, and the hold-out sees the old one.

    >>> found = hidden_loop_runs(HiddenLoop(usage=1.0), runs=50, seed=1)
    >>> round(float(found.r2_closed[:, -1].mean()), 2), round(float(found.r2_holdout[:, -1].mean()), 1)
    (1.0, 0.6)
    """
    random = np.random.default_rng(seed)
    untouched = original(random, (runs, loop.holdout), loop.noise)
    fits = [arrivals.fit for arrivals in rounds_of(loop, random, runs=runs, rounds=loop.fits)]
    by_holdout = [r_squared(untouched.outcome, fit.model.predict(untouched.features)) for fit in fits]
    return HiddenLoopRuns(
        r2_closed=np.stack([fit.r2_closed for fit in fits], axis=1),
        mae_closed=np.stack([fit.mae_closed for fit in fits], axis=1),
        r2_holdout=np.stack(by_holdout, axis=1),
    )


def rounds_of(loop: HiddenLoop, random: np.random.Generator, *, runs: int, rounds: int) -> Iterator[Arrivals]:
    """Yield the rows of each round, with the model that was fitted before it.

    Examples
    --------
    >>> first = next(rounds_of(HiddenLoop(), np.random.default_rng(1), runs=2, rounds=1))
    >>> first.y_pred.shape
    (2, 20)
    """
    window = original(random, (runs, loop.kept), loop.noise)
    for _ in range(rounds):
        fit = _fitted(loop, random, window)
        fresh = original(random, (runs, loop.step), loop.noise)
        y_pred = fit.model.predict(fresh.features)
        exposed = random.random(y_pred.shape) < loop.exposure
        followed = y_pred + loop.adherence * fit.mae_closed[:, None] * random.standard_normal(y_pred.shape)
        rows = Window(fresh.features, np.where(exposed, followed, fresh.outcome), exposed)
        yield Arrivals(rows, y_pred, fit)
        window = Window(*(np.concatenate(pair, axis=1)[:, -loop.kept :] for pair in zip(window, rows, strict=True)))


def original(random: np.random.Generator, shape: tuple[int, int], noise: float) -> Window:
    """Return rows that no prediction has swayed.

    Examples
    --------
    >>> original(np.random.default_rng(1), (2, 3), 2.0).outcome.shape
    (2, 3)
    """
    features = random.random((*shape, FEATURES))
    outcome = friedman1(features) + noise * random.standard_normal(shape)
    return Window(features, outcome, np.zeros(shape, dtype=bool))


def _fitted(loop: HiddenLoop, random: np.random.Generator, window: Window) -> Fit:
    """Return models of three quarters of each window, tested on the rest."""
    order = random.random(window.outcome.shape).argsort(axis=1)
    cut = int(_TRAIN * loop.kept)
    train, test = _rows(window, order[:, :cut]), _rows(window, order[:, cut:])
    model = ridge(train.features, train.outcome, sample_weight=_weights(loop, train.exposed))
    y_pred, weights = model.predict(test.features), _weights(loop, test.exposed)
    errors = (weights * np.abs(test.outcome - y_pred)).sum(axis=1) / weights.sum(axis=1)
    return Fit(model, r_squared(test.outcome, y_pred, weights), errors)


def _weights(loop: HiddenLoop, exposed: NDArray[np.bool_]) -> Array:
    """Return weights for training and test; runs without an unexposed row fall back on all of theirs."""
    if loop.train_on == "all":
        return np.ones(exposed.shape)
    none_left = exposed.all(axis=1, keepdims=True)
    return np.where(~exposed | none_left, 1.0, 0.0)


def _rows(window: Window, places: NDArray[np.int64]) -> Window:
    return Window(
        np.take_along_axis(window.features, places[:, :, None], axis=1),
        np.take_along_axis(window.outcome, places, axis=1),
        np.take_along_axis(window.exposed, places, axis=1),
    )
