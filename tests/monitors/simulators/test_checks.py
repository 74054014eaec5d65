"""What is said of bad settings."""

import pytest

from monitors.simulators.checks import not_a_split, not_among, not_below, not_positive, not_shares

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_shares_are_shares(value):
    assert not_shares(share=value) == []


@pytest.mark.parametrize("value", [-0.001, 1.001, NAN, INF])
def test_no_shares(value):
    assert not_shares(share=value) == [f"share must lie in [0, 1]; got {value}"]


@pytest.mark.parametrize("value", [-1.0, NAN, INF])
def test_no_numbers(value):
    assert len(not_below(0, size=value)) == 1
    assert len(not_positive(size=value)) == 1


def test_ends():
    assert not_below(0, size=0) == []
    assert len(not_positive(size=0)) == 1
    assert not_a_split(0.5, 0.5) == []
    assert len(not_a_split(NAN, 0.0)) == 1
    assert len(not_a_split(-0.1, 0.2)) == 1


def test_options_and_all_of_them():
    assert not_among(("a",), letter="a") == []
    assert len(not_shares(one=2, two=3, three=0.5)) == 2
