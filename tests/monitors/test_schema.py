"""Missing values, new and vanished categories: what is told of each, and that chance alone does not ring."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom

from audit.errors import InputError
from audit.result import Result
from monitors.counts.binning import Binning
from monitors.counts.profile import Profile
from monitors.schema import SchemaSettings, schema

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "<script>=1+1\u202e\n" + "x" * 60
RACE = Binning(feature="race", kind="categorical", categories=("A", "B", HOSTILE))
AGE = Binning(feature=HOSTILE, kind="numeric", edges=(30.0, 50.0))


def profile_of(counts, *, slices=((),), binning=RACE, weeks=True):
    """Make a profile of one feature: counts of shape (n_windows, n_slices, n_bins)."""
    table = np.asarray(counts, dtype=np.int64)
    table = table[:, None, :] if table.ndim == 2 else table
    edges = [MONDAY + timedelta(weeks=week) for week in range(len(table) + 1)]
    windows = tuple(pairwise(edges)) if weeks else (None,)
    return Profile(
        windows=windows, slices=slices, binnings={binning.feature: binning}, counts={binning.feature: table},
        rows=table.sum(axis=2),
    )  # fmt: skip


REFERENCE = profile_of([[600, 380, 20, 0, 0]], weeks=False)


def rows_of(found, metric):
    return [row for row in found.rows if row.metric == metric]


def test_shares_have_an_interval_and_their_own_denominator():
    found = schema(REFERENCE, profile_of([[50, 30, 2, 8, 10]]))
    (missing,), (new,) = rows_of(found, "missing_share"), rows_of(found, "new_category_share")
    assert (missing.value, missing.n, missing.at) == (0.1, 100, (("feature", "race"),))
    assert (new.value, new.n) == (pytest.approx(8 / 90), 90)
    assert missing.low < 0.1 < missing.high
    assert {missing.method, new.method} == {"wilson", "clopper_pearson"}
    Result(measurements=found.rows, alarms=found.alarms)


def test_a_numeric_feature_has_no_categories():
    reference, current = (profile_of([[5, 5, 5, 1]], binning=AGE) for _ in range(2))
    assert {row.metric for row in schema(reference, current).rows} == {"missing_share"}


@pytest.mark.parametrize(
    ("window", "metric"),
    [
        ([60, 38, 2, 0, 40], "missing_share"),
        ([60, 38, 2, 40, 0], "new_category_share"),
        ([98, 0, 2, 0, 0], "vanished_categories"),
    ],
)
def test_each_fault_rings_in_its_window_and_stays(window, metric):
    quiet = [60, 38, 2, 0, 0]
    current = profile_of([quiet] * 4 + [window] + [quiet] * 3)
    (alarm,) = schema(REFERENCE, current).alarms
    (row,) = [row for row in schema(REFERENCE, current).rows if row.key() == alarm.key]
    assert (row.metric, alarm.since) == (metric, current.windows[4][0])
    assert alarm.e_value >= alarm.limit
    assert schema(REFERENCE, current, complete=4).alarms == ()
    cut = profile_of([quiet] * 4 + [window])
    assert schema(REFERENCE, cut).alarms == (alarm,)


def test_what_is_rare_may_be_absent_and_the_reason_says_how_likely_that_is():
    found = schema(REFERENCE, profile_of([[60, 38, 0, 0, 0]]))
    (row,) = rows_of(found, "vanished_categories")
    assert row.value == 1
    shown = HOSTILE[:37] + "..."
    assert row.reason == f"{shown!r}: 2 % of the reference, none in 98 rows (chance 1e-01)"
    assert "\n" not in row.reason
    assert found.alarms == ()


def test_many_vanished_categories_are_named_most_frequent_first():
    names = tuple(f"c{place}" for place in range(6))
    binning = Binning(feature="c", kind="categorical", categories=names)
    reference = profile_of([[10, 20, 30, 40, 50, 60, 0, 0]], binning=binning, weeks=False)
    (row,) = rows_of(schema(reference, profile_of([[9, 0, 0, 0, 0, 0, 0, 0]], binning=binning)), "vanished_categories")
    assert row.value == 5
    assert row.reason.startswith("'c5': 28.6 % of the reference, none in 9 rows")
    assert row.reason.endswith("; and 2 more")


def test_empty_and_all_missing_windows_have_no_value_and_never_ring_for_what_vanished():
    current = profile_of([[0, 0, 0, 0, 0], [0, 0, 0, 0, 500], [60, 38, 2, 0, 0]])
    found = schema(REFERENCE, current)
    missing, new, gone = (
        rows_of(found, metric) for metric in ("missing_share", "new_category_share", "vanished_categories")
    )
    assert [row.value for row in missing] == [None, 1.0, 0.0]
    assert [row.value for row in new] == [None, None, 0.0]
    assert [row.value for row in gone] == [None, None, 0.0]
    assert {row.reason for row in gone[:2]} == {"no rows in this window"}
    assert [alarm.key for alarm in found.alarms] == [missing[1].key()]


def test_all_new_categories():
    (alarm,) = [
        alarm
        for alarm in schema(REFERENCE, profile_of([[0, 0, 0, 300, 0]])).alarms
        if "new_category_share" in alarm.key
    ]
    assert alarm.since == MONDAY


def test_a_group_is_watched_for_itself_and_one_that_the_reference_lacks_does_not_ring():
    slices = ((), (("g", "a"),), (("g", None),))
    before = profile_of([[[900, 80, 20, 0, 0], [100, 0, 0, 0, 0]]], slices=slices[:2], weeks=False)
    now = profile_of([[[900, 80, 20, 0, 25], [75, 0, 0, 0, 25], [0, 0, 0, 50, 50]]], slices=slices)
    found = schema(before, now)
    assert len(found.alarms) == 1
    assert '{"g":"a"}' in found.alarms[0].key
    rows = {(row.metric, row.slice): row.value for row in found.rows}
    assert rows["missing_share", slices[2]] == 0.5
    assert ("vanished_categories", slices[2]) not in rows


def test_without_a_reference_there_are_rows_and_no_alarms():
    found = schema(None, profile_of([[0, 0, 0, 300, 300]]))
    assert {row.metric for row in found.rows} == {"missing_share", "new_category_share"}
    assert found.alarms == ()


def test_an_empty_or_constant_reference_is_no_evidence():
    empty = profile_of([[0, 0, 0, 0, 0]], weeks=False)
    found = schema(empty, profile_of([[5, 5, 5, 5, 5]]))
    assert found.alarms == ()
    assert rows_of(found, "vanished_categories")[0].reason == "the reference has no category"
    constant = profile_of([[1000, 0, 0, 0, 0]], weeks=False)
    (alarm,) = schema(constant, profile_of([[0, 300, 0, 0, 0]])).alarms
    assert "vanished_categories" in alarm.key


@pytest.mark.parametrize("runs", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_false_alarms_of_fifty_features_over_26_windows_stay_below_alpha(runs):
    rng = np.random.default_rng(7)
    shares = np.array([0.5, 0.3, 0.1, 0.07, 0.03])
    binning = Binning(feature="f", kind="categorical", categories=tuple("abcd"))
    rang = 0
    for _ in range(runs):
        binnings, before, now = {}, {}, {}
        for place in range(50):
            name = f"f{place}"
            binnings[name] = Binning(feature=name, kind="categorical", categories=binning.categories)
            values = np.append(shares[:4], shares[4])
            before[name] = np.insert(rng.multinomial(500, values), 4, 0)[None, None]
            now[name] = np.insert(rng.multinomial(100, values, size=26), 4, 0, axis=1)[:, None]
        windows = profile_of(np.ones((26, 5))).windows
        reference = Profile(windows=(None,), slices=((),), binnings=binnings, counts=before, rows=np.array([[500]]))
        current = Profile(windows=windows, slices=((),), binnings=binnings, counts=now, rows=np.full((26, 1), 100))
        rang += bool(schema(reference, current).alarms)
    assert binom.sf(rang - 1, runs, 0.05) > 0.01


def test_a_reference_with_other_bins_and_bad_settings_are_refused_together():
    other = profile_of([[1, 1, 1]], binning=Binning(feature="race", kind="categorical", categories=("A",)))
    with pytest.raises(InputError) as told:
        schema(other, profile_of([[1, 1, 1, 1, 1]]), settings=SchemaSettings(alpha=2, missing=-1, new=float("nan")))
    text = str(told.value)
    assert "4 problems" in text
    assert "feature 'race': the reference has other bins, or lacks it" in text
    assert "alpha must lie in (0, 1); got 2" in text
    assert "new must lie in [0, 1); got nan" in text


def test_groups_that_the_reference_lacks_take_no_alarm_back():
    slices = ((), (("g", "a"),))
    before = profile_of([[[900, 80, 20, 0, 0], [450, 40, 10, 0, 0]]], slices=slices, weeks=False)
    quiet, bad = [[90, 8, 2, 0, 0], [45, 4, 1, 0, 0]], [[90, 8, 2, 0, 0], [45, 4, 1, 0, 30]]
    first = schema(before, profile_of([quiet, bad], slices=slices))
    new = tuple((("g", f"new{place}"),) for place in range(200))
    none, few = [[0] * 5] * 200, [[1, 0, 0, 0, 0]] * 200
    more = schema(before, profile_of([quiet + none, bad + none, quiet + few], slices=slices + new))
    assert first.alarms
    assert set(first.alarms) <= set(more.alarms)


@pytest.mark.parametrize("tail", [1.5, 2.0])
def test_quiet_categories_with_a_heavy_tail_ring_nothing(tail):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        before, now = rng.zipf(tail, 3_000), rng.zipf(tail, (20, 300))
        known = sorted(set(before.tolist()))[:1000] if tail > 1.6 else sorted(set(before.tolist()))
        binning = Binning(feature="c", kind="categorical", categories=tuple(f"{value:020d}" for value in known))

        def counted(values, known=known):
            places = {value: place for place, value in enumerate(known)}
            found = [places.get(value, len(known)) for value in values.tolist()]
            return [*np.bincount(found, minlength=len(known) + 1).tolist(), 0]

        reference = profile_of([counted(before)], binning=binning, weeks=False)
        found = schema(reference, profile_of([counted(week) for week in now], binning=binning))
        assert not [alarm for alarm in found.alarms if "new_category_share" in alarm.key]


def test_identifiers_are_never_new_categories_and_of_too_many_categories_nothing_is_known():
    names = tuple(f"{place:04d}" for place in range(500))
    binning = Binning(feature="id", kind="categorical", categories=names)
    all_new = profile_of([[0] * 500 + [300, 0]] * 6, binning=binning)
    for before in ([1] * 500 + [0, 0], [900] * 500 + [40, 0]):
        found = schema(profile_of([before], binning=binning, weeks=False), all_new)
        assert not [alarm for alarm in found.alarms if "new_category_share" in alarm.key]


def test_dependent_rows_ask_for_as_much_more():
    window = profile_of([[60, 38, 2, 0, 12]])
    assert schema(REFERENCE, window).alarms
    assert not schema(REFERENCE, window, dispersion=10.0).alarms
    with pytest.raises(InputError, match="dispersion must be at least 1 and finite; got 0"):
        schema(REFERENCE, window, dispersion=0.0)


def test_a_dispersion_for_each_feature_is_that_of_the_feature_alone():
    week = ((MONDAY, MONDAY + timedelta(weeks=1)),)
    bins = {name: Binning(feature=name, kind="categorical", categories=("A", "B")) for name in ("a", "b")}
    was = dict.fromkeys(bins, np.array([[[90, 10, 0, 0]]]) * 100)
    now = dict.fromkeys(bins, np.array([[[400, 0, 0, 0]]]))

    def of(windows, counts):
        rows = counts["a"].sum(axis=-1)
        return Profile(windows=windows, slices=((),), binnings=bins, counts=counts, rows=rows)

    found = schema(of((None,), was), of(week, now), dispersion={"a": 40.0, "b": 1.0})
    assert ["b" in alarm.key for alarm in found.alarms] == [True]
    with pytest.raises(InputError, match=r"dispersion must be at least 1 and finite; got 0\.5"):
        schema(of((None,), was), of(week, now), dispersion={"a": 0.5})
