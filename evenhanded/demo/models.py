"""The triage model of the demo, the simple alternatives, and the split that would have flattered them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.alternatives.baselines import BASELINES, Baseline, Matrix, Scores
from evenhanded.demo.data import INPUTS, LABEL, PERSON, SENSITIVE
from evenhanded.training import Training
from evenhanded.training_data import fit, learner_of
from trainer.data.splits import Split
from trainer.learner import Learner

CAPACITY = 0.20
"""The share of people that the triage can call: the highest scores of the validation part set the threshold."""

FOLDS = 5

TABLE = Path("person_years.parquet")
"""The table that the model learns from, as the demo leaves it beside the model."""


class Scored(NamedTuple):
    """A model's scores of the test rows, and the threshold that its validation scores set.

    Examples
    --------
    >>> scored = Scored("triage model", np.array([0.2, 0.7]), threshold=0.5)
    >>> (scored.scores >= scored.threshold).tolist()
    [False, True]
    """

    name: str
    scores: Scores
    threshold: float


def train(frame: pd.DataFrame, *, seed: int, epochs: int, weight: str | None = None) -> tuple[Learner, Split]:
    """Train the triage model as `evenhanded train` does, on a split that keeps every person whole.

    Parameters
    ----------
    frame
        Person-years as `evenhanded.demo.data.load` gives them.
    seed, epochs
        Of the split and of all that is drawn; passes through the train rows.
    weight
        Column with the weight of each row in the loss; None where all count alike.

    Examples
    --------
    >>> values = dict.fromkeys(INPUTS, np.linspace(0, 1, 200)) | dict.fromkeys(SENSITIVE, ["a", "b"] * 100)
    >>> frame = pd.DataFrame(values | {LABEL: [0, 0, 1, 1] * 50, PERSON: np.arange(200) // 2})
    >>> learner, split = train(frame, seed=0, epochs=1)
    >>> set(frame[PERSON].iloc[split.train]) & set(frame[PERSON].iloc[split.test])
    set()
    """
    settings = Training(
        data=TABLE,
        target=LABEL,
        features=INPUTS,
        sensitive=SENSITIVE,
        weight=weight,
        group=PERSON,
        seed=seed,
        epochs=epochs,
    )
    learner = learner_of(settings, frame)
    fit(learner, settings)
    return learner, learner.training_data()[0].split


def scored_by_learner(learner: Learner, frame: pd.DataFrame, split: Split) -> Scored:
    """Score the test rows with the trained model.

    Examples
    --------
    >>> values = dict.fromkeys(INPUTS, np.linspace(0, 1, 200)) | dict.fromkeys(SENSITIVE, ["a", "b"] * 100)
    >>> frame = pd.DataFrame(values | {LABEL: [0, 0, 1, 1] * 50, PERSON: np.arange(200) // 2})
    >>> learner, split = train(frame, seed=0, epochs=1)
    >>> scored = scored_by_learner(learner, frame, split)
    >>> scored.name, len(scored.scores) == len(split.test)
    ('triage model', True)
    """
    valid, test = (learner.predict_proba(frame.iloc[rows])[:, 1] for rows in (split.valid, split.test))
    return Scored("triage model", test, threshold(valid))


def scored_by_baselines(frame: pd.DataFrame, split: Split, *, seed: int) -> list[Scored]:
    """Score the test rows with each simple alternative, trained on the same rows.

    Examples
    --------
    >>> from trainer.data.splits import split_rows
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({name: rng.normal(size=200) for name in INPUTS}).assign(**{LABEL: [0, 1] * 100})
    >>> [found.name for found in scored_by_baselines(frame, split_rows(200, seed=1), seed=0)]
    ['majority', 'one rule', 'logistic regression', 'gradient boosting']
    """
    x, y = matrix(frame), frame[LABEL].to_numpy()
    found = []
    for name, baseline in BASELINES.items():
        both = baseline(x[split.train], y[split.train], x[np.concatenate([split.valid, split.test])], seed)
        valid, test = both[: len(split.valid)], both[len(split.valid) :]
        found.append(Scored(name, test, threshold(valid)))
    return found


def threshold(valid: Scores) -> float:
    """Return the smallest score that at most `CAPACITY` of the validation rows reach; above all where scores are equal.

    Examples
    --------
    >>> threshold(np.array([0.1, 0.2, 0.3, 0.4, 0.5])), threshold(np.full(5, 0.2))
    (0.5, 1.0)
    """
    candidates = np.unique(valid)
    reached = 1 - np.searchsorted(np.sort(valid), candidates, side="left") / len(valid)
    fitting = candidates[reached <= CAPACITY]
    return float(fitting[0]) if len(fitting) else 1.0


def cross_validated(frame: pd.DataFrame, baseline: Baseline, *, by: npt.NDArray[np.int64], seed: int) -> Scores:
    """Score every row by a model that was trained on the other folds; rows with one value of `by` share a fold.

    Examples
    --------
    A "model" that says on how many rows it was trained: all rows of one person share a fold, so none is left.

    >>> frame = pd.DataFrame(dict.fromkeys((*INPUTS, LABEL), [0, 1, 1]) | dict.fromkeys(SENSITIVE, ["a", "b", "b"]))
    >>> cross_validated(frame, lambda x, y, test, seed: np.full(len(test), len(y)), by=np.array([7, 7, 7]), seed=0)
    array([0., 0., 0.])
    """
    groups = np.unique(by, return_inverse=True)[1]
    fold = np.random.default_rng(seed).integers(0, FOLDS, groups.max() + 1)[groups]
    x, y = all_covariates(frame), frame[LABEL].to_numpy()
    scores = np.empty(len(frame))
    for held_out in range(FOLDS):
        test = fold == held_out
        scores[test] = baseline(x[~test], y[~test], x[test], seed)
    return scores


def group_scores(frame: pd.DataFrame, split: Split, feature: str, group: str, *, seed: int) -> Scores:
    """Score the test rows for membership in a group, from the inputs of the model alone.

    Examples
    --------
    >>> from trainer.data.splits import split_rows
    >>> frame = pd.DataFrame(dict.fromkeys(INPUTS, [0.0, 1.0] * 100)).assign(sex=["F", "M"] * 100)
    >>> split = split_rows(200, seed=1)
    >>> member = frame["sex"].to_numpy()[split.test] == "F"
    >>> scores = group_scores(frame, split, "sex", "F", seed=0)
    >>> bool(scores[member].min() > scores[~member].max())
    True
    """
    member = (frame[feature] == group).to_numpy().astype(np.int64)
    x = matrix(frame)
    return BASELINES["gradient boosting"](x[split.train], member[split.train], x[split.test], seed)


def matrix(frame: pd.DataFrame) -> Matrix:
    """Return the inputs of the model as numbers.

    Examples
    --------
    >>> matrix(pd.DataFrame(dict.fromkeys(INPUTS, [1, 2]))).shape
    (2, 4)
    """
    return frame[list(INPUTS)].to_numpy(np.float64)


def all_covariates(frame: pd.DataFrame) -> Matrix:
    """Return the inputs and the sensitive features as numbers: what a careless model would be given.

    Examples
    --------
    >>> frame = pd.DataFrame(dict.fromkeys(INPUTS, [1.0, 2.0]) | dict.fromkeys(SENSITIVE, ["no", "yes"]))
    >>> all_covariates(frame)[1].tolist()
    [2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    """
    codes = [pd.factorize(frame[name], sort=True)[0].astype(np.float64) for name in SENSITIVE]
    return np.column_stack([matrix(frame), *codes])
