"""Corrections and removals: gone from every file and every version, on record by number only."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import EvidenceError, InputError
from monitors.log_store.columns import LogColumns
from monitors.log_store.store import LogStore

HOSTILE = [
    "x' OR '1'='1",
    '"; DROP TABLE predictions; --',
    "a\\'b",
    "%",
    "_",
    "\u202eabc",
    "line\nbreak",
    "=1+1",
    "*",
    "p[0]",
]


def labels(ids, values):
    return pa.table({"id": list(ids), "y_true": list(values)})


def everything_on_disk(folder):
    """Return every value of every Parquet file, and every other file as text."""
    text = []
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            text += [str(value) for column in pq.read_table(path).columns for value in column.to_pylist()]
        elif path.is_file():
            text.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(text)


def test_an_erased_id_is_gone_from_every_file_and_every_version(store, batch, rows_of, tmp_path):
    store.append(batch(6))
    store.append_labels(labels(["p2", "p3"], [1, 0]))
    store.append(batch(6, start=6))
    store.compact()
    old = store.version
    orphan = next((tmp_path / "log" / "predictions").glob("*.parquet"))
    (orphan.parent / "part-of-a-killed-process.parquet").write_bytes(orphan.read_bytes())
    assert "p2" in everything_on_disk(tmp_path)
    removed = store.erase(["p2"])
    assert removed[:2] == (1, 1)
    assert removed.files >= 4
    assert sorted(rows_of(store)) == sorted(f"p{n}" for n in range(12) if n != 2)
    assert "p2" not in everything_on_disk(tmp_path)
    with pytest.raises(EvidenceError, match=r"part-.*\.parquet is missing.*erasing and retention remove the files"):
        store.read(old)
    event = store.events()[0]
    assert (event["event"], event["predictions"], event["labels"]) == ("erase", 1.0, 1.0)
    assert store.append(batch(3))[:2] == (1, 2)  # sent again, it is new


def test_versions_that_rest_on_no_deleted_file_can_still_be_read(store, batch, rows_of):
    store.append(batch(3))
    store.append(batch(3, start=3))
    store.erase(["p4"])
    assert len(rows_of(store, "1.0")) == 3
    with pytest.raises(EvidenceError, match="is missing"):
        store.read("2.0")


def test_all_rows_of_a_person_go_by_another_column(store, batch, rows_of):
    store.append(batch(6))
    store.append_labels(labels(["p0", "p1", "p3"], [1, 1, 1]))
    assert store.erase(["M"], by="sex")[:2] == (2, 2)  # p0 and p3
    assert sorted(rows_of(store)) == ["p1", "p2", "p4", "p5"]
    with pytest.raises(InputError, match="no prediction, decision or label; the log has 'id', 'sex'; got 'age'"):
        store.erase(["20"], by="age")
    with pytest.raises(InputError, match="the log has 'id', 'sex'; got 'said'"):
        store.erase(["1"], by="said")


def test_what_is_not_there_is_no_error_and_still_sweeps(store, batch, tmp_path):
    store.append(batch(3))
    (tmp_path / "log" / "predictions" / "part-left.parquet").write_bytes(b"PAR1")
    assert store.erase(["nobody"]) == (0, 0, 1)
    assert len(store.read().table.collect().rows()) == 3


@pytest.mark.parametrize("ids", [[], [""], "p1"])
def test_no_ids_are_refused(store, ids):
    with pytest.raises(InputError, match="expected a list of ids"):
        store.erase(ids)


@pytest.mark.parametrize("name", HOSTILE)
def test_ids_are_values_and_never_part_of_a_query(store, batch, rows_of, name):
    ids = ["one", name, "two"]
    store.append(batch(3, id=ids))
    store.append_labels(labels([name], [1]))
    assert store.append(batch(3, id=ids))[:2] == (0, 3)
    store.correct(pa.table({"id": [name], "sex": ["X"]}))
    assert rows_of(store)[name]["feature_0"] == "X"
    assert store.erase([name])[:2] == (1, 1)
    assert sorted(rows_of(store)) == ["one", "two"]


def test_a_correction_replaces_the_columns_that_it_has(store, batch, rows_of):
    store.append(batch(4))
    store.append(batch(4, start=4))
    before = store.version
    assert store.correct(pa.table({"id": ["p5", "p1"], "age": [50.0, 51.0], "sex": ["M", None]})) == 2
    found = rows_of(store)
    assert (found["p5"]["input_0"], found["p5"]["feature_0"], found["p5"]["y_score"]) == (50.0, "M", 0.5)
    assert (found["p1"]["input_0"], found["p1"]["feature_0"]) == (51.0, None)
    assert len(found) == 8
    assert rows_of(store, before)["p5"]["input_0"] == 25.0
    assert store.events()[0]["predictions"] == 2.0


def test_a_correction_of_nobody_changes_nothing(store, batch):
    store.append(batch(2))
    version = store.version
    with pytest.raises(InputError, match=r"2 'id' to correct are not in the log: 'q', 'r'; nothing was changed"):
        store.correct(pa.table({"id": ["p0", "q", "r"], "age": [1.0, 2.0, 3.0]}))
    with pytest.raises(InputError, match="unknown columns 'y_true'"):
        store.correct(pa.table({"id": ["p0"], "y_true": [1]}))
    with pytest.raises(InputError, match="keep one row per id"):
        store.correct(pa.table({"id": ["p0", "p0"], "age": [1.0, 2.0]}))
    assert store.version == version
    assert store.events() == []


def test_what_is_too_old_goes_with_its_labels(store, batch, rows_of, tmp_path):
    store.append(batch(3, day=1))
    store.append(batch(3, start=3, day=20))
    known = pa.array([datetime(2026, 1, day, tzinfo=UTC) for day in (25, 2, 25, 2, 25)])
    rows = labels(["p0", "p1", "p4", "never", "early"], [1] * 5).append_column("known", known)
    store.append_labels(rows, label_timestamp="known")
    removed = store.retain(10, now=datetime(2026, 1, 25, tzinfo=UTC))
    assert removed[:2] == (3, 3)  # labels of p0 and p1, and an old one that no prediction came for
    assert sorted(rows_of(store)) == ["p3", "p4", "p5"]
    left = everything_on_disk(tmp_path)
    assert not [name for name in ("p0", "p1", "never") if name in left.split("\n")]
    assert "early" in left
    assert [(event["event"], event["predictions"]) for event in store.events()] == [("retain", 3.0)]


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), 40_000])
def test_impossible_ages_are_refused(store, days):
    with pytest.raises(InputError, match="days must lie in"):
        store.retain(days)


def test_no_id_stands_in_the_delta_log(store, batch, tmp_path):
    """The least and greatest value of each column, which Delta usually keeps, would be two people's ids."""
    store.append(batch(5, id=["aaa-first", "b", "c", "d", "zzz-last"]))
    store.append(batch(5, start=5))
    store.append_labels(labels(["aaa-first"], [1]))
    store.compact()
    store.erase(["b"])
    written = [path.read_text() for path in (tmp_path / "log").rglob("_delta_log/*.json")]
    assert len(written) >= 8
    assert not [text for text in written for name in ("aaa-first", "zzz-last", 'minValues":{"id') if name in text]
    actions = [json.loads(line) for text in written for line in text.splitlines()]
    assert {tuple(json.loads(action["add"]["stats"])) for action in actions if "add" in action} >= {("numRecords",)}


@pytest.fixture
def hashed(tmp_path):
    roles = {"prediction_id": "id", "timestamp": "at", "y_pred": "said", "cluster": "person"}
    return LogStore.create(tmp_path / "log", LogColumns(roles=roles, hashed=("id", "person")))


def people(ids, persons):
    count = len(ids)
    return pa.table({"id": ids, "at": ["2026-01-05T09:00Z"] * count, "said": [1] * count, "person": persons})


def test_declared_ids_are_hashed_and_the_key_lies_beside_the_store(hashed, tmp_path):
    hashed.append(people(["case-1", "case-2", "case-3"], ["Ottilie", "Ottilie", "bob"]))
    hashed.append_labels(labels(["case-1"], [1]))
    assert hashed.append(people(["case-1"], ["Ottilie"]))[:2] == (0, 1)
    everything = everything_on_disk(tmp_path / "log")
    key = (tmp_path / "log.salt").read_text()
    assert not [name for name in ("case-", "Ottilie", "bob", key) if name in everything]
    assert (tmp_path / "log.salt").stat().st_mode & 0o777 == 0o600
    found = hashed.read().table.collect(backend="pyarrow").to_native()
    assert found["y_true"].to_pylist().count("1") == 1  # labels find their prediction
    assert len(set(found["cluster"].to_pylist())) == 2
    assert {len(name) for name in found["prediction_id"].to_pylist()} == {32}


def test_hashed_ids_are_corrected_and_erased_by_what_they_are(hashed):
    hashed.append(people(["case-1", "case-2", "case-3"], ["Ottilie", "Ottilie", "bob"]))
    hashed.append_labels(labels(["case-1", "case-3"], [1, 1]))
    assert hashed.correct(pa.table({"id": ["case-2"], "said": [0]})) == 1
    assert hashed.erase(["case-3"])[:2] == (1, 1)
    assert hashed.erase(["Ottilie"], by="person")[:2] == (2, 1)
    assert hashed.read().table.collect().shape[0] == 0


def test_an_error_about_a_hashed_id_does_not_tell_it(hashed):
    hashed.append(people(["case-1"], ["Ottilie"]))
    with pytest.raises(InputError, match=r"'[0-9a-f]{32}' in row 1 \(other 'person'\)") as caught:
        hashed.append(people(["case-1"], ["bob"]))
    assert "case-1" not in str(caught.value)


def test_without_the_key_nothing_is_appended_and_everything_read(hashed, tmp_path):
    hashed.append(people(["case-1"], ["Ottilie"]))
    key = tmp_path / "log.salt"
    kept = key.read_text()
    key.write_text("00" * 32)
    with pytest.raises(EvidenceError, match=r"is not the key that .* was made with"):
        hashed.append(people(["case-2"], ["Ottilie"]))
    key.write_text("no key")
    with pytest.raises(EvidenceError, match=r"the key of the hashed ids is not in .* \(no hexadecimal text\)"):
        hashed.erase(["case-1"])
    key.unlink()
    with pytest.raises(EvidenceError, match="No such file or directory"):
        hashed.append(people(["case-2"], ["Ottilie"]))
    assert hashed.read().table.collect().shape[0] == 1
    key.write_text(kept)
    assert hashed.append(people(["case-2"], ["Ottilie"])).new == 1
