"""The sources of bias in plain words: what each is, and what its verdicts are called."""

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label

SOURCE_METRIC = "bias_source"

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "historical": "The world itself treats groups differently; a record of it that is right still holds that.",
        "representation": "Too few rows of a group for the model to learn it.",
        "measurement": "Labels or features are recorded with other errors for a group.",
        "aggregation": "One model for groups in which things mean different things.",
        "evaluation": "The rows that the model is judged by are not the people it is used on.",
        "deployment": "In use something else happens than was evaluated.",
    }
)
"""After Suresh & Guttag 2021, doi:10.1145/3465416.3483305; in our words."""

MARKS: Mapping[str, str] = MappingProxyType(
    {"supported": "● supported", "not supported": "○ not supported", "not testable": "◇ not testable"}
)


def source_verdicts(result: Result) -> tuple[Measurement, ...]:
    """Return the verdict row of each source: supported first, then what could not be tested.

    Examples
    --------
    >>> rows = [Measurement(metric="bias_source", at=(("class", name),), value=value, n=9, method="x", reason="-")
    ...         for name, value in (("historical", 0.0), ("measurement", 1.0), ("deployment", None))]
    >>> [dict(row.at)["class"] for row in source_verdicts(Result(measurements=rows))]
    ['measurement', 'deployment', 'historical']
    """
    rows = [row for row in result.measurements if row.metric == SOURCE_METRIC]
    return tuple(sorted(rows, key=lambda row: (row.value == 0, row.value is None)))


def verdict_words(row: Measurement) -> str:
    """Return a verdict as shape and words.

    Examples
    --------
    >>> verdict_words(Measurement(metric="bias_source", value=1.0, n=9, method="evidence"))
    '● supported'
    """
    if row.value is None:
        return MARKS["not testable"]
    return MARKS["supported" if row.value == 1 else "not supported"]


def why_words(row: Measurement) -> str:
    """Return why a verdict is what it is, without the verdict itself.

    Examples
    --------
    >>> row = Measurement(metric="bias_source", value=None, n=9, method="evidence",
    ...                   reason="not testable because no rows from deployment were given")
    >>> why_words(row)
    'no rows from deployment were given'
    """
    return safe_label(row.reason or "", target="text", limit=600).removeprefix("not testable because ")


def evidence_of(result: Result, source: str) -> tuple[Measurement, ...]:
    """Return the numbers that speak for or against a source.

    Examples
    --------
    >>> row = Measurement(metric="error_rate", at=(("class", "representation"),), value=0.1, n=9, method="wilson")
    >>> len(evidence_of(Result(measurements=[row]), "representation"))
    1
    """
    return tuple(
        row
        for row in result.measurements
        if dict(row.at).get("class") == source and row.metric != SOURCE_METRIC and not row.metric.startswith("outcome_")
    )


def sources_command(result: Result) -> str:
    """Return the line for a shell that looks for the sources again; every name is quoted.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"y_true": "hired", "sensitive": "sex", "features": ["age", "years in job"], "model": "logistic"}
    >>> sources_command(Result(measurements=(), provenance=Provenance(given=given | {"files": {"data": "a.csv"}})))
    "evenhanded sources a.csv --y-true hired --sensitive sex --features 'age,years in job'"
    """
    given = result.provenance.given
    files = dict(given.get("files", {}))
    words = ["evenhanded", "sources", str(files.pop("data", "DATA"))]
    for name in ("y_true", "sensitive"):
        words += ["--" + name.replace("_", "-"), str(given.get(name, name.upper()))]
    words += ["--features", ",".join(map(str, given.get("features", [])))]
    for name in ("group", "positive", "audited_label", "y_pred", "decision"):
        if given.get(name) is not None:
            words += ["--" + name.replace("_", "-"), str(given[name])]
    if given.get("model", "logistic") != "logistic":
        words += ["--model", str(given["model"])]
    for name, path in files.items():
        words += ["--" + name, str(path)]
    if given.get("level", 0.95) != 0.95:
        words += ["--level", str(given["level"])]
    if result.provenance.seed:
        words += ["--seed", str(result.provenance.seed)]
    return shlex.join(words)
