"""The drift monitor: when it rings, when it does not, what its rows say."""

from datetime import timedelta

import numpy as np
import pytest

from audit.errors import InputError
from audit.result import Result
from monitors.counts.binning import Binning
from monitors.counts.profile import Profile
from monitors.counts.reference import frozen
from monitors.drift.dispersion import feature_dispersion
from monitors.drift.run import drift
from monitors.drift.settings import DriftSettings

ANY_CHANGE = DriftSettings(ks_limit=0.0, tv_limit=0.0, factor_limit=1.0)


def rang(found) -> list[tuple[str, str, int]]:
    """Return (feature, group, day) of every alarm."""
    rows = {row.key(): row for row in found.rows}
    start = min(row.window[0] for row in found.rows)
    return [
        (dict(rows[alarm.key].at)["feature"], dict(rows[alarm.key].slice).get("group", ""), (alarm.since - start).days)
        for alarm in found.alarms
    ]


def rows_of(found, metric: str, **of):
    return [row for row in found.rows if row.metric == metric and all(getattr(row, k) == v for k, v in of.items())]


def columns(rng, n: int, numeric: int = 3, categorical: int = 1) -> dict[str, np.ndarray]:
    numbers = {f"n{k}": rng.normal(size=n) for k in range(numeric)}
    return numbers | {f"c{k}": rng.choice(5, n, p=[0.4, 0.3, 0.2, 0.09, 0.01]) for k in range(categorical)}


def test_quiet_where_nothing_changes_over_40_daily_looks(compared) -> None:
    false = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        reference, current = compared(
            {None: columns(rng, 2000, 10, 5)}, [{None: columns(rng, 100, 10, 5)} for _ in range(40)]
        )
        found = drift(reference, current, settings=ANY_CHANGE)
        false += bool(found.alarms)
    assert false <= 2  # expected at most .4; more than 2 has a chance below .01


@pytest.mark.slow
def test_false_alarms_in_40_daily_looks_of_25_columns(compared) -> None:
    false = 0
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        reference, current = compared(
            {None: columns(rng, 5000, 20, 5)}, [{None: columns(rng, 100, 20, 5)} for _ in range(40)]
        )
        false += bool(drift(reference, current, settings=ANY_CHANGE).alarms)
    assert false / 200 <= 0.05


def test_correlated_columns_keep_the_promise_too(compared) -> None:
    def copies(rng, n: int) -> dict[str, np.ndarray]:
        base = rng.normal(size=n)
        return {f"n{k}": base + 0.1 * rng.normal(size=n) for k in range(10)}

    false = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        reference, current = compared({None: copies(rng, 500)}, [{None: copies(rng, 100)} for _ in range(20)])
        false += bool(drift(reference, current, settings=ANY_CHANGE).alarms)
    assert false <= 3


def test_a_shift_in_window_20_rings_within_days_and_only_there(compared) -> None:
    rng = np.random.default_rng(1)
    windows = [{None: columns(rng, 300)} for _ in range(30)]
    for window in windows[19:]:
        window[None]["n1"] = window[None]["n1"] + 0.5
    found = drift(*compared({None: columns(rng, 5000)}, windows))
    [(feature, group, day)] = rang(found)
    assert (feature, group) == ("n1", "")
    assert 19 <= day <= 21
    row = next(row for row in found.rows if row.key() == found.alarms[0].key)
    assert "since 2026-01-2" in row.reason
    assert found.alarms[0].e_value >= found.alarms[0].limit == 4 / 0.05


def test_alarms_do_not_unring_when_more_windows_come(compared) -> None:
    rng = np.random.default_rng(2)
    windows = [{None: columns(rng, 400)} for _ in range(25)]
    for window in windows[5:9]:  # it passes
        window[None]["n0"] = window[None]["n0"] + 0.8
    reference, current = compared({None: columns(rng, 5000)}, windows)
    earlier = [
        drift(
            reference,
            Profile(
                windows=current.windows[:until],
                slices=current.slices,
                binnings=current.binnings,
                counts={name: counts[:until] for name, counts in current.counts.items()},
                rows=current.rows[:until],
            ),
        ).alarms
        for until in (7, 12, 25)
    ]
    assert earlier[0]
    assert earlier[0] == earlier[1] == earlier[2]


def test_a_minority_category_that_triples_is_found(compared) -> None:
    rng = np.random.default_rng(3)

    def column(n: int, share: float) -> dict[str, np.ndarray]:
        return {"c": np.where(rng.random(n) < share, 7, rng.integers(0, 6, n))}

    windows = [{None: column(500, 0.01 if w < 5 else 0.03)} for w in range(20)]
    found = drift(*compared({None: column(5000, 0.01)}, windows))
    [(_, _, day)] = rang(found)
    assert 5 <= day <= 12
    quick = drift(*compared({None: column(5000, 0.01)}, windows), settings=ANY_CHANGE)
    assert 5 <= rang(quick)[0][2] <= 8


def test_a_million_rows_do_not_ring_for_a_hundredth_of_a_sd(compared) -> None:
    rng = np.random.default_rng(4)
    reference, current = compared(
        {None: {"x": rng.normal(size=1_000_000)}}, [{None: {"x": rng.normal(0.03, 1, 1_000_000)}}]
    )
    found = drift(reference, current)
    assert not found.alarms
    [row] = rows_of(found, "drift_e_value")
    assert row.value > 1e6  # it has changed
    assert "not shown to pass the practical limit" in row.reason
    assert drift(reference, current, settings=ANY_CHANGE).alarms


def test_small_samples_ring_nothing_and_say_how_many_rows_are_needed(compared) -> None:
    rng = np.random.default_rng(5)
    found = drift(*compared({None: columns(rng, 5000)}, [{None: columns(rng, 20)} for _ in range(5)]))
    assert not found.alarms
    assert all("more rows are needed" in row.reason for row in rows_of(found, "drift_e_value"))
    [first] = [
        row for row in rows_of(found, "drift_e_value", window=found.rows[0].window) if dict(row.at)["feature"] == "n0"
    ]
    needed = float(first.reason.split()[1].replace(",", ""))
    assert 1000 < needed < 10_000
    small = drift(*compared({None: columns(rng, 40)}, [{None: columns(rng, 20)}]))
    assert all(row.value is None and "at least 50" in row.reason for row in rows_of(small, "drift_e_value"))


def test_tiny_scales_and_outliers_hide_nothing(compared) -> None:
    rng = np.random.default_rng(6)
    was = {"tiny": 1e-5 * rng.normal(size=4000), "wild": np.append(rng.normal(size=3999), 1e12)}
    now = {"tiny": 1e-5 * rng.normal(1, 1, 600), "wild": np.append(rng.normal(1, 1, 599), -1e12)}
    found = drift(*compared({None: was}, [{None: now}]))
    assert sorted(feature for feature, _, _ in rang(found)) == ["tiny", "wild"]
    for row in rows_of(found, "wasserstein_distance_iqr"):
        assert 0.5 < row.value < 1.0  # 1 sd = .74 inter-quartile ranges


def test_two_true_changes_among_25_features_and_20_groups(compared) -> None:
    rng = np.random.default_rng(7)
    groups = [f"g{k:02d}" for k in range(20)]
    was = {group: columns(rng, 1000, 25, 0) for group in groups}
    now = {group: columns(rng, 1000, 25, 0) for group in groups}
    now["g03"]["n5"] = now["g03"]["n5"] + 0.6
    now["g11"]["n20"] = now["g11"]["n20"] - 0.6
    found = drift(*compared(was, [now]))
    by_group = [(feature, group) for feature, group, _ in rang(found) if group]
    assert sorted(by_group) == [("n20", "g11"), ("n5", "g03")]
    # everyone's 20,000 rows changed by a twentieth of that: evidence, below the limit
    assert [feature for feature, group, _ in rang(found) if not group] == []


def test_missing_values_and_new_categories_ring(compared) -> None:
    rng = np.random.default_rng(8)
    was, now = columns(rng, 5000), columns(rng, 1000)
    now["n0"] = np.where(rng.random(1000) < 0.3, np.nan, now["n0"])
    now["c0"] = np.where(rng.random(1000) < 0.2, 99, now["c0"])
    found = drift(*compared({None: was}, [{None: now}]))
    assert sorted(feature for feature, _, _ in rang(found)) == ["c0", "n0"]


@pytest.mark.parametrize("kind", ["all missing", "all new", "constant"])
def test_floods_and_constants(compared, kind: str) -> None:
    rng = np.random.default_rng(9)
    was = {"n": rng.normal(size=1000), "c": rng.integers(0, 3, 1000)}
    now = {"n": rng.normal(size=400), "c": rng.integers(0, 3, 400)}
    if kind == "all missing":
        now = {"n": np.full(400, np.nan), "c": np.full(400, -1)}
    elif kind == "all new":
        now["c"] = np.arange(1000, 1400)
    else:
        was = {"n": np.zeros(1000), "c": np.zeros(1000, dtype=int)}
        now = {"n": np.ones(400), "c": np.ones(400, dtype=int)}
    found = drift(*compared({None: was}, [{None: now}]))
    expected = {"all missing": ["c", "n"], "all new": ["c"], "constant": ["c", "n"]}[kind]
    assert sorted(feature for feature, _, _ in rang(found)) == expected
    Result(measurements=found.rows, alarms=found.alarms).to_json()


def test_a_constant_that_stays_is_quiet(compared) -> None:
    one = {"n": np.zeros(500), "c": np.zeros(500, dtype=int), "none": np.full(500, np.nan)}
    found = drift(*compared({None: one}, [{None: one}] * 5))
    assert not found.alarms
    [row] = rows_of(found, "wasserstein_distance_iqr", window=found.rows[0].window)[:1]
    assert row.value is None


def test_columns_of_ids_are_quiet(compared) -> None:
    def ids(start: int, n: int) -> dict[str, np.ndarray]:
        return {"id": np.arange(start, start + n)}

    found = drift(*compared({None: ids(0, 2000)}, [{None: ids(10_000 * w, 300)} for w in range(1, 6)]))
    assert [row.value < 20 for row in rows_of(found, "drift_e_value")] == [True] * 5
    assert not found.alarms or rang(found)[0][0] == "id"


def test_empty_windows_have_no_value_and_ring_nothing(compared) -> None:
    rng = np.random.default_rng(10)
    nothing = {name: values[:0] for name, values in columns(rng, 10).items()}
    found = drift(
        *compared({None: columns(rng, 1000)}, [{None: columns(rng, 200)}, {None: nothing}, {None: columns(rng, 1)}])
    )
    second = [row for row in found.rows if row.window[0] == found.rows[0].window[0] + timedelta(days=1)]
    assert second
    assert all(row.value is None and row.n == 0 and row.reason == "no rows in this window" for row in second)
    assert not found.alarms


def test_the_family_is_that_of_the_reference_so_that_new_groups_take_no_alarm_back(compared) -> None:
    rng = np.random.default_rng(11)
    was = {group: columns(rng, 500) for group in "ab"}
    calm, moved = ({"a": columns(rng, 300), "b": columns(rng, 300)} for _ in range(2))
    moved["a"] = {name: values + 0.8 if values.dtype.kind == "f" else values for name, values in moved["a"].items()}
    spellings = {f"new{place}": columns(rng, 5) for place in range(60)}
    first, more = (drift(*compared(was, part)) for part in ([calm, moved], [calm, moved, calm | spellings]))
    assert first.alarms
    assert set(first.alarms) <= set(more.alarms)
    assert {row.slice for row in more.rows} == {row.slice for row in first.rows}


def test_rows_are_those_of_the_contract(compared) -> None:
    rng = np.random.default_rng(12)
    was, now = {g: columns(rng, 400) for g in "ab"}, {g: columns(rng, 200) for g in "ab"}
    reference, current = compared(was, [now, now])
    found = drift(reference, current)
    Result(measurements=found.rows)  # unique keys
    metrics = {(row.metric, bool(row.slice), dict(row.at)["feature"][0]) for row in found.rows}
    everyone = {
        "population_stability_index", "jensen_shannon_distance", "hellinger_distance", "total_variation_distance",
        "drift_e_value",
    }  # fmt: skip
    numbers = {"kolmogorov_smirnov_statistic", "wasserstein_distance", "wasserstein_distance_iqr"}
    assert {m for m, grouped, kind in metrics if not grouped and kind == "n"} == everyone | numbers
    assert {m for m, grouped, kind in metrics if not grouped and kind == "c"} == everyone
    effects = {"n": "kolmogorov_smirnov_statistic", "c": "total_variation_distance"}
    for kind, effect in effects.items():
        assert {m for m, grouped, k in metrics if grouped and k == kind} == {
            effect,
            "population_stability_index",
            "drift_e_value",
        }
    assert {row.against["digest"] for row in found.rows} == {reference.digest}
    assert {row.n for row in found.rows if not row.slice} == {400}
    for row in found.rows:
        if row.low is not None and row.high is not None:
            assert row.low <= row.value <= row.high


def test_order_of_slices_and_features_does_not_matter(compared) -> None:
    rng = np.random.default_rng(13)
    was, now = {g: columns(rng, 400) for g in "ab"}, {g: columns(rng, 200) for g in "ab"}
    now["b"]["n0"] = now["b"]["n0"] + 2
    reference, current = compared(was, [now])
    turned = Profile(
        windows=current.windows,
        slices=current.slices,
        binnings=dict(reversed(current.binnings.items())),
        counts=current.counts,
        rows=current.rows,
    )
    assert {row.key(): row for row in drift(reference, current).rows} == {
        row.key(): row for row in drift(reference, turned).rows
    }


@pytest.mark.parametrize("kind", ["clusters", "autocorrelation", "weekly cycle"])
def test_dependent_rows_ring_without_a_dispersion_and_not_with_it(compared, kind: str) -> None:
    def day(rng, number: int, level: float) -> dict[str, np.ndarray]:
        if kind == "clusters":
            return {"n": np.repeat(rng.normal(size=20), 10) + 0.01 * rng.normal(size=200)}
        if kind == "autocorrelation":
            return {"n": level + rng.normal(size=200)}
        return {"n": 0.4 * np.sin(2 * np.pi * number / 7) + rng.normal(size=200)}

    rang_without = rang_with = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        level = np.zeros(84)
        for place in range(1, 84):
            level[place] = 0.3 * level[place - 1] + 0.3 * rng.normal()
        days = [day(rng, number, level[number]) for number in range(84)]
        joined = {"n": np.concatenate([one["n"] for one in days[:56]])}
        reference, current = compared({None: joined}, [{None: one} for one in days[56:]])
        blocks = compared({None: joined}, [{None: one} for one in days[:56]])[1]
        widened = DriftSettings(ks_limit=0.0, dispersion=feature_dispersion(blocks))
        rang_without += bool(drift(reference, current, settings=ANY_CHANGE).alarms)
        rang_with += bool(drift(reference, current, settings=widened).alarms)
    assert rang_without >= 6
    assert rang_with <= 1


def test_a_log_that_is_not_cut_into_windows(compared) -> None:
    rng = np.random.default_rng(14)
    reference, dated = compared(
        {None: columns(rng, 2000)}, [{None: {**columns(rng, 500), "n0": rng.normal(2, 1, 500)}}]
    )
    whole = Profile(windows=(None,), slices=dated.slices, binnings=dated.binnings, counts=dated.counts, rows=dated.rows)
    assert not drift(reference, whole).alarms
    when = dated.windows[0][1]
    [alarm] = drift(reference, whole, undated=when).alarms
    assert alarm.since == when


def test_other_bins_are_refused() -> None:
    def profile(edge: float) -> Profile:
        binnings = {"age": Binning(feature="age", kind="numeric", edges=(edge,))}
        counts = {"age": np.array([[[5, 5, 0]]])}
        return Profile(windows=(None,), slices=((),), binnings=binnings, counts=counts, rows=np.array([[10]]))

    with pytest.raises(ValueError, match="expected the bins of the reference; \\['age'\\] have others"):
        drift(frozen(profile(1.0), sensitive_features=()), profile(2.0))


def test_settings_outside_their_range_are_listed_together() -> None:
    with pytest.raises(InputError) as refused:
        DriftSettings(alpha=0.0, ks_limit=1.5, factor_limit=0.5, min_reference=0, dispersion={"age": 0.5})
    text = str(refused.value)
    for part in (
        "alpha must lie",
        "ks_limit must lie",
        "factor_limit must be",
        "min_reference must be",
        "dispersion of age",
    ):
        assert part in text
