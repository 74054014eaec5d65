"""A clean log says what the log says; and neither the order of rows nor threads leave a trace in any digit."""

from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.predictions import ROLES, PredictionLog
from audit.result import Result
from monitors.feedback.cleaned import cleaned
from monitors.feedback.decisions import decisions
from monitors.feedback.run import run_loops
from monitors.simulators.policing import policing_log
from monitors.simulators.recommender_log import recommender_log
from monitors.timestamps import with_times


def log_of(data: pa.Table | Path, names: list[str], **options: Any) -> PredictionLog:
    roles: Any = {name: name for name in names if name in ROLES}
    make = PredictionLog.from_file if isinstance(data, Path) else PredictionLog.from_frame
    return make(data, task="watch", **options, **roles)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shown() -> pa.Table:
    table = recommender_log(seed=3, users=120)
    random = np.random.default_rng(3)
    group = pa.array(random.choice(["a", "<b>", "c'd"], table.num_rows))
    weight = pa.array(random.gamma(2.0, 1.0, table.num_rows))
    proxy = pa.array(random.normal(0.0, 1e3, table.num_rows))
    table = table.append_column("side", group)
    for name, column in (("training_weight", weight), ("proxy", proxy)):
        table = table.drop_columns(name) if name in table.column_names else table
        table = table.append_column(name, column)
    return table


def rows_of(log: PredictionLog) -> list[dict[str, Any]]:
    found = decisions(log).collect(backend="pyarrow").to_native()
    return sorted(found.to_pylist(), key=repr)


def told(result: Result) -> tuple[Any, ...]:
    return tuple(sorted(map(repr, result.measurements))), tuple(sorted(map(repr, result.alarms)))


def test_a_clean_log_has_the_same_rows_from_every_source(shown: pa.Table, tmp_path: Path) -> None:
    pq.write_table(shown, tmp_path / "log.parquet")
    for data in (shown, tmp_path / "log.parquet"):
        log = with_times(log_of(data, shown.column_names, sensitive_features=["side"]))
        with cleaned(log) as clean:
            assert rows_of(clean) == rows_of(log)


def test_flags_take_a_byte_and_few_names_a_number() -> None:
    table = pa.table({"y_pred": [1, 0, None], "arm": ["Model", "explore", ""], "user": ["a", "b", None]})
    with cleaned(log_of(table, table.column_names)) as clean:
        schema = clean.table.collect_schema()
        assert schema["y_pred"] == nw.Int8
        assert schema["arm"] == nw.Enum(["explore", "model"])
        assert schema["user"] == nw.String
        assert [row["y_pred"] for row in rows_of(clean)].count(None) == 1


def test_an_engine_that_keeps_its_data_keeps_them() -> None:
    polars = pytest.importorskip("polars")
    log = log_of(polars.DataFrame({"y_pred": [1, 0]}), ["y_pred"])
    with cleaned(log) as clean:
        assert clean is log


def test_names_that_would_end_a_statement_are_only_names() -> None:
    table = pa.table({"y_pred": [1, 0], "arm": ["'); DROP TABLE decisions; --", 'a"b']})
    with cleaned(log_of(table, table.column_names)) as clean:
        assert {row["arm"] for row in rows_of(clean)} == {"'); drop table decisions; --", 'a"b'}


@pytest.mark.parametrize("world", ["recommender", "policing"])
def test_the_order_of_rows_leaves_no_trace_in_any_digit(world: str, shown: pa.Table) -> None:
    table = shown if world == "recommender" else policing_log(seed=2)
    groups = ["side"] if world == "recommender" else []
    shuffled = table.take(np.random.default_rng(7).permutation(table.num_rows))
    first, second = (
        run_loops(log_of(each, table.column_names, sensitive_features=groups)) for each in (table, shuffled)
    )
    assert len(first.measurements) > 20
    assert told(first) == told(second)
