"""What `evenhanded monitor` measures: what changed since a reference, feedback loops, or both in one result."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.result import Result
from evenhanded.earlier_runs import EarlierLooks, log_name
from evenhanded.monitored import Compared, compared, frozen, with_versions
from evenhanded.printing import progress

_SETTINGS = ("window", "tolerance", "effect", "dispersion", "tell_apart", "within")
_OF_A_REFERENCE = ("tell_apart", "within", "retraining", "save_reference", "evidently", "dispersion", "until")
_OF_LOOPS = ("role", "loop_limit", "show_all")


class Ran(NamedTuple):
    """One result, its parts, and what is to be said about the logs.

    Examples
    --------
    >>> Ran(Result(measurements=()), None, None, ()).notes
    ()
    """

    result: Result
    monitors: Result | None
    loops: Result | None
    notes: tuple[str, ...]


def running_violations(options: Mapping[str, Any]) -> list[str]:
    """Return options that mean nothing for what is asked: without `--loops`, or without a reference.

    Examples
    --------
    >>> asked = {"loops": True, "reference": None, "reference_until": None, "within": "season"}
    >>> running_violations(asked)
    ['--within holds the log against a reference; name --reference, or leave it out']
    """
    if not options.get("loops"):
        return [
            f"--{_spelled(name)} is said of feedback loops; add --loops, or leave it out"
            for name in _OF_LOOPS
            if options.get(name)
        ]
    if _has_reference(options):
        return []
    return [
        f"--{_spelled(name)} holds the log against a reference; name --reference, or leave it out"
        for name in _OF_A_REFERENCE
        if options.get(name)
    ]


def ran(options: Mapping[str, Any]) -> Ran:
    """Measure what the options ask for; of two kinds each has half of what may ring falsely.

    Parameters
    ----------
    options
        Of the command.

    Raises
    ------
    InputError
        If a log, a column or a setting is not what it should be.
    """
    if not options["loops"]:
        found = _monitored(options)
        return Ran(found.result, found.result, None, found.notes)
    from evenhanded.loop_logs import loop_log, with_taken
    from evenhanded.looped import both, loops_of

    log = loop_log(options)
    if not _has_reference(options):
        with progress(f"measuring feedback loops in {options['current']}"):
            loops = loops_of(log, options, alpha=options["alpha"])
        loops = with_versions(loops, Compared(log.log, log.log), options)
        return Ran(loops, None, loops, log.notes)
    share = options["alpha"] / 2
    watched = _monitored({**with_taken(options, log), "alpha": share})
    with progress(f"measuring feedback loops in {options['current']}"):
        loops = loops_of(log, options, alpha=share)
    notes = tuple(dict.fromkeys([*log.notes, *watched.notes]))
    return Ran(both(watched.result, loops), watched.result, loops, notes)


class _Monitored(NamedTuple):
    result: Result
    notes: tuple[str, ...]


def _monitored(options: Mapping[str, Any]) -> _Monitored:
    from monitors.run import run_monitors
    from monitors.settings import MonitorSettings

    chosen = compared(options)
    asked = {name: options[name] for name in _SETTINGS}
    settings = MonitorSettings(**asked, alpha=options["alpha"], as_of=options["until"], log=log_name(options))
    looks = EarlierLooks(options["out"])
    with progress(f"counting {options['current']}"):
        result = run_monitors(chosen.reference, chosen.current, settings=settings, previous=looks)
    result = _with_more(with_versions(result, chosen, options), chosen, options)
    if options["save_reference"]:
        frozen(chosen.reference, options["window"]).save(options["save_reference"])
    return _Monitored(result, tuple(filter(None, [*chosen.notes, looks.sentence(result)])))


def _has_reference(options: Mapping[str, Any]) -> bool:
    return options["reference"] is not None or options["reference_until"] is not None


def _spelled(name: str) -> str:
    return {"show_all": "all"}.get(name, name.replace("_", "-"))


def _with_more(result: Result, chosen: Compared, options: Mapping[str, Any]) -> Result:
    """Return the result with what is asked of the two logs beside the monitors."""
    if options["retraining"]:
        from evenhanded.retraining import with_retraining

        with progress("fitting models to mixes of old and new rows"):
            result = with_retraining(result, chosen.reference, chosen.current)
    return _with_evidently(result, chosen, options) if options["evidently"] else result


def _with_evidently(result: Result, chosen: Compared, options: Mapping[str, Any]) -> Result:
    from monitors.evidently_adapter import evidently_report
    from monitors.windows import parse_windows, resolve

    if not isinstance(chosen.reference, PredictionLog):
        raise InputError(["--evidently reads the rows of the reference; name its file, not its saved counts"])
    windows = resolve(parse_windows(options["window"]), chosen.current, as_of=options["until"])
    with progress("asking Evidently"):
        found = evidently_report(
            chosen.reference, chosen.current, windows=windows, result=result, folder=options["evidently"]
        )
    return replace(result, measurements=(*result.measurements, *found.found.rows))
