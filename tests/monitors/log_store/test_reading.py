"""Versions as logs: broken evidence is named, memory is bounded, other engines read the same rows."""

import subprocess
import sys

import narwhals.stable.v2 as nw
import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures

from audit.errors import EvidenceError
from audit.run import run_audit
from monitors import windows
from monitors.log_store.columns import LogColumns, as_log
from monitors.log_store.store import LogStore


def test_a_missing_data_file_is_named(store, batch, tmp_path):
    store.append(batch(3))
    store.append(batch(3, start=3))
    gone = next((tmp_path / "log" / "predictions").glob("*.parquet"))
    gone.rename(tmp_path / "elsewhere")
    for action in (store.read, lambda: store.append(batch(9)), lambda: store.erase(["p0"]),
                   lambda: store.correct(pa.table({"id": ["p0"], "age": [1.0]}))):  # fmt: skip
        with pytest.raises(EvidenceError, match=f"{gone.name} is missing"):
            action()
    (tmp_path / "elsewhere").rename(gone)
    assert store.read().table.collect().shape[0] == 6


def test_a_file_that_was_cut_or_grew_is_named(store, batch, tmp_path):
    store.append(batch(3))
    path = next((tmp_path / "log" / "predictions").glob("*.parquet"))
    whole = path.read_bytes()
    for broken in (whole[:-10], whole + b"x"):
        path.write_bytes(broken)
        with pytest.raises(EvidenceError, match=rf"{path.name} has {len(broken):,} bytes, its log says {len(whole):,}"):
            store.read()


def test_a_missing_label_file_is_named(store, batch, tmp_path):
    store.append(batch(3))
    store.append_labels(pa.table({"id": ["p0"], "y_true": [1]}))
    gone = next((tmp_path / "log" / "labels").glob("*.parquet"))
    gone.unlink()
    with pytest.raises(EvidenceError, match=f"{gone.name} is missing"):
        store.read()


def test_a_broken_delta_log_is_no_evidence(store, batch, tmp_path):
    store.append(batch(3))
    commit = tmp_path / "log" / "predictions" / "_delta_log" / "00000000000000000001.json"
    whole = commit.read_text()
    commit.write_text(whole[: len(whole) // 2])
    with pytest.raises(EvidenceError, match="cannot be read"):
        store.read()


def test_a_delta_table_of_something_else_is_refused(tmp_path):
    DeltaTable.create(str(tmp_path / "log" / "predictions"), pa.schema([("x", pa.int64())]))
    with pytest.raises(EvidenceError, match=r"without 'evenhanded\.columns': something else than this made it"):
        LogStore.open(tmp_path / "log")


def test_a_table_that_its_files_do_not_tell_is_refused(store, batch):
    """Rows that another engine only marks as deleted would come back to life."""
    store.append(batch(3))
    table = DeltaTable(f"{store.place.uri}/predictions")
    table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(EvidenceError, match=r"changed by another engine .*\([Dd]eletionVectors\)"):
        store.read()


def test_a_url_is_read_and_written_as_a_folder_is(tmp_path, batch, rows_of):
    """The storage of the operating system under a URL: the way that object storage takes."""
    store = LogStore.create(f"file://{tmp_path}/log", COLUMNS)
    assert store.append(batch(5)).new == 5
    assert store.append(batch(6))[:2] == (1, 5)
    store.append_labels(pa.table({"id": ["p1", "p2"], "y_true": [1, 0]}))
    version = store.version
    store.compact()
    store.correct(pa.table({"id": ["p4"], "sex": ["X"]}))
    found = rows_of(LogStore.open(f"file://{tmp_path}/log"))
    assert (found["p1"]["y_true"], found["p4"]["feature_0"], len(found)) == ("1", "X", 6)
    assert len(rows_of(store, version)) == 6
    assert store.read().source == ()
    assert store.erase(["p1"])[:2] == (1, 1)
    assert "p1" not in rows_of(store)
    gone = next(tmp_path.rglob("predictions/*.parquet"))
    gone.unlink()
    with pytest.raises(EvidenceError, match=f"{gone.name} is missing"):
        store.read()


def test_labels_are_not_touched_where_nobody_asks_for_them(store, batch):
    store.append(batch(3))
    store.append_labels(pa.table({"id": ["p0"], "y_true": [1]}))
    table = store.read().table
    by_group = table.group_by("feature_0").agg(nw.len(), nw.col("y_score").mean())
    assert "JOIN" not in by_group.to_native().explain().upper()
    with_labels = table.group_by("feature_0", "y_true").agg(nw.len())
    assert "JOIN" in with_labels.to_native().explain().upper()


def test_an_audit_reads_the_log(store, batch):
    store.append(batch(60))
    store.append_labels(pa.table({"id": [f"p{n}" for n in range(50)], "y_true": [n % 2 for n in range(50)]}))
    result = run_audit(store.read())
    assert result.find("count").value == 60
    assert result.find("accuracy").value == 1.0
    assert result.find("accuracy").n == 50  # ten labels have not come
    assert result.find("accuracy", {"sex": "F"}).n == 33


COLUMNS = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said", "y_score": "score"},
                     sensitive_features=("sex",), features=("age",), numbers=("age",))  # fmt: skip

_MANY = """
import resource, sys
import numpy as np, pyarrow as pa
from monitors import windows
from monitors.log_store.columns import LogColumns, as_log
from monitors.log_store.store import LogStore
folder, rows, batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_score": "s"}, features=("x",), numbers=("x",),
                     reading={"threshold": 0.5})
store = LogStore.create(folder, columns)
generator = np.random.default_rng(0)
for start in range(0, rows * batches, rows):
    ids = np.char.add("prediction-", np.arange(start, start + rows).astype("U12"))
    times = pa.array(1_767_000_000_000_000 + np.arange(start, start + rows) * 1_000_000, pa.timestamp("us", "UTC"))
    store.append(pa.table({"id": ids, "at": times, "s": generator.random(rows), "x": generator.random(rows)}))
"""
_READ = """
import resource, sys
import narwhals.stable.v2 as nw
from monitors.log_store.store import LogStore
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = LogStore.open(sys.argv[1]).read().table
days = table.with_columns(day=nw.col("timestamp").dt.date()).group_by("day").agg(nw.len(), nw.col("input_0").sum())
found = days.collect(backend="pyarrow").to_native()
print(sum(found["len"].to_pylist()), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.parametrize(("rows", "batches"), [(50_000, 2), pytest.param(200_000, 20, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_log(tmp_path, rows, batches):
    folder = str(tmp_path / "log")
    subprocess.run([sys.executable, "-c", _MANY, folder, str(rows), str(batches)], check=True, timeout=600)
    done = subprocess.run(
        [sys.executable, "-c", _READ, folder], check=True, capture_output=True, text=True, timeout=600
    )
    counted, mebibytes = map(int, done.stdout.split())
    assert counted == rows * batches
    assert mebibytes < 200


def counted(log, rule):
    """Return the rows by window, group and label, counted by the engine that holds the log."""
    edges = windows.resolve(windows.parse_windows(rule), log)
    table = log.table.with_columns(window=windows.place_expression(edges, log))
    found = table.group_by("window", "feature_0", "y_true").agg(nw.len().alias("n"))
    rows = found.collect(backend="pyarrow").to_native().to_pylist()
    return edges.edges, sorted((row["window"], row["feature_0"], row["y_true"] or "", row["n"]) for row in rows)


@pytest.mark.slow
def test_spark_reads_the_same_rows_and_counts_the_same_windows(store, batch, rows_of, new_session):
    """Without the jars of Delta, Spark reads the Parquet files that the Delta log names: they are the table."""
    for day in (1, 9, 20):
        store.append(batch(5, start=5 * day, day=day))
    store.append_labels(pa.table({"id": ["p6", "p47"], "y_true": [1, 0]}))
    store.erase(["p100"])
    spark = new_session()
    files = {name: DeltaTable(f"{store.place.uri}/{name}").file_uris() for name in ("predictions", "labels")}
    predictions, labels = (spark.read.parquet(*files[name]) for name in ("predictions", "labels"))
    told = labels.select(labels["prediction_id"].alias("id"), "y_true", "label_timestamp")
    joined = predictions.join(told, "id", "left")
    found = {row["id"]: row for row in joined.collect()}
    by_spark = counted(as_log(joined, store.columns), "7d")
    ours = rows_of(store)
    assert sorted(found) == sorted(ours)
    assert len(ours) == 14
    for name, row in ours.items():
        assert (found[name]["y_true"], found[name]["age"], found[name]["score"], found[name]["sex"]) == (
            row["y_true"], row["input_0"], row["y_score"], row["feature_0"])  # fmt: skip
        assert found[name]["at"].timestamp() == row["timestamp"].timestamp()
    assert by_spark == counted(store.read(), "7d")
    assert len(by_spark[0]) == 5
