"""Weeks of a triage in use, simulated with the real person-years and the trained model: what a log of it would hold.

People come to four clinics at random, the same mix every week, and the outcome of each becomes known days later. In
`CHANGED_WEEK` one clinic begins to send the count of chronic diseases twice too large: a form that changed, which
nobody announced. The model scores what it is sent.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenhanded.demo.data import INPUTS, LABEL, SENSITIVE
from trainer.learner import Learner

CLINICS = ("east", "north", "south", "west")
CHANGED_CLINIC = "east"
CHANGED_FEATURE = "chronic_diseases"
CHANGED_FACTOR = 2.0
START = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS_BEFORE, WEEKS_SINCE, CHANGED_WEEK = 12, 16, 9
PER_WEEK = 800
DELAY_DAYS = 8.0
"""Mean time until an outcome is known."""


class Weeks(NamedTuple):
    """The log of the weeks before the rollout, that of the weeks since, and until when it was kept.

    Examples
    --------
    >>> Weeks(pd.DataFrame(), pd.DataFrame(), START).until.year
    2026
    """

    reference: pd.DataFrame
    current: pd.DataFrame
    until: datetime


def simulate(learner: Learner, people: pd.DataFrame, *, threshold: float, seed: int, per_week: int = PER_WEEK) -> Weeks:
    """Return the logs of `WEEKS_BEFORE` weeks before the rollout and `WEEKS_SINCE` since.

    Parameters
    ----------
    learner
        The trained model; its `model_version` stands in every row.
    people
        Person-years that it was not trained on, as `evenhanded.demo.data.load` gives them; drawn with replacement.
    threshold
        People whose score reaches it are called.
    seed
        Of all that is drawn.
    per_week
        Mean number of people in a week.

    Returns
    -------
    Weeks
        One row per prediction: ``id``, ``time`` (UTC), ``clinic``, the inputs of the model, the sensitive features,
        ``score``, ``called``, ``model_version``, and ``high_user`` with ``label_time`` where it is known by then.
    """
    rng = np.random.default_rng(seed)
    weeks = WEEKS_BEFORE + WEEKS_SINCE
    counts = rng.poisson(per_week, weeks)
    week = np.repeat(np.arange(weeks), counts)
    chosen = people.iloc[rng.integers(0, len(people), len(week))].reset_index(drop=True)
    clinic = rng.choice(CLINICS, len(week))
    inputs = chosen[[*INPUTS, *SENSITIVE]].copy()
    changed = (week >= WEEKS_BEFORE + CHANGED_WEEK - 1) & (clinic == CHANGED_CLINIC)
    inputs.loc[changed, CHANGED_FEATURE] *= CHANGED_FACTOR
    scores = learner.predict_proba(inputs)[:, 1]
    seconds = week * 604_800 + rng.integers(0, 604_800, len(week))
    time = pd.to_datetime(START) + pd.to_timedelta(seconds, unit="s")
    known = time + pd.to_timedelta(np.ceil(rng.exponential(DELAY_DAYS * 86_400.0, len(week))), unit="s")
    until = START + timedelta(weeks=weeks)
    in_time = np.asarray(known <= pd.Timestamp(until))
    frame = inputs.assign(
        id=[f"p{place:06d}" for place in range(len(week))],
        time=time,
        clinic=clinic,
        score=scores,
        called=(scores >= threshold).astype(np.int64),
        model_version=learner.model_version,
    )
    frame[LABEL] = chosen[LABEL].where(in_time, None).astype("Int64")
    frame["label_time"] = pd.Series(known).where(in_time)
    ordered = frame.iloc[np.argsort(seconds, kind="stable")].reset_index(drop=True)
    since = ordered["time"] >= START + timedelta(weeks=WEEKS_BEFORE)
    return Weeks(ordered[~since].reset_index(drop=True), ordered[since].reset_index(drop=True), until)
