"""The demo, start to end: train, log, audit, judge, show."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.alternatives.baselines import BASELINES
from audit.measurement import At, Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.store import save_run, write_text
from checklists.gate import judge
from checklists.gate_result import GateResult
from dashboards.report.render import render_report
from dashboards.report.section import Section
from evenhanded.demo.data import LABEL, PERSON, SENSITIVE, load
from evenhanded.demo.models import (
    TABLE,
    Scored,
    cross_validated,
    group_scores,
    scored_by_baselines,
    scored_by_learner,
    train,
)
from evenhanded.demo.sections import sections
from trainer.data.splits import Split
from trainer.device import cpu_threads

POLICY = Path(__file__).parent / "policy.yaml"
TITLE = "Triage of high users of care: RAND Health Insurance Experiment"
COMPARED = ("roc_auc", "true_positive_rate", "selection_rate")

Say = Callable[[str], None]


class Outcome(NamedTuple):
    """What the demo made.

    Examples
    --------
    >>> from checklists.policy import Policy
    >>> from checklists.requirement import Requirement
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(Requirement(id="a", metric="accuracy", min=0.6),))
    >>> gate = GateResult(judgements=(), policy=policy, result=None, false_fail_level=0.0)
    >>> Outcome(Path("runs"), Result(measurements=[]), gate, comparison=()).gate.verdict
    'INVALID'
    """

    path: Path
    result: Result
    gate: GateResult
    comparison: tuple[Measurement, ...]


def run_demo(folder: Path, *, seed: int = 0, epochs: int = 8, say: Say = lambda _: None) -> Outcome:
    """Train, log, audit, judge and report; the same seed gives the same figures.

    Parameters
    ----------
    folder
        Folder of runs; the table, the model and its predictions go to ``demo/`` in it.
    seed
        Of the split and of everything drawn in training.
    epochs
        Passes through the train rows.
    say
        Told what happens next.
    """
    say("reading the RAND Health Insurance Experiment")
    frame = load()
    say(f"training on {len(frame):,} person-years, split by person")
    with cpu_threads(1):
        learner, split = train(frame, seed=seed, epochs=epochs)
        own = scored_by_learner(learner, frame, split)
    learner.save(folder / "demo" / "model")
    frame.to_parquet(folder / "demo" / TABLE, index=False)
    say("scoring the simple alternatives")
    others = scored_by_baselines(frame, split, seed=seed)
    say("auditing the untouched test part")
    predictions = _write_predictions(folder / "demo" / "predictions.parquet", frame, split, own, learner.model_version)
    result = run_audit(_log(predictions), reference={"coinsurance": "free"})
    comparison = tuple(row for scored in [own, *others] for row in _compared(frame, split, scored))
    say("showing what a careless split would have claimed")
    leak = _leak(frame, seed=seed)
    proxies = _proxies(frame, split, seed=seed)
    naive = _naive(frame, split, own)
    rows = (*result.measurements, *comparison, *leak, *proxies, *naive)
    result = replace(result, measurements=rows, provenance=replace(result.provenance, seed=seed))
    policy = folder / "demo" / POLICY.name  # a copy to read and to change
    write_text(policy, POLICY.read_text(encoding="utf-8"))
    gate = judge(result, policy)
    context = sections(result, comparison=comparison, leak=leak, proxies=proxies, naive=naive)
    return _saved(folder, result, gate, context, comparison)


def _saved(
    folder: Path, result: Result, gate: GateResult, context: Sequence[Section], comparison: tuple[Measurement, ...]
) -> Outcome:
    page = render_report(result, gate=gate, title=TITLE, sections=context)
    path = save_run(result, folder, documents={"gate.json": gate.to_json(), "report.html": page})
    return Outcome(path, result, gate, comparison)


def _write_predictions(path: Path, frame: pd.DataFrame, split: Split, scored: Scored, model_version: str) -> Path:
    test = frame.iloc[split.test]
    columns = {name: pa.array(test[name].to_numpy()) for name in (LABEL, *SENSITIVE, PERSON)}
    columns |= {
        "score": pa.array(scored.scores),
        "called": pa.array((scored.scores >= scored.threshold).astype(int)),
        "model_version": pa.array([model_version] * len(test)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def _log(predictions: Path) -> PredictionLog:
    return PredictionLog.from_file(
        predictions,
        y_true=LABEL,
        y_pred="called",
        y_score="score",
        cluster=PERSON,
        model_version="model_version",
        sensitive_features=SENSITIVE,
    )


def _compared(frame: pd.DataFrame, split: Split, scored: Scored) -> list[Measurement]:
    test = frame.iloc[split.test]
    called = (scored.scores >= scored.threshold).astype(int)
    table = pa.table({"y": test[LABEL].to_numpy(), "p": called, "s": scored.scores, "c": test[PERSON].to_numpy()})
    top = float(scored.scores.max())
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", y_score="s", score_max=top, cluster="c")
    return _placed(run_audit(log, metrics=COMPARED), COMPARED, (("model_version", scored.name),))


def _leak(frame: pd.DataFrame, *, seed: int) -> tuple[Measurement, ...]:
    rows = []
    splits = {"split by person": frame[PERSON].to_numpy(), "rows split at random": frame.index.to_numpy()}
    for name, by in splits.items():
        scores = cross_validated(frame, BASELINES["gradient boosting"], by=by, seed=seed)
        table = pa.table({"y": frame[LABEL].to_numpy(), "s": scores, "c": frame[PERSON].to_numpy()})
        log = _ranked_log(table)
        at = (("model_version", f"gradient boosting on all covariates, {name}"),)
        rows += _placed(run_audit(log, metrics=["roc_auc"]), ("roc_auc",), at)
    return tuple(rows)


def _proxies(frame: pd.DataFrame, split: Split, *, seed: int) -> tuple[Measurement, ...]:
    test = frame.iloc[split.test]
    rows = []
    for feature in SENSITIVE:
        for group in sorted(frame[feature].unique()):
            scores = group_scores(frame, split, feature, group, seed=seed)
            member = (test[feature] == group).astype(int).to_numpy()
            table = pa.table({"y": member, "s": scores, "c": test[PERSON].to_numpy()})
            log = _ranked_log(table)
            at = (("class", group), ("feature", feature))
            rows += _placed(run_audit(log, metrics=["roc_auc"]), ("roc_auc",), at)
    return tuple(rows)


def _ranked_log(table: pa.Table) -> PredictionLog:
    """Return a log of which only the ranking counts: its scores are stretched to fill the score bins."""
    top = pc.max(table["s"]).as_py()
    return PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.5, score_max=top, cluster="c")


def _naive(frame: pd.DataFrame, split: Split, scored: Scored) -> tuple[Measurement, ...]:
    test = frame.iloc[split.test]
    called = (scored.scores >= scored.threshold).astype(int)
    log = PredictionLog.from_frame(pa.table({"y": test[LABEL].to_numpy(), "p": called}), y_true="y", y_pred="p")
    metrics = ("false_positive_rate", "false_negative_rate")
    at = (("model_version", "triage model, years taken for independent"),)
    return tuple(_placed(run_audit(log, metrics=metrics), metrics, at))


def _placed(result: Result, metrics: Sequence[str], at: At) -> list[Measurement]:
    return [replace(result.find(metric), at=at) for metric in metrics]
