"""A reference is frozen: its digest, its files, and what a reader is told when either was changed."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import EvidenceError, InputError
from audit.predictions import PredictionLog
from monitors.counts.binning import Binning
from monitors.counts.differences import schema_differences
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference, frozen, make_reference

START = datetime(2026, 1, 5, tzinfo=UTC)
OPTIONS = {"y_true": "y", "y_pred": "p", "features": ["x", "c"], "sensitive_features": ["sex"], "timestamp": "time"}


def table(rows=500, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "y": random.integers(0, 2, rows),
            "p": random.integers(0, 2, rows),
            "x": random.normal(size=rows),
            "c": pa.array(random.choice(["<script>", "=1+1", "a\nb", None], rows).tolist()),
            "sex": pa.array(random.choice(["F", "M", None], rows).tolist()),
            "time": pa.array([START + timedelta(hours=hour) for hour in range(rows)], pa.timestamp("us", tz="UTC")),
        }
    )


def log_of(data, **options):
    return PredictionLog.from_frame(data, **{**OPTIONS, **options})


@pytest.fixture
def reference():
    return make_reference(log_of(table()))


@pytest.fixture
def saved(reference, tmp_path):
    return reference.save(tmp_path / "references" / "january")


def test_the_digest_is_free_of_the_order_of_rows_and_features(reference):
    shuffled = table().take(np.random.default_rng(1).permutation(500))
    assert make_reference(log_of(shuffled, features=["c", "x"])).digest == reference.digest
    assert make_reference(log_of(table(seed=1))).digest != reference.digest
    assert make_reference(log_of(table()), bins=59).digest != reference.digest


def test_a_reference_comes_back_as_it_was_saved(reference, saved):
    back = Reference.load(saved)
    assert (back.digest, back.sensitive_features, back.rows) == (reference.digest, ("sex",), 500)
    assert dict(back.binnings) == dict(reference.binnings)
    assert back.profile.slices == reference.profile.slices
    for name, counts in reference.profile.counts.items():
        np.testing.assert_array_equal(back.profile.counts[name], counts)
    assert back.tally.digest() == reference.tally.digest()
    assert sorted(file.name for file in saved.parent.iterdir()) == ["january"]


def test_a_reference_is_never_replaced(reference, saved):
    assert reference.save(saved) == saved
    with pytest.raises(InputError, match=r"january holds another reference .*; name another folder"):
        make_reference(log_of(table(seed=1))).save(saved)
    saved.parent.joinpath("notes").mkdir()
    with pytest.raises(InputError, match="notes is there already and is no reference"):
        reference.save(saved.parent / "notes")


def test_a_place_that_cannot_be_written_is_said(reference, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"cannot write a reference to .*; name another folder"):
        reference.save(tmp_path / "file" / "reference")


def test_without_labels_there_is_no_tally():
    data = table().set_column(0, "y", pa.nulls(500, pa.int64()))
    assert make_reference(log_of(data)).tally is None


def test_a_reference_of_several_models_still_has_a_tally():
    data = table().append_column("v", pa.array(["a", "b"] * 250))
    assert make_reference(log_of(data, model_version="v")).tally.rows == 500


def test_only_some_time_of_a_log():
    part = make_reference(log_of(table()), within=(START + timedelta(hours=100), START + timedelta(hours=300)))
    assert (part.rows, part.digest) == (200, make_reference(log_of(table().slice(100, 200))).digest)


def test_a_profile_that_is_cut_by_time_is_no_reference():
    windows = ((START, START + timedelta(days=1)),)
    profile = Profile(windows=windows, slices=((),), binnings={}, counts={}, rows=np.array([[1]]))
    with pytest.raises(ValueError, match="a reference is not cut by time; this profile has 1 windows"):
        frozen(profile, sensitive_features=())


def changed(saved, **values):
    path = saved / "reference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_another_schema_is_refused(saved):
    changed(saved, schema="evenhanded/reference/9")
    with pytest.raises(EvidenceError, match="is of schema 'evenhanded/reference/9'; expected 'evenhanded/reference/2'"):
        Reference.load(saved)


def test_what_was_tampered_with_is_named(saved):
    counts = pq.read_table(saved / "counts.parquet")
    more = counts.set_column(3, "n", pa.array(counts["n"].to_numpy() + 1))
    pq.write_table(more, saved / "counts.parquet")
    with pytest.raises(EvidenceError, match="is no longer the reference that was saved: counts changed; make the"):
        Reference.load(saved)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"rows": [400, 100, 100, 200]}, "rows changed"),
        ({"sensitive_features": ["race"]}, "sensitive features changed"),
        ({"tally": None}, "reference.json changed"),
        ({"digest": "0" * 64}, "reference.json changed"),
        ({"slices": 7}, "is no complete reference .TypeError"),
        ({"features": ["z"]}, "is no complete reference .KeyError: 'z'"),
    ],
)
def test_changed_facts_are_named(saved, values, what):
    changed(saved, **values)
    with pytest.raises(EvidenceError, match=what):
        Reference.load(saved)


def test_changed_bins_are_named(saved):
    facts = json.loads((saved / "reference.json").read_text())
    facts["binnings"]["x"]["edges"][0] -= 1
    changed(saved, binnings=facts["binnings"])
    with pytest.raises(EvidenceError, match="bins changed"):
        Reference.load(saved)


def test_counts_outside_the_bins_are_refused(saved):
    counts = pq.read_table(saved / "counts.parquet")
    pq.write_table(counts.set_column(2, "bin", pa.array([999] * len(counts), pa.int32())), saved / "counts.parquet")
    with pytest.raises(EvidenceError, match="counts of 'x' lie outside its bins"):
        Reference.load(saved)


@pytest.mark.parametrize("name", ["reference.json", "counts.parquet", "tally.parquet"])
def test_a_missing_or_broken_file_is_named(saved, name):
    (saved / name).write_bytes(b"PAR1 broken")
    with pytest.raises(EvidenceError, match="january"):
        Reference.load(saved)
    (saved / name).unlink()
    with pytest.raises(EvidenceError, match=name if name != "counts.parquet" else "january is no complete reference"):
        Reference.load(saved)


def test_a_tally_of_another_reference_is_refused(saved, tmp_path):
    other = make_reference(log_of(table(seed=1))).save(tmp_path / "other")
    (saved / "tally.parquet").write_bytes((other / "tally.parquet").read_bytes())
    with pytest.raises(EvidenceError, match=r"tally.parquet is not the tally that was saved with the reference"):
        Reference.load(saved)


def test_numbers_that_json_does_not_know_are_refused(saved):
    path = saved / "reference.json"
    path.write_text(path.read_text().replace('"rows":[500', '"rows":[NaN', 1))
    with pytest.raises(EvidenceError, match="NaN is no JSON number"):
        Reference.load(saved)


def test_the_same_columns_do_not_differ(reference):
    assert schema_differences(reference, log_of(table(seed=3))) == []


def test_every_difference_is_told(reference):
    data = table().rename_columns(["y", "p", "c", "x", "race", "time"]).append_column("z", pa.array([1] * 500))
    log = log_of(data, features=["x", "z"], sensitive_features=["race"])
    rows = 500 - data["x"].null_count
    assert schema_differences(reference, log) == [
        "feature 'c' of the reference is missing; give the column, or a reference without it",
        "feature 'z' is new: the reference does not have it; leave it out (--ignore), or make the reference again",
        f"feature 'x' was numeric; {rows} of 500 rows now hold text that spells no number",
        "sensitive feature 'sex' of the reference is missing; name it: groups are held against those of before",
        "sensitive feature 'race' is new: the reference did not count it; leave it out, or make the reference again",
    ]


def test_categories_that_became_numbers_and_numbers_that_became_truth_values(reference):
    data = table().set_column(3, "c", pa.array([1.5] * 500)).set_column(2, "x", pa.array([True] * 500))
    assert schema_differences(reference, log_of(data)) == [
        "feature 'x' was numeric; the column now holds Boolean",
        "feature 'c' was categorical; the column now holds Float64",
    ]


def test_profiles_of_other_bins_or_overlapping_windows_do_not_add_up():
    day = timedelta(days=1)
    ages = {"age": Binning(feature="age", kind="numeric", edges=(40.0,))}
    counts = {"age": np.array([[[3, 1, 0]]])}

    def profile(windows, binnings=ages):
        return Profile(windows=windows, slices=((),), binnings=binnings, counts=counts, rows=np.array([[4]]))

    first, second = profile(((START, START + day),)), profile(((START + day, START + 2 * day),))
    assert (first + second).counts["age"][:, 0].tolist() == [[3, 1, 0], [3, 1, 0]]
    assert (second + first).windows == (first + second).windows
    with pytest.raises(ValueError, match=r"the same or apart; one ends at 2026-01-06T00:00:00.00:00, another"):
        first + profile(((START + day / 2, START + 2 * day),))
    with pytest.raises(ValueError, match="both are cut into windows, or neither is"):
        first + profile((None,))
    with pytest.raises(ValueError, match="they differ in 'age'"):
        first + profile(first.windows, {"age": Binning(feature="age", kind="numeric", edges=(41.0,))})
