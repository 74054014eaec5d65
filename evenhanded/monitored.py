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
from evenhanded.logs import bins_of
from monitors.counts.reference import Reference, make_reference
from monitors.counts.reference_files import FACTS
from monitors.windows import Windows, place_expression

_ROLES: Mapping[str, Role] = {
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
_SETTINGS = ("positive", "threshold", "score_max", "labels")
_OF_FILES = (*_ROLES, *_SETTINGS, "sensitive", "features", "ignore")
MOST_FEATURES = 500


class Compared(NamedTuple):
    """What is held against what.

    Examples
    --------
    >>> Compared._fields
    ('reference', 'current')
    """

    reference: PredictionLog | Reference
    current: PredictionLog


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
    raise_violations(_needless(options))
    current = opened(options["current"], options)
    if until is not None:
        return Compared(between(current, _BEGIN, until), between(current, until, _END))
    if (reference / FACTS).is_file():
        return Compared(Reference.load(reference), current)
    return Compared(opened(reference, options), current)


def is_log(path: Path) -> bool:
    """Whether a path is a prediction log of `evenhanded ingest`.

    Examples
    --------
    >>> is_log(Path("spring.csv"))
    False
    """
    return (path / "predictions" / "_delta_log").is_dir()


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
            from monitors.log_store.version import cited

            files = (path.absolute().relative_to(folder.absolute()).as_posix() for path in log.source)
            given[f"{name}_version"] = cited(Provenance(data=dict.fromkeys(files, "")))
    return replace(result, provenance=replace(result.provenance, given=given))


def _needless(options: Mapping[str, Any]) -> list[str]:
    """Return the columns that are named though every side knows its own: they would not be looked at."""
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
    roles = {role: options[name] for name, role in _ROLES.items() if options.get(name)}
    sensitive = tuple(options.get("sensitive") or ())
    bins = bins_of(options)
    features = options.get("features")
    if features is None:
        used = {*roles.values(), *sensitive, *(options.get("ignore") or ())}
        features = tuple(dict.fromkeys(name for name in open_file(path).names if name not in used))
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


def frozen(reference: PredictionLog | Reference) -> Reference:
    """Return the counts of a reference, made now where they are not frozen yet.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frozen(PredictionLog.from_frame(pa.table({"p": [1, 0]}), task="watch", y_pred="p")).rows
    2
    """
    return reference if isinstance(reference, Reference) else make_reference(reference)


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
