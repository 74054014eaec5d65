from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.causes.bias_sources import bias_sources
from audit.causes.fits import logistic_fit
from audit.causes.worlds import planted_world
from audit.measurement import Measurement
from audit.paired.comparison import run_compare
from audit.predictions import PredictionLog
from audit.provenance import Provenance
from audit.result import Result
from audit.run import run_audit
from audit.search.slices import run_slices
from audit.splits.data_evidence import data_evidence
from audit.splits.leakage import lint_splits
from audit.splits.split_table import read_splits
from audit.store import save_run
from audit.stress.flips import counterfactual_flips
from checklists.gate import judge
from checklists.gate_result import GateResult
from checklists.policy import Policy
from checklists.requirement import Requirement
from monitors.feedback.run import run_loops
from monitors.run import run_monitors
from monitors.simulators.hidden_loop_log import hidden_loop_log

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd()",
    "![x](http://evil.example/x.png)",
    "a" * 10_000,
    "\u202egnp.exe\u202c\u2066",
    "nul\x00\x1b[31mred",
    "</style><img src=x onerror=alert(1)>",
    "{{7*7}}",
    "$\\frac{1}{2}$ & <a href='javascript:alert(1)'>",
    '"><svg onload=alert(1)>',
)
"""Names that try to be markup, a formula, a picture, a template, an escape sequence."""


def make_result(groups: Sequence[str | None], *, rows: int = 3000, feature: str = "race", seed: int = 1) -> Result:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "label": rng.integers(0, 2, rows),
            feature: np.array([*groups], dtype=object)[rng.integers(0, len(groups), rows)],
            "sex": np.where(rng.random(rows) < 0.4, "Female", "Male"),
        }
    )
    shift = pd.Categorical(frame[feature]).codes / (4 * len(groups))
    frame["flagged"] = (rng.random(rows) < 0.3 + 0.3 * frame["label"] + shift).astype(int)
    log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=[feature, "sex"])
    return run_audit(log)


def make_gate(result: Result, *, feature: str = "race") -> GateResult:
    requirements = (
        Requirement(id="accuracy", metric="accuracy", min=0.55),
        Requirement(id="fpr-gap", metric="false_positive_rate", compare="difference", groups=(feature,), max=0.01),
        Requirement(id="accuracy-high", metric="accuracy", min=0.002 + (result.find("accuracy").value or 0.0)),
        Requirement(id="calibration", metric="expected_calibration_error", max=0.05),
    )
    return judge(result, Policy(schema="evenhanded/policy/1", requirements=requirements, min_cell=12))


@pytest.fixture(scope="session")
def result() -> Result:
    return make_result(["Blue", "Green", "Red"])


@pytest.fixture(scope="session")
def gate(result: Result) -> GateResult:
    return make_gate(result)


@pytest.fixture(scope="session")
def hostile() -> Result:
    return make_result(HOSTILE, feature="<i>f</i>=")


@pytest.fixture(scope="session")
def build() -> Callable[..., Result]:
    return make_result


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    return HOSTILE


@pytest.fixture
def runs(tmp_path: Path, result: Result, gate: GateResult, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Path]:
    folder = tmp_path / "runs"
    monkeypatch.setenv("EVENHANDED_RUNS", str(folder))
    judged = save_run(result, folder, documents={"gate.json": gate.to_json(), "report.html": "<p>stored</p>"})
    plain = save_run(make_result(["A", "B"], rows=400, seed=2), folder)
    return {"judged": judged, "plain": plain}


def make_scored(groups: Sequence[str], *, sizes: Sequence[int], seed: int = 4) -> Result:
    """Return an audit with scores: the first group's come true more often than they say, the others keep their word."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.array([*groups], dtype=object), sizes)
    score = rng.beta(1.3, 1.8, len(names))
    truth = np.clip(score + np.where(names == groups[0], 0.18, 0.0), 0, 1)
    frame = pd.DataFrame({"label": rng.random(len(names)) < truth, "score": score, "race": names})
    frame["sex"] = np.where(rng.random(len(names)) < 0.4, "Female", "Male")
    features = ["race", "sex"]
    return run_audit(
        PredictionLog.from_frame(frame, y_true="label", y_score="score", threshold=0.5, sensitive_features=features)
    )


@pytest.fixture(scope="session")
def scored_log() -> Callable[..., Result]:
    return make_scored


@pytest.fixture(scope="session")
def scored() -> Result:
    return make_scored(["Blue", "Green", "Red"], sizes=[1200, 1500, 900])


NASTY = (
    "<script>alert(1)</script>",
    "=1+1",
    "\u202egnp.exe",
    "a" * 300,
    "$x$ and $y$",
    "`rm -rf`",
    "![x](http://evil.example)",
)
"""Fewer than `HOSTILE`, so that every group of a search and of a picture of scores has rows."""


def nasty_frame(rows: int = 3500) -> pd.DataFrame:
    """Return predictions of two models with scores, in groups with hostile names; the first group fares worse."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"g": np.array(NASTY, dtype=object)[rng.integers(0, len(NASTY), rows)]})
    frame["<i>s</i>"] = rng.choice(["`F`", "$M$"], rows)
    frame["y"] = rng.integers(0, 2, rows)
    worse = frame["g"] == NASTY[0]
    frame["score"] = np.clip(0.4 * frame["y"] + 0.6 * rng.random(rows) + 0.2 * worse, 0, 1).round(3)
    frame["old"] = (frame["score"] > 0.5).astype(int)
    frame["new"] = np.where(worse & (rng.random(rows) < 0.3), 1 - frame["old"], frame["old"])
    return frame


def trained() -> Result:
    """Return a training of three epochs whose last is not its best."""
    rows = []
    for epoch, (train, valid, right) in enumerate([(0.7, 0.6, 0.7), (0.5, 0.5, 0.8), (0.3, 0.6, 0.75)], start=1):
        at = (("round", epoch),)
        rows += [
            Measurement(metric="train_loss", at=at, value=train, n=120, method="mean"),
            Measurement(metric="valid_loss", at=at, value=valid, n=40, method="mean"),
            Measurement(metric="valid_accuracy", at=at, value=right, low=right - 0.1, high=right + 0.1, n=40,
                        level=0.95, method="wilson"),
            Measurement(metric="skipped_steps", at=at, value=int(epoch == 2), n=120, method="count"),
        ]  # fmt: skip
    return Result(measurements=tuple(rows), provenance=Provenance(seed=7, given={"model_version": NASTY[0]}))


def watched() -> Result:
    """Return six weeks held against six before them; in the last three one group is predicted another answer."""
    frame = nasty_frame(4000).rename(columns={"score": NASTY[6]})
    frame["t"] = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(np.arange(4000) * 30, unit="min")
    late = (frame["t"] >= pd.Timestamp("2026-03-09", tz="UTC")) & (frame["g"] == NASTY[0])
    frame.loc[late, "new"] = 1
    roles = {"y_true": "y", "y_pred": "new", "timestamp": "t", "features": [NASTY[6]], "sensitive_features": ["g"]}
    rollout = pd.Timestamp("2026-02-16", tz="UTC")
    parts = (frame[frame["t"] < rollout], frame[frame["t"] >= rollout])
    return run_monitors(*(PredictionLog.from_frame(part, **roles) for part in parts))


def looped() -> Result:
    """Return the loops of a model that is retrained on what it said; rounds, items and groups have hostile names."""
    frame = hidden_loop_log(seed=1, rounds=7, rows=140, holdout=0.3, adherence=0.6, usage=0.9).to_pandas()
    rng = np.random.default_rng(3)
    frame["g"] = np.array(NASTY, dtype=object)[
        np.unique(frame["user"].astype(str), return_inverse=True)[1] % len(NASTY)
    ]
    frame["item"] = np.array(NASTY, dtype=object)[rng.integers(0, len(NASTY), len(frame))]
    frame["model_version"] = [NASTY[int(place)] for place in frame["round"]]
    frame.loc[(frame["g"] == NASTY[0]) & (frame["arm"] == "model"), ["outcome", "y_true"]] = np.nan
    names = ("timestamp", "model_version", "user", "item", "arm", "exposed", "action", "y_pred", "y_true", "outcome")
    roles = {name: name for name in names}
    return run_loops(PredictionLog.from_frame(frame, task="regression", sensitive_features=["g"], **roles))


def nasty_results() -> Mapping[str, Result]:
    frame, features = nasty_frame(), ["g", "<i>s</i>"]
    scored = PredictionLog.from_frame(frame, y_true="y", y_score="score", threshold=0.5, sensitive_features=features)
    plain = PredictionLog.from_frame(frame, y_true="y", y_pred="new", sensitive_features=features)
    labels = frame.assign(
        y=np.resize(NASTY, len(frame)), p=np.where(frame["old"], np.resize(NASTY, len(frame)), "=1+1")
    )
    several = PredictionLog.from_frame(labels, y_true="y", y_pred="p", sensitive_features=features, task="multiclass")
    split = frame.drop(columns=["g", "old", "new"]).rename(columns={"<i>s</i>": NASTY[0], "score": NASTY[6]})
    split = split.assign(**{NASTY[0]: split[NASTY[0]] == "$M$"})
    table = read_splits(split[:2000], split[2000:], y_true="y")
    linted, evidence = lint_splits(table), data_evidence(table)
    world = planted_world("measurement", n=900)
    names = np.where(world.data.group == "B", NASTY[0], NASTY[4])
    flipped = counterfactual_flips(
        lambda rows: (rows["score"] + 0.2 * (rows["g"] == NASTY[0]) > 0.5).astype(int), frame,
        change={"g": {NASTY[0]: NASTY[1], NASTY[1]: NASTY[0]}}, sensitive_features=features,
    )  # fmt: skip
    return {
        "subgroups": run_audit(plain),
        "calibration": run_audit(scored),
        "compare": run_compare(frame, y_true="y", candidate="new", baseline="old", sensitive_features=features),
        "errors": run_slices(plain, metric="accuracy"),
        "confusion": run_audit(several),
        "data": replace(linted, measurements=(*linted.measurements, *evidence.measurements)),
        "sources": bias_sources(replace(world.data, group=names), logistic_fit, feature="<b>g</b>", group=NASTY[0]),
        "robustness": flipped,
        "training": trained(),
        "monitoring": watched(),
        "loops": looped(),
    }


@pytest.fixture(scope="session")
def nasty() -> Mapping[str, Result]:
    """Return one run of each kind, by the page that it is for, with hostile names throughout."""
    found = nasty_results()
    return found | {"thresholds": found["calibration"]}
