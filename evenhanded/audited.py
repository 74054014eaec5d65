"""What ``evenhanded audit`` measures beside rates and gaps: other deciders, features held fixed, worst cases."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from audit.errors import InputError
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit

LOG_LOSS = "log_loss"
OpenLog = Callable[[tuple[str, ...]], PredictionLog]
"""Returns the log with the sensitive features named."""


def audited(open_log: OpenLog, options: Mapping[str, Any], baseline: Result | None) -> Result:
    """Return the audit that the options of the command ask for, everything in one result.

    Parameters
    ----------
    open_log
        From sensitive features to the log.
    options
        Options of the command line by name.
    baseline
        An earlier run that is compared with.

    Raises
    ------
    InputError
        If the data or an option is not what it should be.
    """
    log = open_log(options["sensitive"])
    if options["k"] is not None:
        return _ranking(log, options)
    wanted = options["metrics"]
    plain = None if wanted is None else tuple(name for name in wanted if name != LOG_LOSS)
    asked = {"level": options["level"], "reference": dict(options["reference"]) or None}
    crossed = {"metrics": plain, "intersections": options["intersections"]}
    result = run_audit(log, **asked, **crossed, all_pairs=options["all_pairs"], baseline=baseline)
    rows: list[Measurement] = []
    given: dict[str, Any] = {}
    if wanted is not None and LOG_LOSS in wanted and log.reading.task == "binary":
        rows += _log_loss(log, result, asked)
        given["metrics"] = list(wanted)
    if options["human"] or options["final"]:
        rows += _deciders(log, {**asked, **crossed}, given)
    if options["control"]:
        both = open_log(tuple(dict.fromkeys([*options["sensitive"], *options["control"]])))
        rows += _adjusted(both, options["control"], asked)
        given |= {
            "control": list(options["control"]),
            "bins": {name: list(cut) for name, cut in both.reading.bins.items()},
        }
    if options["bounds"]:
        rows += _bounds(result, options["level"])
        given["bounds"] = True
    provenance = replace(result.provenance, given={**given, **result.provenance.given, **_forced(given)})
    return replace(result, measurements=(*result.measurements, *rows), provenance=provenance)


def _forced(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands in place of the audit's own record: all metrics that were named, all ranges that were cut."""
    return {name: given[name] for name in ("metrics", "bins") if given.get(name)}


def _ranking(log: PredictionLog, options: Mapping[str, Any]) -> Result:
    if log.reading.task != "ranking":
        raise InputError([f"--k means nothing for the task {log.reading.task!r}; leave it out"])
    from audit.tasks.exposure import run_ranking

    return run_ranking(log, k=options["k"], level=options["level"])


def _log_loss(log: PredictionLog, result: Result, asked: Mapping[str, Any]) -> list[Measurement]:
    from audit.tasks.log_loss import log_loss_rows

    known = {row.key() for row in result.measurements}
    return [row for row in log_loss_rows(log, **asked) if row.key() not in known]


def _deciders(log: PredictionLog, asked: Mapping[str, Any], given: dict[str, Any]) -> tuple[Measurement, ...]:
    from audit.tasks.deciders import run_deciders

    beside = run_deciders(log, **asked)
    given.update(beside.provenance.given)
    return beside.measurements


def _adjusted(log: PredictionLog, control: tuple[str, ...], asked: Mapping[str, Any]) -> tuple[Measurement, ...]:
    from audit.causes.adjusted import adjusted_gap_rows

    return adjusted_gap_rows(log, control=control, **asked)


def _bounds(result: Result, level: float) -> tuple[Measurement, ...]:
    if result.tally is None or result.tally.task != "binary" or result.tally.deferral:
        raise InputError(["--bounds speaks of labels and groups that are missing in a binary audit; leave it out"])
    from audit.unknowns.attribute_bounds import attribute_bound_rows, attribute_coverage_rows
    from audit.unknowns.bounds import label_bound_rows
    from audit.unknowns.outcome_coverage import outcome_coverage_rows

    parts = (outcome_coverage_rows, label_bound_rows, attribute_coverage_rows, attribute_bound_rows)
    return tuple(row for part in parts for row in part(result.tally, level=level))
