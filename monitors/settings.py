"""How a run of the monitors is asked for: windows, what is tolerated, the promise; and what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime
from math import inf

from audit.predictions import PredictionLog
from monitors.counts.reference import Reference
from monitors.kinds import NUMBER, TEXT, Wanted, shown, wrong_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """How a log is cut, what is tolerated, and how rarely a quiet log may ring.

    Parameters
    ----------
    window
        Length of a window: "7d", "12h", "5000 rows", or "model_version".
    alpha
        Chance that a log in which nothing changes ever rings, whatever the number of looks, in (0, 1). The monitors
        that run share it equally.
    tolerance
        By how much an error rate may exceed that of the reference before it matters, a fraction.
    effect
        The drift that matters, as Kolmogorov-Smirnov statistic or total variation distance, in (0, 1).
    as_of
        When the log was looked at: windows go on to then, so that a log that fell silent shows it. None = its newest
        row.
    dispersion
        How much more the counts of weeks scatter in the reference than those of independent rows, at least 1: the drift
        monitor then asks for as much more evidence. None = estimated from a reference that holds at least eight whole
        windows, a log or frozen counts that keep how they scatter, there for performance too, and 1 otherwise
        (`monitors.scatter`).
    tell_apart
        Whether a classifier also tries to tell the rows of each window from those of the reference
        (`monitors.shift.then_now`), which finds shifts of several features together. It fits models: seconds a window.
    within
        A sensitive feature that holds a known context (season, site, device): drift is also sought within each of its
        values (`monitors.shift.context`). None = it is not.
    log
        A name that tells this log from others with the same columns and reference: earlier looks, and alarms, are of
        one name. None = it has none.

    Examples
    --------
    >>> MonitorSettings().window
    '7d'
    """

    window: str = "7d"
    alpha: float = 0.05
    tolerance: float = 0.02
    effect: float = 0.05
    as_of: datetime | None = None
    dispersion: float | None = None
    tell_apart: bool = False
    within: str | None = None
    log: str | None = None


def setting_violations(
    settings: MonitorSettings, reference: PredictionLog | Reference, current: PredictionLog
) -> list[str]:
    """Return what is wrong with the settings of a run, for its reference and its log.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"p": [1]}), task="watch", y_pred="p")
    >>> setting_violations(MonitorSettings(alpha=2.0), log, log)
    ['alpha must lie in (0, 1); got 2.0', 'the log names no timestamp; windows need the time of each prediction: name \
its column']
    """
    faults = _wrong_kinds(settings, reference, current)
    if faults:
        return faults
    found = [
        f"{name} must lie in (0, 1); got {value}"
        for name, value in (("alpha", settings.alpha), ("effect", settings.effect))
        if not 0.0 < value < 1.0
    ]
    if not 0.0 <= settings.tolerance < 1.0:
        found.append(f"tolerance must lie in [0, 1); got {settings.tolerance}; 0.02 tolerates two percentage points")
    if settings.dispersion is not None and not 1.0 <= settings.dispersion < inf:
        found.append(f"dispersion must be at least 1 and finite; got {settings.dispersion}; 1 is independent rows")
    if settings.as_of is not None and settings.as_of.tzinfo is None:
        found.append(f"as_of must have a time zone; got {settings.as_of.isoformat()}")
    if "timestamp" not in current.columns:
        found.append("the log names no timestamp; windows need the time of each prediction: name its column")
    if current.reading.weights == "frequency":
        found.append(
            "monitors count rows, and frequency weights stand for several rows: repeat each row as often as it counts"
        )
    if settings.tell_apart and isinstance(reference, Reference):
        found.append("then and now are told apart by the rows of the reference; give its log, not its frozen counts")
    if settings.tell_apart and not current.features:
        found.append("then and now are told apart by features; name at least one")
    if settings.within is not None and settings.within not in current.sensitive_features:
        known = ", ".join(current.sensitive_features) or "none"
        found.append(f"within names {settings.within!r}, no sensitive feature of the log; it has {known}")
    return found


_LOG = Wanted("a PredictionLog", (PredictionLog,))
_DOOR = "make one: PredictionLog.from_file(path, timestamp=..., y_pred=...), or from_frame for a table"


def wrong_logs(reference: object, current: object) -> list[str]:
    """Return which of two logs is of another kind than is read: paths and tables have a door of their own.

    Examples
    --------
    >>> wrong_logs("r.csv", 5)[0]
    "reference: expected a PredictionLog, or a Reference; got str 'r.csv'; make one: PredictionLog.from_file(path, \
timestamp=..., y_pred=...), or from_frame for a table"
    """
    both = Wanted("a PredictionLog, or a Reference", (PredictionLog, Reference))
    found = wrong_kind("reference", reference, both, then=_DOOR)
    return [*found, *wrong_kind("current", current, _LOG, then=_DOOR)]


def _wrong_kinds(settings: object, reference: object, current: object) -> list[str]:
    found = wrong_logs(reference, current)
    if not isinstance(settings, MonitorSettings):
        return [*found, f"settings: expected MonitorSettings; got {shown(settings)}"]
    time = Wanted("a datetime with a zone", (datetime,))
    found += wrong_kind("window", settings.window, TEXT, then="write 7d, 12h, '5000 rows' or model_version")
    for name in ("alpha", "tolerance", "effect"):
        found += wrong_kind(name, getattr(settings, name), NUMBER)
    found += wrong_kind("dispersion", settings.dispersion, NUMBER, optional=True)
    found += wrong_kind("as_of", settings.as_of, time, optional=True)
    found += wrong_kind("tell_apart", settings.tell_apart, Wanted("True or False", (bool,)))
    for name in ("within", "log"):
        found += wrong_kind(name, getattr(settings, name), TEXT, optional=True)
    return found
