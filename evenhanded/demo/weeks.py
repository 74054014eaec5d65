"""The second act of the demo: weeks of the triage in use, kept in a prediction log, watched by all monitors."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.extras import require
from audit.predictions import PredictionLog, Role
from audit.result import Result
from audit.store import save_run
from dashboards.report.render import render_report
from evenhanded.demo.data import INPUTS, LABEL, PERSON, SENSITIVE, load
from evenhanded.demo.models import threshold, train
from evenhanded.demo.simulated_weeks import START, WEEKS_BEFORE, Weeks, simulate
from monitors.run import run_monitors
from monitors.settings import MonitorSettings
from trainer.device import cpu_threads

if TYPE_CHECKING:
    from monitors.log_store.store import LogStore

TITLE = "Sixteen weeks of the triage in use"
BATCHES, EVIDENTLY_WEEKS = 4, 2
LOG, EVIDENTLY = "log", "evidently"
ROLLOUT = START + timedelta(weeks=WEEKS_BEFORE)

Say = Callable[[str], None]


class WeeksOutcome(NamedTuple):
    """What the act made: the saved run, its result, the log, and Evidently's page.

    Examples
    --------
    >>> WeeksOutcome(Path("runs"), Result(measurements=()), Path("log"), None).result.alarms
    ()
    """

    path: Path
    result: Result
    log: Path
    evidently: Path | None


def run_weeks(
    folder: Path, *, seed: int = 0, epochs: int = 8, per_week: int | None = None, say: Say = lambda _: None
) -> WeeksOutcome:
    """Train, use the model for weeks, keep a log, and monitor it; the same seed gives the same figures.

    Parameters
    ----------
    folder
        Folder of runs; log and reports of the act go to ``demo/weeks/`` in it, and replace those of an earlier demo.
    seed, epochs
        As in `evenhanded.demo.run.run_demo`.
    per_week
        People in a week; None = as many as `evenhanded.demo.simulated_weeks` has.
    say
        Told what happens next.

    Raises
    ------
    InputError
        If the extras store and evidently are not installed.
    """
    require("The demo of weeks", modules=["deltalake"], extra="store")
    require("The demo of weeks", modules=["evidently"], extra="evidently")
    say("training the triage model")
    with cpu_threads(1):
        weeks = _simulated(seed, epochs, per_week)
    place = folder / "demo" / "weeks"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    say("keeping the predictions and their late labels in a log")
    store = _kept(weeks, place / LOG)
    before, since = (store.read(between=window) for window in ((START, ROLLOUT), (ROLLOUT, weeks.until)))
    say("holding sixteen weeks against the twelve before")
    result = run_monitors(before, since, settings=MonitorSettings(as_of=weeks.until))
    say("asking Evidently about the last weeks")
    result, page = _with_evidently(result, before, since, folder=place / EVIDENTLY)
    result = replace(result, provenance=replace(result.provenance, seed=seed))
    path = save_run(result, folder, documents={"report.html": render_report(result, gate=None, title=TITLE)})
    return WeeksOutcome(path, result, place / LOG, page)


def _simulated(seed: int, epochs: int, per_week: int | None) -> Weeks:
    frame = load()
    learner, split = train(frame, seed=seed, epochs=epochs)
    limit = threshold(learner.predict_proba(frame.iloc[split.valid])[:, 1])
    people = frame.iloc[np.concatenate([split.valid, split.test])].drop(columns=PERSON)
    options = {} if per_week is None else {"per_week": per_week}
    return simulate(learner, people, threshold=limit, seed=seed, **options)


def _kept(weeks: Weeks, place: Path) -> "LogStore":
    """Append the weeks in batches, then the labels that came."""
    from monitors.log_store.columns import LogColumns
    from monitors.log_store.store import LogStore

    roles: dict[Role, str] = {
        "prediction_id": "id", "timestamp": "time", "y_pred": "called", "y_score": "score", "place": "clinic",
        "action": "alerted", "model_version": "model_version",
    }  # fmt: skip
    sensitive = ("clinic", *SENSITIVE)
    columns = LogColumns(roles=roles, sensitive_features=sensitive, features=INPUTS, numbers=INPUTS)
    store = LogStore.create(place, columns)
    batches = [weeks.current.iloc[rows] for rows in np.array_split(np.arange(len(weeks.current)), BATCHES)]
    for batch in (weeks.reference, *batches):
        store.append(batch.drop(columns=[LABEL, "label_time"]).assign(alerted=batch["called"]))
    for frame in (weeks.reference, weeks.current):
        known = frame.loc[frame[LABEL].notna(), ["id", LABEL, "label_time"]]
        store.append_labels(known, prediction_id="id", y_true=LABEL, label_timestamp="label_time", source="follow-up")
    return store


def _with_evidently(
    result: Result, before: PredictionLog, since: PredictionLog, *, folder: Path
) -> tuple[Result, Path | None]:
    """Add Evidently's verdicts on the last weeks, and return its page."""
    from monitors.evidently_adapter import EvidentlySettings, evidently_report
    from monitors.windows import parse_windows, resolve

    windows = resolve(parse_windows(MonitorSettings().window), since)
    settings = EvidentlySettings(last=EVIDENTLY_WEEKS)
    asked = evidently_report(before, since, windows=windows, result=result, folder=folder, settings=settings)
    return replace(result, measurements=(*result.measurements, *asked.found.rows)), asked.html
