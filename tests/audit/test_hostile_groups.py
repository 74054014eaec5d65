"""Names of groups that would be markup, formulas or control characters elsewhere: values here, unchanged to the end."""

import json

import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.store import load_run, save_run

NAMES = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "![x](http://x)",
    "x" * 10_000,
    "\u202eevil\u202c",
    "a\x00b",
    "\x1b[31mred",
    "'; DROP TABLE runs; --",
    '{"a": 1}',
    "a\r\nb",
    "e\u0301",  # two code points, not the same group as the one below
    "\u00e9",
    " padded ",
    "NaN",
    "null",
    "-",
    "\U0001f98a",
]


@pytest.fixture(scope="module")
def result():
    rows = [(name, y, p) for name in NAMES for y in (1, 0) for p in (1, 0)]
    frame = pa.table({"g": [r[0] for r in rows], "y": [r[1] for r in rows], "p": [r[2] for r in rows]})
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])
    return run_audit(log, metrics=["accuracy"], reference={"g": NAMES[0]})


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_each_is_a_group_of_its_own(result, name):
    assert result.find("count", {"g": name}).value == 4


def test_they_survive_json_and_parquet(result, tmp_path):
    path = save_run(result, tmp_path)
    loaded = load_run(path)
    assert loaded == result
    assert set(loaded.tally.cells["slice.g"].to_pylist()) == set(NAMES)
    read = json.loads((path / "result.json").read_text(encoding="utf-8"))
    assert {row["slice"].get("g") for row in read["measurements"]} == {*NAMES, None}


def test_one_line_per_measurement_whatever_the_names(result):
    body = result.to_json().partition('"measurements": [')[2]
    lines = body.strip().removesuffix("]}").split(",\n")
    assert len(lines) == len(result.measurements)
    assert all(json.loads(line)["metric"] for line in lines)
    assert Result.from_json(result.to_json()) == result


def test_they_stand_in_the_reason_of_the_largest_gap_as_they_are(result):
    gap = next(
        row
        for row in result.measurements
        if row.metric == "accuracy_difference" and row.against is not None and row.against["kind"] == "groups"
    )
    assert gap.reason.startswith("between ")
    assert any(name in gap.reason for name in NAMES)
