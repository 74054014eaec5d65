"""The command that makes a run's numbers again, from the settings that its provenance records."""

import shlex
from collections.abc import Mapping
from typing import Any

from audit.result import Result

_FLAGS: Mapping[str, str] = {
    "y_true": "--y-true",
    "y_pred": "--y-pred",
    "y_score": "--y-score",
    "sample_weight": "--weight",
    "cluster": "--cluster",
    "timestamp": "--timestamp",
    "model_version": "--model-version",
    "prediction_id": "--prediction-id",
}

_SETTINGS = ("threshold", "positive", "score_max", "weights", "missing", "level")


def audit_command(result: Result, *, reference: Mapping[str, str] | None = None) -> str:
    """Return the line for a shell that audits the same file in the same way; every name is quoted.

    Parameters
    ----------
    result
        The result whose settings are read from its provenance.
    reference
        The reference group by feature; None = what the run was given.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"columns": {"y_true": "label", "y_pred": "flag it"}, "sensitive_features": ["sex"], "positive": "yes"}
    >>> audit_command(Result(measurements=(), provenance=Provenance(data={"a.csv": "00"}, given=given)))
    "evenhanded audit a.csv --y-true label --y-pred 'flag it' --positive yes --sensitive sex"
    """
    given = result.provenance.given
    words = ["evenhanded", "audit", *(list(result.provenance.data) or ["DATA"])[:1]]
    columns = given.get("columns", {})
    for role, flag in _FLAGS.items():
        if role in columns:
            words += [flag, str(columns[role])]
    words += [word for name in _SETTINGS for word in _option(given, name)]
    for feature, edges in sorted(given.get("bins", {}).items()):
        words += ["--bin", f"{feature}={','.join(f'{float(edge)!r}' for edge in edges)}"]
    if given.get("metrics"):
        words += ["--metrics", ",".join(given["metrics"])]
    if given.get("all_pairs"):
        words.append("--all-pairs")
    if given.get("sensitive_features"):
        words += ["--sensitive", ",".join(given["sensitive_features"])]
    for feature, group in (reference or given.get("reference") or {}).items():
        words += ["--reference", f"{feature}={group}"]
    return shlex.join(words)


def _option(given: Mapping[str, Any], name: str) -> list[str]:
    value = given.get(name)
    return [] if value is None else ["--" + name.replace("_", "-"), str(value)]
