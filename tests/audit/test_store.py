"""Saved runs: whole or not at all, listed at once, and broken where they were changed."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import audit.store
from audit.errors import EvidenceError, InputError
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.store import list_runs, load_run, read_document, save_run, write_text


@pytest.fixture(scope="module")
def result():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"y": random.integers(0, 2, 200), "p": random.integers(0, 2, 200), "g": random.choice([*"ab"], 200)}
    )
    frame["v"] = "m-1"
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", model_version="v", sensitive_features=["g"])
    return run_audit(log, metrics=["accuracy"])


def small(value=0.5):
    return Result(measurements=[Measurement(metric="x", value=value, n=3, method="count")])


def test_save_list_and_load(result, tmp_path):
    gate = json.dumps({"verdict": "PASS"})
    path = save_run(result, tmp_path / "runs", documents={"gate.json": gate, "report.html": "<p>é</p>"})
    assert sorted(file.name for file in path.iterdir()) == ["gate.json", "report.html", "result.json", "tally.parquet"]
    loaded = load_run(path)
    assert loaded == result
    assert loaded.tally.digest() == result.tally.digest()
    (entry,) = list_runs(tmp_path / "runs")
    assert (entry.run_id, entry.path, entry.digest) == (path.name, path, result.digest())
    assert (entry.rows, entry.features, entry.positive) == (200, ("g",), "1")
    assert (entry.verdict, entry.model_version) == ("PASS", "m-1")
    assert read_document(path, "report.html") == "<p>é</p>"
    assert read_document(path, "../index.jsonl") is None
    assert path.name.endswith(result.digest()[:8])


def test_the_files_of_a_run_are_the_same_bytes_for_the_same_result(result, tmp_path):
    one, two = save_run(result, tmp_path / "a"), save_run(result, tmp_path / "b")
    for name in ("result.json", "tally.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_two_saves_in_one_second_are_two_runs(result, tmp_path):
    paths = {save_run(result, tmp_path) for _ in range(5)}
    assert len(paths) == len(list_runs(tmp_path)) == 5
    assert all(load_run(path) == result for path in paths)


def test_runs_list_newest_first(tmp_path, monkeypatch):
    class Clock:
        ticks = iter(["20260105T000000Z", "20260103T000000Z", "20260104T000000Z"])

    real = audit.store._renamed
    monkeypatch.setattr(
        audit.store, "_renamed", lambda partial, folder, name: real(partial, folder, next(Clock.ticks) + name[16:])
    )
    for value in (0.1, 0.2, 0.3):
        save_run(small(value), tmp_path)
    assert [entry.run_id[:8] for entry in list_runs(tmp_path)] == ["20260105", "20260104", "20260103"]


def test_a_thousand_runs_list_without_opening_one(tmp_path, monkeypatch):
    lines = []
    first = save_run(small(), tmp_path)
    pattern = json.loads((tmp_path / "index.jsonl").read_text())
    for place in range(1000):
        name = f"20260101T{place:06d}Z-{first.name[-8:]}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text("{}")
        lines.append(json.dumps(pattern | {"run_id": name}))
    with (tmp_path / "index.jsonl").open("a") as index:
        index.write("\n".join(lines) + "\n")
    opened = []
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, **options: opened.append(self.name) or real(self, **options))
    assert len(list_runs(tmp_path)) == 1001
    assert opened == ["index.jsonl"]


def test_runs_that_the_index_lacks_are_read(result, tmp_path):
    path = save_run(result, tmp_path)
    (tmp_path / "index.jsonl").unlink()
    (entry,) = list_runs(tmp_path)
    assert (entry.run_id, entry.rows, entry.digest) == (path.name, 200, result.digest())


@pytest.mark.parametrize("line", ["{", '{"run_id": 3}', "[]", "null", "\ufffd", '{"time": "x"}', ""])
def test_lines_that_were_cut_off_lose_no_run(line, tmp_path):
    save_run(small(0.1), tmp_path)
    with (tmp_path / "index.jsonl").open("a") as index:
        index.write(line)
    save_run(small(0.2), tmp_path)  # its line may continue the broken one
    save_run(small(0.3), tmp_path)
    entries = list_runs(tmp_path)
    assert len({entry.digest for entry in entries}) == 3
    assert "" not in {entry.digest for entry in entries}


def test_broken_runs_are_listed_as_such(tmp_path):
    folder = tmp_path / "20260101T000000Z-00000000"
    folder.mkdir()
    (folder / "result.json").write_text("no json")
    (entry,) = list_runs(tmp_path)
    assert (entry.run_id, entry.verdict) == (folder.name, "INVALID")


def test_no_folder_holds_no_runs(tmp_path):
    assert list_runs(tmp_path / "none") == ()


def change(path, old, new):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


def test_changed_and_missing_evidence(result, tmp_path):
    path = save_run(result, tmp_path / "one")
    change(path / "result.json", '"method": "wilson"', '"method": "magic"')
    with pytest.raises(EvidenceError, match="no longer the one that was saved"):
        load_run(path)
    path = save_run(result, tmp_path / "two")
    other = PredictionLog.from_frame(
        pd.DataFrame({"y": [1, 0], "p": [1, 0], "g": [*"ab"]}), y_true="y", y_pred="p", sensitive_features=["g"]
    )
    run_audit(other).tally.write(path / "tally.parquet")
    with pytest.raises(EvidenceError, match=r"is not the tally that result.json was made from: its digest differs"):
        load_run(path)
    (path / "tally.parquet").unlink()
    with pytest.raises(EvidenceError, match=r"tally .* cannot be read"):
        load_run(path)
    (path / "result.json").unlink()
    with pytest.raises(EvidenceError, match=r"holds no readable result.json"):
        load_run(path)
    (path / "result.json").write_bytes(b"\xff\xfe")
    with pytest.raises(EvidenceError, match=r"holds no readable result.json"):
        load_run(path)


@pytest.mark.parametrize(("name", "file"), [("w", "tally"), ("score", "tally"), ("moment", "tally.pairs")])
def test_a_changed_sum_is_noticed(name, file, tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"y": random.integers(0, 2, 200), "p": random.integers(0, 2, 200), "k": np.arange(200) // 2})
    frame["w"], frame["s"] = random.lognormal(size=200), random.random(200)
    roles = {"y_true": "y", "y_pred": "p", "y_score": "s", "sample_weight": "w", "cluster": "k"}
    made = run_audit(PredictionLog.from_frame(frame, **roles), metrics=["accuracy"])
    path = save_run(made, tmp_path)
    assert load_run(path) == made
    target = path / f"{file}.parquet"
    table = pq.read_table(target)
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, pc.multiply(table[name], 1.001)), target)
    with pytest.raises(EvidenceError, match="its digest differs; run the audit again"):
        load_run(path)


def test_the_same_bytes_from_the_same_data_every_time(tmp_path):
    random = np.random.default_rng(2)
    rows = 400_000
    frame = pa.table(
        {"y": random.integers(0, 2, rows), "s": random.random(rows), "w": random.lognormal(size=rows),
         "g": random.choice([*"abc"], rows)}
    )  # fmt: skip
    pq.write_table(frame, tmp_path / "t.parquet", row_group_size=50_000)
    roles = {"y_true": "y", "y_score": "s", "sample_weight": "w"}
    seen = set()
    for _ in range(3):
        log = PredictionLog.from_file(tmp_path / "t.parquet", threshold=0.5, sensitive_features=["g"], **roles)
        path = save_run(run_audit(log, metrics=["accuracy", "roc_auc"]), tmp_path / "runs")
        seen.add(tuple((path / name).read_bytes() for name in ("result.json", "tally.parquet")))
    assert len(seen) == 1


def test_a_run_that_was_renamed_by_hand_still_opens(result, tmp_path):
    path = save_run(result, tmp_path)
    assert load_run(path.rename(tmp_path / "the accepted one")) == result


def test_a_result_without_counts_is_saved_without_a_tally(tmp_path):
    path = save_run(small(), tmp_path)
    assert [file.name for file in path.iterdir()] == ["result.json"]
    assert load_run(path) == small()


@pytest.mark.parametrize(
    ("documents", "error", "message"),
    [
        ({"gate.json": "no json"}, InputError, "gate.json holds no verdict"),
        ({"gate.json": "{}"}, InputError, "gate.json holds no verdict"),
        ({"gate.json": "[]"}, InputError, "gate.json holds no verdict"),
        ({"result.json": "{}"}, InputError, r"documents may not be called \['result.json'\]"),
        ({"x/tally.parquet": ""}, InputError, r"documents may not be called \['tally.parquet'\]"),
        ({"report.html": b"bytes"}, TypeError, "data must be str"),
        ({"report.html": "\ud800"}, UnicodeEncodeError, "surrogates not allowed"),
    ],
)
def test_nothing_is_half_written_when_a_document_fails(documents, error, message, tmp_path):
    with pytest.raises(error, match=message):
        save_run(small(), tmp_path, documents=documents)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_half_written_when_the_machine_stops(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit.store, "_renamed", stop)
    with pytest.raises(KeyboardInterrupt):
        save_run(small(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_half_written_run_is_no_run(tmp_path):
    partial = tmp_path / ".partial-abc"
    partial.mkdir()
    (partial / "result.json").write_text(small().to_json())
    assert list_runs(tmp_path) == ()


def test_documents_stay_in_their_folder(tmp_path):
    path = save_run(small(), tmp_path / "runs", documents={"../../escape.txt": "x"})
    assert (path / "escape.txt").read_text() == "x"
    assert [file.name for file in tmp_path.iterdir()] == ["runs"]


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write runs to .*file.*; name another folder"):
        save_run(small(), tmp_path / "file")
    with pytest.raises(InputError, match=r"cannot write .*; name another file"):
        write_text(tmp_path / "none" / "t.txt", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied; name another folder"):
        save_run(small(), tmp_path)


def test_texts_are_written_whole(tmp_path):
    write_text(tmp_path / "t.txt", "é")
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == "é"
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "t.txt", "\ud800")
    assert [file.name for file in tmp_path.iterdir()] == ["t.txt"]
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == "é"
