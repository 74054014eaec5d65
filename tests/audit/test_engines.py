"""The same table through pandas, Polars, Arrow, DuckDB, Parquet and CSV: the same counts, values and digest."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.counting import count
from audit.predictions import PredictionLog
from audit.run import run_audit

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=15)
FEATURES = ["text", "flag", "day", "number", "whole", "odd", "small"]
ROLES = {"y_true": "label", "y_pred": "flagged", "y_score": "score"}
HOSTILE = [
    "a.b",
    'x" FROM y',
    "two words",
    "n",
    "y_true",
    "score_bin",
    "slice.g",
    "é🦊",
    "a,b",
    "c0",
    "c2",
    "feature_0",
    "*",
    "^.*$",
]


def typed(rows=400):
    random = np.random.default_rng(0)
    days = np.array([date(2026, 1, 1), date(2026, 11, 21)], dtype=object)
    return pa.table(
        {
            "label": random.integers(0, 2, rows),
            "flagged": random.integers(0, 2, rows).astype(bool),
            "score": random.integers(0, 101, rows) / 100,
            "text": pa.array(random.choice(["01", "1", "", "ß", "名", "a'b", 'q"q', "a\nb", "a,b"], rows).tolist()),
            "flag": pa.array(random.random(rows) < 0.5),
            "day": pa.array(random.choice(days, rows).tolist()),
            "number": pa.array(random.choice([0.5, 2.25, np.nan], rows)),
            "whole": pa.array(random.choice([1.0, -2.0, 1e6], rows), mask=random.random(rows) < 0.1),
            "odd": pa.array(random.choice([7, 8], rows), pa.int8()),
            "small": pa.array(random.choice([0.1, 0.7], rows), pa.float32()),
        }
    )


def from_csv(table, path):
    # Numbers are written as they are spelled: 1 and 2.25; a missing one is empty.
    frame = table.to_pandas()
    frame["whole"] = [None if np.isnan(value) else int(value) for value in frame["whole"]]
    frame["whole"] = frame["whole"].astype("Int64")
    frame["small"] = [f"{value:g}" for value in frame["small"]]
    frame.to_csv(path, index=False)
    return path


def logs(table, folder, **options):
    pq.write_table(table, folder / "t.parquet")
    options = {"sensitive_features": FEATURES, **ROLES, **options}
    yield "arrow", PredictionLog.from_frame(table, **options)
    yield "pandas", PredictionLog.from_frame(table.to_pandas(), **options)
    yield "arrow-backed pandas", PredictionLog.from_frame(table.to_pandas(types_mapper=pd.ArrowDtype), **options)
    yield "polars", PredictionLog.from_frame(pl.from_arrow(table), **options)
    yield "lazy polars", PredictionLog.from_frame(pl.from_arrow(table).lazy(), **options)
    yield "duckdb", PredictionLog.from_frame(duckdb.from_arrow(table), **options)
    yield "parquet", PredictionLog.from_file(folder / "t.parquet", **options)
    yield "csv", PredictionLog.from_file(from_csv(table, folder / "t.csv"), **options)
    yield "csv.gz", PredictionLog.from_file(from_csv(table, folder / "t.csv.gz"), **options)


def test_every_engine_counts_alike(tmp_path):
    table = typed()
    tallies = {name: count(log) for name, log in logs(table, tmp_path)}
    expected = tallies["arrow"]
    integers = [*expected.key_columns(), "n"]
    for name, tally in tallies.items():
        assert tally.cells.select(integers).equals(expected.cells.select(integers)), name
        assert tally.digest() == expected.digest(), name
    groups = {name: set(expected.cells[f"slice.{name}"].to_pylist()) for name in FEATURES}
    assert groups == {
        "text": {"01", "1", None, "ß", "名", "a'b", 'q"q', "a\nb", "a,b"},
        "flag": {"true", "false"},
        "day": {"2026-01-01", "2026-11-21"},
        "number": {"0.5", "2.25", None},
        "whole": {"1", "-2", "1000000", None},
        "odd": {"7", "8"},
        "small": {"0.1", "0.7"},
    }


def test_every_engine_measures_alike(tmp_path):
    table = typed(200)
    found = {name: run_audit(log).measurements for name, log in logs(table, tmp_path, sensitive_features=["text"])}
    assert len(found["arrow"]) > 300
    for name, rows in found.items():
        assert rows == found["arrow"], name


def test_every_engine_weighs_alike(tmp_path):
    random = np.random.default_rng(5)
    table = typed(300).append_column("w", pa.array(random.lognormal(size=300)))
    options = {"sensitive_features": ["text"], "sample_weight": "w"}
    found = {name: run_audit(log) for name, log in logs(table, tmp_path, **options)}
    for name, result in found.items():
        assert result.tally.digest() == found["arrow"].tally.digest(), name
        assert result.measurements == found["arrow"].measurements, name


def test_the_same_csv_read_as_text_by_every_reader(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y,p,g,h\n1,1,01,True\n0,1,1,False\n1,0,,TRUE\n0,0,1.0,\n1,1,NA,x\n", encoding="utf-8")
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": ["g", "h"]}
    frames = [
        pd.read_csv(path, dtype=str, keep_default_na=False),
        pl.read_csv(path, infer_schema=False),
        duckdb.read_csv(str(path), all_varchar=True, header=True),
    ]
    expected = count(PredictionLog.from_file(path, **options))
    assert expected.cells["slice.g"].to_pylist() == [None, "01", "1", "1.0", "NA"]
    assert expected.cells["slice.h"].to_pylist() == ["true", "true", "false", None, "x"]
    for frame in frames:
        assert count(PredictionLog.from_frame(frame, **options)).digest() == expected.digest()


def test_categories_and_enums_are_their_texts():
    values = ["a", "b", None, "a"]
    y = [1, 0, 1, 0]
    frames = [
        pd.DataFrame({"y": y, "p": y, "g": pd.Categorical(values, categories=["b", "a", "unused"])}),
        pl.DataFrame({"y": y, "p": y, "g": pl.Series(values, dtype=pl.Categorical)}),
        pl.DataFrame({"y": y, "p": y, "g": pl.Series(values, dtype=pl.Enum(["b", "a"]))}),
        pa.table({"y": y, "p": y, "g": pa.array(values).dictionary_encode()}),
        pa.table({"y": y, "p": y, "g": pa.array(values, pa.large_string())}),
        pa.table({"y": y, "p": y, "g": pa.array(values, pa.string_view())}),
    ]
    tallies = [count(PredictionLog.from_frame(f, y_true="y", y_pred="p", sensitive_features=["g"])) for f in frames]
    assert tallies[0].cells["slice.g"].to_pylist() == [None, "a", "a", "b"]
    assert len({tally.digest() for tally in tallies}) == 1


@pytest.mark.parametrize("unit", ["us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_are_the_same_groups_everywhere(unit, zone, tmp_path):
    day = 86_400_000_000 * (1000 if unit == "ns" else 1)
    times = pa.array([0, day, 1, 2], pa.timestamp(unit, tz=zone))
    table = pa.table({"y": [1, 0, 1, 0], "p": [1, 1, 0, 0], "t": times})
    pq.write_table(table, tmp_path / "t.parquet")
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": ["t"]}
    abroad = duckdb.connect()
    abroad.execute("SET TimeZone = 'America/New_York'")
    many = {
        "arrow": PredictionLog.from_frame(table, **options),
        "pandas": PredictionLog.from_frame(table.to_pandas(), **options),
        "polars": PredictionLog.from_frame(pl.from_arrow(table), **options),
    }
    if unit == "us" or zone is None:  # DuckDB itself has no nanoseconds with a zone
        many["duckdb abroad"] = PredictionLog.from_frame(abroad.from_arrow(table), **options)
        many["parquet"] = PredictionLog.from_file(tmp_path / "t.parquet", **options)
    expected = count(many["arrow"])
    assert len(set(expected.cells["slice.t"].to_pylist())) == 4
    for name, log in many.items():
        assert count(log).digest() == expected.digest(), name


def test_half_floats_are_read():
    halves = pa.array([np.float16(0.1), np.float16(0.7), np.float16(0)])
    table = pa.table({"y": [1, 0, 0], "s": halves, "g": pa.array([np.float16(0.1), np.float16(0.7), None])})
    tally = count(PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.7, sensitive_features=["g"]))
    assert tally.cells["slice.g"].to_pylist() == [None, "0.1", "0.7"]
    assert tally.cells["y_pred"].to_pylist() == ["0", "0", "1"]


def test_pandas_intervals_and_periods_are_spelled_as_pandas_prints_them():
    frame = pd.DataFrame({"y": [1, 0, 1, 0], "p": [1, 0, 0, 1]})
    frame["cut"] = pd.cut([1, 2, 8, np.nan], [0, 5, 10])
    frame["year"] = pd.PeriodIndex(["2020", "2021", None, "2020"], freq="Y")
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["cut", "year"])
    cells = count(log).cells
    assert set(cells["slice.cut"].to_pylist()) == {"(0, 5]", "(5, 10]", None}
    assert set(cells["slice.year"].to_pylist()) == {"2020", "2021", None}


def test_mixed_values_in_a_pandas_column():
    values = [1, "a", 2.5, True, None, pd.NA, np.int64(1), np.nan, pd.NaT, np.float64(3)]
    frame = pd.DataFrame({"y": [1, 0] * 5, "p": 1, "g": pd.Series(values, dtype=object)})
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    counts = tally.cells.group_by("slice.g").aggregate([("n", "sum")]).to_pylist()
    assert {row["slice.g"]: row["n_sum"] for row in counts} == {"1": 2, "a": 1, "2.5": 1, "true": 1, None: 4, "3": 1}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_columns(name, tmp_path):
    columns = {
        "label": [1, 0, 1, 0] * 5,
        "flagged": [1, 1, 0, 0] * 5,
        "s.s": [0.9, 0.8, 0.2, 0.1] * 5,
        name: ["a", "b"] * 10,
    }
    roles = {"y_true": "label", "y_pred": "flagged", "y_score": "s.s", "sensitive_features": [name]}
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "t.parquet")
    table.to_pandas().to_csv(tmp_path / "t.csv", index=False)
    many = [
        PredictionLog.from_frame(table, **roles),
        PredictionLog.from_frame(table.to_pandas(), **roles),
        PredictionLog.from_frame(pl.from_arrow(table), **roles),
        PredictionLog.from_frame(duckdb.from_arrow(table), **roles),
        PredictionLog.from_file(tmp_path / "t.parquet", **roles),
        PredictionLog.from_file(tmp_path / "t.csv", **roles),
    ]
    results = [run_audit(log) for log in many]
    assert results[0].find("true_positive_rate", {name: "a"}).value == 0.5
    assert len({result.provenance.tally for result in results}) == 1
    assert len({result.to_json().partition('"alarms"')[2] for result in results}) == 1


@REPEATABLE
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.text(max_size=4) | st.none()), min_size=1, max_size=20))
def test_any_text_survives_as_the_name_of_a_group(rows):
    rows = [row for row in rows if row[2] is None or row[2].isprintable() or "\x00" not in row[2]] or [
        (True, True, "x")
    ]
    table = pa.table(
        {"y": [r[0] for r in rows], "p": [r[1] for r in rows], "g": pa.array([r[2] for r in rows], pa.string())}
    )
    tally = count(PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"]))
    found = {}
    for row in tally.cells.to_pylist():
        found[row["slice.g"]] = found.get(row["slice.g"], 0) + row["n"]
    expected = {}
    for _, _, group in rows:
        spelled = group.lower() if group and group.lower() in {"true", "false"} else group or None
        expected[spelled] = expected.get(spelled, 0) + 1
    assert found == expected


def test_unused_columns_may_hold_anything():
    frame = pd.DataFrame({"y": [1, 0], "p": [1, 1], "g": ["a", "b"], "junk": [object(), [1, "x"]]})
    assert count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])).rows == 2
