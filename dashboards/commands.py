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
    "human_decision": "--human",
    "action": "--final",
}

_SETTINGS = (
    "task",
    "abstain",
    "separator",
    "intersections",
    "threshold",
    "positive",
    "score_max",
    "weights",
    "missing",
    "level",
)


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
    if given.get("labels"):
        words += ["--labels", ",".join(given["labels"])]
    for feature, edges in sorted(given.get("bins", {}).items()):
        words += ["--bin", f"{feature}={','.join(f'{float(edge)!r}' for edge in edges)}"]
    if given.get("metrics"):
        words += ["--metrics", ",".join(given["metrics"])]
    words += [flag for name, flag in (("all_pairs", "--all-pairs"), ("bounds", "--bounds")) if given.get(name)]
    if given.get("control"):
        words += ["--control", ",".join(given["control"])]
    if given.get("sensitive_features"):
        words += ["--sensitive", ",".join(given["sensitive_features"])]
    for feature, group in (reference or given.get("reference") or {}).items():
        words += ["--reference", f"{feature}={group}"]
    return shlex.join(words)


def _option(given: Mapping[str, Any], name: str) -> list[str]:
    value = given.get(name)
    return [] if value is None else ["--" + name.replace("_", "-"), str(value)]


def compare_command(result: Result) -> str:
    """Return the line for a shell that compares the same models in the same way; every name is quoted.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> columns = {"y_true": "label", "candidate": ["new"], "baseline": "my old"}
    >>> given = {"columns": columns, "sensitive_features": ["sex"]}
    >>> compare_command(Result(measurements=(), provenance=Provenance(data={"a.csv": "00"}, given=given)))
    "evenhanded compare a.csv --y-true label --candidate new --baseline 'my old' --sensitive sex"
    """
    given = result.provenance.given
    columns = given.get("columns", {})
    words = ["evenhanded", "compare", *(list(result.provenance.data) or ["DATA"])]
    flags = {"y_true": "--y-true", "candidate": "--candidate", "baseline": "--baseline", "scores": "--scores"}
    flags |= {"sample_weight": "--weight", "cluster": "--cluster"}
    for name, flag in flags.items():
        if columns.get(name):
            words += [flag, columns[name] if isinstance(columns[name], str) else ",".join(columns[name])]
    words += [word for name in ("on", "threshold", "positive", "score_max", "level") for word in _option(given, name)]
    if given.get("weights") in {"sampling", "frequency"}:
        words += _option(given, "weights")
    for feature, edges in sorted(given.get("bins", {}).items()):
        words += ["--bin", f"{feature}={','.join(f'{float(edge)!r}' for edge in edges)}"]
    for name, flag in (("metrics", "--metrics"), ("sensitive_features", "--sensitive")):
        if given.get(name):
            words += [flag, ",".join(given[name])]
    for feature, group in (given.get("reference") or {}).items():
        words += ["--reference", f"{feature}={group}"]
    return shlex.join(words)
