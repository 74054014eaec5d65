"""Random projections are fixed with the reference, keep new rows exchangeable with it, and show shifts."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.shift.embeddings import CENTRE_DISTANCE, fit_projections, projected, token_counts


def test_the_same_seed_gives_the_same_directions_and_another_seed_others():
    rows = np.random.default_rng(0).normal(size=(300, 6))
    one, two, other = (fit_projections(rows, random_state=seed) for seed in (4, 4, 5))
    assert np.array_equal(one.directions, two.directions)
    assert np.array_equal(one.fitted, two.fitted)
    assert not np.allclose(one.directions, other.directions)


def test_each_feature_is_what_its_formula_says():
    rng = np.random.default_rng(1)
    rows, new = rng.normal(3, 2, size=(200, 4)), rng.normal(size=(5, 4))
    found = fit_projections(rows, directions=3)
    columns = projected(found, new)
    for place in range(3):
        by_hand = [
            sum((row[d] - found.centre[d]) / found.scale[d] * found.directions[d, place] for d in range(4))
            for row in new
        ]
        assert columns[f"direction {place + 1}"] == pytest.approx(by_hand)
    lengths = [sum(((row[d] - found.centre[d]) / found.scale[d]) ** 2 for d in range(4)) ** 0.5 for row in new]
    assert columns[CENTRE_DISTANCE] == pytest.approx(lengths)


def test_rows_that_centre_and_scale_were_taken_from_lie_nearer_than_new_ones():
    """Why they are left out of the reference: with few rows for many dimensions they are no longer like new rows."""
    rng = np.random.default_rng(2)
    gaps = []
    for seed in range(20):
        rows = rng.normal(size=(200, 60))
        found = fit_projections(rows, random_state=seed)
        distance = projected(found, rows)[CENTRE_DISTANCE]
        gaps.append(distance[~found.fitted].mean() - distance[found.fitted].mean())
    assert min(gaps) > 0
    assert np.mean(gaps) > 0.25


def test_new_rows_and_the_rest_of_the_reference_are_alike_where_nothing_changed():
    rng, alarms, looks = np.random.default_rng(3), 0, 0
    for seed in range(60):
        rows = rng.normal(size=(300, 40))
        found = fit_projections(rows, random_state=seed)
        then, now = projected(found, rows[~found.fitted]), projected(found, rng.normal(size=(200, 40)))
        p_values = [ks_2samp(then[name], now[name]).pvalue for name in found.names]
        alarms, looks = alarms + sum(p < 0.05 for p in p_values), looks + len(p_values)
    assert alarms / looks < 0.075  # 540 tests at .05


@pytest.mark.parametrize("kind", ["moved", "spread", "another cluster"])
def test_a_shift_shows_in_some_feature(kind):
    rng = np.random.default_rng(4)
    rows, new = rng.normal(size=(1000, 16)), rng.normal(size=(500, 16))
    new = {
        "moved": new + 1.0,
        "spread": new * 1.5,
        "another cluster": np.where(np.arange(500)[:, None] < 100, new + 6, new),
    }[kind]
    found = fit_projections(rows)
    then, now = projected(found, rows[~found.fitted]), projected(found, new)
    assert min(ks_2samp(then[name], now[name]).pvalue for name in found.names) < 1e-6 / 9


def test_rows_that_are_not_finite_are_missing_and_a_dimension_that_never_varies_is_no_error():
    rows = np.random.default_rng(5).normal(size=(200, 3))
    rows[:, 2] = 7.0
    found = fit_projections(rows)
    columns = projected(found, [[0.0, np.nan, 7.0], [0.0, np.inf, 7.0], [0.0, 0.0, 7.0]])
    for values in columns.values():
        assert np.isnan(values[:2]).all()
        assert np.isfinite(values[2])


def test_the_columns_make_a_log():
    rows = np.random.default_rng(6).normal(size=(100, 3))
    found = fit_projections(rows)
    table = pa.table({"y": [0] * 100, "p": [1] * 100, **projected(found, rows)})
    assert PredictionLog.from_frame(table, y_true="y", y_pred="p", features=found.names).features == found.names


def test_bad_input_is_named():
    rows = np.random.default_rng(7).normal(size=(200, 3))
    for bad, text in ((rows[:, 0], "shape"), (np.array([["a"]]), "numbers"), (rows[:, :0], "shape")):
        with pytest.raises(InputError, match=text):
            fit_projections(bad)
    rows[3, 1] = np.nan
    with pytest.raises(InputError, match=r"(?s)1 of 200 rows are not \(row 4 first\)") as error:
        fit_projections(rows, directions=0, fitted=1.0, random_state=-1)
    assert len(error.value.violations) == 4
    with pytest.raises(InputError, match="at least 20 rows to fit on; 4 of 20 are"):
        fit_projections(np.zeros((20, 2)))
    with pytest.raises(InputError, match="expected 3 dimensions, as in the reference; got 2"):
        projected(fit_projections(np.nan_to_num(rows)), np.zeros((1, 2)))


def test_words_are_counted_in_the_same_places_on_every_machine():
    counts = token_counts(["a b", "b A", "", "\ud800 x\u202e"], size=32)
    assert np.array_equal(counts[0], counts[1])
    assert counts[2].sum() == 0
    assert np.flatnonzero(token_counts(["tax"], size=256)[0]).tolist() == [118]  # CRC-32 of "tax" is 0x8e81ba76
    assert np.isfinite(counts).all()
    with pytest.raises(InputError, match="size must be at least 1"):
        token_counts(["a"], size=0)


def test_texts_about_something_else_show():
    rng = np.random.default_rng(8)
    about = {"tax": ["tax", "income", "return", "refund", "form"], "sport": ["goal", "match", "team", "cup", "league"]}

    def texts(topic, n):
        return [" ".join(rng.choice([*about[topic], "the", "a", "of", "and"], 12)) for _ in range(n)]

    then = token_counts(texts("tax", 600))
    found = fit_projections(then)
    reference = projected(found, then[~found.fitted])
    smallest = {}
    for topic in about:
        now = projected(found, token_counts(texts(topic, 300)))
        smallest[topic] = min(ks_2samp(reference[name], now[name]).pvalue for name in found.names)
    assert smallest["sport"] < 1e-20
    assert smallest["tax"] > 0.05 / 9 / 10
