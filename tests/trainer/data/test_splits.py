import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.splits import split_given, split_groups, split_rows, split_time


def test_parts_are_disjoint_and_complete():
    split = split_rows(1000, valid=0.15, test=0.25, seed=4)
    assert (len(split.train), len(split.valid), len(split.test)) == (600, 150, 250)
    assert sorted([*split.train, *split.valid, *split.test]) == list(range(1000))


def test_same_seed_same_digest_and_other_seed_other_rows():
    assert split_rows(300, seed=1).digest == split_rows(300, seed=1).digest
    assert split_rows(300, seed=1).digest != split_rows(300, seed=2).digest


def test_digest_sees_in_which_part_a_row_is():
    one = split_given(train=[0, 1], valid=[2], test=[])
    other = split_given(train=[0, 1], valid=[], test=[2])
    assert one.digest != other.digest


@pytest.mark.parametrize("seed", range(5))
def test_every_group_is_in_exactly_one_part(seed):
    rng = np.random.default_rng(seed)
    groups = pd.Series(rng.zipf(1.6, 3000).clip(max=400)).map("family {}".format)
    split = split_groups(groups, valid=0.2, test=0.2, seed=seed)
    parts = [set(groups.iloc[rows]) for rows in (split.train, split.valid, split.test)]
    assert parts[0] | parts[1] | parts[2] == set(groups)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert len(split.train) + len(split.valid) + len(split.test) == 3000


def test_group_shares_are_met_where_groups_are_small():
    split = split_groups(np.arange(6000) // 3, valid=0.2, test=0.3, seed=0)
    assert len(split.valid) == pytest.approx(1200, abs=3)
    assert len(split.test) == pytest.approx(1800, abs=3)


def test_positions_cannot_be_changed_afterwards():
    split = split_rows(10, seed=0)
    with pytest.raises(ValueError, match="read-only"):
        split.train[0] = 5


def test_a_missing_group_is_named():
    with pytest.raises(InputError, match="first missing one is at row 2"):
        split_groups(["a", "b", None, "c"])


def test_too_few_groups_are_refused():
    with pytest.raises(InputError, match="came out empty"):
        split_groups(["a"] * 50 + ["b"] * 50, valid=0.2, test=0.2)


@pytest.mark.parametrize(("valid", "test"), [(0.6, 0.4), (-0.1, 0.2), (0.2, 1.0)])
def test_shares_out_of_range_are_refused(valid, test):
    with pytest.raises(InputError, match="shares in"):
        split_rows(100, valid=valid, test=test)


def test_parts_may_be_left_out():
    split = split_rows(20, valid=0, test=0)
    assert len(split.train) == 20
    assert len(split.valid) == len(split.test) == 0


def test_overlap_negative_and_empty_train_are_refused():
    with pytest.raises(InputError) as caught:
        split_given(train=[], valid=[-1, 3], test=[3])
    assert len(caught.value.violations) == 3


@pytest.mark.parametrize("seed", range(5))
def test_time_runs_through_the_parts_and_ties_are_never_parted(seed):
    rng = np.random.default_rng(seed)
    times = pd.Series(rng.zipf(1.4, 2000).clip(max=300))
    split = split_time(times, valid=0.2, test=0.2)
    train, valid, test = (times.iloc[rows] for rows in (split.train, split.valid, split.test))
    assert train.max() < valid.min()
    assert valid.max() < test.min()
    assert sorted([*split.train, *split.valid, *split.test]) == list(range(2000))


def test_time_shares_are_met_where_times_differ():
    times = pd.Series(pd.date_range("2020-01-01", periods=1000, freq="h")).sample(frac=1.0, random_state=1)
    split = split_time(times, valid=0.1, test=0.3)
    assert (len(split.train), len(split.valid), len(split.test)) == (600, 100, 300)
    assert (split.method, split.seed) == ("time", None)
    assert split_time(times.astype(str), valid=0.1, test=0.3).digest == split.digest
    assert split_time(times.map(pd.Timestamp.toordinal), valid=0.1, test=0.3).digest != split.digest


def test_times_that_cannot_be_read_or_do_not_suffice_are_refused():
    with pytest.raises(InputError) as caught:
        split_time(["2026-01-01", "soon", None])
    assert "times, the column to split by, holds 'soon', which is no date, at row 1" in str(caught.value)
    assert "times must be known for every row; missing at row 2" in str(caught.value)
    with pytest.raises(InputError, match="came out empty: too few rows or groups"):
        split_time([1, 1, 1, 2, 2, 2])
    with pytest.raises(InputError, match="valid and test are shares"):
        split_time([1, 2, 3], valid=0.6, test=0.5)
