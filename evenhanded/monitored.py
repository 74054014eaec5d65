"""The logs that `evenhanded monitor` compares: a file, a prediction log with versions, or frozen counts."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog, Role
from audit.provenance import Provenance
from audit.result import Result
from audit.tables import open_file
from evenhanded.audited_logs import is_log
from evenhanded.logs import bins_of
from evenhanded.unwatched import unwatched
from monitors.counts.reference import Reference, make_reference
from monitors.counts.reference_files import FACTS
from monitors.scatter import with_scatter
from monitors.watching import with_groups
from monitors.windows import Windows, place_expression

MONITOR_ROLES: Mapping[str, Role] = {
    "y_true": "y_true",
    "y_pred": "y_pred",
    "y_score": "y_score",
    "timestamp": "timestamp",
    "label_timestamp": "label_timestamp",
    "prediction_id": "prediction_id",
    "model_version": "model_version",
    "cluster": "cluster",
    "place": "place",
    "action": "action",
}
"""Role by option of `evenhanded monitor` that names its column."""

_SETTINGS = ("positive", "threshold", "score_max", "labels")
_OF_FILES = (*MONITOR_ROLES, *_SETTINGS, "sensitive", "features", "ignore", "role")
MOST_FEATURES = 500
_SHOWN_NAMES = 20


class Compared(NamedTuple):
    """What is held against what, and what is to be said about it.

    Examples
    --------
    >>> Compared._fields
    ('reference', 'current', 'notes')
    """

    reference: PredictionLog | Reference
    current: PredictionLog
    notes: tuple[str, ...] = ()


def compared(options: Mapping[str, Any]) -> Compared:
    """Return the reference and the log that the options of the command name.

    Parameters
    ----------
    options
        ``current`` (a file, a folder of Parquet files or a prediction log of `evenhanded ingest`), ``reference`` (the
        same, or frozen counts) or ``reference_until`` (rows of `current` before that time), ``until``, and the columns.

    Raises
    ------
    InputError
        If neither or both kinds of reference are named, or a file or a column is not what it should be.

    Examples
    --------
    >>> compared({"current": Path("log.csv"), "reference": None, "reference_until": None})
    Traceback (most recent call last):
    audit.errors.InputError: nothing to compare with: name --reference DATA (a file, or a folder that --save-reference \
wrote), or --reference-until TIME for the first part of --current itself
    """
    reference, until = options["reference"], options.get("reference_until")
    if reference is None and until is None:
        msg = (
            "nothing to compare with: name --reference DATA (a file, or a folder that --save-reference wrote), or "
            "--reference-until TIME for the first part of --current itself"
        )
        raise InputError([msg])
    if reference is not None and until is not None:
        raise InputError(["--reference and --reference-until are both given; name one of them"])
    raise_violations(needless(options))
    raise_violations(_untimed(options))
    frozen_counts = Reference.load(reference) if reference is not None and (reference / FACTS).is_file() else None
    read, notes = _watching(options, frozen_counts)
    current = opened(options["current"], read)
    if until is not None:
        return Compared(between(current, _BEGIN, until), between(current, until, _END), notes)
    if frozen_counts is not None:
        return Compared(frozen_counts, current, notes)
    return Compared(opened(reference, read), current, notes)


def with_context(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sensitive features with the known context of `--within` among them: it is counted like a group.

    Examples
    --------
    >>> with_context({"sensitive": ("sex",), "within": "season", "current": Path("log.csv")})
    ('sex', 'season')
    """
    named, context = tuple(options.get("sensitive") or ()), options.get("within")
    return named if context is None or is_log(options["current"]) else tuple(dict.fromkeys([*named, context]))


def _untimed(options: Mapping[str, Any]) -> list[str]:
    """Return that no column of times is named, with the columns that there are."""
    path = options["current"]
    if options.get("timestamp") or is_log(path):
        return []
    names = open_file(path).names
    shown = ", ".join(names[:_SHOWN_NAMES]) + (f" and {len(names) - _SHOWN_NAMES} more" * (len(names) > _SHOWN_NAMES))
    why = "--timestamp is not named: windows need the time of each prediction"
    return [f"{why}; name one of the columns of {path}: {shown}"]


def _watching(options: Mapping[str, Any], known: Reference | None) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the options with what is watched where nobody said so, and a line on columns that are left out.

    Frozen counts know what they watched. Of a file, ids and times are left out, by the values of the reference.
    """
    path = options["current"]
    if options.get("features") is not None or is_log(path):
        return options, ()
    if known is not None:
        return _as_frozen(options, known)
    source = options["reference"] or path
    if is_log(source):
        return options, ()
    found = unwatched(source, tuple(_unnamed(source, options)))
    ignored = (*(options.get("ignore") or ()), *found.ids, *found.times)
    return {**options, "ignore": ignored}, tuple(filter(None, [found.sentence()]))


def _as_frozen(options: Mapping[str, Any], known: Reference) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    features = tuple(name for name in known.binnings if name not in {"y_true", "y_pred", "y_score"})
    new = [name for name in _unnamed(options["current"], options) if name not in known.binnings]
    note = f"Not watched, since the reference does not have them: {', '.join(new)}." if new else ""
    return {**options, "features": features}, tuple(filter(None, [note]))


def _unnamed(path: Path, options: Mapping[str, Any]) -> list[str]:
    """Return the columns of a file that no option names."""
    roles = {options[name] for name in MONITOR_ROLES if options.get(name)}
    used = {*roles, *(options.get("sensitive") or ()), *(options.get("ignore") or ())}
    return [name for name in dict.fromkeys(open_file(path).names) if name not in used]


def with_versions(result: Result, chosen: Compared, options: Mapping[str, Any]) -> Result:
    """Return a result that names the versions of the prediction logs that it was read from.

    Examples
    --------
    >>> result = Result(measurements=())
    >>> sides = {"current": Path("log.csv"), "reference": Path("spring.csv")}
    >>> with_versions(result, Compared(None, None), sides) == result
    True
    """
    given: dict[str, Any] = dict(result.provenance.given)
    for name, log in (("current", chosen.current), ("reference", chosen.reference)):
        folder = options[name]
        if folder is not None and isinstance(log, PredictionLog) and is_log(folder):
            from monitors.log_versions import cited

            files = (path.absolute().relative_to(folder.absolute()).as_posix() for path in log.source)
            given[f"{name}_version"] = cited(Provenance(data=dict.fromkeys(files, "")))
    return replace(result, provenance=replace(result.provenance, given=given))


def needless(options: Mapping[str, Any]) -> list[str]:
    """Return the columns that are named though every side knows its own: they would not be looked at.

    Examples
    --------
    >>> needless({"current": Path("log.csv"), "reference": None, "y_pred": "said"})
    []
    """
    sides = [side for side in (options["current"], options["reference"]) if side is not None]
    if not all(is_log(side) or (side / FACTS).is_file() for side in sides) or not is_log(options["current"]):
        return []
    return [
        f"--{name.replace('_', '-')} names a column, and {options['current']} knows its own; leave it out"
        for name in _OF_FILES
        if options.get(name)
    ]


_BEGIN, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2970, 1, 1, tzinfo=UTC)


def between(log: PredictionLog, start: datetime, end: datetime) -> PredictionLog:
    """Return the rows of a log from one time up to another.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 0], "t": ["2026-01-05T00:00Z", "2026-02-05T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    >>> first = between(log, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    >>> first.table.collect().height if hasattr(first.table.collect(), "height") else len(first.table.collect())
    1
    """
    inside = place_expression(Windows(edges=(start, end), regular=False, complete=0), log) >= 0
    return replace(log, table=log.table.filter(inside))


def opened(path: Path, options: Mapping[str, Any]) -> PredictionLog:
    r"""Return a file, or a prediction log, with the columns that the options name.

    Without ``--features`` every column that is named for nothing else is watched. Without ``--y-true`` the log is only
    watched: no error rates.

    Raises
    ------
    InputError
        If it is none, or a column is missing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "log.csv"
    ...     _ = file.write_text("at,said,age\n2026-01-05T00:00Z,1,30\n")
    ...     log = opened(file, {"timestamp": "at", "y_pred": "said", "sensitive": ()})
    >>> log.features, log.reading.task
    (('age',), 'watch')
    """
    if is_log(path):
        from audit.extras import require

        require("A prediction log", modules=["deltalake"], extra="store")
        from monitors.log_store.store import LogStore

        return LogStore.open(path).read()
    roles = {role: options[name] for name, role in MONITOR_ROLES.items() if options.get(name)}
    sensitive = tuple(options.get("sensitive") or ())
    bins = bins_of(options)
    features = options.get("features")
    if features is None:
        features = tuple(_unnamed(path, options))
        if len(features) > MOST_FEATURES:
            msg = f"{path} has {len(features):,} columns beside those that are named; name --features, at most 500"
            raise InputError([msg])
    settings = {name: options[name] for name in _SETTINGS if options.get(name) is not None}
    task: Any = (options.get("task") or "binary") if "y_true" in roles else "watch"
    return PredictionLog.from_file(
        path,
        sensitive_features=sensitive,
        features=features,
        task=task,
        bins=bins,
        **settings,
        **roles,
    )


def frozen(reference: PredictionLog | Reference, window: str = "7d") -> Reference:
    """Return the counts of a reference, made now where they are not frozen yet, with how such windows of it scatter.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frozen(PredictionLog.from_frame(pa.table({"p": [1, 0]}), task="watch", y_pred="p")).rows
    2
    """
    if isinstance(reference, Reference):
        return reference
    return with_scatter(make_reference(with_groups(reference)), reference, window)


def time_of(text: str) -> datetime:
    """Read a time with a zone, or a day that begins at 00:00 UTC.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> time_of("2026-03-30").isoformat()
    '2026-03-30T00:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or (found.tzinfo is None and len(text) > 10):
        msg = f"{text!r} is no time with a zone; write 2026-03-30, or 2026-03-30T08:00Z"
        raise InputError([msg])
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
