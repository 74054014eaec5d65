"""Batches in, versions out: idempotent, enforced, and the same bytes again."""

from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from audit.errors import EvidenceError, InputError
from audit.run import run_audit
from monitors.log_store.columns import LogColumns
from monitors.log_store.store import LogStore
from monitors.log_versions import Version, cited


def labels(ids, values, **columns):
    return pa.table({"id": list(ids), "y_true": list(values), **columns})


def test_a_batch_that_comes_again_is_skipped_and_counted(store, batch, rows_of):
    assert store.append(batch(4))[:2] == (4, 0)
    received = store.append(batch(6))
    assert received[:2] == (2, 4)
    assert store.append(batch(6))[:2] == (0, 6)
    assert sorted(rows_of(store)) == [f"p{number}" for number in range(6)]
    assert received.version == "2.0"
    assert store.version == "2.0"  # a batch without news makes no version


def test_a_row_that_stands_twice_in_its_batch_is_kept_once(store, batch, rows_of):
    twice = pa.concat_tables([batch(3), batch(2)])
    assert store.append(twice)[:2] == (3, 2)
    assert len(rows_of(store)) == 3


def test_an_id_with_other_content_is_refused_and_named_and_nothing_is_appended(store, batch, rows_of):
    store.append(batch(4))
    other = batch(6, score=[0.0, 0.1, 0.7, 0.3, 0.4, 0.5], sex=["M", "F", "F", "M", "F", "x"])
    with pytest.raises(InputError, match=r"1 row has an id \('id'\) that is known with other content: 'p2' in row 3 "
                                         r"\(other 'score'\); nothing was written; correct what is there"):  # fmt: skip
        store.append(other)
    assert len(rows_of(store)) == 4


def test_rows_of_one_batch_that_contradict_each_other_are_refused(store, batch):
    both = pa.concat_tables([batch(2), batch(2, age=[99.0, 21.0])])
    with pytest.raises(InputError, match=r"'p0' in row 3 \(other 'age'\)"):
        store.append(both)
    assert store.version == "0.0"


def test_missing_values_are_content(store, batch):
    store.append(batch(2, sex=[None, "F"]))
    assert store.append(batch(2, sex=["", "F"]))[:2] == (0, 2)  # empty and missing are one
    with pytest.raises(InputError, match="other 'sex'"):
        store.append(batch(2, sex=["F", "F"]))


def test_unknown_columns_are_refused_unless_they_are_left_out_on_purpose(tmp_path, store, batch):
    wide = batch(2).append_column("colour", pa.array(["red", "blue"])).append_column("note", pa.array(["a", "b"]))
    with pytest.raises(InputError, match="unknown columns 'colour', 'note'; the log keeps 'id', 'at', 'said'"):
        store.append(wide)
    columns = LogColumns(roles=dict(store.columns.roles), sensitive_features=("sex",), features=("age",),
                         numbers=("age",), left_out=("colour", "note"))  # fmt: skip
    other = LogStore.create(tmp_path / "other", columns)
    assert other.append(wide).new == 2
    assert "colour" not in other.read().features


def test_every_fault_of_a_batch_is_told_at_once(store):
    bad = pa.table(
        {
            "id": ["a", None, ""],
            "at": ["2026-01-05T09:00:00", "2026-01-05T09:00Z", "yesterday"],
            "said": [1, 0, 1],
            "score": ["0.5", "high", "0,7"],
            "sex": ["F", "M", "F"],
            "age": [1.0, 2.0, 3.0],
        }
    )
    with pytest.raises(InputError) as caught:
        store.append(bad)
    assert len(caught.value.violations) == 3
    text = str(caught.value)
    assert "column 'id' may not be empty; found None in row 2; None in row 3" in text
    assert "'2026-01-05T09:00:00' in row 1; 'yesterday' in row 3" in text
    assert "'high' in row 2; '0,7' in row 3" in text


def test_naive_times_are_refused(store, batch):
    naive = pa.array([datetime(2026, 1, 5)] * 2, pa.timestamp("us"))
    with pytest.raises(InputError, match="column 'at' holds times without a zone"):
        store.append(batch(2, at=naive))
    with pytest.raises(InputError, match="must hold ISO 8601 times with an offset"):
        store.append(batch(2, at=["2026-01-05", "2026-01-05T10:00:00Z"]))
    with pytest.raises(InputError, match="column 'at' holds int64"):
        store.append(batch(2, at=[1767600000, 1767600001]))


def test_a_clock_that_jumped_is_refused(store, batch):
    with pytest.raises(InputError, match=r"must lie between 1970-01-02 and 2100-01-01; found 1970-01-01T00:00:07"):
        store.append(batch(2, at=["1970-01-01T00:00:07Z", "2026-01-05T10:00:00Z"]))


def test_times_of_any_zone_and_order_are_one_clock(store, batch, rows_of):
    store.append(batch(2, at=["2026-01-09T00:30:00+02:00", "2026-01-05T10:00:00Z"]))
    store.append(batch(1, start=2, day=1))
    times = {name: row["timestamp"].astimezone(UTC).isoformat() for name, row in rows_of(store).items()}
    assert times["p0"] == "2026-01-08T22:30:00+00:00"
    assert times["p2"] == "2026-01-01T09:02:00+00:00"


def test_tables_of_every_make_hold_the_same_rows(store, batch, tmp_path):
    first = batch(5)
    store.append(first)
    frame = first.to_pandas()
    frame["at"] = pd.to_datetime(frame["at"]).astype("datetime64[ns, UTC]")
    frame["sex"] = frame["sex"].astype("category")
    path = tmp_path / "batch.csv"
    first.to_pandas().to_csv(path, index=False)
    polars = pl.from_arrow(first).with_columns(pl.col("sex").cast(pl.Categorical), pl.col("age").cast(pl.Int64))
    for same in (frame, path, str(path), polars):
        assert store.append(same)[:2] == (0, 5)


def test_whole_numbers_that_a_float_cannot_hold_are_refused(store, batch):
    with pytest.raises(InputError, match=r"column 'age' must hold numbers; found 9007199254740993 in row 2"):
        store.append(batch(2, age=[1, 2**53 + 1]))


def test_labels_may_come_before_their_prediction_and_twice(store, batch, rows_of):
    assert store.append_labels(labels(["p1", "p9"], [1, 0]))[2:4] == (2, 0)
    store.append(batch(3))
    assert store.append_labels(labels(["p0", "p1"], ["0", "1"]))[2:4] == (1, 1)
    assert {name: row["y_true"] for name, row in rows_of(store).items()} == {"p0": "0", "p1": "1", "p2": None}


def test_labels_that_disagree_are_refused_with_their_number_until_they_correct(store, batch, rows_of):
    store.append(batch(4))
    store.append_labels(labels(["p0", "p1", "p2"], [1, 1, 1]), source="nurse")
    with pytest.raises(InputError, match=r"2 rows have an id .*'p0' in row 1 \(other 'y_true'\); 'p2' in row 3"):
        store.append_labels(labels(["p0", "p1", "p2", "p3"], [0, 1, 0, 1]))
    before = store.version
    received = store.append_labels(labels(["p0", "p1", "p2", "p3"], [0, 1, 0, 1]), correct=True)
    assert received[2:5] == (1, 1, 2)
    assert [row["y_true"] for row in rows_of(store).values()] == ["0", "1", "0", "1"]
    assert rows_of(store, before)["p0"]["y_true"] == "1"  # what an audit saw can be seen again
    assert [(event["event"], event["labels"]) for event in store.events()] == [("correct", 2)]
    with pytest.raises(InputError, match=r"stands in this file before with other content: .* keep one row per id"):
        store.append_labels(labels(["p0", "p0"], [0, 1]), correct=True)


def test_a_label_has_the_time_at_which_it_was_known(store, batch, rows_of):
    store.append(batch(2))
    start = datetime.now(UTC)
    store.append_labels(labels(["p0"], [1], known=["2026-02-01T00:00Z"]), label_timestamp="known")
    store.append_labels(labels(["p1"], [1]))
    found = rows_of(store)
    assert found["p0"]["label_timestamp"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert start <= found["p1"]["label_timestamp"] <= datetime.now(UTC)


def test_naive_label_times_and_missing_labels_are_refused(store):
    with pytest.raises(InputError, match="column 'known' must hold ISO 8601"):
        store.append_labels(labels(["p0"], [1], known=["2026-02-01"]), label_timestamp="known")
    with pytest.raises(InputError, match="column 'y_true' may not be empty"):
        store.append_labels(labels(["p0", "p1"], [1, None]))


def test_labels_in_a_batch_of_predictions_go_to_the_table_of_labels(tmp_path, batch, rows_of):
    roles = {"prediction_id": "id", "timestamp": "at", "y_pred": "said", "y_true": "was", "label_timestamp": "known"}
    columns = LogColumns(roles=roles, features=("age", "sex", "score"), numbers=("age", "score"))
    store = LogStore.create(tmp_path / "both", columns)
    known = ["2026-01-07T00:00Z", None, None]
    received = store.append(batch(3, was=[1, None, 0], known=known))
    assert received[:4] == (3, 0, 2, 0)
    assert store.append(batch(3, was=[1, 1, 0], known=known))[:4] == (0, 3, 1, 2)  # the second label came later
    assert [row["y_true"] for row in rows_of(store).values()] == ["1", "1", "0"]
    with pytest.raises(InputError, match=r"'p0' in row 1 .*nothing was written"):
        store.append(batch(5, was=[0, 1, 0, 1, 1], known=known + known[1:]))
    assert len(rows_of(store)) == 3  # nor were the new predictions
    assert rows_of(store)["p0"]["label_timestamp"] == datetime(2026, 1, 7, tzinfo=UTC)


def test_a_version_that_an_audit_cites_gives_the_same_bytes_again(store, batch):
    store.append(batch(40))
    store.append_labels(labels([f"p{n}" for n in range(40)], [n % 3 == 0 for n in range(40)]))
    result = run_audit(store.read())
    version = cited(result.provenance)
    assert version == store.version == "1.1"
    store.append(batch(40, start=40))
    store.append_labels(labels(["p50"], [1]))
    store.compact()
    assert cited(run_audit(store.read()).provenance) == store.version != version
    again = run_audit(store.read(version))
    assert again.to_json() == result.to_json()
    names = set(result.provenance.data)
    assert {"predictions/_delta_log/00000000000000000001.json", "labels/_delta_log/00000000000000000001.json"} <= names
    assert sum(name.endswith(".parquet") for name in names) == 2


def test_compaction_keeps_rows_and_versions(store, batch, rows_of):
    for start in range(0, 12, 2):
        store.append(batch(2, start=start))
    whole = rows_of(store)
    assert store.compact() == 5
    assert rows_of(store) == whole
    assert len(rows_of(store, "3.0")) == 6
    assert store.append(batch(12))[:2] == (0, 12)


def test_a_column_is_added_on_purpose(store, batch, rows_of):
    store.append(batch(2))
    with pytest.raises(InputError, match="unknown columns 'region'"):
        store.append(batch(2, start=2).append_column("region", pa.array(["N", "S"])))
    before = store.version
    store.add_column("region", sensitive=True)
    store.append(batch(2, start=2).append_column("region", pa.array(["N", "S"])))
    assert store.read().sensitive_features == ("sex", "region")
    assert [row["feature_1"] for row in rows_of(store).values()] == [None, None, "N", "S"]
    assert len(rows_of(store, before)) == 2
    assert store.read(before).sensitive_features == ("sex",)  # as an audit of it saw them
    with pytest.raises(InputError, match="column 'region' is missing"):
        store.append(batch(1, start=4))
    with pytest.raises(InputError, match="has a column 'region' already"):
        store.add_column("region")
    with pytest.raises(InputError, match="differ in case only"):
        store.add_column("Region")


def test_only_a_window_is_read(store, batch):
    for day in (5, 6, 7):
        store.append(batch(3, start=day * 10, day=day))
    window = (datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC))
    found = store.read(between=window).table.collect(backend="pyarrow").to_native()
    assert sorted(found["prediction_id"].to_pylist()) == ["p60", "p61", "p62"]


@pytest.mark.parametrize("text", ["", "12", "1.2.3", "-1.0", "a.b", "1.0\n"])
def test_what_is_no_version_is_refused(store, text):
    with pytest.raises(InputError, match="expected a version such as"):
        store.read(text)


def test_a_version_that_never_was_is_no_evidence(store):
    with pytest.raises(EvidenceError, match="at version 7 cannot be read"):
        store.read("7.0")
    assert Version.parse("7.0") > Version(3, 9)


def test_a_place_that_is_taken_is_refused(tmp_path, store):
    with pytest.raises(InputError, match="is a prediction log already"):
        LogStore.create(tmp_path / "log", store.columns)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is there and is no prediction log"):
        LogStore.create(tmp_path / "full", store.columns)
    with pytest.raises(InputError, match="is no prediction log; make one"):
        LogStore.open(tmp_path / "full")
    with pytest.raises(InputError, match="is no prediction log"):
        LogStore.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_log_reads_as_an_empty_log(store):
    assert store.read().table.collect(backend="pyarrow").to_native().num_rows == 0
    assert store.append(pa.table({name: pa.array([], pa.string()) for name in store.columns.kept}))[:2] == (0, 0)


@pytest.mark.parametrize(
    "name", ['a"; DROP TABLE x; --', "a.b", "über 100 %", "<b>", "=1+1", "a b\tc", "*", "c0", "id2"]
)
def test_columns_may_have_any_name(tmp_path, name):
    columns = LogColumns(roles={"prediction_id": name, "timestamp": "at", "y_pred": "said"}, features=(name + "f",))
    store = LogStore.create(tmp_path / "lo'g [x]*", columns)
    rows = pa.table(
        {name: ["a'b\"c", "1"], "at": ["2026-01-05T09:00Z"] * 2, "said": ["1", "0"], name + "f": ["p", "q"]}
    )
    assert store.append(rows).new == 2
    assert store.append(rows)[:2] == (0, 2)
    store.append_labels(pa.table({name: ["a'b\"c"], "y_true": ["1"]}))
    found = store.read().table.collect(backend="pyarrow").to_native().to_pylist()
    assert [(row["prediction_id"], row["y_true"], row["input_0"]) for row in found] == [
        ("a'b\"c", "1", "p"),
        ("1", None, "q"),
    ]
    assert store.erase(["a'b\"c"])[:2] == (1, 1)
