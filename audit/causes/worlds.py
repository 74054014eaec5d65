"""Made-up worlds into which one source of bias is planted, or none: to try out what names the source.

Every world has two groups, A and B, that are equally common in the population of interest apart from what is planted,
and true outcomes that depend on features in the same way in both (each group has some features of its own).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from audit.causes.samples import Labels, Matrix, Names, Sample
from audit.errors import InputError, raise_violations
from audit.seeds import seed_violations

Planted = Literal["none", "historical", "representation", "measurement", "aggregation", "evaluation", "deployment"]

SHARE_B = 0.4
"""Share of group B in the population."""

_SHARED, _OWN = 3, 40
"""Features that matter to both groups, and features that matter (and vary) in one group only."""

_AUDITED = 0.4
_RARE = 0.04


class World(NamedTuple):
    """What an auditor of the world has at hand, and what was planted.

    Examples
    --------
    >>> world = planted_world("representation", n=1000)
    >>> world.planted, world.population["B"], round(float((world.data.group == "B").mean()), 2)
    ('representation', 0.4, 0.04)
    """

    planted: Planted
    data: Sample
    population: Mapping[str, float]
    benchmark: Sample
    deployment: Sample


def planted_world(planted: Planted, *, n: int = 4000, random_state: int = 0) -> World:
    """Return a world with one planted source of bias, after the list of Suresh & Guttag, arXiv:1901.10002.

    - "historical": the world treated B worse, so that fewer of B truly reach the outcome; labels and sample are right.
    - "representation": the development data hold 4 % of B instead of 40 %.
    - "measurement": 35 % of B's positive outcomes are recorded as negative, in all data but the audited rows.
    - "aggregation": two shared features mean the opposite in B.
    - "evaluation": the benchmark holds 4 % of B, of whom outcomes are harder to tell, instead of 40 %.
    - "deployment": people overrule the model's positive answers for B far more often than for A.

    Parameters
    ----------
    planted
        Which source, or "none".
    n
        Rows of the development data; benchmark and deployment have as many.
    random_state
        Seed.

    Raises
    ------
    InputError
        If the source is unknown, there are fewer than 200 rows, or `random_state` is no seed.

    Examples
    --------
    >>> world = planted_world("measurement", n=1000, random_state=1)
    >>> known = ~np.isnan(world.data.audited)
    >>> wrong = world.data.y[known] != world.data.audited[known]
    >>> {group: bool(wrong[world.data.group[known] == group].any()) for group in "AB"}
    {'A': False, 'B': True}
    """
    known = Planted.__args__  # type: ignore[attr-defined]
    if planted not in known or n < 200:
        raise InputError([f"expected one of {', '.join(known)} and n >= 200; got {planted!r} and n = {n}"])
    rng = _generator(random_state)
    data = _rows(rng, planted, n, _RARE if planted == "representation" else SHARE_B)
    benchmark = _rows(rng, planted, n, _RARE if planted == "evaluation" else SHARE_B)
    return World(planted, data, {"A": 1 - SHARE_B, "B": SHARE_B}, benchmark, _deployed(rng, planted, n))


def smile_world(*, n: int = 2400, women: float = 0.05, random_state: int = 0) -> Sample:
    """Return data in which women are few and labelled rightly: more data of women helps (a smile detector).

    The label is a smile; the features that show it differ by sex and can be learned from enough pictures. The parable
    is that of Suresh, The problem with biased data.

    Raises
    ------
    InputError
        If `random_state` is no seed.

    Examples
    --------
    >>> sample = smile_world(n=1000)
    >>> sample.groups, round(float((sample.group == "woman").mean()), 2)
    (('man', 'woman'), 0.05)
    """
    rng = _generator(random_state)
    return _renamed(_rows(rng, "none", n, women))


def hiring_world(*, n: int = 2400, women: float = 0.4, random_state: int = 0) -> Sample:
    """Return data in which raters mark women down: more data of the same kind does not help (a hiring model).

    The recorded label is a rating: half of the qualified women are rated unsuitable. The audited label, of some rows,
    is the qualification itself.

    Raises
    ------
    InputError
        If `random_state` is no seed.

    Examples
    --------
    >>> sample = hiring_world(n=1000)
    >>> women = (sample.group == "woman") & (sample.audited == 1)
    >>> 0.3 < float(sample.y[women].mean()) < 0.7
    True
    """
    rng = _generator(random_state)
    return _renamed(_rows(rng, "measurement", n, women, hidden=0.5))


def _generator(random_state: int) -> np.random.Generator:
    raise_violations(seed_violations(random_state))
    return np.random.default_rng(random_state)


def _rows(rng: np.random.Generator, planted: Planted, n: int, share_b: float, hidden: float = 0.35) -> Sample:
    in_b = np.zeros(n, dtype=bool)
    in_b[: round(n * share_b)] = True
    rng.shuffle(in_b)
    features = _features(rng, planted, in_b)
    true = _outcomes(rng, planted, in_b, features)
    recorded = true.copy()
    if planted == "measurement":
        recorded[in_b & (true == 1) & (rng.random(n) < hidden)] = 0
    audited = np.where(rng.random(n) < _AUDITED, true, np.nan)
    return Sample(features=features, group=_names(in_b), y=recorded, audited=audited)


def _features(rng: np.random.Generator, planted: Planted, in_b: Names) -> Matrix:
    n = len(in_b)
    shared = rng.normal(size=(n, _SHARED))
    if planted == "historical":
        shared[in_b] -= 0.6  # what the world has withheld: schooling, income, addresses
    own = rng.normal(size=(n, _OWN))
    return np.hstack([shared, own * ~in_b[:, None], own * in_b[:, None], in_b[:, None] * 1.0])


def _outcomes(rng: np.random.Generator, planted: Planted, in_b: Names, features: Matrix) -> Labels:
    weights = np.concatenate([np.full(_SHARED, 1.0), np.full(2 * _OWN, 0.6), [0.0]])
    score = features @ weights
    if planted == "aggregation":
        score = np.where(in_b, score - 2 * features[:, :2].sum(axis=1), score)
    true = (score + rng.logistic(scale=0.6, size=len(in_b)) > 0).astype(np.int64)
    if planted == "evaluation":
        chance = in_b & (rng.random(len(in_b)) < 0.4)  # outcomes of B that no feature tells
        true = np.where(chance, rng.integers(0, 2, len(in_b)), true)
    return np.asarray(true, dtype=np.int64)


def _deployed(rng: np.random.Generator, planted: Planted, n: int) -> Sample:
    sample = _rows(rng, planted, n, SHARE_B)
    predicted = (sample.features[:, :-1].sum(axis=1) > 0).astype(np.int64)
    overruled = rng.random(n) < 0.03
    if planted == "deployment":
        overruled |= (sample.group == "B") & (predicted == 1) & (rng.random(n) < 0.3)
    decision = np.where(overruled, 1 - predicted, predicted)
    return Sample(
        features=sample.features, group=sample.group, y=sample.y, audited=sample.audited, predicted=predicted,
        decision=decision,
    )  # fmt: skip


def _names(in_b: Names) -> Names:
    return np.where(in_b, "B", "A").astype(object)


def _renamed(sample: Sample) -> Sample:
    return Sample(
        features=sample.features, group=np.where(sample.group == "B", "woman", "man").astype(object), y=sample.y,
        audited=sample.audited,
    )  # fmt: skip
