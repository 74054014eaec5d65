"""Rounds of a triage that is retrained on the care to which it led, played with the real person-years and our trainer.

The study that the first model learns from knew every visit of everyone. From then on the triage makes the record:

- Whom it calls is followed up. Staff plan the follow-up visits by the score, and a visit is a visit: the record counts
  it like those that the person would have made anyhow.
- Of the others the record holds only those whose bills are reported; no record is read as no high use.
- The next model learns from that record, and plans the care of the next round.

People of each round are drawn by lot into arms: the model decides, chance decides, or nobody is ever called (the
hold-out, whose charts are read at the end of the year, and which no model learns from). Nothing else is put in: what
the metrics of the rounds say comes out of the training.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from evenhanded.demo.data import INPUTS, LABEL, PERSON, SENSITIVE, VISITS
from evenhanded.demo.models import CAPACITY, threshold, train
from evenhanded.demo.simulated_weeks import CLINICS, START
from trainer.learner import Learner

ROUNDS = 5
WEEKS = 13
"""Weeks of a round."""

ARMS = {"model": 0.6, "explore": 0.2, "holdout": 0.2}
"""The share of people in each arm."""

FOLLOW_UPS = 8.0
"""Mean number of follow-up visits of a called person per unit of score."""

REPORTED = 0.5
"""The share of the people not called whose bills reach the record."""

ROOM = 0.5
"""The chance that staff call a person whom the model does not flag, and who is in poor health."""

AUDITED = 0.3
"""The share of people whose charts are read where the model learns from audits."""

REMEMBERED = 2
"""The newest rounds of the record that a model learns from."""

OWN_VISITS = "own_visits"
WEIGHT = "training_weight"

LearnsFrom = Literal["record", "audits"]
Flags = npt.NDArray[np.bool_]


class Loop(NamedTuple):
    """The decision log of all rounds, and the model of each.

    Examples
    --------
    >>> Loop(pd.DataFrame(), ()).learners
    ()
    """

    log: pd.DataFrame
    learners: tuple[Learner, ...]


def simulate(
    people: pd.DataFrame, *, seed: int, rounds: int = ROUNDS, epochs: int = 8, learns_from: LearnsFrom = "record"
) -> Loop:
    """Return the log of a triage that is used and retrained in rounds; a function of its arguments alone.

    Parameters
    ----------
    people
        Person-years as `evenhanded.demo.data.load` gives them, with `OWN_VISITS`: the visits that they make anyhow
        (`evenhanded.demo.data.visits`). Each round sees other persons; so does the study before the first.
    seed
        Of everything that is drawn, in the world and in training.
    rounds
        How often the triage is used, and trained before that.
    epochs
        Passes through the train rows of each model.
    learns_from
        "record": the model learns from the record that its triage makes. "audits": the same world, but it learns only
        from the charts of a random sample of the people, in which visits that the triage ordered are told apart and do
        not count; the study stays in the training data.

    Returns
    -------
    Loop
        One row per person-year: ``id``, ``round``, ``time`` (UTC), ``clinic``, ``person``, inputs and sensitive
        features, ``score``, ``earlier_score`` (of the previous model), ``flagged``, ``arm``, ``propensity``,
        ``exposed``, ``decision`` (of the staff), ``called``, ``high_user`` (the label as the training data have it; of
        the hold-out, as its charts have it), ``high_use`` with ``known`` and ``source``, `WEIGHT`, ``model_version``.
    """
    rng = np.random.default_rng(seed)
    turn = rng.integers(0, rounds + 1, int(people[PERSON].max()) + 1)[people[PERSON].to_numpy()]
    study = people[turn == 0].assign(**{WEIGHT: 1.0})
    played: list[pd.DataFrame] = []
    learners: list[Learner] = []
    for number in range(1, rounds + 1):
        data = _lessons(study, played, learns_from)
        learner, split = train(data, seed=seed, epochs=epochs, weight=WEIGHT)
        limit = threshold(learner.predict_proba(data.iloc[split.valid])[:, 1])
        scored = _scored(people[turn == number].reset_index(drop=True), learner, learners[-1:], limit)
        used = _recorded(_decided(scored, rng), rng, learns_from)
        played.append(_dated(used.assign(round=number), rng, number))
        learners.append(learner)
    log = pd.concat(played, ignore_index=True).drop(columns=OWN_VISITS)
    return Loop(log.assign(id=[f"d{place:06d}" for place in range(len(log))]), tuple(learners))


def _lessons(study: pd.DataFrame, played: Sequence[pd.DataFrame], learns_from: LearnsFrom) -> pd.DataFrame:
    """Return the rows that the next model learns from: the newest of the record, or study and all audits."""
    tables = [study, *(table[table[WEIGHT] > 0] for table in played)]
    newest = tables if learns_from == "audits" else tables[-REMEMBERED:]
    lessons = pd.concat(newest, ignore_index=True)[[*INPUTS, *SENSITIVE, PERSON, LABEL, WEIGHT]]
    return lessons.assign(**{LABEL: lessons[LABEL].astype(np.int64)})


def _scored(now: pd.DataFrame, learner: Learner, earlier: Sequence[Learner], limit: float) -> pd.DataFrame:
    scores = learner.predict_proba(now)[:, 1]
    before = earlier[0].predict_proba(now)[:, 1] if earlier else np.full(len(now), np.nan)
    return now.assign(
        score=scores,
        earlier_score=before,
        flagged=(scores >= limit).astype(np.int64),
        model_version=learner.model_version,
    )


def _decided(now: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the arms; staff follow the model, and have room for some whom they themselves see in poor health."""
    arm = rng.choice(list(ARMS), len(now), p=list(ARMS.values()))
    flagged = (now["flagged"] == 1).to_numpy()
    seen_ill = (now["self_rated_health"] == "poor").to_numpy() & ~flagged
    chances = np.select([arm == "explore", seen_ill], [CAPACITY, ROOM], default=flagged.astype(float))
    called = (rng.random(len(now)) < chances) & (arm != "holdout")
    propensity = np.where(arm == "holdout", 1.0, np.where(called, chances, 1.0 - chances))
    return now.assign(
        arm=arm,
        propensity=propensity,
        exposed=((arm == "model") | called).astype(np.int64),  # whoever plans the follow-up of a called person sees it
        decision=_flags(called, where=arm == "model"),
        called=called.astype(np.int64),
    )


def _recorded(now: pd.DataFrame, rng: np.random.Generator, learns_from: LearnsFrom) -> pd.DataFrame:
    """Let the year pass: what happened, what of it is known, and how the training data have it."""
    called, arm = (now["called"] == 1).to_numpy(), now["arm"].to_numpy()
    own = now[OWN_VISITS].to_numpy()
    follow_ups = np.where(called, rng.poisson(FOLLOW_UPS * now["score"]), 0)
    reported, sampled = rng.random(len(now)) < REPORTED, rng.random(len(now)) < AUDITED
    if learns_from == "audits":
        audited, lesson, weight = (arm == "holdout") | sampled, (arm != "holdout") & sampled, 1.0 / AUDITED
    else:
        audited, lesson, weight = (arm != "model") & ~called, arm != "holdout", 1.0
    source = np.select([audited, called, reported], ["audit", "discovered", "reported"], default="")
    known, high = source != "", np.where(audited, own, own + follow_ups) >= VISITS
    now[LABEL] = _flags(known & high, where=lesson | (arm == "holdout"))
    now[WEIGHT] = np.where(lesson, weight, 0.0)
    return now.assign(
        high_use=_flags(high, where=known), known=known.astype(np.int64), source=pd.Series(source).where(known)
    )


def _flags(values: Flags, *, where: Flags) -> pd.Series:
    """Return 1 and 0, and nothing elsewhere."""
    return pd.Series(values).astype("Int64").where(pd.Series(where))


def _dated(now: pd.DataFrame, rng: np.random.Generator, number: int) -> pd.DataFrame:
    """Spread the round over its weeks and the clinics."""
    seconds = np.sort(rng.integers(0, WEEKS * 604_800, len(now)))
    start = pd.Timestamp(START + timedelta(weeks=WEEKS * (number - 1)))
    return now.assign(
        time=start + pd.to_timedelta(rng.permutation(seconds), unit="s"), clinic=rng.choice(CLINICS, len(now))
    )
