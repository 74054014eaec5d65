import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.inference.intervals import rate
from audit.result import Result
from audit.stress.flips import changed_rows, counterfactual_flips
from audit.stress.matched_pairs import matched_pair_flips
from audit.tasks.shares import number_rows, share_rows

SWAP = {"sex": {"F": "M", "M": "F"}}


def people(rows=400, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "sex": random.choice(["F", "M"], rows),
            "title": "",
            "income": random.uniform(0, 100, rows),
            "race": random.choice(["A", "B"], rows),
        }
    ).assign(title=lambda frame: frame["sex"].map({"F": "Ms", "M": "Mr"}))


def row_of(result, metric, kind=None, **where):
    return next(
        r
        for r in result.measurements
        if r.metric == metric and dict(r.slice) == where and (r.against["kind"] if r.against else None) == kind
    )


def test_a_model_that_uses_the_attribute_flips_where_it_decides():
    frame = people()
    result = counterfactual_flips(
        lambda rows: (rows["income"] + 20 * (rows["sex"] == "M") > 50).astype(int),
        frame,
        change=SWAP,
        sensitive_features=["race"],
    )
    between = frame["income"].between(30, 50, inclusive="right")
    for sex in "FM":
        inside = between[frame["sex"] == sex]
        row = row_of(result, "counterfactual_flip_rate", sex=sex)
        assert row.value == pytest.approx(inside.mean())
        low, high = rate(inside.sum(), len(inside))
        assert (row.low, row.high) == pytest.approx((float(low), float(high)))
        assert row.at == (("feature", "sex"),)
    assert (
        row_of(result, "flip_to_positive_rate", sex="F").value
        == row_of(result, "counterfactual_flip_rate", sex="F").value
    )
    assert row_of(result, "flip_to_negative_rate", sex="F").value == 0
    assert row_of(result, "flip_to_negative_rate", sex="M").value > 0
    assert row_of(result, "counterfactual_flip_rate", race="A", sex="F").n > 50
    assert row_of(result, "counterfactual_flip_rate_difference", "groups").low <= 0
    assert Result.from_json(result.to_json()) == result


def test_a_model_that_ignores_the_attribute_never_flips_but_its_proxy_does():
    frame = people()

    def by_title(rows):
        return (rows["income"] + 30 * (rows["title"] == "Mr") > 50).astype(int)

    alone = row_of(counterfactual_flips(by_title, frame, change=SWAP), "counterfactual_flip_rate")
    assert alone.value == 0
    assert alone.high < 0.01
    stated = SWAP | {"title": {"Ms": "Mr", "Mr": "Ms"}}
    assert row_of(counterfactual_flips(by_title, frame, change=stated), "counterfactual_flip_rate").low > 0.2


def test_scores_show_how_far_they_move():
    frame = people()
    result = counterfactual_flips(
        lambda rows: rows["income"] / 200 + 0.1 * (rows["sex"] == "M"), frame, change=SWAP, threshold=0.3
    )
    up = row_of(result, "counterfactual_score_change", sex="F")
    assert up.value == pytest.approx(0.1)
    assert row_of(result, "counterfactual_score_change", sex="M").value == pytest.approx(-0.1)


def test_words_without_a_positive_one_have_no_direction():
    result = counterfactual_flips(lambda rows: np.where(rows["sex"] == "F", "tea", "coffee"), people(), change=SWAP)
    assert row_of(result, "counterfactual_flip_rate").value == 1
    assert "flip_to_positive_rate" not in {row.metric for row in result.measurements}


def test_rows_without_a_named_value_are_left_out_and_counted():
    frame = people()
    frame.loc[:49, "sex"] = None
    result = counterfactual_flips(lambda rows: np.zeros(len(rows), int), frame, change=SWAP)
    assert row_of(result, "count").value == 350
    assert result.provenance.given["rows_left_out"] == 50


def test_changed_rows_keep_types_and_everything_else():
    frame = pd.DataFrame({"sex": pd.Categorical(["F", "M"]), "age": [1, 2], "flag": [True, False]})
    changed = changed_rows(frame, {"sex": {"F": "M"}, "flag": {True: False}})
    assert changed.dtypes.tolist() == frame.dtypes.tolist()
    assert changed["sex"].tolist() == ["M", "M"]
    assert frame["sex"].tolist() == ["F", "M"]


def test_clusters_widen_the_interval_of_flips():
    frame = pd.concat([people(60)] * 8, ignore_index=True).assign(who=np.tile(np.arange(60), 8))
    widths = []
    for cluster in (None, "who"):
        found = counterfactual_flips(
            lambda rows: (rows["income"] + 40 * (rows["sex"] == "M") > 50).astype(int),
            frame,
            change=SWAP,
            cluster=cluster,
        )
        row = row_of(found, "counterfactual_flip_rate")
        widths.append(row.high - row.low)
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize(
    ("predict", "text"),
    [
        (lambda _: [1], r"one answer per row, shape \(400,\); it returned shape \(1,\)"),
        (lambda rows: np.zeros((len(rows), 2)), r"it returned shape \(400, 2\)"),
        (lambda rows: [None] * len(rows), "returned no label for 400 rows"),
        (lambda rows: np.full(len(rows), np.nan), "returned no label for 400 rows"),
    ],
)
def test_wrong_answers_are_refused(predict, text):
    with pytest.raises(InputError, match=text):
        counterfactual_flips(predict, people(), change=SWAP)


def test_a_model_that_changes_its_argument_changes_nothing_here():
    def pure(rows):
        return (rows["sex"] == "M").astype(int)

    def in_place(rows):
        rows["sex"] = rows["sex"].map({"F": 0, "M": 1})
        rows["who"] = 0
        return rows["sex"]

    frame = people(60).assign(who=np.arange(60) // 2)
    before = frame.copy()
    named = {"change": SWAP, "sensitive_features": ["race"], "cluster": "who"}
    found, expected = (counterfactual_flips(predict, frame, **named) for predict in (in_place, pure))
    assert found.measurements == expected.measurements
    assert row_of(found, "counterfactual_flip_rate").value == 1
    pd.testing.assert_frame_equal(frame, before)


def test_scores_without_a_threshold_are_no_labels():
    frame = people()

    def predict(rows):
        return rows["income"] / 100 + 1e-9 * (rows["sex"] == "M")

    with pytest.raises(InputError, match=r"predict returned 400 fractions, such as .*: scores, no labels; pass the"):
        counterfactual_flips(predict, frame, change=SWAP)
    assert (
        row_of(counterfactual_flips(predict, frame, change=SWAP, threshold=0.5), "counterfactual_flip_rate").value == 0
    )
    whole = counterfactual_flips(lambda rows: (rows["sex"] == "M").astype(float), frame, change=SWAP)
    assert row_of(whole, "flip_to_positive_rate", sex="F").value == 1


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_a_model_that_raises_is_named(threshold):
    with pytest.raises(InputError, match="predict failed on 400 rows of a DataFrame: ZeroDivisionError: "):
        counterfactual_flips(lambda _: 1 / 0, people(), change=SWAP, threshold=threshold)
    with pytest.raises(InputError, match="predict failed on 400 rows of a DataFrame: RuntimeError: no device"):
        counterfactual_flips(_no_device, people(), change=SWAP, threshold=threshold)


def _no_device(_):
    msg = "no device"
    raise RuntimeError(msg)


def test_scores_and_thresholds_are_numbers():
    with pytest.raises(InputError, match="with a threshold, it must return scores"):
        counterfactual_flips(lambda rows: ["yes"] * len(rows), people(), change=SWAP, threshold=0.5)
    with pytest.raises(InputError, match="threshold must be a finite number; got nan"):
        counterfactual_flips(lambda rows: rows["income"], people(), change=SWAP, threshold=np.nan)


@pytest.mark.parametrize(
    ("column", "values"),
    [([0, 1] * 50, {0: "M", 1: "F"}), ([0, 1] * 50, {0: 0.5}), ([True, False] * 50, {True: "no"}), ([0.5], {0.5: "1"})],
)
def test_new_values_must_fit_their_column(column, values):
    frame = pd.DataFrame({"sex": column})
    with pytest.raises(InputError, match=r"change of 'sex': \[.*\] do not fit its type (int64|bool|float64); name"):
        counterfactual_flips(lambda rows: rows["sex"], frame, change={"sex": values})


def test_wrong_changes_are_refused():
    with pytest.raises(InputError, match="change names nothing"):
        counterfactual_flips(len, people(), change={})
    with pytest.raises(InputError) as error:
        counterfactual_flips(len, people(), change={"sex": {"F": "F", "X": "M"}})
    assert "'F' stays what it is" in str(error.value)
    with pytest.raises(InputError, match=r"no row has a value of 'sex' that changes: \['X'\]; found"):
        counterfactual_flips(len, people(), change={"sex": {"X": "M"}})
    with pytest.raises(InputError) as error:
        counterfactual_flips(len, people(), change={"gender": {"F": "M"}}, sensitive_features=["age"])
    assert len(error.value.violations) == 2
    strange = people().astype({"sex": "category"})
    with pytest.raises(InputError, match=r"\['X'\] are no categories of that column"):
        counterfactual_flips(len, strange, change={"sex": {"F": "X"}})
    with pytest.raises(InputError, match="scores that are not finite"):
        counterfactual_flips(lambda rows: np.full(len(rows), np.inf), people(), change=SWAP, threshold=0.5)


def test_matched_pairs():
    random = np.random.default_rng(0)
    first, second = random.random(300) < 0.3, random.random(300) < 0.5
    frame = pd.DataFrame(
        {
            "pair": np.tile(np.arange(300), 2),
            "name": np.repeat(["Lakisha", "Emily"], 300),
            "called": np.concatenate([first, second]).astype(int),
        }
    )
    found = matched_pair_flips(
        frame.sample(frac=1, random_state=0),
        pair="pair",
        attribute="name",
        values=("Lakisha", "Emily"),
        y_pred="called",
    )
    assert row_of(found, "matched_pair_flip_rate").value == pytest.approx(np.mean(first != second))
    assert row_of(found, "matched_pair_first_only_rate").value == pytest.approx(np.mean(first & ~second))
    difference = next(row for row in found.measurements if row.metric == "selection_rate_difference")
    assert difference.value == pytest.approx(first.mean() - second.mean())
    assert difference.high < 0
    assert (difference.n, difference.method) == (300, "tango, paired")


def test_broken_pairs_are_left_out_and_counted():
    frame = pd.DataFrame({"pair": [1, 1, 2, 3, 3, 3, 4, 4], "g": [*"abaabbaa"], "p": [1, 0, 1, 1, 1, 0, 1, 1]})
    found = matched_pair_flips(frame, pair="pair", attribute="g", values=("a", "b"), y_pred="p")
    assert row_of(found, "matched_pair_flip_rate").n == 1
    assert found.provenance.given["pairs_left_out"] == 3
    with pytest.raises(InputError, match="no pair of 'pair' has one row of each"):
        matched_pair_flips(frame, pair="pair", attribute="g", values=("a", "z"), y_pred="p")
    with pytest.raises(InputError, match="column 'q' is missing"):
        matched_pair_flips(frame, pair="q", attribute="g", values=("a", "b"), y_pred="p")
    with pytest.raises(InputError, match="the positive label of 'p' is not known"):
        matched_pair_flips(frame.assign(p="yes"), pair="pair", attribute="g", values=("a", "b"), y_pred="p")


def test_hostile_names_and_broken_columns():
    names = ["<script>", "=1+1", "a\nb", "\u202egnp", None]
    rows = share_rows("flip", [True, False] * 10, {"y_true": names * 4, "y_pred": ["x"] * 20})
    assert {dict(row.slice).get("y_true") for row in rows if len(row.slice) == 1 and row.against is None} == set(names)
    with pytest.raises(InputError, match="'g' has 1 values for 2 rows"):
        share_rows("flip", [True, False], {"g": ["a"]})
    with pytest.raises(InputError, match="there are no rows"):
        share_rows("flip", [], {})
    with pytest.raises(InputError, match="1 rows hold no finite number: row 2"):
        number_rows("size", [1.0, np.nan], {})
