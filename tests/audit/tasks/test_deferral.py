"""Deferring: never a silent improvement, and every number of it independent of the code that makes it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.counting import count
from audit.errors import InputError
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.tally import Tally
from audit.tasks.deferral import DEFERRAL_METRICS
from audit.views import answers, metric_names, view_of

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=25)
ROWS = st.lists(
    st.tuples(st.sampled_from("01"), st.sampled_from("01?"), st.sampled_from("xy")), min_size=1, max_size=40
)


def log_of(y, p, g, abstain="?", **options):
    frame = pa.table({"y": list(y), "p": pa.array(list(p), pa.string()), "g": list(g)})
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], abstain=abstain, **options)


def share(numerator, denominator):
    return None if not denominator.sum() else float((numerator & denominator).sum() / denominator.sum())


@REPEATABLE
@given(ROWS)
def test_every_rate_is_what_it_says(rows):
    y, p, g = (np.array(column) for column in zip(*rows, strict=True))
    result = run_audit(log_of(y, p, g))
    gone, right, positive = p == "?", p == y, y == "1"
    for group in [None, *sorted(set(g))]:
        inside = np.full(len(g), fill_value=True) if group is None else g == group
        expected = {
            "deferral_rate": share(gone, inside),
            "selection_rate": share(p == "1", inside),
            "prevalence": share(positive, inside),
            "accuracy": share(right, inside),
            "decided_accuracy": share(right, inside & ~gone),
            "accuracy_if_deferred_right": share(right | gone, inside),
            "false_negative_rate": share(~right, inside & positive),
            "decided_false_negative_rate": share(~right, inside & positive & ~gone),
            "false_negative_rate_if_deferred_right": share(~right & ~gone, inside & positive),
            "false_positive_rate": share(~right, inside & ~positive),
            "true_positive_rate": share(right, inside & positive),
            "true_negative_rate": share(right, inside & ~positive),
            "decided_precision": share(right, inside & (p == "1")),
        }
        for name, value in expected.items():
            found = result.find(name, None if group is None else {"g": group})
            assert found.value == (None if value is None else pytest.approx(value)), name


def hard_cases_deferred(n=4000, seed=0):
    """Return the labels and two models: one decides all; one defers its hard cases, of one group only."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n).astype(str)
    g = random.choice(["x", "y"], n)
    hard = random.random(n) < 0.3
    right = random.random(n) < np.where(hard, 0.55, 0.9)
    decided = np.where(right, y, np.where(y == "1", "0", "1"))
    return y, g, decided, np.where(hard & (g == "y"), "?", decided)


def test_deferring_hard_cases_improves_the_decided_rates_alone_and_the_others_show_it():
    y, g, decides, defers = hard_cases_deferred()
    before = run_audit(log_of(y, decides, g, abstain=None))
    after = run_audit(log_of(y, defers, g))
    group = {"g": "y"}
    assert after.find("decided_accuracy", group).low > before.find("accuracy", group).value
    assert after.find("accuracy", group).high < before.find("accuracy", group).low
    for name in ("false_negative_rate", "false_positive_rate"):
        assert after.find(name, group).low > before.find(name, group).value
    gap = next(
        row
        for row in after.measurements
        if row.metric == "deferral_rate_difference" and row.slice == (("g", "y"),) and row.against == {"kind": "rest"}
    )
    assert gap.low > 0.2
    assert after.find("deferral_rate", {"g": "x"}).value == 0


def test_the_truth_lies_between_all_wrong_and_all_right():
    y, g, decides, defers = hard_cases_deferred(seed=1)
    truth, after = run_audit(log_of(y, decides, g, abstain=None)), run_audit(log_of(y, defers, g))
    for group in ({"g": "x"}, {"g": "y"}):
        for name, lower in (("accuracy", True), ("false_negative_rate", False), ("false_positive_rate", False)):
            ends = after.find(name, group).value, after.find(f"{name}_if_deferred_right", group).value
            low, high = ends if lower else ends[::-1]
            assert low <= truth.find(name, group).value <= high


def test_more_deferral_never_makes_a_plain_rate_better():
    random = np.random.default_rng(2)
    y, p = (random.integers(0, 2, 300).astype(str) for _ in range(2))
    order = random.permutation(300)
    previous = None
    for deferred in (0, 50, 120, 300):
        now = p.copy().astype(object)
        now[order[:deferred]] = "?"
        result = run_audit(log_of(y, now, ["x"] * 300))
        rates = [result.find(name).value for name in ("accuracy", "false_negative_rate", "false_positive_rate")]
        if previous is not None:
            assert rates[0] <= previous[0]
            assert rates[1] >= previous[1]
            assert rates[2] >= previous[2]
        previous = rates


def test_an_empty_prediction_is_a_deferred_row_where_abstaining_is_declared():
    result = run_audit(log_of(["1", "0", "1", "0"], ["1", "0", None, "?"], ["x"] * 4))
    assert result.find("deferral_rate").value == 0.5
    with pytest.raises(InputError, match="y_pred: 1 rows have none"):
        run_audit(log_of(["1", "0"], ["1", None], ["x"] * 2, abstain=None))


def test_a_label_that_never_abstains_is_a_rate_of_zero_with_its_interval():
    result = run_audit(log_of(["1", "0"] * 50, ["1", "0"] * 50, ["x"] * 100))
    row = result.find("deferral_rate")
    assert (row.value, row.n) == (0, 100)
    assert 0.03 < row.high < 0.04


def test_another_spelling_of_the_abstaining_label_is_refused():
    with pytest.raises(InputError, match="expected two labels; found 3"):
        run_audit(log_of(["1", "0"], ["1", "Unsure"], ["x"] * 2, abstain="unsure"))


def test_every_row_deferred_leaves_decided_rates_undefined():
    result = run_audit(log_of(["1", "0"] * 20, ["?"] * 40, ["x"] * 40))
    assert result.find("deferral_rate").value == 1
    assert result.find("accuracy").value == 0
    assert result.find("accuracy_if_deferred_right").value == 1
    assert not [row for row in result.measurements if row.metric == "decided_accuracy" and row.value is not None]


def test_deferral_needs_predictions_and_a_label_of_its_own():
    frame = pa.table({"y": [1, 0], "s": [0.2, 0.4]})
    with pytest.raises(InputError, match="abstain names a prediction; name y_pred"):
        PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, abstain="?")
    with pytest.raises(InputError, match="abstain is '1', which y_true has as a label"):
        run_audit(log_of(["1", "0"], ["1", "0"], ["x"] * 2, abstain="1"))


def test_a_tally_with_deferral_is_written_read_added_and_never_read_as_if_all_were_decided(tmp_path):
    y, g, _, defers = hard_cases_deferred(200)
    whole = count(log_of(y, defers, g))
    assert (
        count(log_of(y[:80], defers[:80], g[:80])) + count(log_of(y[80:], defers[80:], g[80:]))
    ).digest() == whole.digest()
    whole.write(tmp_path / "tally.parquet")
    assert Tally.read(tmp_path / "tally.parquet").deferral
    with pytest.raises(ValueError, match="precision rests on predictions, and some rows have none"):
        view_of(whole, "precision")
    assert answers(whole, "decided_precision")
    assert set(metric_names(whole)) <= {*METRICS, *DEFERRAL_METRICS}


def test_scores_of_deferred_rows_are_ranked_like_all_others():
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 400)
    s = np.round(np.clip(0.3 * y + random.random(400) * 0.7, 0, 1), 2)
    p = np.where(abs(s - 0.5) < 0.1, "?", (s > 0.5).astype(int).astype(str))
    frame = pa.table({"y": y, "s": s, "p": p})
    roles = {"y_true": "y", "y_score": "s"}
    deferring = run_audit(PredictionLog.from_frame(frame, y_pred="p", abstain="?", **roles)).find("roc_auc")
    deciding = run_audit(PredictionLog.from_frame(frame, threshold=0.5, **roles)).find("roc_auc")
    assert (deferring.value, deferring.low) == pytest.approx((deciding.value, deciding.low))


def test_clusters_stay_clusters():
    y, _, _, defers = hard_cases_deferred(300)
    frame = pa.table({"y": np.repeat(y, 3), "p": np.repeat(defers, 3), "who": np.repeat(np.arange(300), 3)})
    roles = {"y_true": "y", "y_pred": "p", "abstain": "?"}
    one = run_audit(PredictionLog.from_frame(frame, cluster="who", **roles))
    two = run_audit(PredictionLog.from_frame(frame, **roles))
    for name in ("deferral_rate", "accuracy", "decided_accuracy"):
        wide, narrow = one.find(name), two.find(name)
        assert wide.value == pytest.approx(narrow.value)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
