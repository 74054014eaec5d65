"""Several writers, and processes that are killed: nothing acknowledged is lost, nothing is there in part or twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from audit.errors import InputError
from monitors.log_store import appending
from monitors.log_store.delta import snapshot
from monitors.log_store.store import LogStore

ROWS = 50

_WRITER = """
import sys
import pyarrow as pa
from audit.errors import InputError
from monitors.log_store.store import LogStore

folder, writer, first, last, rows, acknowledged = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), sys.argv[6]
store = LogStore.open(folder)

def batch(number):
    ids = [f"{number}-{row}" for row in range(rows)]
    return pa.table({"id": ids, "at": ["2026-01-05T09:00:00Z"] * rows, "said": [row % 2 for row in range(rows)],
                     "score": [0.5] * rows, "sex": ["F"] * rows, "age": [float(number)] * rows})

with open(acknowledged, "a", buffering=1) as told:
    for number in range(first, last):
        received = store.append(batch(number))
        print("ready" if number == first else "", flush=True)
        told.write(f"{writer} {number} {received.new} {received.repeated}\\n")
        labels = pa.table({"id": [f"{number}-{row}" for row in range(rows)], "y_true": [1] * rows})
        store.append_labels(labels)
        told.write(f"{writer} labels-{number} {rows} 0\\n")
"""


def writer(folder, name, first, last, acknowledged):
    code = [sys.executable, "-c", _WRITER, str(folder), name, str(first), str(last), str(ROWS), str(acknowledged)]
    return subprocess.Popen(code, stdout=subprocess.PIPE, text=True, process_group=0)


def stored(store):
    found = store.read().table.collect(backend="pyarrow").to_native()
    rows = Counter(name.split("-")[0] for name in found["prediction_id"].to_pylist())
    told = zip(found["prediction_id"].to_pylist(), found["y_true"].to_pylist(), strict=True)
    return rows, Counter(name.split("-")[0] for name, label in told if label is not None), found.num_rows


@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_in_part(store, tmp_path, kills):
    generator = np.random.default_rng(0)
    acknowledged = tmp_path / "acknowledged.txt"
    acknowledged.touch()
    killed = first = 0
    while killed < kills:
        process = writer(store.place.folder, "w", first, first + 10_000, acknowledged)
        assert process.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        killed += 1
        told = [line.split()[1] for line in acknowledged.read_text().splitlines()]
        first = max([int(number) for number in told if "-" not in number], default=0)  # sent again, as after a crash
    rows, labels, total = stored(store)
    told = [line.split()[1] for line in acknowledged.read_text().splitlines()]
    assert {number for number in told if "labels" not in number} <= set(rows)
    assert {number.removeprefix("labels-") for number in told if "labels" in number} <= set(labels)
    assert set(rows.values()) == {ROWS}
    assert set(labels.values()) <= {ROWS}
    assert total == ROWS * len(rows)
    assert len(rows) > kills / 2  # they were killed at work, not before it


def test_a_killed_append_can_be_swept(store, tmp_path, batch):
    store.append(batch(3))
    left = tmp_path / "log" / "predictions" / "part-left.parquet"
    left.write_bytes(b"half a file")
    assert store.read().table.collect().shape[0] == 3
    store.erase(["nobody"])
    assert not left.exists()


@pytest.mark.parametrize("batches", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_two_writers_with_the_same_batches_write_each_once(store, tmp_path, batches):
    acknowledged = tmp_path / "acknowledged.txt"
    both = [writer(store.place.folder, name, 0, batches, acknowledged) for name in ("one", "two")]
    for process in both:
        process.communicate(timeout=500)
        assert process.returncode == 0
    rows, labels, total = stored(store)
    assert rows == labels == {str(number): ROWS for number in range(batches)}
    assert total == ROWS * batches
    lines = [line.split() for line in acknowledged.read_text().splitlines() if "labels" not in line]
    assert sum(int(new) for _, _, new, _ in lines) == ROWS * batches
    assert sum(int(repeated) for _, _, _, repeated in lines) == ROWS * batches


@pytest.mark.parametrize("batches", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_two_writers_with_their_own_batches_lose_none(store, tmp_path, batches):
    acknowledged = tmp_path / "acknowledged.txt"
    both = [writer(store.place.folder, str(first), first, first + batches, acknowledged) for first in (0, batches)]
    for process in both:
        process.communicate(timeout=500)
        assert process.returncode == 0
    rows, labels, total = stored(store)
    assert rows == labels == {str(number): ROWS for number in range(2 * batches)}
    assert total == ROWS * 2 * batches


_CHANGER = """
import sys
import pyarrow as pa
from monitors.log_store.store import LogStore

store = LogStore.open(sys.argv[1])
with open(sys.argv[3], "a", buffering=1) as told:
    for number in range(int(sys.argv[2]), 10_000):
        store.correct(pa.table({"id": [f"p{number + 1}"], "sex": ["corrected"]}))
        told.write(f"corrected {number + 1}\\n")
        print("ready", flush=True)
        store.erase([f"p{number}"])
        told.write(f"erased {number}\\n")
"""


@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_a_kill_while_rows_are_corrected_or_erased_loses_no_others(store, batch, rows_of, tmp_path, kills):
    """What was acknowledged is done, what was not is done or not, and every other row is there once."""
    rows, acknowledged, generator = 20 * kills + 200, tmp_path / "told.txt", np.random.default_rng(1)
    whole = batch(rows)
    store.append(whole.slice(0, rows // 2))
    store.append(whole.slice(rows // 2))
    store.append_labels(pa.table({"id": whole["id"], "y_true": [1] * rows}))
    acknowledged.touch()
    for _ in range(kills):
        told = [line.split() for line in acknowledged.read_text().splitlines()]
        first = max([int(number) + 1 for what, number in told if what == "erased"], default=0)
        code = [sys.executable, "-c", _CHANGER, str(store.place.folder), str(first), str(acknowledged)]
        process = subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if process.stdout.readline() == "ready\n":
            time.sleep(generator.uniform(0.0, 0.3))
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        left = rows_of(store)  # the log can be read after every kill
        told = [line.split() for line in acknowledged.read_text().splitlines()]
        erased = {f"p{number}" for what, number in told if what == "erased"}
        corrected = {f"p{number}" for what, number in told if what == "corrected"}
        assert not erased & set(left)
        assert len(left) >= rows - len(erased) - 1
        assert {name for name, row in left.items() if row["feature_0"] == "corrected"} >= corrected & set(left)
        assert {row["y_true"] for row in left.values()} <= {"1", None}
        assert sum(row["y_true"] is None for row in left.values()) <= 1  # its label went first
        if len(left) == rows - len(erased) - 1:  # erased and not told: as somebody would do, it is asked for again
            gone = min({int(name[1:]) for name in set(whole["id"].to_pylist()) - set(left) - erased})
            store.erase([f"p{gone}"])
            with acknowledged.open("a") as stream:
                stream.write(f"erased {gone}\n")
    assert len(erased) >= kills / 2


def interrupted(monkeypatch, between):
    """Let somebody else write right before the first commit."""
    real, done = appending.commit, []

    def commit(found, **files):
        if not done:
            done.append(found)
            between()
        return real(found, **files)

    monkeypatch.setattr(appending, "commit", commit)


def test_an_id_that_another_writer_brings_in_between_is_found(store, batch, monkeypatch):
    other = LogStore.open(store.place.uri)
    interrupted(monkeypatch, lambda: other.append(batch(3)))
    assert store.append(batch(5))[:2] == (2, 3)
    assert store.read().table.collect().shape[0] == 5
    assert len(list(store.place.folder.glob("predictions/*.parquet"))) == 2  # the file of the first attempt is gone


def test_an_id_that_another_writer_brings_with_other_content_is_refused(store, batch, monkeypatch):
    other = LogStore.open(store.place.uri)
    interrupted(monkeypatch, lambda: other.append(batch(1, age=[77.0])))
    with pytest.raises(InputError, match=r"'p0' in row 1 \(other 'age'\)"):
        store.append(batch(5))
    assert store.read().table.collect().shape[0] == 1


def test_a_commit_that_was_made_but_reported_as_failed_counts_once(store, batch, monkeypatch):
    real = appending.commit
    monkeypatch.setattr(appending, "commit", lambda found, **files: not real(found, **files))
    assert store.append(batch(5)).new == 5
    assert store.read().table.collect().shape[0] == 5


def test_a_table_that_is_always_busy_is_told_and_left_alone(store, batch, monkeypatch):
    monkeypatch.setattr(appending, "ATTEMPTS", 3)
    monkeypatch.setattr(appending, "commit", lambda *_, **__: False)
    with pytest.raises(RuntimeError, match="was changed by others during each of 3 attempts; nothing was written"):
        store.append(batch(5))
    monkeypatch.undo()
    assert store.read().table.collect().shape[0] == 0


def test_whoever_erases_waits_for_writers(store, batch):
    """A file that is written and not committed yet must not be swept away."""
    store.append(batch(3))
    hold = "import sys, time\nfrom pathlib import Path\nfrom monitors.log_store.locks import writing\n" \
           "with writing(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(1.0)"  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", hold, str(store.place.folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    start = time.monotonic()
    assert store.append(batch(1, start=9)).new == 1  # writers do not wait for each other
    quick = time.monotonic() - start
    store.erase(["p0"])
    assert time.monotonic() - start > 0.5
    assert quick < 0.5
    process.communicate(timeout=30)


def test_what_is_appended_again_after_many_commits_is_found(store, batch):
    for start in range(45):  # beyond two checkpoints of the Delta log
        store.append(batch(1, start=start))
    assert snapshot(store.place.below("predictions")).version == 45
    assert store.append(batch(45))[:2] == (0, 45)
    assert store.read("5.0").table.collect().shape[0] == 5


def test_a_table_in_memory_that_is_no_table_is_refused(store):
    with pytest.raises(InputError, match="expected a pandas, Polars or Arrow table"):
        store.append([1, 2])
    with pytest.raises(InputError, match="does not exist"):
        store.append("nowhere.csv")
    with pytest.raises(InputError, match=r"column 'sex' holds list<.*>; expected texts"):
        store.append(pa.table({"id": ["a"], "at": ["2026-01-05T09:00Z"], "said": [1], "score": [0.5], "sex": [["F"]],
                               "age": [1.0]}))  # fmt: skip
