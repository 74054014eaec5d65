"""The times of simulated logs."""

from datetime import timedelta

import numpy as np
import pytest

from monitors.simulators.clock import START, times


@pytest.mark.parametrize(("step", "weeks"), [(0, 1), (3, 1), (2, 4)])
def test_times_lie_in_their_round(step, weeks):
    found = times(np.random.default_rng(1), 5000, step=step, weeks=weeks).to_pylist()
    begin, length = START + timedelta(weeks=weeks * step), timedelta(weeks=weeks)
    assert begin <= found[0] < begin + 0.01 * length
    assert begin + 0.99 * length < found[-1] < begin + length
    assert found == sorted(found)


def test_no_times():
    assert len(times(np.random.default_rng(1), 0, step=0)) == 0
