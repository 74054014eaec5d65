"""What kind of run a result is, and what it was made of: how a list of runs tells one from another."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from audit.result import Result

Kind = Literal[
    "audit",
    "compare",
    "thresholds",
    "slices",
    "lint",
    "baselines",
    "sources",
    "training",
    "sealed test",
    "robustness",
    "monitoring",
    "loops",
]

_MARKS: Mapping[str, Kind] = MappingProxyType(
    {
        "models": "compare",
        "payoffs": "thresholds",
        "lint": "lint",
        "baselines": "baselines",
        "training": "training",
        "sealed": "sealed test",
        "monitors": "monitoring",
        "loops": "loops",
    }
)
"""Under this name the settings of a run of each kind record what no other kind has."""

_METRICS: Mapping[str, Kind] = MappingProxyType(
    {
        "slices_searched": "slices",
        "bias_source": "sources",
        "valid_loss": "training",
        "counterfactual_flip_rate": "robustness",
        "matched_pair_flip_rate": "robustness",
        "perturbation_flip_rate": "robustness",
    }
)


def kind_of(result: Result) -> Kind:
    """Return the kind of a run: "audit" where nothing says otherwise.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> kind_of(Result(measurements=(), provenance=Provenance(given={"payoffs": {"tp": 1.0}})))
    'thresholds'
    >>> kind_of(Result(measurements=()))
    'audit'

    What watches a log and its feedback loops at once is a run of monitors:

    >>> kind_of(Result(measurements=(), provenance=Provenance(given={"loops": ["usage"], "monitors": ["drift"]})))
    'monitoring'
    """
    marked = next((kind for name, kind in _MARKS.items() if name in result.provenance.given), None)
    if marked is not None:
        return marked
    return next((_METRICS[row.metric] for row in result.measurements if row.metric in _METRICS), "audit")


def model_of(result: Result) -> str:
    """Return the columns that the predictions stand in: "score", "candidate new, baseline old"; "" where there is none.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> model_of(Result(measurements=(), provenance=Provenance(given={"columns": {"y_true": "y", "y_score": "s"}})))
    's'
    """
    columns = result.provenance.given.get("columns") or {}
    texts = []
    for role in ("y_pred", "y_score", "candidate", "baseline"):
        value = columns.get(role)
        if value:
            said = value if isinstance(value, str) else ", ".join(map(str, value))
            texts.append(f"{role} {said}" if role in {"candidate", "baseline"} else said)
    return ", ".join(texts)
