"""Model, human and final decision on the same rows, overrides, and several models."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import InputError
from audit.paired.several_models import run_models
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.tasks.deciders import run_deciders
from dashboards.report import bounds_part

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=20)
ROWS = st.lists(st.tuples(*[st.integers(0, 1)] * 4, st.sampled_from("xy")), min_size=1, max_size=40)


def frame_of(rows):
    return pd.DataFrame(rows, columns=["y", "m", "h", "f", "g"])


def log_of(frame, **options):
    roles = {"y_true": "y", "y_pred": "m", "human_decision": "h", "action": "f", "sensitive_features": ["g"]}
    return PredictionLog.from_frame(frame, **{**roles, **options})


def found(result, metric, decider=None, group=None):
    at = () if decider is None else (("model_version", decider),)
    slice_ = () if group is None else (("g", group),)
    (row,) = [
        row
        for row in result.measurements
        if row.metric == metric and row.at == at and row.slice == slice_ and row.against is None
    ]
    return row


def share(event, among):
    return pytest.approx(float(event[among].mean())) if among.any() else None


@REPEATABLE
@given(ROWS)
def test_every_decider_is_audited_as_if_alone_and_overrides_add_up(rows):
    frame = frame_of(rows)
    result = run_deciders(log_of(frame))
    for decider, column in (("model", "m"), ("human", "h"), ("final", "f")):
        alone = run_audit(
            PredictionLog.from_frame(frame, y_true="y", y_pred=column, sensitive_features=["g"], positive=1)
        )
        for group in [None, *sorted(set(frame["g"]))]:
            for metric in ("accuracy", "false_negative_rate", "selection_rate"):
                one, two = found(result, metric, decider, group), alone.find(metric, group and {"g": group})
                assert (one.value, one.low, one.high, one.n) == (two.value, two.low, two.high, two.n)
    for group in [None, *sorted(set(frame["g"]))]:
        inside = frame if group is None else frame[frame["g"] == group]
        model, final = inside["m"] == inside["y"], inside["f"] == inside["y"]
        every = model | True
        assert found(result, "override_rate", None, group).value == share(inside["m"] != inside["f"], every)
        assert found(result, "helpful_override_rate", None, group).value == share(~model & final, every)
        assert found(result, "harmful_override_rate", None, group).value == share(model & ~final, every)
        assert found(result, "corrected_error_rate", None, group).value == share(final, ~model)
        assert found(result, "introduced_error_rate", None, group).value == share(~final, model)
        gain = found(result, "accuracy", "final", group).value - found(result, "accuracy", "model", group).value
        helpful, harmful = (
            found(result, f"{kind}_override_rate", None, group).value for kind in ("helpful", "harmful")
        )
        assert helpful - harmful == pytest.approx(gain)


def many(n=2000, seed=0):
    random = np.random.default_rng(seed)
    y, g = random.integers(0, 2, n), random.choice(["x", "y"], n)
    m = np.where(random.random(n) < 0.8, y, 1 - y)
    h = np.where(random.random(n) < np.where(g == "x", 0.9, 0.6), y, 1 - y)
    f = np.where(random.random(n) < 0.4, h, m)
    return pd.DataFrame({"y": y, "m": m, "h": h, "f": f, "g": g})


def test_a_group_whose_overrides_harm_is_found():
    result = run_deciders(log_of(many()))
    gap = next(
        row
        for row in result.measurements
        if row.metric == "harmful_override_rate_difference" and row.slice == (("g", "y"),)
    )
    assert gap.against == {"kind": "rest"}
    assert gap.low > 0


def test_rows_without_a_human_decision_are_left_out_of_the_human_alone():
    frame = many(400)
    frame["h"] = frame["h"].astype(object).where(np.arange(400) % 2 == 0, None)
    result = run_deciders(log_of(frame))
    assert found(result, "count", "human").value == 200
    assert found(result, "count", "model").value == 400
    half = frame[frame["h"].notna()]
    assert found(result, "accuracy", "human").value == pytest.approx((half["h"] == half["y"]).mean())


def test_a_row_that_the_model_deferred_is_no_override():
    frame = many(400)
    frame["m"] = np.where(np.arange(400) % 4 == 0, "?", frame["m"].astype(str))
    result = run_deciders(log_of(frame, abstain="?"))
    decided = frame[frame["m"] != "?"]
    expected = (decided["m"].astype(int) != decided["f"]).mean()
    assert found(result, "override_rate").value == pytest.approx(expected)
    assert found(result, "override_rate").n == 300
    assert found(result, "deferral_rate", "model").value == 0.25
    assert found(result, "accuracy", "final").n == 400
    assert not [
        row for row in result.measurements if row.metric == "deferral_rate" and dict(row.at)["model_version"] != "model"
    ]


def test_decisions_of_several_labels():
    random = np.random.default_rng(1)
    y = random.choice(["a", "b", "c"], 300)
    frame = pd.DataFrame({"y": y, "m": np.roll(y, 1), "f": np.where(random.random(300) < 0.5, y, np.roll(y, 1))})
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="m", action="f", task="multiclass")
    result = run_deciders(log)
    assert found(result, "accuracy", "final").value == pytest.approx((frame["f"] == y).mean())
    changed = (frame["m"] != y) & (frame["f"] == y)
    assert found(result, "helpful_override_rate").value == pytest.approx(changed.mean())
    at_label = [row for row in result.measurements if row.at == (("class", "a"), ("model_version", "final"))]
    assert {"true_positive_rate", "precision"} <= {row.metric for row in at_label}


def test_weights_and_clusters_enter():
    frame = many(300)
    frame["w"], frame["who"] = 2.0, np.arange(300) // 3
    plain = found(run_deciders(log_of(frame)), "override_rate")
    weighted = found(run_deciders(log_of(frame, sample_weight="w")), "override_rate")
    clustered = found(run_deciders(log_of(frame, cluster="who")), "override_rate")
    assert plain.value == pytest.approx(weighted.value) == pytest.approx(clustered.value)
    assert clustered.method.endswith("cluster-robust")


def test_a_model_without_errors_leaves_the_corrected_share_undefined():
    frame = many(60)
    frame["m"] = frame["y"]
    row = found(run_deciders(log_of(frame)), "corrected_error_rate")
    assert (row.value, row.n) == (None, 0)
    assert row.reason


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"human_decision": None, "action": None}, "nothing to set beside the model: name human_decision, action"),
        (
            {"h": "maybe"},
            {},
            r"column 'h' \(human_decision\) has decisions that are none of the labels '0', '1': 'maybe'",
        ),
        ({"f": None}, {}, r"column 'f' \(action\) holds no decision; leave it out"),
        ({}, {"task": "multilabel"}, "one label per row; the task is 'multilabel'"),
    ],
)
def test_bad_decisions_are_refused(change, options, message):
    with pytest.raises(InputError, match=message):
        run_deciders(log_of(many(20).assign(**change), **options))


def test_several_models_side_by_side():
    frame = many(300)
    result = run_models(frame, {"A": "m", "<b>B</b>": frame["h"].to_numpy()}, y_true="y", sensitive_features=["g"])
    for name, column in (("A", "m"), ("<b>B</b>", "h")):
        inside = frame["g"] == "x"
        assert found(result, "accuracy", name, "x").value == pytest.approx((frame["y"] == frame[column])[inside].mean())
    assert result.provenance.given["models"] == {"A": "m", "<b>B</b>": "given as values"}
    assert type(result).from_json(result.to_json()) == result


def test_models_of_another_length_are_refused_all_at_once():
    with pytest.raises(InputError) as caught:
        run_models(many(20), {"A": [1] * 19, "B": "m", "C": [0] * 21}, y_true="y")
    assert caught.value.violations == (
        "model 'A' has 19 predictions and the data 20 rows; give one per row",
        "model 'C' has 21 predictions and the data 20 rows; give one per row",
    )
    with pytest.raises(InputError, match="no models; name at least one"):
        run_models(many(20), {}, y_true="y")


def test_a_column_called_like_ours_does_not_clash():
    frame = many(20).rename(columns={"h": "predictions 0"})
    result = run_models(frame, {"A": [1] * 20, "B": "predictions 0"}, y_true="y")
    assert found(result, "selection_rate", "A").value == 1


def test_unlabelled_rows_are_counted_by_decider_and_group():
    frame = many(400)
    frame["y"] = frame["y"].astype(object).where((frame["g"] == "y") | (np.arange(400) % 2 == 0), None)
    frame["h"] = frame["h"].astype(object).where(np.arange(400) % 4 != 1, None)
    result = run_deciders(log_of(frame))
    for decider, inside in (("model", frame["m"].notna()), ("human", frame["h"].notna()), ("final", frame["f"] >= 0)):
        for group in (None, "x", "y"):
            own = frame[inside & ((frame["g"] == group) | (group is None))]
            row = found(result, "outcome_coverage", decider, group)
            assert (row.value, row.n) == (pytest.approx(own["y"].notna().mean()), len(own))
    assert found(result, "outcome_coverage", "human", "x").low > 0.5
    assert result.provenance.given["rows_without_y_true"] == frame["y"].isna().sum()
    assert not [row for row in run_deciders(log_of(many(40))).measurements if row.metric == "outcome_coverage"]
    assert not bounds_part.sections(result)  # there stands what a whole audit leaves open
