"""Who is in the data against a reference population: shares, ratios, and who is missing."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.publishing.representation import read_reference, representation


def tally_of(values, **columns):
    data = pd.DataFrame({"g": values, "y": 1, "p": 1, **columns})
    roles = {{"w": "sample_weight", "who": "cluster"}[name]: name for name in columns}
    return count(PredictionLog.from_frame(data, y_true="y", y_pred="p", sensitive_features=["g"], **roles))


def by_group(rows, form):
    return {row.slice[0][1]: row for row in rows if row.metric == f"representation_{form}"}


def test_shares_ratios_and_differences():
    rows = representation(tally_of(["a"] * 30 + ["b"] * 70), "g", {"a": 0.5, "b": 0.5})
    share, ratio, gap = (by_group(rows, form) for form in ("share", "ratio", "difference"))
    low, high = proportion_confint(30, 100, alpha=0.05 / 2, method="wilson")
    assert (share["a"].low, share["a"].high) == pytest.approx((low, high))
    assert (ratio["a"].value, ratio["a"].low, ratio["a"].high) == pytest.approx((0.6, 2 * low, 2 * high))
    assert (gap["b"].value, gap["a"].low) == pytest.approx((0.2, low - 0.5))
    assert "reference share 0.5" in ratio["a"].reason


def test_a_group_that_is_not_there_is_none_of_n_with_an_upper_bound():
    rows = representation(tally_of(["a"] * 50), "g", {"a": 900, "b": 100})
    row = by_group(rows, "share")["b"]
    assert (row.value, row.low, row.n) == (0.0, 0.0, 50)
    assert row.high == pytest.approx(proportion_confint(0, 50, alpha=0.05 / 2, method="beta")[1])
    assert "none of these rows" in row.reason
    assert by_group(rows, "ratio")["b"].high == pytest.approx(10 * row.high)


def test_a_group_that_the_reference_lacks_is_named():
    rows = representation(tally_of(["a"] * 5 + ["<script>"] * 5), "g", {"a": 1.0})
    assert set(by_group(rows, "ratio")) == {"a"}
    assert "not in the reference population" in by_group(rows, "share")["<script>"].reason


def test_a_reference_share_of_nought_has_no_ratio():
    rows = representation(tally_of(["a"] * 5 + ["b"] * 5), "g", {"a": 1.0, "b": 0.0})
    row = by_group(rows, "ratio")["b"]
    assert row.value is None
    assert "the reference share is 0" in row.reason


def test_missing_values_are_counted_and_left_out():
    rows = representation(tally_of(["a"] * 5 + ["b"] * 5 + [None] * 7), "g", {"a": 0.5, "b": 0.5})
    row = by_group(rows, "share")["a"]
    assert (row.value, row.n) == (0.5, 10)
    assert row.reason.startswith("7 rows without a value left out")


def test_weights_stand_for_people_and_clusters_for_one():
    rng = np.random.default_rng(0)
    values = rng.choice(["a", "b"], 400)
    weighted = by_group(
        representation(tally_of(values, w=np.where(values == "a", 3.0, 1.0)), "g", {"a": 1, "b": 1}), "share"
    )
    people = 3 * (values == "a").sum()
    assert weighted["a"].value == pytest.approx(people / (people + (values == "b").sum()))
    plain = by_group(representation(tally_of(values), "g", {"a": 1, "b": 1}), "share")["a"]
    copies = by_group(representation(tally_of(np.tile(values, 5), who=np.tile(np.arange(400), 5).astype(str)), "g",
                                     {"a": 1, "b": 1}), "share")["a"]  # fmt: skip
    assert copies.high - copies.low == pytest.approx(plain.high - plain.low, rel=0.02)
    assert "cluster-robust" in copies.method


@pytest.mark.parametrize("worlds", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_simultaneous_intervals_cover_all_groups(worlds):
    rng = np.random.default_rng(1)
    truth = dict(zip("abcde", (0.5, 0.3, 0.15, 0.04, 0.01), strict=True))
    held = []
    for _ in range(worlds):
        values = np.repeat(list(truth), rng.multinomial(150, list(truth.values())))
        rows = by_group(representation(tally_of(values), "g", truth), "difference")
        held.append(all(row.low <= 0 <= row.high for row in rows.values()))
    assert binom.cdf(sum(held), worlds, 0.95) > 0.01


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({}, "has no groups"),
        ({"a": 0.5, "b": 0.4}, "sums to 0.9"),
        ({"a": -1, "b": 2}, "share of 'a' must be a finite number"),
        ({"a": float("inf")}, "must be a finite number"),
    ],
)
def test_references_that_make_no_sense(reference, said):
    with pytest.raises(InputError, match=said):
        representation(tally_of(["a", "b"]), "g", reference)


def test_unknown_features_and_nothing_known():
    with pytest.raises(InputError, match="unknown feature 'race'"):
        representation(tally_of(["a", "b"]), "race", {"a": 1})
    with pytest.raises(InputError, match="missing in every row"):
        representation(tally_of([None, None]), "g", {"a": 1})


def test_a_reference_from_a_file(tmp_path):
    path = tmp_path / "census.csv"
    path.write_text('group,share\n"=1+1, or so",0.25\nb,0.75\n', encoding="utf-8")
    assert read_reference(path) == {"=1+1, or so": 0.25, "b": 0.75}
    path.write_text("group,share\na,x\na,1\na,2\nb\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_reference(path)
    assert [text.split(": ")[0][-6:] for text in refused.value.violations] == ["line 2", "line 4", "line 5"]
    path.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="holds no groups"):
        read_reference(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_reference(tmp_path / "none.csv")


def test_a_reference_of_other_names_is_refused_with_both_lists():
    with pytest.raises(InputError, match=r"names \['female', 'male'\], the data hold \['F', 'M'\]"):
        representation(tally_of(["F", "M"]), "g", {"female": 0.5, "male": 0.5})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sex\nF\nM\n", "line 2: expected group,share"),
        ("F,51\nM,49\n", "line 1: expected a header"),
        ("sex,share\nF,nan\n", "line 2: expected group,share with a number of at least 0"),
        ("sex,share\nF,-1\n", "line 2: expected group,share with a number of at least 0"),
        ("sex,code,share\nF,f,1\n", "line 2: expected group,share"),
    ],
)
def test_files_that_are_no_population_are_refused(text, said, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_reference(path)
