"""The command that measures the feedback loops of a run again, from the settings that its provenance records."""

import shlex
from collections.abc import Mapping

from audit.result import Result
from dashboards.loops import settings_of
from monitors.feedback.catalog import BY_NAME

_FLAGS: Mapping[str, str] = {
    "timestamp": "--timestamp",
    "y_pred": "--y-pred",
    "y_score": "--y-score",
    "y_true": "--y-true",
    "label_timestamp": "--label-timestamp",
    "prediction_id": "--prediction-id",
    "model_version": "--model-version",
    "place": "--place",
    "action": "--action",
    "cluster": "--cluster",
}
"""Roles with an option of their own; the others are named by ``--role``."""
_DEFAULTS: Mapping[str, object] = {"window": "7d", "alpha": 0.05}


def loops_command(result: Result) -> str:
    """Return the line for a shell that measures the same log in the same way; every name is quoted.

    Columns that bear the name of their role need no word.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"loops": ["usage"], "columns": {"exposed": "seen it", "arm": "arm"}, "limits": {"usage": 0.4}}
    >>> loops_command(Result(measurements=(), provenance=Provenance(data={"a.csv": "00"}, given=given)))
    "evenhanded monitor --loops --current a.csv --role 'exposed=seen it' --loop-limit usage=0.4"
    """
    settings = settings_of(result)
    words = ["evenhanded", "monitor", "--loops", "--current", next(iter(result.provenance.data), "LOG")]
    for role, column in (settings.get("columns") or {}).items():
        if column and column != role:
            words += [_FLAGS[role], str(column)] if role in _FLAGS else ["--role", f"{role}={column}"]
    groups = dict.fromkeys(name for row in result.measurements if row.metric in BY_NAME for name, _ in row.slice)
    words += ["--sensitive", ",".join(groups)] if groups else []
    for name, default in _DEFAULTS.items():
        if settings.get(name, default) != default:
            words += [f"--{name}", f"{settings[name]:g}" if name == "alpha" else str(settings[name])]
    for name, limit in (settings.get("limits") or {}).items():
        words += ["--loop-limit", f"{name}={limit:g}"]
    return shlex.join(words)
