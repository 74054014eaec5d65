"""What ``evenhanded audit`` measures beside rates and gaps: other deciders, features held fixed, worst cases."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.provenance import file_digests
from audit.result import Result
from audit.run import run_audit
from audit.tally import Tally

LOG_LOSS = "log_loss"
OpenLog = Callable[[tuple[str, ...]], PredictionLog]
"""Returns the log with the sensitive features named."""

_OF_TWO_LABELS = ("bounds", "impact_ratios")
_OF_TWO_DECISIONS = ("impact_ratios",)
_OF_LABELS = (*_OF_TWO_LABELS, "population", "human", "final", "control")


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
    raise_violations(_violations(log, options))
    if options["k"] is not None:
        return _ranking(log, options)
    wanted, lossy = options["metrics"], _asks_log_loss(log, options)
    plain = tuple(name for name in wanted if name != LOG_LOSS) if lossy else wanted
    asked = {"level": options["level"], "reference": dict(options["reference"]) or None}
    crossed = {"metrics": plain, "intersections": options["intersections"]}
    result = run_audit(log, **asked, **crossed, all_pairs=options["all_pairs"], baseline=baseline)
    rows: list[Measurement] = []
    given: dict[str, Any] = {}
    if lossy:
        rows += _log_loss(log, result, asked)
        given["metrics"] = list(wanted)
    if options["human"] or options["final"]:
        rows += _deciders(log, {**asked, **crossed}, given)
    if options["control"]:
        both = open_log(tuple(dict.fromkeys([*options["sensitive"], *options["control"]])))
        rows += _adjusted(both, options["control"], asked, given)
    rows += _of_tally(result, options, given)
    return _with(result, rows, given, options)


def _violations(log: PredictionLog, options: Mapping[str, Any]) -> list[str]:
    """Return which options are given in vain: they speak of something that the task or the log has not."""
    task = log.reading.task
    unused = _OF_LABELS if task in {"regression", "ranking"} else _OF_TWO_LABELS if task != "binary" else ()
    violations = [
        f"--{name.replace('_', '-')} means nothing for the task {task!r}; leave it out"
        for name in unused
        if options.get(name)
    ]
    if options["k"] is not None and task != "ranking":
        violations.append(f"--k means nothing for the task {task!r}; leave it out")
    if task == "binary" and log.reading.abstain is not None:
        violations += [
            f"--{name.replace('_', '-')} speaks of two decisions, and --abstain makes a third; leave one out"
            for name in _OF_TWO_DECISIONS
            if options.get(name)
        ]
    return violations + [
        f"--population names {name!r}, which is not among --sensitive {','.join(log.sensitive_features)}"
        for name, _ in options["population"]
        if name not in log.sensitive_features
    ]


def _with(result: Result, rows: list[Measurement], given: dict[str, Any], options: Mapping[str, Any]) -> Result:
    """Return the result with more rows, and with what they were made from."""
    recorded = result.provenance
    if options["attributes"]:
        given["attributes"] = {"file": Path(options["attributes"]).name, "on": options["on"]}
    data = dict(recorded.data)
    if options["population"]:
        files = [Path(path) for _, path in options["population"]]
        given["population"] = {name: Path(path).name for name, path in options["population"]}
        own = [] if options["data"].is_dir() else [*filter(None, (options["data"], options["attributes"]))]
        data |= file_digests([*own, *files])  # files of a folder keep the names that they have
    # What stands in place of the audit's own record: all metrics that were named, all ranges that were cut.
    forced = {name: given[name] for name in ("metrics", "bins") if given.get(name)}
    provenance = replace(recorded, given={**given, **recorded.given, **forced}, data=data)
    return replace(result, measurements=(*result.measurements, *rows), provenance=provenance)


def _ranking(log: PredictionLog, options: Mapping[str, Any]) -> Result:
    from audit.tasks.exposure import run_ranking

    return run_ranking(log, k=options["k"], level=options["level"])


def _asks_log_loss(log: PredictionLog, options: Mapping[str, Any]) -> bool:
    return LOG_LOSS in (options["metrics"] or ()) and log.reading.task == "binary"


def _log_loss(log: PredictionLog, result: Result, asked: Mapping[str, Any]) -> list[Measurement]:
    from audit.tasks.log_loss import log_loss_rows

    known = {row.key() for row in result.measurements}
    return [row for row in log_loss_rows(log, **asked) if row.key() not in known]


def _deciders(log: PredictionLog, asked: Mapping[str, Any], given: dict[str, Any]) -> tuple[Measurement, ...]:
    from audit.tasks.deciders import run_deciders

    beside = run_deciders(log, **asked)
    given.update(beside.provenance.given)
    return beside.measurements


def _adjusted(
    log: PredictionLog, control: tuple[str, ...], asked: Mapping[str, Any], given: dict[str, Any]
) -> tuple[Measurement, ...]:
    from audit.causes.adjusted import adjusted_gap_rows

    given["control"] = list(control)
    given["bins"] = {name: list(cut) for name, cut in log.reading.bins.items()}
    return adjusted_gap_rows(log, control=control, **asked)


def _of_tally(result: Result, options: Mapping[str, Any], given: dict[str, Any]) -> list[Measurement]:
    """Return what is read from the counts of an audit: worst cases, impact ratios, who is in the data."""
    tally, level = result.tally, options["level"]
    if tally is None:
        return []
    rows: list[Measurement] = []
    if options["bounds"]:
        rows += _bounds(tally, level)
        given["bounds"] = True
    if options["impact_ratios"]:
        depth = {**result.provenance.defaulted, **result.provenance.given}["intersections"]
        rows += _impact(tally, depth, level)
        given["impact_ratios"] = True
    if options["population"]:
        rows += _represented(tally, dict(options["population"]), level)
    return rows


def _bounds(tally: Tally, level: float) -> tuple[Measurement, ...]:
    from audit.unknowns.attribute_bounds import attribute_bound_rows, attribute_coverage_rows
    from audit.unknowns.bounds import label_bound_rows
    from audit.unknowns.outcome_coverage import outcome_coverage_rows

    parts = (outcome_coverage_rows, label_bound_rows, attribute_coverage_rows, attribute_bound_rows)
    return tuple(row for part in parts for row in part(tally, level=level))


def _impact(tally: Tally, depth: int, level: float) -> list[Measurement]:
    from audit.publishing.impact_ratios import impact_ratios

    sets = chain.from_iterable(combinations(tally.features, size) for size in range(1, depth + 1))
    return [row for features in sets for row in impact_ratios(tally, features, level=level)]


def _represented(tally: Tally, populations: Mapping[str, str], level: float) -> list[Measurement]:
    from audit.publishing.representation import read_reference, representation

    references = {name: read_reference(Path(path)) for name, path in populations.items()}
    return [row for name, shares in references.items() for row in representation(tally, name, shares, level=level)]
