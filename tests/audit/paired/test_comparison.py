"""The door for comparisons: what it counts, what it returns, and what it refuses."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import EvidenceError, InputError
from audit.metrics.catalog import METRICS
from audit.paired.comparison import run_compare
from audit.paired.paired_models import Models, models_of
from audit.paired.paired_rows import outcome_of
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.store import load_run, save_run

HOSTILE = ("<script>", "=1+1", "a\nb", "\u202egnp", "", "b" * 500)


def frame(rows=400, seed=0, groups=("a", "b", "c")):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows)
    old, new = (signal + rng.normal(0, spread, rows) for spread in (0.8, 0.5))
    return pd.DataFrame(
        {
            "id": rng.permutation(rows),
            "label": (signal + rng.normal(0, 1, rows) > 0).astype(int),
            "s_old": (1 / (1 + np.exp(-old))).round(3),
            "s_new": (1 / (1 + np.exp(-new))).round(3),
            "old": (old > 0).astype(int),
            "new": (new > 0).astype(int),
            "g": np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)],
            "sex": np.where(rng.random(rows) < 0.5, "F", "M"),
        }
    )


def compared(data, other=None, **options):
    asked = {"y_true": "label", "candidate": "new", "baseline": "old", "sensitive_features": ["g"]}
    return run_compare(data, other, **(asked | options))


def find(result, metric, kind="model", at=(), **slice_values):
    wanted = tuple(sorted(slice_values.items()))
    for row in result.measurements:
        own = None if row.against is None else row.against["kind"]
        if (row.metric, row.slice, row.at, own) == (metric, wanted, at, kind):
            return row
    raise KeyError(metric)


def test_differences_are_those_of_two_audits():
    data = frame()
    result = compared(data, scores=["s_new", "s_old"], sensitive_features=["g", "sex"])
    audits = {
        name: run_audit(
            PredictionLog.from_frame(data, y_true="label", y_pred=name, y_score=f"s_{name}",
                                     sensitive_features=["g", "sex"])
        )
        for name in ("new", "old")
    }  # fmt: skip
    for row in result.measurements:
        kind = None if row.against is None else row.against["kind"]
        base = row.metric.removesuffix("_difference")
        if kind == "model" and base in METRICS:
            if base == "brier_score" and len(row.slice) > 1:
                continue  # an audit writes metrics of scores for single features only
            sides = [audits[name].find(base, dict(row.slice)) for name in ("new", "old")]
            # Scores of a group count as the mean of their bin and label over everyone.
            near = 1e-4 if base == "brier_score" and row.slice else 1e-12
            assert row.value == pytest.approx(sides[0].value - sides[1].value, abs=near), row
            assert row.n == min(side.n for side in sides)
        elif kind is None and row.metric != "count":
            if row.metric == "brier_score" and len(row.slice) > 1:
                continue
            same = audits[dict(row.at)["model_version"]].find(row.metric, dict(row.slice))
            near = 3e-4 if row.metric == "brier_score" else 1e-9
            assert [row.value, row.low, row.high] == pytest.approx([same.value, same.low, same.high], abs=near)


def test_helped_and_harmed_are_counts_of_rows():
    data = frame()
    result = compared(data)
    right = {name: data[name] == data["label"] for name in ("new", "old")}
    for group in ("a", "b", "c"):
        inside = data["g"] == group
        helped = find(result, "became_right", g=group)
        harmed = find(result, "became_wrong", g=group)
        assert helped.value == (right["new"] & ~right["old"] & inside).sum()
        assert harmed.value == (~right["new"] & right["old"] & inside).sum()
        assert helped.low < helped.value < helped.high
        change = find(result, "accuracy_difference", g=group)
        assert change.value == pytest.approx((helped.value - harmed.value) / inside.sum())


def test_growth_of_gaps_and_the_largest_worsening():
    data = frame()
    result = compared(data, reference={"g": "a"})
    change = {group: find(result, "selection_rate_difference", g=group).value for group in "abc"}
    against_a = find(result, "selection_rate_change_difference", kind="slice", g="b")
    assert against_a.value == pytest.approx(change["b"] - change["a"])
    largest = find(result, "selection_rate_change_difference", kind="groups")
    assert largest.value == pytest.approx(max(change.values()) - min(change.values()))
    worst = find(result, "selection_rate_difference_group_max", kind="groups")
    assert worst.value == pytest.approx(max(change.values()))
    fall = find(result, "accuracy_difference_group_min", kind="groups")
    assert fall.value == pytest.approx(min(find(result, "accuracy_difference", g=group).value for group in "abc"))


def test_a_threshold_predicts_alike():
    data = frame()
    by_score = compared(data, candidate="s_new", baseline="s_old", threshold=0.37)
    data["new"], data["old"] = (data["s_new"] >= 0.37).astype(int), (data["s_old"] >= 0.37).astype(int)
    by_label = compared(data, scores=["s_new", "s_old"])
    for row in by_label.measurements:
        if row.against is not None and row.against["kind"] == "model":
            same = find(by_score, row.metric, **dict(row.slice))
            assert (row.value, row.low, row.high, row.n) == (same.value, same.low, same.high, same.n)


def test_deciles_are_exact():
    data = frame()
    data["d_old"], data["d_new"] = (np.ceil(10 * data[name].clip(0.001)).astype(int) for name in ("s_old", "s_new"))
    result = compared(data, scores=["d_new", "d_old"], score_max=10, metrics=["roc_auc"])
    assert all(model.exact for model in models_of(result).every[1:])
    row = find(result, "roc_auc_difference")
    truth = []
    for name in ("d_new", "d_old"):
        positive, negative = (data[name][data["label"] == label].to_numpy() for label in (1, 0))
        truth.append(((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)).mean())
    assert row.value == pytest.approx(truth[0] - truth[1])


def test_every_table_gives_the_same(tmp_path):
    data = frame()
    data.to_csv(tmp_path / "log.csv", index=False)
    data.to_parquet(tmp_path / "log.parquet")
    sources = [data, pl.from_pandas(data), pl.from_pandas(data).lazy(), pa.Table.from_pandas(data)]
    results = [compared(source) for source in (*sources, tmp_path / "log.csv", str(tmp_path / "log.parquet"))]
    assert len({result.tally.digest() for result in results}) == 1
    assert all(result.measurements == results[0].measurements for result in results)
    assert list(results[4].provenance.data) == ["log.csv"]


def test_two_tables_are_joined_on_an_id(tmp_path):
    data = frame()
    new = data[["id", "label", "new", "g"]].rename(columns={"new": "flagged"})
    old = data[["id", "old"]].rename(columns={"old": "flagged"}).sample(frac=1, random_state=1)
    whole = compared(data)
    joined = compared(new, old, candidate="flagged", baseline="flagged", on="id")
    assert models_of(joined).baseline.name == "baseline"
    assert find(joined, "accuracy_difference").value == find(whole, "accuracy_difference").value
    part = compared(new, old.iloc[50:], candidate="flagged", baseline="flagged", on="id")
    assert part.provenance.given["rows_only_in_the_candidate"] == 50
    assert part.provenance.given["rows_only_in_the_baseline"] == 0
    assert part.tally.rows == 350
    new.to_csv(tmp_path / "v2.csv", index=False)
    old.to_csv(tmp_path / "v1.csv", index=False)
    named = compared(tmp_path / "v2.csv", tmp_path / "v1.csv", candidate="flagged", baseline="flagged", on="id")
    assert [model.name for model in models_of(named).every] == ["v2", "v1"]
    assert sorted(named.provenance.data) == ["v1.csv", "v2.csv"]
    assert find(named, "accuracy_difference").value == find(whole, "accuracy_difference").value


def test_equal_rows_need_no_id():
    data = frame()
    joined = compared(data[["label", "new", "g"]], data[["label", "old"]])
    assert find(joined, "accuracy_difference").value == find(compared(data), "accuracy_difference").value


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda new, old: (new, old.iloc[1:], {}), "has 40 rows, the baseline's 39; name the id"),
        (lambda new, old: (new, old.iloc[::-1], {}), "disagree about 'label' in"),
        (lambda new, old: (new, old.drop(columns="label"), {}), "without an id both tables must hold 'label'"),
        (lambda new, old: (pd.concat([new, new]), old, {"on": "id"}), "40 ids of 'id' stand more than once"),
        (lambda new, old: (new, old.assign(id=old["id"] + 1000), {"on": "id"}), "no id of 'id' stands in both"),
        (lambda new, old: (new, old.assign(id=None), {"on": "id"}), "id 'id' is missing in 40 rows of the baseline's"),
        (lambda new, old: (new, old.assign(label=1 - old["label"]), {"on": "id"}), "disagree about 'label' in 40 of"),
        (lambda new, old: (new, old, {"on": "person"}), "column 'person' is missing in the candidate's table"),
        (lambda new, old: (new, old.drop(columns="old"), {"on": "id"}), "column 'old' is missing in the baseline's"),
        (lambda new, old: (new.drop(columns="g"), old, {"on": "id"}), "column 'g' is missing in both tables"),
    ],
)
def test_two_tables_that_do_not_fit(change, text):
    data = frame(40)
    new, old, options = change(data[["id", "label", "new", "g"]], data[["id", "label", "old"]])
    with pytest.raises(InputError, match=text):
        compared(new, old, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"baseline": "new"}, "columns \\['new'\\] are named for more than one model"),
        ({"baseline": "none"}, "column 'none' \\(of a model\\) is missing"),
        ({"candidate": []}, "no candidate is named"),
        ({"candidate": "g"}, "are named as a model's and as a label, group"),
        ({"candidate": "label"}, "are named as a model's and as a label, group"),
        ({"scores": ["s_new"]}, "scores names 1 columns for 2 models"),
        ({"scores": ["s_new", "s_old"], "threshold": 0.5}, "scores and a threshold are both given"),
        ({"scores": ["s_new", "old"]}, "named twice among predictions and scores"),
        ({"on": "id"}, "on joins two tables"),
        ({"level": 1.0}, "level must lie in"),
        ({"metrics": ["prevalence", "nonsense"]}, "'nonsense' cannot be compared in pairs"),
        ({"metrics": ["roc_auc"]}, "roc_auc needs scores"),
        ({"reference": {"g": "zz"}}, "reference group 'zz' of 'g' has no rows"),
        ({"reference": {"sex": "F"}}, "which is no sensitive feature"),
        ({"baseline": "s_old"}, "holds more than 50 different predictions; expected two labels; are they scores"),
        ({"scores": ["s_new", "g"], "sensitive_features": []}, "must lie in \\[0, 1\\] in every row"),
        ({"sensitive_features": ["id"]}, "holds 400 different numbers"),
        ({"sensitive_features": ["nobody"]}, "'nobody' \\(sensitive feature\\) is missing"),
        ({"candidate": "s_new", "baseline": "s_old", "threshold": 2.0}, "threshold must lie in"),
    ],
)
def test_bad_options(options, text):
    with pytest.raises(InputError, match=text):
        compared(frame(), **options)


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("old", [None, *[1] * 39], "column 'old' is empty in 1 rows"),
        ("old", ["maybe", *["1"] * 39], "holds \\['maybe'\\]; expected the labels"),
        ("label", [None] * 40, "every label is missing"),
        ("s_old", [1.7, *[0.5] * 39], "'s_old' \\(scores\\) must lie in \\[0, 1\\] in every row; found 1.7 in row 1"),
        ("s_old", [float("nan"), *[0.5] * 39], "found nan in row 1"),
        ("s_old", ["high", *["0.5"] * 39], "found nan in row 1"),
        ("w", [-1.0, *[1.0] * 39], "sample_weight"),
        ("w", [float("inf"), *[1.0] * 39], "sample_weight"),
        ("w", [0.0] * 40, "all weights are 0"),
    ],
)
def test_bad_values(column, values, text):
    data = frame(40).assign(w=1.0).assign(**{column: values})
    options = {"sample_weight": "w"} if column == "w" else {}
    with pytest.raises(InputError, match=text):
        compared(data, **options, **({"scores": ["s_new", "s_old"]} if column == "s_old" else {}))


def test_an_empty_table():
    with pytest.raises(InputError, match="no rows"):
        compared(frame().iloc[:0])


def test_one_row_one_class_and_clusters_of_one():
    one = compared(frame(1))
    assert find(one, "accuracy_difference").n == 1
    assert -1 <= find(one, "accuracy_difference").low <= find(one, "accuracy_difference").high <= 1
    constant = compared(frame(60).assign(label=1))
    row = find(constant, "false_positive_rate_difference")
    assert (row.value, row.n) == (None, 0)
    assert "no negative labels" in row.reason
    data = frame(200).assign(k=np.arange(200))
    clustered, plain = (find(compared(data, **options), "accuracy_difference") for options in ({"cluster": "k"}, {}))
    assert clustered.value == pytest.approx(plain.value)
    assert clustered.high - clustered.low == pytest.approx(plain.high - plain.low, rel=0.02)


def test_scores_all_equal():
    data = frame(100).assign(s_new=0.5, s_old=0.5)
    row = find(compared(data, scores=["s_new", "s_old"]), "roc_auc_difference")
    assert row.value == 0


def test_labels_in_words_and_spellings():
    data = frame(200)
    words = {1: "yes", 0: "no"}
    spelled = data.assign(**{name: data[name].map(words) for name in ("label", "new", "old")})
    result = compared(spelled, positive="yes")
    assert find(result, "accuracy_difference").value == find(compared(data), "accuracy_difference").value
    mixed = data.assign(old=data["old"].astype(bool), new=data["new"].astype(float))
    assert find(compared(mixed), "accuracy_difference").value == find(compared(data), "accuracy_difference").value


def test_hostile_groups_and_names_survive():
    data = frame(600, groups=(*HOSTILE, None)).rename(columns={"g": "<i>g</i>", "old": "=old()\n", "new": "new.x"})
    result = compared(data, candidate="new.x", baseline="=old()\n", sensitive_features=["<i>g</i>"])
    groups = {dict(row.slice).get("<i>g</i>", "everyone") for row in result.measurements}
    assert {None, *(name for name in HOSTILE if name)} <= groups
    assert models_of(result).baseline.name == "=old()\n"
    assert Result.from_json(result.to_json()) == result


def test_several_candidates_stand_at_their_version():
    data = frame().assign(third=lambda rows: rows["label"])
    result = compared(data, candidate=["new", "third"])
    alone = compared(data)
    at = (("model_version", "new"),)
    assert find(result, "accuracy_difference", at=at).value == find(alone, "accuracy_difference").value
    perfect = find(result, "accuracy_difference", at=(("model_version", "third"),))
    assert outcome_of(perfect) == "better"
    assert len({row.key() for row in result.measurements}) == len(result.measurements)


def test_a_saved_run_comes_back(tmp_path):
    result = compared(frame(), scores=["s_new", "s_old"])
    again = load_run(save_run(result, tmp_path))
    assert again == result
    assert again.tally.digest() == result.tally.digest() == result.provenance.tally
    assert models_of(again) == models_of(result)
    assert compared(frame(), scores=["s_new", "s_old"]).to_json() == result.to_json()


def test_a_broken_record_of_models_is_said():
    with pytest.raises(EvidenceError, match="record of the compared models is broken"):
        Models.from_json(json.loads('{"baseline": {"name": "old"}}'))


def test_rows_are_one_family_per_metric_and_features():
    result = compared(frame(), sensitive_features=["g", "sex"])
    single = [row for row in result.measurements if row.metric == "accuracy_difference" and len(row.slice) == 1]
    assert {row.method for row in single if row.slice[0][0] == "g"} == {"paired_score, simultaneous over 3"}
    assert {row.method for row in single if row.slice[0][0] == "sex"} == {"paired_score, simultaneous over 2"}


def test_intervals_of_all_groups_hold_together():
    """Simultaneous coverage over six groups under no change, small groups among them; most often it is far above."""
    rng = np.random.default_rng(3)
    sizes = {"a": 400, "b": 200, "c": 90, "d": 60, "e": 40, "f": 25}
    group = np.repeat(list(sizes), list(sizes.values()))
    held = worse = 0
    runs = 120
    for _ in range(runs):
        label = rng.random(len(group)) < 0.4
        old = rng.random(len(group)) < 0.3 + 0.4 * label
        new = np.where(rng.random(len(group)) < 0.1, rng.random(len(group)) < 0.3 + 0.4 * label, old)
        data = pa.table({"label": label, "old": old, "new": new, "g": group})
        rows = [
            row
            for row in compared(data, metrics=["accuracy"]).measurements
            if row.metric == "accuracy_difference" and row.slice
        ]
        held += all(row.low <= 0 <= row.high for row in rows)
        worse += any(outcome_of(row) == "worse" for row in rows)
    assert held >= 0.92 * runs
    assert worse <= 0.07 * runs


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from(["none", "weights", "clusters"]))
def test_any_table_gives_differences_of_rates_counted_by_hand(rows, seed, design):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({name: rng.integers(0, 2, rows) for name in ("label", "new", "old")})
    data = data.assign(g=rng.choice(list("ab"), rows), w=rng.integers(1, 9, rows), k=rng.integers(0, 5, rows))
    options = {"none": {}, "weights": {"sample_weight": "w"}, "clusters": {"cluster": "k"}}[design]
    result = compared(data, metrics=["accuracy", "false_positive_rate", "precision"], **options)
    weight = data["w"] if design == "weights" else pd.Series(1, index=data.index)
    for row in result.measurements:
        if row.against is None or row.against["kind"] != "model" or not row.metric.endswith("_difference"):
            continue
        inside = data["g"] == dict(row.slice)["g"] if row.slice else pd.Series(data=True, index=data.index)
        sides = [by_hand(data[inside], name, weight[inside], row.metric) for name in ("new", "old")]
        if None in sides:
            assert row.value is None
            assert row.reason
        else:
            assert row.value == pytest.approx(sides[0] - sides[1], abs=1e-9)
            assert row.low is None or row.high is None or row.low <= row.high
            assert None not in (row.low, row.high) or row.reason


def by_hand(data, name, weight, metric):
    """Return a rate from the rows; None where no row is in its denominator."""
    right = data[name] == data["label"]
    numerator, denominator = {
        "accuracy_difference": (right, pd.Series(data=True, index=data.index)),
        "false_positive_rate_difference": (data[name] == 1, data["label"] == 0),
        "precision_difference": (data["label"] == 1, data[name] == 1),
    }[metric]
    total = weight[denominator].sum()
    return None if not total else weight[numerator & denominator].sum() / total


def test_the_largest_changes_say_which_groups_took_part():
    data = frame(300)
    data["label"] = np.where(data["g"] == "c", 0, data["label"])
    result = compared(data, metrics=["true_positive_rate"])
    for metric in ("true_positive_rate_difference_group_min", "true_positive_rate_change_difference"):
        row = find(result, metric, "groups")
        assert (row.against["among"], row.against["undefined"]) == ([["a"], ["b"]], [["c"]])
