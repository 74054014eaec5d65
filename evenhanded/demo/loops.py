"""The third act of the demo: the triage is retrained on the care that it led to, and its log says so."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from audit.predictions import PredictionLog, RoleColumns
from audit.result import Result
from audit.store import save_run
from dashboards.report.render import render_report
from evenhanded.demo.data import INPUTS, LABEL, PERSON, SENSITIVE, load, visits
from evenhanded.demo.loop_rounds import Rounds, rounds_of, sections
from evenhanded.demo.simulated_loop import OWN_VISITS, ROUNDS, WEIGHT, LearnsFrom, Loop, simulate
from monitors.feedback.run import run_loops
from monitors.feedback.settings import LoopSettings
from trainer.device import cpu_threads

TITLE = "A triage that learns from the care it led to"
LOG, MODELS = Path("log.parquet"), Path("models")

ROLES: RoleColumns = {
    "prediction_id": "id", "timestamp": "time", "round": "round", "model_version": "model_version", "place": "clinic",
    "cluster": PERSON, "y_score": "score", "earlier_score": "earlier_score", "y_pred": "flagged", "arm": "arm",
    "propensity": "propensity", "exposed": "exposed", "human_decision": "decision", "action": "called", "y_true": LABEL,
    "training_weight": WEIGHT, "outcome": "high_use", "outcome_observed": "known", "outcome_source": "source",
}  # fmt: skip
"""Which column of the log plays which role."""

Say = Callable[[str], None]


class LoopsOutcome(NamedTuple):
    """What the act made: the saved run, its result, its rounds, the log, and the digest of each round's model.

    Examples
    --------
    >>> result = Result(measurements=())
    >>> LoopsOutcome(Path("runs"), result, rounds_of(result), Path("log"), ()).rounds.gap
    ()
    """

    path: Path
    result: Result
    rounds: Rounds
    log: Path
    versions: tuple[str, ...]


def run_demo_loops(
    folder: Path,
    *,
    seed: int = 0,
    epochs: int = 8,
    rounds: int = ROUNDS,
    learns_from: LearnsFrom = "record",
    say: Say = lambda _: None,
) -> LoopsOutcome:
    """Use and retrain the triage in rounds, keep the log, measure its loops; the same seed gives the same figures.

    Parameters
    ----------
    folder
        Folder of runs; log and models go to ``demo/loops/`` in it, and replace those of an earlier demo.
    seed, epochs, rounds, learns_from
        As in `evenhanded.demo.simulated_loop.simulate`.
    say
        Told what happens next.
    """
    say(f"using and retraining the triage, {rounds} rounds")
    people = load().assign(**{OWN_VISITS: visits()})
    with cpu_threads(1):
        loop = simulate(people, seed=seed, rounds=rounds, epochs=epochs, learns_from=learns_from)
    place = folder / "demo" / "loops"
    shutil.rmtree(place, ignore_errors=True)
    _kept(loop, place)
    say("measuring what the log says of feedback loops")
    result = run_loops(log_of(place / LOG), settings=LoopSettings(seed=seed))
    page = render_report(result, gate=None, title=TITLE, sections=sections(result))
    path = save_run(result, folder, documents={"report.html": page})
    versions = tuple(learner.model_version for learner in loop.learners)
    return LoopsOutcome(path, result, rounds_of(result), place / LOG, versions)


def log_of(path: Path) -> PredictionLog:
    """Return the decision log that the act wrote."""
    return PredictionLog.from_file(path, sensitive_features=SENSITIVE, features=INPUTS, **ROLES)


def _kept(loop: Loop, place: Path) -> None:
    for number, learner in enumerate(loop.learners, start=1):
        learner.save(place / MODELS / f"round-{number}")
    loop.log.to_parquet(place / LOG, index=False)
