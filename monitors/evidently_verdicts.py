"""Both verdicts on every column of a snapshot: Evidently's, ours, and the reasons where they differ."""

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from audit.measurement import Window, utc_text
from audit.result import Result
from monitors.evidently_door import ColumnType, registered_tests
from monitors.evidently_frames import Frames
from monitors.evidently_reasons import Columns, Rescore, Verdict, why_they_differ

OURS = frozenset(
    {
        "population_stability_index",
        "jensen_shannon_distance",
        "hellinger_distance",
        "total_variation_distance",
        "kolmogorov_smirnov_statistic",
        "wasserstein_distance",
        "drift_e_value",
    }
)
"""Our measures of drift of one feature, whose alarms are our verdict on it."""


class Compared(NamedTuple):
    """Both verdicts on one feature in one window; `why` is empty where they agree.

    Examples
    --------
    >>> theirs = Verdict("x", "K-S p_value", 0.5, 0.05, drifted=False)
    >>> Compared("x", (None, None), theirs, ours=False, why=()).why
    ()
    """

    feature: str
    window: Any
    theirs: Verdict
    ours: bool
    why: tuple[str, ...]


def compared(
    snapshot: Any,  # noqa: ANN401 - Evidently ships no types
    both: Frames,
    result: Result,
    window: Window,
    *,
    windows: int = 1,
    random_state: int = 0,
) -> Iterator[Compared]:
    """Yield both verdicts on each column of a snapshot.

    Parameters
    ----------
    snapshot
        What Evidently's report returned, tests included.
    both
        The rows that it saw.
    result
        Our result; its alarms about the drift of a feature, for everyone, are our verdict.
    window
        The window of the snapshot.
    windows
        How many windows are judged at once.
    random_state
        Seed of the reshuffles.

    See Also
    --------
    monitors.evidently_adapter.evidently_report : runs Evidently, and shows what comes of this.
    """
    drifted = {test.metric_config.metric_id: test.status.value == "FAIL" for test in snapshot.tests_results}
    raised = _raised(result, window)
    found = [each for each in snapshot.dict()["metrics"] if each["config"]["type"].endswith(":ValueDrift")]
    tests = len(found) * windows
    for each in found:
        config = each["config"]
        column, name = config["column"], both.names[config["column"]]
        theirs = Verdict(
            name, str(config["method"]), float(each["value"]), float(config["threshold"]),
            drifted=drifted.get(each["id"], False),
        )  # fmt: skip
        ours = name in raised
        why: tuple[str, ...] = ()
        if ours != theirs.drifted:
            sides = both.reference[column], both.current[column]
            columns = Columns(*sides, rescore=_rescore(theirs, numeric=column in both.numeric), tests=tests)
            why = why_they_differ(theirs, columns, random_state=random_state)
            since = raised.get(name)
            if since is not None and since != utc_text(window[0]):
                why = (*why, f"our alarm was raised in the window from {since} on, and stays raised")
        yield Compared(name, window, theirs, ours, why)


def _rescore(theirs: Verdict, *, numeric: bool) -> Rescore:
    test = registered_tests()[theirs.method]
    kind = ColumnType.Numerical if numeric else ColumnType.Categorical

    def rescore(reference: pd.Series, current: pd.Series) -> tuple[float, bool]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"evidently(\.|$)")
            found = test(reference, current, kind, theirs.threshold)
        return float(found.drift_score), bool(found.drifted)

    return rescore


def _raised(result: Result, window: Window) -> Mapping[str, str]:
    """Return the features whose drift rang up to the end of a window, for everyone, and since when each."""
    found: dict[str, str] = {}
    for alarm in sorted(result.alarms, key=lambda alarm: alarm.since):
        metric, which, at, _, _ = json.loads(alarm.key)
        if metric in OURS and not which and "feature" in at and alarm.since < window[1]:
            found.setdefault(at["feature"], utc_text(alarm.since))
    return found
