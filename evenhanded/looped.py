"""Feedback loops beside what changed: measured on one log, put into one result with the monitors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audit.errors import raise_violations
from audit.result import Result
from evenhanded.earlier_runs import log_name
from evenhanded.loop_logs import LoopLog
from monitors.feedback.run import run_loops
from monitors.feedback.settings import LoopSettings

_OF_LOOPS = (
    "columns", "limits", "window", "level", "alpha", "task", "positive", "threshold", "score_max", "sensitive_features",
)  # fmt: skip


def loops_of(found: LoopLog, options: Mapping[str, Any], *, alpha: float) -> Result:
    """Measure the feedback loops of a log as the options ask for it.

    Parameters
    ----------
    found
        The log.
    options
        ``window``, and ``loop_limit`` (pairs of metric and limit); ``log`` and ``out`` name the log.
    alpha
        Chance that a log without a loop rings.

    Raises
    ------
    InputError
        If a limit is no number, or of no metric that has one, or the log has no column of a loop.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from pathlib import Path
    >>> from audit.predictions import PredictionLog
    >>> log = PredictionLog.from_frame(pa.table({"seen": [1, 0, 0, 0] * 25}), task="watch", exposed="seen")
    >>> asked = {"window": "7d", "log": None, "out": None, "current": Path("log.csv"), "loop_limit": [("usage", "0.1")]}
    >>> result = loops_of(LoopLog(log, log.columns, ()), asked, alpha=0.05)
    >>> result.find("usage").value, result.provenance.given["limits"]
    (0.25, {'usage': 0.1})
    """
    settings = LoopSettings(window=options["window"], alpha=alpha, limits=limits_of(options))
    result = run_loops(found.log, settings=settings)
    name = log_name(options)
    if name is None:
        return result
    given = {**result.provenance.given, "log": name}
    return replace(result, provenance=replace(result.provenance, given=given))


def limits_of(options: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits that `--loop-limit` gives, by metric.

    Raises
    ------
    InputError
        If one is no number, or a metric is named twice.

    Examples
    --------
    >>> limits_of({"loop_limit": [("loop_gain", "1")]})
    {'loop_gain': 1.0}
    """
    found: dict[str, float] = {}
    violations = []
    for metric, text in options.get("loop_limit") or ():
        if metric in found:
            violations.append(f"--loop-limit {metric}={text}: {metric} has the limit {found[metric]:g} already")
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not abs(number) < float("inf"):
            violations.append(f"--loop-limit {metric}={text}: expected a number, as in {metric}=0.5")
        found[metric] = number
    raise_violations(violations)
    return found


def both(monitors: Result, loops: Result) -> Result:
    """Return the rows and alarms of the monitors and of the loops as one result, with what was given to either.

    Parameters
    ----------
    monitors, loops
        Of the same log, each at its own share of what may ring falsely.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> what = Result(measurements=(), provenance=Provenance(given={"monitors": ["drift"], "alpha": 0.025}))
    >>> loops = Result(measurements=(), provenance=Provenance(given={"loops": ["usage"], "columns": {"exposed": "e"}}))
    >>> given = both(what, loops).provenance.given
    >>> given["monitors"], given["loops"], given["loop_settings"], given["alpha"]
    (['drift'], ['usage'], {'columns': {'exposed': 'e'}}, 0.025)
    """
    of, other = monitors.provenance, loops.provenance
    asked = {**other.defaulted, **other.given}
    settings = {name: asked[name] for name in _OF_LOOPS if name in asked}
    limits = {"limits": asked["limits"]} if asked.get("limits") else {}
    provenance = replace(
        of,
        data={**of.data, **other.data},
        seed=other.seed if of.seed is None else of.seed,
        given={**of.given, "loops": asked["loops"], "loop_settings": settings, **limits},
    )
    rows, alarms = (*monitors.measurements, *loops.measurements), (*monitors.alarms, *loops.alarms)
    return replace(monitors, measurements=rows, alarms=alarms, provenance=provenance)
