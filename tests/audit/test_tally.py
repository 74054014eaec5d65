"""Tallies: parts add up to the whole, files bring them back, and what was changed is noticed."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.counting import count
from audit.errors import EvidenceError
from audit.predictions import PredictionLog
from audit.rollup import cells_of
from audit.run import measure, run_audit
from audit.tally import Tally, joint_codes, sorted_codes

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=15)
OLD = Path(__file__).parent.parent / "data" / "tally-1.parquet"


def frame(rows=300, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "y": pa.array(random.integers(0, 2, rows), mask=random.random(rows) < 0.1),
            "p": random.integers(0, 2, rows),
            "s": random.integers(0, 101, rows) / 100,
            "race": pa.array(random.choice(["A", "B", "C"], rows), mask=random.random(rows) < 0.05),
            "sex": random.choice(["F", "M"], rows),
            "w": random.integers(1, 5, rows).astype(float),
            "k": np.arange(rows) // 4,
        }
    )


def counted(table, **roles):
    roles = {"y_true": "y", "y_pred": "p", "y_score": "s", **roles}
    weights = roles.pop("weights", "sampling")
    return count(PredictionLog.from_frame(table, sensitive_features=["race", "sex"], weights=weights, **roles))


DESIGNS = pytest.mark.parametrize(
    "roles",
    [{}, {"sample_weight": "w"}, {"sample_weight": "w", "weights": "frequency"}, {"cluster": "k"},
     {"cluster": "k", "sample_weight": "w"}],
    ids=["plain", "sampling", "frequency", "clusters", "weighted clusters"],
)  # fmt: skip


def near(one, two):
    numbers = [(one.value, two.value), (one.low, two.low), (one.high, two.high)]
    return one.n == two.n and all(a == b or a == pytest.approx(b, rel=1e-9, abs=1e-12) for a, b in numbers)


@DESIGNS
def test_parts_add_up_to_the_whole(roles):
    table = frame()
    parts = [counted(table.slice(start, 100), **roles) for start in (0, 100, 200)]  # clusters of four stay whole
    whole, added, turned = counted(table, **roles), parts[0] + parts[1] + parts[2], parts[2] + (parts[1] + parts[0])
    for tally in (added, turned):
        assert tally.digest() == whole.digest()
        assert tally.rows == whole.rows
        integers = [*whole.key_columns(), "n"]
        assert tally.cells.select(integers).equals(whole.cells.select(integers))
        for name in ("w", "w2", "score", "score2"):
            np.testing.assert_allclose(tally.cells[name].to_numpy(), whole.cells[name].to_numpy(), rtol=1e-12)
        for one, two in zip(measure(tally), measure(whole), strict=True):
            assert one.key() == two.key()
            assert near(one, two)


@REPEATABLE
@given(st.lists(st.integers(0, 59), max_size=3))
def test_parts_of_any_size_add_up(cuts):
    table = frame(60, seed=1)
    edges = [0, *sorted(set(cuts) - {0}), 60]
    tallies = [counted(table.slice(a, b - a)) for a, b in pairwise(edges) if _labelled(table, a, b)]
    total = tallies[0]
    for tally in tallies[1:]:
        total += tally
    if len(tallies) == len(edges) - 1:
        assert total.digest() == counted(table).digest()


def _labelled(table, start, end):
    return table["y"].slice(start, end - start).null_count < end - start


def test_renamed_groups_keep_their_numbers():
    table = frame()
    names = {"A": "zeta", "B": "alpha", "C": "mid", None: None}
    renamed = table.set_column(3, "race", pa.array([names[value] for value in table["race"].to_pylist()]))
    one, two = (measure(counted(part), all_pairs=True) for part in (table, renamed))
    assert len(one) == len(two)
    before = {row.key(): row for row in one if row.against is None}
    after = {row.key(): row for row in two}
    for row in before.values():
        slice_values = tuple((name, names[value] if name == "race" else value) for name, value in row.slice)
        other = next(
            found
            for found in after.values()
            if (found.metric, found.slice) == (row.metric, slice_values) and found.against is None
        )
        assert near(other, row)


def test_unlike_tallies_do_not_add():
    table = frame()
    with pytest.raises(ValueError, match="clustered: True and False"):
        counted(table, cluster="k") + counted(table)
    with pytest.raises(ValueError, match="weights: 'sampling' and 'none'"):
        counted(table, sample_weight="w") + counted(table)
    with pytest.raises(ValueError, match="bins: 250 and 500"):
        log = PredictionLog.from_frame(table, y_true="y", y_pred="p", y_score="s", sensitive_features=["race", "sex"])
        counted(table) + count(log, bins=500)


@DESIGNS
def test_write_and_read(roles, tmp_path):
    tally = counted(frame(), **roles)
    tally.write(tmp_path / "t.parquet")
    read = Tally.read(tmp_path / "t.parquet")
    assert read.cells.equals(tally.cells)
    assert read.digest() == tally.digest()
    assert (read.features, read.positive, read.bins, read.weights) == (("race", "sex"), "1", 250, tally.weights)
    assert measure(read) == measure(tally)
    first = (tmp_path / "t.parquet").read_bytes()
    tally.write(tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").read_bytes() == first


def test_the_columns_are_those_of_the_contract():
    names = counted(frame()).cells.schema
    assert [f"{field.name}: {field.type}" for field in names] == [
        "slice.race: string", "slice.sex: string", "y_true: string", "y_pred: string", "score_bin: int16",
        "window_start: timestamp[us, tz=UTC]", "window_end: timestamp[us, tz=UTC]", "model_version: string",
        "n: int64", "w: double", "w2: double", "score: double", "score2: double", "error: double", "error2: double",
        "abs_error: double",
    ]  # fmt: skip


def test_an_old_file_still_opens():
    # Written by schema evenhanded/tally/1; never rewritten.
    tally = Tally.read(OLD)
    assert (tally.rows, tally.features, tally.positive, tally.bins) == (12, ("race",), "yes", 250)
    rows = {row.key(): row for row in measure(tally)}
    assert rows['["true_positive_rate",{"race":"B"},{},null,null]'].value == pytest.approx(2 / 3)
    assert rows['["count",{"race":null},{},null,null]'].value == 2


@pytest.mark.parametrize("change", ["n", "y_pred", "slice.race"])
def test_the_digest_notices_a_change(change):
    tally = counted(frame())
    column = tally.cells[change]
    moved = pc.add(column, 1) if change == "n" else pa.array([*column.to_pylist()[1:], column[0].as_py()])
    place = tally.cells.column_names.index(change)
    changed = Tally(features=tally.features, cells=tally.cells.set_column(place, change, moved), positive="1", bins=250)
    assert changed.digest() != tally.digest()


def test_the_digest_knows_of_clusters():
    table = frame()
    moved = table.set_column(6, "k", pa.array(np.arange(300) // 5))
    digests = {counted(part, **roles).digest() for part, roles in
               [(table, {}), (table, {"cluster": "k"}), (moved, {"cluster": "k"})]}  # fmt: skip
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["w", "w2", "score", "score2"])
def test_the_digest_notices_changed_sums(name):
    tally = counted(frame(), sample_weight="w", cluster="k")
    place = tally.cells.column_names.index(name)
    moved = pc.add(tally.cells[name], pa.array([0.001] + [0.0] * (tally.cells.num_rows - 1)))
    assert replace(tally, cells=tally.cells.set_column(place, name, moved)).digest() != tally.digest()
    more = tally.pairs.set_column(2, "moment", pc.add(tally.pairs["moment"], 1.0))
    assert replace(tally, pairs=more).digest() != tally.digest()


@pytest.mark.parametrize("roles", [{}, {"sample_weight": "w"}, {"sample_weight": "w", "cluster": "k"}])
def test_the_same_bytes_from_every_run(roles, tmp_path):
    random = np.random.default_rng(3)
    rows = 400_000
    table = pa.table(
        {
            "y": random.integers(0, 2, rows), "p": random.integers(0, 2, rows), "s": random.random(rows),
            "g": random.choice(["a", "b", "TRUE", "true", "True"], rows), "w": random.lognormal(size=rows),
            "k": np.arange(rows) // 3,
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=50_000)
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": ["g"], **roles}
    options |= {} if "cluster" in roles else {"y_score": "s"}
    seen = set()
    for _ in range(3):
        tally = count(PredictionLog.from_file(tmp_path / "t.parquet", **options))
        tally.write(tmp_path / "tally.parquet")
        files = [path.read_bytes() for path in sorted(tmp_path.glob("tally*.parquet"))]
        seen.add((tally.digest(), *files))
    assert len(seen) == 1
    turned = table.take(random.permutation(rows))
    assert count(PredictionLog.from_frame(turned, **options)).digest() == tally.digest()


def test_sums_of_weights_and_scores_are_those_of_the_rows():
    random = np.random.default_rng(4)
    rows = 500
    weights = np.round(random.lognormal(size=rows), 4)
    scores = np.round(random.random(rows), 3)
    table = frame(rows).set_column(5, "w", pa.array(weights)).set_column(2, "s", pa.array(scores))
    for factor in (1.0, 1e-3, 1e12):
        scaled = table.set_column(5, "w", pa.array(weights * factor))
        cells = counted(scaled, sample_weight="w").cells
        assert np.sum(cells["w"].to_numpy()) == pytest.approx(np.sum(weights) * factor, rel=1e-14)
        assert np.sum(cells["w2"].to_numpy()) == pytest.approx(np.sum(weights**2) * factor**2, rel=1e-8)
        assert np.sum(cells["score"].to_numpy()) == pytest.approx(np.sum(scores), rel=1e-14)
        assert np.sum(cells["score2"].to_numpy()) == pytest.approx(np.sum(scores**2), rel=1e-9)


def test_weights_without_weights_are_noticed(tmp_path):
    path = tmp_path / "t.parquet"
    counted(frame()).write(path)
    table = pq.read_table(path)
    doubled = table.set_column(table.column_names.index("w"), "w", pc.multiply(table["w"], 2.0))
    pq.write_table(doubled, path)
    with pytest.raises(EvidenceError, match="weights that differ from its counts"):
        Tally.read(path)


def test_broken_files(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(EvidenceError, match="cannot be read"):
        Tally.read(path)
    path.write_text("no parquet")
    with pytest.raises(EvidenceError, match="run the audit again"):
        Tally.read(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(EvidenceError, match="not a tally of schema 'evenhanded/tally/1'; found None"):
        Tally.read(path)
    counted(frame()).write(path)
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"evenhanded"])
    newer = table.replace_schema_metadata({"evenhanded": json.dumps(facts | {"schema": "evenhanded/tally/2"})})
    pq.write_table(newer, path)
    with pytest.raises(EvidenceError, match="found 'evenhanded/tally/2'"):
        Tally.read(path)
    pq.write_table(table.drop_columns(["n"]), path)
    with pytest.raises(EvidenceError, match="has the columns"):
        Tally.read(path)
    counted(frame(), cluster="k").write(path)
    path.with_name("t.pairs.parquet").unlink()
    with pytest.raises(EvidenceError, match=r"t\.pairs\.parquet"):
        Tally.read(path)


def test_codes_put_null_first_and_do_not_overflow():
    codes, values = sorted_codes(pa.array(["b", None, "a"]))
    assert (codes.tolist(), values) == ([2, 0, 1], [None, "a", "b"])
    columns = [np.array([0, 5, 5, 7]) for _ in range(30)]
    joint = joint_codes(columns, [1000] * 30, 4)  # 1000^30 combinations
    assert joint[1] == joint[2]
    assert len(set(joint.tolist())) == 3


def test_the_audit_attaches_its_tally():
    table = frame()
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", y_score="s", sensitive_features=["race", "sex"])
    assert run_audit(log).tally.digest() == counted(table).digest()


@pytest.mark.parametrize("scores", [(1 / 3, 0.98765432149, 2 / 3), (1 / 7, 0.1234567895, 0.9999999995)])
def test_scores_of_many_digits_still_count_as_one_score_per_bin(scores):
    random = np.random.default_rng(6)
    table = pa.table({"y": random.integers(0, 2, 300), "p": [1] * 300, "s": random.choice(scores, 300)})
    tally = count(PredictionLog.from_frame(table, y_true="y", y_pred="p", y_score="s"))
    assert cells_of(tally).exact_scores
