"""All monitors on one log: drift, performance, labels, traffic and actions, in one result."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from audit.errors import raise_violations
from audit.measurement import utc_text
from audit.predictions import PredictionLog
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from monitors.action_counts import action_counts
from monitors.clock_jumps import jump_violations
from monitors.counts.binning import Binning
from monitors.counts.counting import count_profile
from monitors.counts.differences import schema_differences
from monitors.counts.errors import ERRORS, with_errors
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference, make_reference
from monitors.drift.run import drift
from monitors.drift.settings import DriftSettings
from monitors.earlier_looks import earlier_look, looked_at
from monitors.found import Found, gathered
from monitors.log_facts import log_facts, reported_rows
from monitors.performance.arrivals import count_arrivals
from monitors.performance.labels import labels
from monitors.performance.maturity import LabelSettings, maturity_of
from monitors.performance.missing_labels import missing_labels
from monitors.performance.performance import performance
from monitors.performance.regression import regression_evidence
from monitors.performance.regression_values import regression_values
from monitors.performance.settings import PerformanceSettings
from monitors.performance.unwatched import is_watched, unwatched
from monitors.performance.window_tally import windowed_tally
from monitors.scatter import Scatter, scatter_of
from monitors.schema import SchemaSettings, schema
from monitors.settings import MonitorSettings, setting_violations
from monitors.shift.context import within_context
from monitors.shift.then_now import ThenNowSettings, then_now
from monitors.timestamps import with_times
from monitors.traffic_before import traffic_before
from monitors.units import units
from monitors.volume import VolumeSettings, volume
from monitors.watching import with_groups
from monitors.whole_windows import whole_windows
from monitors.windows import Windows, of_version, parse_windows, resolve, versions

_DEFAULTS = MonitorSettings()
_OF_LABELS = frozenset({"y_true", ERRORS})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the monitors of one run share; `alpha` is the share of each."""

    settings: MonitorSettings
    reference: Reference
    before: PredictionLog | None
    log: PredictionLog
    windows: Windows
    profile: Profile
    previous: Result | None
    scatter: Scatter
    alpha: float


def run_monitors(
    reference: PredictionLog | Reference,
    current: PredictionLog,
    *,
    settings: MonitorSettings | None = None,
    previous: Result | Iterable[Result] | None = None,
) -> Result:
    """Hold a log of predictions against a reference, window by window and group by group.

    What runs depends on what the log holds: drift, changed categories and units of every watched feature and
    prediction; traffic; with labels the performance of each window and group; with `label_timestamp` what late labels
    leave known; with `place` and `action`, and a reference that has times, the actions of each place. A run is a pure
    function of log, reference and settings: nothing is remembered. What becomes of an alarm stands in the events of
    `monitors.alarms`.

    Parameters
    ----------
    reference
        The log of a time that was found acceptable, or its frozen counts (`monitors.counts.reference`).
    current
        The log since, with the role `timestamp`.
    settings
        Windows, tolerances and the promise; None = the defaults.
    previous
        Earlier runs, the newest first: rows that came since into windows that the first of them on this reference and
        these columns saw to their end are late. Others are runs on another log, and tell nothing.

    Returns
    -------
    Result
        Rows with a `window`; alarms with the start of the first window in which they rang. By "model_version" every
        version is held against the reference by itself, and its rows and alarms are ``at`` that version.

    Raises
    ------
    InputError
        If settings are out of range, the log has no fit timestamps, or its columns are not those of the reference: all
        at once.

    Notes
    -----
    The promise, and what it assumes: while nothing changes, no alarm ever rings with probability at least 1 - `alpha`
    (Bonferroni over all monitors, run or not, and over versions in their order of time with weights 1 / (k (k + 1));
    each keeps its share over any number of looks). Only windows that are over ring. Alerts of late changes
    (metrics that end in "_e_detector") promise a rate instead: one in so many windows
    (`monitors.performance.settings`). Rows of a window are taken for independent, and the reference for a fair sample
    of what is normal; each monitor says what else it assumes.

    Examples
    --------
    >>> import json
    >>> from datetime import UTC, datetime, timedelta
    >>> import pyarrow as pa
    >>> def log(start, days, level):
    ...     times = [start + timedelta(minutes=36 * row) for row in range(40 * days)]
    ...     rows = range(len(times))
    ...     table = pa.table({"p": [row % 4 == 0 for row in rows], "x": [level + row % 10 for row in rows], "t": times})
    ...     return PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t", features=["x"])
    >>> before, since = log(datetime(2026, 1, 5, tzinfo=UTC), 28, 0), log(datetime(2026, 2, 2, tzinfo=UTC), 14, 5)
    >>> {json.loads(alarm.key)[0] for alarm in run_monitors(before, since).alarms}
    {'drift_e_value'}
    """
    chosen = settings or _DEFAULTS
    raise_violations(setting_violations(chosen, reference, current))
    current = with_times(current)
    held = reference if isinstance(reference, Reference) else make_reference(with_groups(reference))
    current = with_groups(current, only=held.binnings)
    raise_violations(_differences(held, with_errors(current)))
    before = None if isinstance(reference, Reference) else reference
    earlier = earlier_look(previous, held, current, chosen.log)
    rule = parse_windows(chosen.window)
    scatter = scatter_of(held, before, current, rule, chosen.dispersion)
    logs = {"": current}
    if rule.kind == "model_version":
        logs = {version: of_version(current, version) for version in versions(current)}
    found, used = [], set[str]()
    asked = [name for name, wanted in (("apart", chosen.tell_apart), ("context", chosen.within)) if wanted]
    shared = len(_MONITORS) - 2 + len(asked)  # whichever run: alarms do not depend on what comes later
    for number, (version, log) in enumerate(logs.items(), start=1):
        windows = resolve(rule, log, as_of=chosen.as_of)
        names = [*_needed(log, held, before), *asked]
        run = _Run(
            settings=chosen,
            reference=held,
            before=before,
            log=log,
            windows=windows,
            profile=count_profile(with_errors(log), _known(held, log), windows),
            previous=earlier,
            scatter=scatter,
            alpha=chosen.alpha / shared / (number * (number + 1) if version else 1),
        )
        raise_violations(jump_violations(run.profile))
        part = _over(gathered([*(_MONITORS[name](run) for name in names), _nothing_of_it(run)]), windows)
        found.append(_at_version(part, version) if version else part)
        used |= set(names)
    both = gathered(found)
    provenance = _provenance(current, before, held, chosen, sorted(used))
    over = {} if "" not in logs else whole_windows(current, windows)
    provenance = replace(provenance, given={**provenance.given, **scatter.given(), **_weighing(current), **over})
    return Result(measurements=both.rows, alarms=both.alarms, provenance=provenance)


def _over(found: Found, windows: Windows) -> Found:
    """Return what was found without alarms of windows that are not over: half a week is not like a whole one."""
    end = windows.edges[windows.complete]
    return Found(found.rows, tuple(alarm for alarm in found.alarms if alarm.since < end))


def _drift(run: _Run) -> Found:
    limit = run.settings.effect
    settings = DriftSettings(alpha=run.alpha, ks_limit=limit, tv_limit=limit, dispersion=run.scatter.features)
    then = replace(run.reference, profile=_without_labels(run.reference.profile))
    return drift(then, _without_labels(run.profile), settings=settings)


def _schema(run: _Run) -> Found:
    settings = SchemaSettings(alpha=run.alpha / 2)
    then, now = _without_labels(run.reference.profile), _without_labels(run.profile)
    worth = run.scatter.features
    found = schema(then, now, complete=run.windows.complete, settings=settings, dispersion=worth)
    return gathered([found, units(then, now, run.log, run.windows, alpha=run.alpha / 2, dispersion=worth)])


def _differences(reference: Reference, current: PredictionLog) -> list[str]:
    """Return how the columns differ; that one side has no labels is no fault: then errors are not compared."""
    found = schema_differences(reference, current)
    if ("y_true" in reference.binnings) == ("y_true" in current.columns):
        return found
    return [fault for fault in found if not fault.startswith(tuple(f"feature {name!r}" for name in _OF_LABELS))]


def _known(reference: Reference, log: PredictionLog) -> dict[str, Binning]:
    """Return the features that both sides have."""
    known = reference.binnings.items()
    return {name: each for name, each in known if name not in _OF_LABELS or "y_true" in log.columns}


def _without_labels(profile: Profile) -> Profile:
    """Return the counts without those of labels: that labels come late is no drift; their monitor is performance."""
    binnings = {name: binning for name, binning in profile.binnings.items() if name not in _OF_LABELS}
    return replace(profile, binnings=binnings, counts={name: profile.counts[name] for name in binnings})


def _volume(run: _Run) -> Found:
    reported = None if run.previous is None else reported_rows(run.previous)
    facts = log_facts(run.log, run.windows)
    earlier = traffic_before(run.reference, parse_windows(run.settings.window), run.windows)
    settings = VolumeSettings(alpha=run.alpha)
    return volume(
        run.profile,
        facts=facts,
        reference=earlier.profile,
        left_out=earlier.left_out,
        reported=reported,
        settings=settings,
        clusters=run.scatter.clusters,
    )


def _performance(run: _Run) -> Found:
    settled = run.windows.edges[run.windows.complete]
    found = []
    if "label_timestamp" in run.log.columns and run.log.reading.task == "binary":
        as_of = run.settings.as_of
        found.append(labels(run.log, run.windows, as_of=as_of))
        mature = maturity_of(count_arrivals(run.log, run.windows, as_of=as_of), share=LabelSettings().mature).until
        settled = run.windows.edges[0] if mature is None else min(settled, mature)
    settings = PerformanceSettings(
        alpha=run.alpha,
        tolerance=run.settings.tolerance,
        settled=settled,
        windows=run.windows.windows,
        digest=run.reference.digest,
        dispersion=run.scatter.clusters,
    )
    if run.log.reading.task == "regression":
        dispersion = run.scatter.features.get(ERRORS, run.scatter.clusters)
        was, now = run.reference.profile, run.profile
        found.append(Found(regression_values(run.log, run.windows, level=settings.level, settled=settled)))
        found.append(regression_evidence(was, now, settings=settings, dispersion=dispersion))
    elif run.reference.tally is not None:
        tally = windowed_tally(run.log, run.windows)
        found.append(performance(run.scatter.tally or run.reference.tally, tally, settings=settings))
        found.append(missing_labels(run.reference.tally, tally, tolerance=run.settings.tolerance))
    return gathered(found)


def _nothing_of_it(run: _Run) -> Found:
    return unwatched(run.log, run.reference, rows=int(run.profile.rows[:, 0].sum()))


def _actions(run: _Run) -> Found:
    if run.before is None:
        return Found()
    return action_counts(run.before, run.log, alpha=run.alpha, as_of=run.settings.as_of)


def _told_apart(run: _Run) -> Found:
    if run.before is None:
        return Found()
    settings = ThenNowSettings(alpha=run.alpha)
    return then_now(run.before, run.log, windows=run.windows, digest=run.reference.digest, settings=settings)


def _in_context(run: _Run) -> Found:
    limit = run.settings.effect
    settings = DriftSettings(alpha=run.alpha, ks_limit=limit, tv_limit=limit, dispersion=run.scatter.features)
    then = replace(run.reference, profile=_without_labels(run.reference.profile))
    return within_context(then, _without_labels(run.profile), context=str(run.settings.within), settings=settings)


_MONITORS: Mapping[str, Callable[[_Run], Found]] = MappingProxyType(
    {
        "drift": _drift,
        "schema": _schema,
        "traffic": _volume,
        "performance": _performance,
        "actions": _actions,
        "apart": _told_apart,
        "context": _in_context,
    }
)


def _needed(log: PredictionLog, reference: Reference, before: PredictionLog | None) -> list[str]:
    """Return the monitors that have something to say of a log."""
    names = ["drift", "schema", "traffic"] if reference.binnings else ["traffic"]
    if is_watched(log, reference):
        names.append("performance")
    acted = {"place", "action", "timestamp"}
    if before is not None and acted <= set(log.columns) and acted <= set(before.columns):
        names.append("actions")
    return names


def _at_version(found: Found, version: str) -> Found:
    """Put the version of the model into the key of every row, and of the alarms that hold these keys."""
    rows = {row.key(): replace(row, at=tuple(sorted([*row.at, ("model_version", version)]))) for row in found.rows}
    alarms = tuple(replace(alarm, key=rows[alarm.key].key()) for alarm in found.alarms)
    return Found(tuple(rows.values()), alarms)


def _weighing(current: PredictionLog) -> dict[str, str]:
    """Return what is weighed, where the log has weights."""
    return {} if current.reading.weights == "none" else {"weights": "rows are counted, whatever their weights"}


def _provenance(
    current: PredictionLog,
    before: PredictionLog | None,
    reference: Reference,
    settings: MonitorSettings,
    used: list[str],
) -> Provenance:
    sources = [*current.source, *(() if before is None else before.source)]
    chosen: dict[str, Any] = {
        "window": settings.window,
        "alpha": settings.alpha,
        "tolerance": settings.tolerance,
        "effect": settings.effect,
        "as_of": None if settings.as_of is None else utc_text(settings.as_of),
        "dispersion": settings.dispersion,
        "tell_apart": settings.tell_apart,
        "within": settings.within,
    }
    given = {
        "monitors": used,
        "reference_rows": reference.rows,
        **looked_at(reference, current, settings.log),
    }
    defaults = {name: getattr(_DEFAULTS, name) for name in chosen}
    given |= {name: value for name, value in chosen.items() if value != defaults[name]}
    return Provenance(
        data=file_digests(sources),
        versions=recorded_versions(),
        given=given,
        defaulted={name: value for name, value in chosen.items() if name not in given},
    )
