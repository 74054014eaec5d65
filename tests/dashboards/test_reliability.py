import pytest

from audit.measurement import Measurement
from audit.result import Result
from audit.scores.calibration import reliability
from dashboards.reliability import Bin, calibration_sentence, curves, has_calibration, level_of, worst_first


def metric(name, value, low, high, **more):
    return Measurement(metric=name, value=value, low=low, high=high, n=500, level=0.95, method="delta", **more)


def one_bin(place, promised, observed, low, high):
    at = (("bin", place),)
    return Bin(
        Measurement(
            metric="observed_rate", at=at, value=observed, low=low, high=high, n=80, level=0.95, method="wilson"
        ),
        Measurement(metric="mean_score", at=at, value=promised, n=80, method="mean"),
    )


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.02, 0.06, "All in all the scores promise too much, by 4.0 points [2.0, 6.0]."),
        (-0.06, -0.02, "All in all the scores promise too little, by 4.0 points [2.0, 6.0]."),
        (-0.02, 0.06, "All in all no error is shown: 2.0 points [−2.0, 6.0]."),
    ],
)
def test_all_in_all(low, high, text):
    row = metric("calibration_in_the_large", (low + high) / 2, low, high)
    assert calibration_sentence({row.metric: row}, []) == text


@pytest.mark.parametrize(("low", "high", "word"), [(0.5, 0.8, "extreme"), (1.2, 1.8, "timid"), (0.8, 1.2, None)])
def test_slopes(low, high, word):
    row = metric("calibration_slope", (low + high) / 2, low, high)
    text = calibration_sentence({row.metric: row}, [])
    assert text == ("Nothing is shown: not enough labelled rows." if word is None else text)
    assert (word or "Nothing") in text


def test_the_farthest_broken_promise_is_told():
    bins = [one_bin(1, 0.15, 0.3, 0.2, 0.4), one_bin(5, 0.55, 0.5, 0.4, 0.6), one_bin(8, 0.85, 0.5, 0.4, 0.6)]
    assert [one.outside for one in bins] == [True, False, True]
    text = calibration_sentence({}, bins)
    assert (
        "wrong in 2 of 3 ranges of scores; most in 0.8 to 0.9: promised 85.0 %, came true 50.0 % [40.0, 60.0]" in text
    )
    assert calibration_sentence({}, bins[1:2]) == "In no range of scores is the promise shown to be wrong."


def test_groups_without_an_error_stand_last():
    undefined = Measurement(
        metric="expected_calibration_error", slice=(("g", "a"),), value=None, n=0, method="none", reason="no labels"
    )
    shown = metric("expected_calibration_error", 0.1, 0.02, 0.2, slice=(("g", "b"),))
    groups = [(("g", "a"),), (("g", "b"),), (("g", "c"),)]
    assert worst_first(groups, Result(measurements=[undefined, shown]))[0] == (("g", "b"),)


def test_curves_keep_every_group_and_only_bins_with_rows(scored):
    rows = reliability(scored.tally, features=["race"])
    found = curves(rows)
    assert [group[0][1] for group in found] == ["Blue", "Green", "Red"]
    assert sum(len(bins) for bins in found.values()) == sum(row.metric == "mean_score" and row.n > 0 for row in rows)
    assert has_calibration(scored)
    assert level_of(scored) == 0.95
    assert not has_calibration(Result(measurements=scored.measurements))
