"""When the rows of a reference came: what is kept, by which step, and what is made of it."""

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import EvidenceError, InputError
from audit.predictions import PredictionLog
from monitors.counts.counting import count_profile
from monitors.counts.reference import Reference, make_reference
from monitors.counts.traffic import count_traffic
from monitors.traffic_before import traffic_before
from monitors.windows import parse_windows, resolve

START = datetime(2026, 1, 5, tzinfo=UTC)


def log_of(times, sex=None, *, door=lambda table: table, **options):
    rows = len(times)
    table = pa.table({
        "p": [1] * rows,
        "sex": sex if sex is not None else ["F", "M"] * (rows // 2) + ["F"] * (rows % 2),
        "t": pa.array(times, pa.timestamp("us", tz="UTC")),
    })  # fmt: skip
    roles = {"task": "watch", "y_pred": "p", "timestamp": "t", "sensitive_features": ["sex"]} | options
    return PredictionLog.from_frame(door(table), **roles)


def hours(weeks, seed=0, start=START):
    rng = np.random.default_rng(seed)
    return [start + timedelta(seconds=int(second)) for second in np.sort(rng.integers(0, weeks * 604_800, 400))]


@pytest.mark.parametrize("window", ["7d", "1d", "12h", "36h", "90m"])
def test_windows_made_of_steps_are_those_counted_from_the_log(window):
    times = hours(1 if window == "90m" else 9)
    log, since = log_of(times), log_of(hours(2, 1, START + timedelta(weeks=9)))
    reference = make_reference(log)
    rule = parse_windows(window)
    found = traffic_before(reference, rule, resolve(rule, since)).profile
    counted = count_profile(log, {}, resolve(rule, log))
    assert found.slices == counted.slices
    places = [counted.windows.index(each) for each in found.windows]
    np.testing.assert_array_equal(found.rows, counted.rows[places])
    assert len(found.windows) > 5


def test_steps_are_the_shortest_of_which_there_are_few_enough():
    spans = {timedelta(days=13): 60, timedelta(days=700): 3600, timedelta(days=9000): 86_400}
    for span, seconds in spans.items():
        assert count_traffic(log_of([START, START + span]), [()]).step == seconds * 1_000_000
    assert count_traffic(log_of([START - timedelta(days=20_000), START]), [()]) is None
    assert count_traffic(log_of([START], timestamp=None), [()]) is None


def test_windows_shorter_than_steps_are_not_held_against():
    reference = make_reference(log_of([START, START + timedelta(days=700)]))
    rule = parse_windows("90m")
    since = log_of([START + timedelta(days=701)])
    assert traffic_before(reference, rule, resolve(rule, since)).profile is None


def test_traffic_comes_back_as_it_was_saved_and_is_part_of_the_digest(tmp_path):
    reference = make_reference(log_of(hours(9)))
    back = Reference.load(reference.save(tmp_path / "reference"))
    np.testing.assert_array_equal(back.traffic.rows, reference.traffic.rows)
    assert back.traffic.record() == reference.traffic.record()
    assert back.digest == reference.digest
    moved = [time + timedelta(hours=2) for time in hours(9)]
    assert make_reference(log_of(moved)).digest != reference.digest
    assert make_reference(log_of(hours(9), timestamp=None)).traffic is None


def test_the_design_effect_of_clusters_is_kept(tmp_path):
    reference = make_reference(log_of(hours(9), ["a", "b"] * 200, sensitive_features=[], cluster="sex"))
    assert reference.clusters == 200.0
    assert Reference.load(reference.save(tmp_path / "reference")).clusters == 200.0


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [("n", 99, "traffic changed"), ("step", 10**6, "outside its steps"), ("slice", 77, "outside its steps")],
)
def test_traffic_that_was_tampered_with_is_named(tmp_path, column, value, what):
    saved = make_reference(log_of(hours(9))).save(tmp_path / "reference")
    table = pq.read_table(saved / "traffic.parquet")
    numbers = table[column].to_numpy().copy()
    numbers[0] = value
    table = table.set_column(table.column_names.index(column), column, pa.array(numbers))
    pq.write_table(table, saved / "traffic.parquet")
    with pytest.raises(EvidenceError, match=what):
        Reference.load(saved)
    (saved / "traffic.parquet").unlink()
    with pytest.raises(EvidenceError, match=r"is no complete reference \(FileNotFoundError"):
        Reference.load(saved)


def test_a_reference_of_the_schema_before_says_what_to_do(tmp_path):
    saved = make_reference(log_of(hours(9))).save(tmp_path / "reference")
    facts = saved / "reference.json"
    facts.write_text(facts.read_text().replace("evenhanded/reference/2", "evenhanded/reference/1"))
    with pytest.raises(EvidenceError, match=r"of schema 'evenhanded/reference/1'; expected .*/2'; make the reference"):
        Reference.load(saved)


def test_unfit_times_of_a_reference_are_named():
    table = pa.table({"p": [1], "t": ["2026-01-05T09:30"]})
    log = PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    with pytest.raises(InputError, match=r"reference: .*'t'"):
        make_reference(log)


@pytest.mark.parametrize("door", [pl.from_arrow, ibis.memtable, lambda table: table.to_pandas()])
def test_every_engine_counts_the_same(door):
    expected = make_reference(log_of(hours(9)))
    found = make_reference(log_of(hours(9), door=door))
    np.testing.assert_array_equal(found.traffic.rows, expected.traffic.rows)
    assert found.digest == expected.digest
