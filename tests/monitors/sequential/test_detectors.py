"""Detectors: recursions, one false alarm in N windows, prompt after a long good time."""

import numpy as np
import pytest

from monitors.sequential.detectors import first_window, log_e_detector
from monitors.sequential.risk import log_e_risk

TOLERATED, ROWS = 0.12, 100


def streams(risks: np.ndarray, repeats: int, seed: int = 4) -> np.ndarray:
    losses = np.random.default_rng(seed).binomial(ROWS, risks[:, None], (len(risks), repeats))
    return log_e_risk(np.arange(ROWS + 1), ROWS, tolerated=TOLERATED)[losses]


@pytest.mark.parametrize("kind", ["shiryaev_roberts", "cusum"])
def test_runs_without_change_last_at_least_n_windows_on_average(kind) -> None:
    every, horizon = 20, 400
    log_m = log_e_detector(streams(np.full(horizon, TOLERATED), 300), kind=kind)
    first = first_window(log_m, limit=every)
    runs = np.where(first < 0, horizon, first + 1)
    assert runs.mean() >= every


def test_a_dummy_that_ignores_the_past_breaks_the_promise() -> None:
    log_m = np.log(np.random.default_rng(0).exponential(2.0, (400, 300)))  # expectation 2, no e-values
    runs = first_window(log_e_detector(log_m), limit=20)
    assert runs.mean() < 20


def test_a_change_after_a_long_good_time_is_found_where_an_e_process_sleeps() -> None:
    risks = np.concatenate([np.full(200, 0.05), np.full(40, 0.20)])
    log_e = streams(risks, 100)
    delay = first_window(log_e_detector(log_e)[200:], limit=1000)
    assert np.median(delay) <= 6
    assert (delay >= 0).all()
    asleep = first_window(np.cumsum(log_e, axis=0)[200:], limit=20)
    assert (asleep < 0).mean() > 0.9


def test_cusum_is_never_larger() -> None:
    log_e = streams(np.full(50, 0.15), 20)
    assert (log_e_detector(log_e, kind="cusum") <= log_e_detector(log_e) + 1e-12).all()


def test_windows_without_rows_are_passed_over() -> None:
    with_gap = log_e_detector([0.7, np.nan, 0.4])
    assert with_gap[1] == with_gap[0]
    assert with_gap[2] == log_e_detector([0.7, 0.4])[1]
    assert log_e_detector([np.nan]).tolist() == [-np.inf]


def test_no_windows() -> None:
    assert first_window(log_e_detector(np.empty((0, 3))), limit=20.0).tolist() == [-1, -1, -1]


def test_certain_evidence_stays() -> None:
    assert log_e_detector([np.inf, 0.0]).tolist() == [np.inf, np.inf]
    assert log_e_detector([-np.inf, 0.0]).tolist() == [-np.inf, 0.0]
