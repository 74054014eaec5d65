"""The command that makes a run's numbers again, from the settings that its provenance records."""

import shlex
from collections.abc import Mapping
from typing import Any

from audit.kinds import kind_of
from audit.result import Result
from dashboards.lint_rows import lint_command
from dashboards.loop_command import loops_command
from dashboards.slice_findings import slices_command
from dashboards.source_words import sources_command

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
    "k",
)


_SWITCHES: Mapping[str, str] = {
    "all_pairs": "--all-pairs",
    "bounds": "--bounds",
    "impact_ratios": "--impact-ratios",
}


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
    words = ["evenhanded", "audit", *(_of_log(given) or [_data(result), *_of_file(given)])]
    if given.get("metrics"):
        words += ["--metrics", ",".join(given["metrics"])]
    words += _beside(given)
    if given.get("sensitive_features"):
        words += ["--sensitive", ",".join(given["sensitive_features"])]
    for feature, group in (reference or given.get("reference") or {}).items():
        words += ["--reference", f"{feature}={group}"]
    return shlex.join(words)


def _of_log(given: Mapping[str, Any]) -> list[str]:
    """Return the words that name a version of a log of `evenhanded ingest`; none for a file."""
    return [str(given.get("log", "LOG")), "--log-version", str(given["log_version"])] if "log_version" in given else []


def _of_file(given: Mapping[str, Any]) -> list[str]:
    """Return the words that say what the columns of a file are, and how they are read."""
    columns = given.get("columns", {})
    words = [word for role, flag in _FLAGS.items() if role in columns for word in (flag, str(columns[role]))]
    words += [word for name in _SETTINGS for word in _option(given, name)]
    if given.get("labels"):
        words += ["--labels", ",".join(given["labels"])]
    return [*words, *_cuts(given)]


def _beside(given: Mapping[str, Any]) -> list[str]:
    """Return the words that ask for what an audit measures beside rates and gaps."""
    words = [flag for name, flag in _SWITCHES.items() if given.get(name)]
    for feature, file in sorted((given.get("population") or {}).items()):
        words += ["--population", f"{feature}={file}"]
    if given.get("attributes"):
        words += ["--attributes", given["attributes"]["file"], "--on", given["attributes"]["on"]]
    return [*words, "--control", ",".join(given["control"])] if given.get("control") else words


def _data(result: Result) -> str:
    """Return the file that was audited: of several, the one that is neither a population nor attributes."""
    given = result.provenance.given
    beside = {*(given.get("population") or {}).values(), (given.get("attributes") or {}).get("file")}
    files = list(result.provenance.data)
    return next((name for name in files if name not in beside), files[0] if files else "DATA")


def _option(given: Mapping[str, Any], name: str) -> list[str]:
    value = given.get(name)
    return [] if value is None or (name, value) == ("weights", "none") else ["--" + name.replace("_", "-"), str(value)]


def thresholds_command(result: Result, payoffs: Mapping[str, float] | None = None) -> str:
    """Return the line for a shell that measures the same thresholds on the same rows; every name is quoted.

    Parameters
    ----------
    result
        A result of thresholds, or one whose scores they are to be measured on.
    payoffs
        What each outcome is worth; None = what the run was given.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"columns": {"y_true": "label", "y_score": "a score"}, "sensitive_features": ["sex"],
    ...          "measured_on": "a random half"}
    >>> result = Result(measurements=(), provenance=Provenance(data={"a.csv": "00"}, given=given, seed=3))
    >>> thresholds_command(result, {"tp": 1.0, "fp": -1.0})
    "evenhanded thresholds a.csv --y-true label --y-score 'a score' --sensitive sex --costs tp=1,fp=-1 --split --seed 3"
    """
    given = result.provenance.given
    columns = given.get("columns", {})
    words = ["evenhanded", "thresholds", _data(result)]
    for role in ("y_true", "y_score", "sample_weight", "cluster", "model_version"):
        if role in columns:
            words += [_FLAGS[role], str(columns[role])]
    for name in ("threshold", "positive", "score_max", "weights", "missing"):
        words += _option(given, name)
    words += [] if given.get("level", 0.95) == 0.95 else _option(given, "level")
    words += _cuts(given)
    if given.get("sensitive_features"):
        words += ["--sensitive", ",".join(given["sensitive_features"])]
    stated = given.get("payoffs") if payoffs is None else payoffs
    words += ["--costs", _amounts(stated)] if stated else []
    words += _measured_on(result)
    for feature, groups in (given.get("order") or {}).items():
        words += ["--order", f"{feature}={','.join(groups)}"]
    for name in ("harms", "benefits"):
        words += [f"--{name}", _amounts(given[name])] if given.get(name) else []
    return shlex.join(words)


def _measured_on(result: Result) -> list[str]:
    """Return the words that part the rows that a threshold is chosen on from those that it is measured on."""
    files, where = list(result.provenance.data), result.provenance.given.get("measured_on")
    if where == "held out rows":
        return ["--held-out", files[-1] if files else "HELD_OUT"]
    seed = result.provenance.seed
    return ["--split", *([] if not seed else ["--seed", str(seed)])] if where == "a random half" else []


def _amounts(values: Mapping[str, float]) -> str:
    """Return numbers by outcome without loss: "tp=5,fp=-0.1"."""
    return ",".join(f"{name}={repr(float(value)).removesuffix('.0')}" for name, value in values.items())


def _cuts(given: Mapping[str, Any]) -> list[str]:
    cuts = sorted((given.get("bins") or {}).items())
    return [
        word for name, edges in cuts for word in ("--bin", f"{name}={','.join(repr(float(edge)) for edge in edges)}")
    ]


def run_command(result: Result, *, reference: Mapping[str, str] | None = None) -> str:
    """Return the line for a shell that makes the numbers of a run again, whatever kind of run it is.

    Parameters
    ----------
    result
        The result whose settings are read from its provenance.
    reference
        The reference group by feature of an audit; None = what the run was given.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"columns": {"y_true": "y", "y_score": "s"}, "payoffs": {"tp": 1.0}, "measured_on": "all rows"}
    >>> run_command(Result(measurements=(), provenance=Provenance(data={"a.csv": "00"}, given=given)))
    'evenhanded thresholds a.csv --y-true y --y-score s --costs tp=1'
    """
    kind = kind_of(result)
    makers = {"thresholds": thresholds_command, "slices": slices_command, "compare": compare_command,
              "lint": lint_command, "sources": sources_command, "loops": loops_command}  # fmt: skip
    return makers[kind](result) if kind in makers else audit_command(result, reference=reference)


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
    words += _cuts(given)
    for name, flag in (("metrics", "--metrics"), ("sensitive_features", "--sensitive")):
        if given.get(name):
            words += [flag, ",".join(given[name])]
    for feature, group in (given.get("reference") or {}).items():
        words += ["--reference", f"{feature}={group}"]
    return shlex.join(words)
