"""The same windows through Evidently: its verdicts as our rows, and one snapshot that holds both."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Alarm, Result
from monitors.evidently_adapter import EvidentlySettings, evidently_report
from monitors.evidently_door import DataDefinition, Dataset, Report, Snapshot, Workspace
from monitors.evidently_metrics import EvenhandedMeasurement
from monitors.windows import Windows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "</script><script>alert(1)</script>"


def weeks(number):
    return Windows(edges=tuple(MONDAY + timedelta(weeks=k) for k in range(number + 1)), regular=True, complete=number)


def table(rng, sizes, *, moved=0.0, rare=0.01):
    n, y = sum(sizes), rng.integers(0, 2, sum(sizes))
    return pd.DataFrame({
        "y": y, "p": np.where(rng.random(n) < 0.8, y, 1 - y), "s": rng.random(n),
        "x": rng.normal(moved, 1, n), "tiny": rng.normal(moved * 5e-5, 1e-5, n),
        "count": pd.array(np.where(rng.random(n) < 0.1, None, rng.integers(0, 60, n)), dtype="Int64"),
        "text": pd.array(np.where(rng.random(n) < 0.1, None, rng.choice(["u", "v"], n)), dtype="string"),
        "flag": pd.array(np.where(rng.random(n) < 0.1, None, rng.random(n) < 0.5), dtype="boolean"),
        "kind": pd.Categorical(rng.choice([HOSTILE, "b", "rare"], n, p=[0.5, 0.5 - rare, rare])),
        "gone": None, "<b>name": 1.0,
        "t": [(MONDAY + timedelta(weeks=int(week))).isoformat() for week in np.repeat(np.arange(len(sizes)), sizes)],
    })  # fmt: skip


FEATURES = ["x", "tiny", "count", "text", "flag", "kind", "gone", "<b>name"]


def log(frame):
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s", timestamp="t", features=FEATURES)


def ours(*features, week=1):
    window = (MONDAY + timedelta(weeks=week), MONDAY + timedelta(weeks=week + 1))
    rows = [
        Measurement(
            metric="total_variation_distance", at=(("feature", name),), window=window, value=0.5, low=0.4, high=0.6,
            n=9, level=0.95, method="simultaneous", against={"kind": "reference", "digest": "ab12"},
        )
        for name in features
    ]  # fmt: skip
    rate = Measurement(
        metric="selection_rate", slice=(("sex", f"F{HOSTILE}"),), window=window, value=0.25, low=0.2, high=0.3, n=9,
        level=0.95, method="exact",
    )  # fmt: skip
    undefined = Measurement(metric="precision", window=window, value=None, n=0, method="wilson", reason="none")
    alarms = [Alarm(key=row.key(), e_value=90.0, limit=20.0, since=window[0]) for row in rows]
    return Result(measurements=(*rows, rate, undefined), alarms=tuple(alarms))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    rng = np.random.default_rng(0)
    reference, quiet = table(rng, [1100]), table(rng, [50, 0, 0])
    moved = table(rng, [0, 800, 0, 300], moved=1.0, rare=0.05)
    return evidently_report(
        log(reference), log(pd.concat([quiet, moved])), windows=weeks(4), result=ours("tiny", "kind", "x"),
        folder=tmp_path_factory.mktemp("evidently") / "workspace",
    )  # fmt: skip


def row(found, feature, week):
    return next(
        row for row in found.found.rows
        if dict(row.at) == {"feature": feature} and row.window[0] == MONDAY + timedelta(weeks=week)
    )  # fmt: skip


def test_every_watched_column_of_every_window_with_rows_has_a_row(found):
    assert found.snapshots == 3
    features = {*FEATURES, "y_score", "y_pred", "y_true"}
    assert {(dict(row.at)["feature"], row.window[0]) for row in found.found.rows} == {
        (name, MONDAY + timedelta(weeks=week)) for name in features for week in (0, 1, 3)
    }
    assert all(row.against == {"kind": "reference", "digest": "ab12"} for row in found.found.rows)
    assert Result(measurements=found.found.rows).to_json()
    gone = row(found, "gone", 1)
    assert (gone.value, gone.n) == (None, 0)
    assert "missing on one side" in gone.reason


def test_scores_are_those_of_its_own_formula(found):
    """Wasserstein distance over the standard deviation of the reference: a shift of one deviation is about 1."""
    assert row(found, "x", 1).value == pytest.approx(1.0, abs=0.12)
    assert row(found, "x", 1).method == "evidently, Wasserstein distance (normed)"
    assert "against a threshold of 0.1: drift" in row(found, "x", 1).reason
    # It divides by 0.001 where the deviation is 0.00001: a shift of five of them is 0.05.
    assert row(found, "tiny", 1).value == pytest.approx(0.05, abs=0.004)


def test_both_verdicts_stand_side_by_side_with_the_reasons(found):
    both = {(each.feature, each.window[0]): each for each in found.verdicts}
    first, second, last = (MONDAY + timedelta(weeks=week) for week in (0, 1, 3))
    tiny = both["tiny", second]
    assert (tiny.theirs.drifted, tiny.ours) == (False, True)
    assert tiny.why[0].startswith("scale floor: it divides by 0.001")
    assert tiny.why[0] in row(found, "tiny", 1).reason
    kind = both["kind", second]
    assert (kind.theirs.drifted, kind.ours) == (False, True)
    assert kind.why[0].startswith("a rare category: rare went from ")
    small = [each for each in found.verdicts if each.window[0] == first and each.theirs.drifted]
    assert len(small) >= 2
    assert all(each.why for each in small)
    assert any(each.why[0].startswith("sample size; with 1,100 and 50 rows reshuffled") for each in small)
    agree = both["<b>name", second]
    assert (agree.theirs.drifted, agree.ours, agree.why) == (False, False, ())
    # An alarm is no verdict on what came before it, and stays raised after it.
    assert not both["tiny", first].ours
    assert both["tiny", last].why[-1].startswith("our alarm was raised in the window from 2026-01-12T00:00:00Z on")


def test_the_snapshot_holds_both_presets_and_our_measurements(found):
    workspace = Workspace.create(str(found.folder))
    project = workspace.list_projects()[0]
    runs = [Snapshot.load_model(workspace.get_run(project.id, run)) for run in workspace.list_runs(project.id)]
    second = next(run for run in runs if any("number" in each["config"] for each in run.dict()["metrics"]))
    kinds = {each["config"]["type"].rpartition(":")[2] for each in second.dict()["metrics"]}
    assert {"ValueDrift", "DriftedColumnsCount", "RowCount", "DatasetMissingValueCount"} <= kinds
    mine = {each["config"]["title"]: each["value"] for each in second.dict()["metrics"] if "number" in each["config"]}
    assert mine["total_variation_distance, feature tiny, against reference: [0.4, 0.6], n = 9"] == 0.5
    assert mine["selection_rate, sex = F‹/script›‹script›alert(1)‹/script›: [0.2, 0.3], n = 9"] == 0.25
    assert len(mine) == 4  # what is undefined has no number


def test_nothing_from_the_data_can_run_in_its_page(found):
    page = found.html.read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "<b>name" not in page


def test_the_page_would_run_it_if_it_were_not_defused(tmp_path):
    """Why `defused` is there: Evidently writes texts into a script as they are."""
    frame = pd.DataFrame({"kind": pd.Series([HOSTILE, "b"] * 50, dtype=object)})
    data = Dataset.from_pandas(frame, data_definition=DataDefinition(categorical_columns=["kind"]))
    snapshot = Report([EvenhandedMeasurement(title=HOSTILE, key="k", number=1.0)]).run(data, data)
    snapshot.save_html(str(tmp_path / "page.html"))
    assert "<script>alert(1)" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_few_rows_of_the_last_windows_on_request(tmp_path):
    rng = np.random.default_rng(1)
    frame = table(rng, [150, 150, 150])[["y", "p", "s", "x", "t"]]
    read = PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t", features=["x"])
    found = evidently_report(
        read, read, windows=weeks(3), result=Result(measurements=()), folder=tmp_path / "w",
        settings=EvidentlySettings(rows=80, last=1),
    )  # fmt: skip
    assert found.snapshots == 1
    assert {each.window[0] for each in found.verdicts} == {MONDAY + timedelta(weeks=2)}
    assert "on 80 of 450 and 80 of 150 rows, drawn at random" in row(found, "x", 2).reason
    assert row(found, "x", 2).n == 80
    assert row(found, "x", 2).method == "evidently, K-S p_value"


def test_a_log_without_rows_in_any_window_has_no_page(tmp_path):
    read = log(table(np.random.default_rng(2), [50]))
    later = Windows(edges=(MONDAY + timedelta(weeks=9), MONDAY + timedelta(weeks=10)), regular=True, complete=1)
    found = evidently_report(read, read, windows=later, result=Result(measurements=()), folder=tmp_path / "w")
    assert (found.found.rows, found.html, found.snapshots) == ((), None, 0)


def test_bad_input_is_named(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    read = log(table(np.random.default_rng(3), [50]))
    with pytest.raises(InputError, match="4 problems") as error:
        evidently_report(
            read, read, windows=weeks(1), result=Result(measurements=()), folder=tmp_path / "file",
            settings=EvidentlySettings(rows=1, last=0, random_state=-1),
        )  # fmt: skip
    assert "is a file; name a folder" in str(error.value)
