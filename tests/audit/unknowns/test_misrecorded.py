import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.unknowns.misrecorded import misrecorded_rows, shares_from_errors


def tally_of(frame, **roles):
    return count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], **roles))


def world(rows, seed, wrong=0.15):
    """Rows with a true group, and a recorded one that is wrong in ways that depend on the decision."""
    random = np.random.default_rng(seed)
    true = random.choice(["F", "M"], rows)
    y = random.integers(0, 2, rows)
    p = (random.random(rows) < np.where(true == "F", 0.3, 0.5) + 0.2 * y).astype(int)
    flip = random.random(rows) < wrong * np.where(p == 1, 1.6, 0.6)
    recorded = np.where(flip, np.where(true == "F", "M", "F"), true)
    return pd.DataFrame({"y": y, "p": p, "g": recorded, "true": true})


def shares_of(frame):
    table = pd.crosstab(frame["g"], frame["true"], normalize="index")
    return {group: table.loc[group].to_dict() for group in table.index}


def value(rows, metric, **where):
    return next(row for row in rows if row.metric == metric and dict(row.slice) == where)


def test_bounds_hold_the_rates_of_the_true_groups():
    frame = world(20_000, 1)
    rows = misrecorded_rows(tally_of(frame), feature="g", shares=shares_of(frame), metrics=["selection_rate"])
    for group in "FM":
        truth = frame.loc[frame["true"] == group, "p"].mean()
        low, high = (value(rows, f"selection_rate_{side}_bound", g=group) for side in ("lower", "upper"))
        assert low.value <= truth <= high.value
        assert low.low <= low.value <= low.high
    gap = abs(frame.groupby("true")["p"].mean().diff().iloc[-1])
    naive = abs(frame.groupby("g")["p"].mean().diff().iloc[-1])
    assert abs(naive - gap) > 0.02  # the recorded groups show another gap than the true ones
    low, high = (value(rows, f"selection_rate_difference_{side}_bound") for side in ("lower", "upper"))
    assert low.value <= gap <= high.value
    assert high.at == (("feature", "g"),)


def test_bounds_are_the_ends_of_a_linear_program():
    random = np.random.default_rng(2)
    truly, seen = ["a", "b", "c"], ["r", "s"]
    n, rates = np.array([40, 60]), np.array([0.35, 0.8])
    mixed = random.dirichlet(np.ones(3), 2)
    frame = pd.DataFrame(
        {
            "y": 1,
            "p": np.concatenate([np.arange(k) < r * k for k, r in zip(n, rates, strict=True)]).astype(int),
            "g": np.repeat(seen, n),
        }
    )
    shares = {group: dict(zip(truly, mixed[i].tolist(), strict=True)) for i, group in enumerate(seen)}
    rows = misrecorded_rows(tally_of(frame), feature="g", shares=shares, metrics=["selection_rate"])
    total = (n[:, None] * mixed).sum(axis=0)
    # One variable per (recorded, true): the share of r's rows who are truly t and selected.
    equal = np.kron(np.eye(2), np.ones((1, 3)))
    bounds = [(0, share) for share in mixed.ravel()]

    def extreme(weights, sign):
        found = linprog(-sign * weights.ravel(), A_eq=equal, b_eq=rates, bounds=bounds)
        return -sign * found.fun

    gaps = []
    for t, group in enumerate(truly):
        weights = np.zeros((2, 3))
        weights[:, t] = n / total[t]
        assert value(rows, "selection_rate_lower_bound", g=group).value == pytest.approx(extreme(weights, -1))
        assert value(rows, "selection_rate_upper_bound", g=group).value == pytest.approx(extreme(weights, 1))
        for u in set(range(3)) - {t}:
            other = weights.copy()
            other[:, u] = -n / total[u]
            gaps.append(extreme(other, 1))
    assert value(rows, "selection_rate_difference_upper_bound").value == pytest.approx(max(gaps))


def test_an_attribute_without_errors_gives_the_rates_themselves():
    frame = world(500, 3, wrong=0)
    rows = misrecorded_rows(tally_of(frame), feature="g", shares={"F": {"F": 1.0}, "M": {"M": 1.0}})
    for metric, mask in (("selection_rate", slice(None)), ("true_positive_rate", frame["y"] == 1)):
        for group in "FM":
            part = frame[mask] if not isinstance(mask, slice) else frame
            rate = part.loc[part["g"] == group, "p"].mean()
            for side in ("lower", "upper"):
                assert value(rows, f"{metric}_{side}_bound", g=group).value == pytest.approx(rate)


def test_bounds_with_chance_cover_the_truth():
    big = world(400_000, 4)
    truth, shares = big.loc[big["true"] == "F", "p"].mean(), shares_of(big)
    covered = 0
    for seed in range(100):
        rows = misrecorded_rows(tally_of(world(300, 10 + seed)), feature="g", shares=shares, metrics=["selection_rate"])
        low, high = (value(rows, f"selection_rate_{side}_bound", g="F") for side in ("lower", "upper"))
        covered += low.low <= truth <= high.high
    assert covered >= 95


def test_shares_from_errors_are_those_of_the_joint_table():
    frame = world(5000, 5)
    errors = pd.crosstab(frame["true"], frame["g"], normalize="index")
    found = shares_from_errors(
        {true: errors.loc[true].to_dict() for true in errors.index}, frame["g"].value_counts().to_dict()
    )
    for group, expected in shares_of(frame).items():
        assert found[group] == pytest.approx(expected)
    with pytest.raises(InputError, match="no mixture of true groups gives the recorded shares"):
        shares_from_errors({"F": {"F": 0.9, "M": 0.1}, "M": {"F": 0.2, "M": 0.8}}, {"F": 0.99, "M": 0.01})
    with pytest.raises(InputError, match="cannot be inverted"):
        shares_from_errors({"F": {"F": 0.5, "M": 0.5}, "M": {"F": 0.5, "M": 0.5}}, {"F": 1, "M": 1})


def test_bad_input():
    frame = world(50, 6)
    with pytest.raises(InputError) as error:
        misrecorded_rows(tally_of(frame), feature="g", shares={"F": {"F": 0.7}}, metrics=["f1"], level=2)
    text = str(error.value)
    for part in ("level must lie", "'f1' is no rate", "shares say nothing of the recorded group 'M'", "sum to 1"):
        assert part in text
    with pytest.raises(InputError, match="'h' is no sensitive feature"):
        misrecorded_rows(tally_of(frame), feature="h", shares={})
    weighted = tally_of(frame.assign(w=1.5), sample_weight="w")
    with pytest.raises(InputError, match="leave weights and clusters out"):
        misrecorded_rows(weighted, feature="g", shares=shares_of(frame))


def test_undefined_rates_are_undefined_bounds():
    frame = pd.DataFrame({"y": [1, 1, 0], "p": [1, 0, 1], "g": [*"FFM"]})
    rows = misrecorded_rows(
        tally_of(frame),
        feature="g",
        shares={"F": {"F": 0.9, "M": 0.1}, "M": {"M": 1.0}},
        metrics=["true_positive_rate"],
    )
    row = value(rows, "true_positive_rate_lower_bound", g="F")
    assert (row.value, row.reason) == (None, "no positive labels in a recorded group")


def test_the_ends_of_bounds_keep_their_level_where_every_group_is_recorded_rightly():
    """Then a bound is the rate itself, and all the slack between bound and truth is gone: least favourable."""
    rng, runs, held = np.random.default_rng(7), 300, 0
    shares = {"F": {"F": 1.0}, "M": {"M": 1.0}}
    for _ in range(runs):
        frame = pd.DataFrame({"y": 1, "p": (rng.random(400) < 0.4).astype(int), "g": [*"FM"] * 200})
        rows = misrecorded_rows(tally_of(frame), feature="g", shares=shares, metrics=["selection_rate"])
        ends = [value(rows, "selection_rate_lower_bound", g=group) for group in "FM"]
        held += all(row.low <= 0.4 <= row.high for row in ends)
    assert 0.915 * runs <= held <= 0.985 * runs


def test_nothing_recorded_and_no_shares_are_refused():
    frame = world(20, 8).assign(g=None)
    with pytest.raises(InputError, match="no row has a recorded value of 'g'"):
        misrecorded_rows(tally_of(frame), feature="g", shares={"F": {"F": 1.0}})
    for recorded in ({"F": 0, "M": 0}, {"F": -1, "M": 2}, {"F": float("nan"), "M": 1}):
        with pytest.raises(InputError, match="recorded must hold shares or counts"):
            shares_from_errors({"F": {"F": 1.0}, "M": {"F": 0.2, "M": 0.8}}, recorded)


def test_the_largest_gap_says_which_true_groups_it_is_over():
    frame = world(400, 3)
    shares = shares_of(frame)
    gap = value(misrecorded_rows(tally_of(frame), feature="g", shares=shares, metrics=["selection_rate"]),
                "selection_rate_difference_upper_bound")  # fmt: skip
    assert gap.against == {"kind": "groups", "features": ["g"], "among": [["F"], ["M"]]}
    frame["y"] = np.where(frame["g"] == "F", 0, frame["y"])
    gap = value(misrecorded_rows(tally_of(frame), feature="g", shares=shares, metrics=["true_positive_rate"]),
                "true_positive_rate_difference_upper_bound")  # fmt: skip
    assert gap.value is None
    assert gap.against["undefined"] == [["F"], ["M"]]
