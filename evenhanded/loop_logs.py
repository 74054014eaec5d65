"""The decision log that `evenhanded monitor --loops` measures, and which of its columns play which role."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog
from audit.reading import ROLES, Role
from audit.tables import open_file
from checklists.policy_errors import suggestion
from evenhanded.audited_logs import is_log
from evenhanded.logs import bins_of
from evenhanded.monitored import MONITOR_ROLES, MOST_FEATURES, needless, opened
from evenhanded.unwatched import unwatched
from monitors.counts.reference_files import FACTS

_SETTINGS = ("positive", "threshold", "score_max")
_NUMBERS = "regression"
_FOR_MONITORS: tuple[Role, ...] = ("timestamp", "y_pred", "y_score", "y_true")
_NEVER_TAKEN = frozenset({"sample_weight", "label_timestamp"})
"""Roles that nothing here reads; columns of these names are features like others."""


class LoopLog(NamedTuple):
    """A decision log, the column of each role, and the roles whose columns were taken by their names.

    Examples
    --------
    >>> LoopLog._fields
    ('log', 'columns', 'taken', 'notes')
    """

    log: PredictionLog
    columns: Mapping[Role, str]
    taken: tuple[Role, ...]
    notes: tuple[str, ...] = ()


def loop_log(options: Mapping[str, Any]) -> LoopLog:
    r"""Return the log that the options name, with every role that it has.

    Columns that bear the name of a role play it, unless an option says otherwise, `--ignore` names them, or they are
    named as features. Columns that are named for nothing are features, except ids and times.

    Parameters
    ----------
    options
        ``current`` (a file, a folder of Parquet files or a log of `evenhanded ingest`, which knows its own columns),
        ``role`` (pairs of role and column), the options of `evenhanded monitor` that name columns.

    Raises
    ------
    InputError
        If a role is unknown or named twice, or a column is missing: all at once.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "log.csv"
    ...     _ = file.write_text("who,action,age\nmodel,1,30\n")
    ...     found = loop_log({"current": file, "role": [("arm", "who")]})
    >>> dict(found.columns), found.log.features, found.notes
    ({'arm': 'who', 'action': 'action'}, ('age',), ('Taken by their names: action.',))
    """
    path = options["current"]
    if is_log(path):
        raise_violations(needless({**options, "reference": None}))
        log = opened(path, options)
        return LoopLog(log, log.columns, ())
    named = named_roles(options)
    names = open_file(path).names
    taken = _taken(names, named, options)
    columns: dict[Role, str] = {**named, **{role: role for role in taken}}
    features, told = _features(path, names, columns, options)
    settings = {name: options[name] for name in _SETTINGS if options.get(name) is not None}
    task: Any = _NUMBERS if options.get("task") == _NUMBERS else "watch"
    if task == _NUMBERS:
        settings.pop("threshold", None)
    read: dict[str, Any] = {**settings, **_readable(columns, task)}
    groups = tuple(options.get("sensitive") or ())
    log = PredictionLog.from_file(
        path, sensitive_features=groups, features=features, task=task, bins=bins_of(options), **read
    )
    said = f"Taken by their names: {', '.join(taken)}." if taken else ""
    return LoopLog(log, columns, taken, tuple(filter(None, [said, told])))


def named_roles(options: Mapping[str, Any]) -> dict[Role, str]:
    """Return the column of each role that options name.

    Raises
    ------
    InputError
        If `--role` names what is no role, or one that is named already: all at once.

    Examples
    --------
    >>> named_roles({"place": "district", "role": [("arm", "who")]})
    {'place': 'district', 'arm': 'who'}
    >>> named_roles({"role": [("propensities", "p"), ("arm", "a"), ("arm", "b")]})
    Traceback (most recent call last):
    audit.errors.InputError: 2 problems with the input:
      1. --role propensities=p: there is no role 'propensities'; did you mean 'propensity'?
      2. --role arm=b: arm is 'a' already; name it once
    """
    found: dict[Any, str] = {role: options[name] for name, role in MONITOR_ROLES.items() if options.get(name)}
    violations = []
    for role, column in options.get("role") or ():
        if role not in ROLES:
            near = suggestion(role, ROLES) or f"; expected one of {', '.join(ROLES)}"
            violations.append(f"--role {role}={column}: there is no role {role!r}{near}")
        elif role in found:
            violations.append(f"--role {role}={column}: {role} is {found[role]!r} already; name it once")
        else:
            found[role] = column
    raise_violations(violations)
    return found


def with_taken(options: Mapping[str, Any], found: LoopLog) -> dict[str, Any]:
    """Return the options for the monitors of the same log: times, predictions and labels that were taken, too.

    What else has a role is named for something, and no feature whose distribution is watched.

    Examples
    --------
    >>> found = LoopLog(None, {"arm": "arm", "timestamp": "timestamp"}, ("arm", "timestamp"))
    >>> asked = with_taken({"current": Path("log.csv"), "reference": None, "timestamp": None, "ignore": None}, found)
    >>> asked["timestamp"], asked["ignore"]
    ('timestamp', ('arm',))
    """
    if is_log(options["current"]):
        return dict(options)
    reference = options["reference"]
    there: Sequence[str] | None = None
    if reference is not None and not is_log(reference) and not (reference / FACTS).is_file():
        there = open_file(reference).names
    filled = dict(options)
    for role in _FOR_MONITORS:
        predicted = filled.get("y_pred") or (filled.get("y_score") and filled.get("threshold") is not None)
        if role in found.taken and (there is None or role in there) and (role != "y_true" or predicted):
            filled[role] = role
    kept = {filled.get(name) for name in MONITOR_ROLES}
    others = (column for column in found.columns.values() if column not in kept)
    groups = {*(options.get("sensitive") or ()), *(options.get("features") or ())}
    ignored = [*(options.get("ignore") or ()), *(column for column in others if column not in groups)]
    return {**filled, "ignore": tuple(dict.fromkeys(ignored))}


def _taken(names: Sequence[str], named: Mapping[Role, str], options: Mapping[str, Any]) -> tuple[Role, ...]:
    lists = ("sensitive", "features", "ignore")
    used = {*named.values(), *(name for option in lists for name in options.get(option) or ())}
    if options.get("threshold") is not None:
        used.add("y_pred")
    return tuple(
        role for role in ROLES if role in names and role not in _NEVER_TAKEN and role not in named and role not in used
    )


def _features(
    path: Path, names: Sequence[str], columns: Mapping[Role, str], options: Mapping[str, Any]
) -> tuple[tuple[str, ...], str]:
    """Return the features of a log, and a line on columns that are left out."""
    if options.get("features") is not None:
        return tuple(options["features"]), ""
    lists = ("sensitive", "ignore")
    used = {*columns.values(), *(name for option in lists for name in options.get(option) or ())}
    left = tuple(name for name in dict.fromkeys(names) if name not in used)
    if len(left) > MOST_FEATURES:
        msg = f"{path} has {len(left):,} columns beside those that are named; name --features, at most {MOST_FEATURES}"
        raise InputError([msg])
    found = unwatched(path, left)
    told = [*found.ids, *found.times]
    said = f"No features: {', '.join(told)} (ids or times)." if told else ""
    return tuple(name for name in left if name not in told), said


def _readable(columns: Mapping[Role, str], task: str) -> dict[str, str]:
    """Return the columns that a log of the task takes: numbers are predicted by themselves, not by scores."""
    return {role: column for role, column in columns.items() if task != _NUMBERS or role != "y_score"}
