"""How a model was trained, as names and values that a person can read."""

from collections.abc import Iterable, Mapping
from typing import Any

from audit.result import Result
from dashboards.labels import safe_label

_NAMES = {
    "epochs": "epochs",
    "lr": "largest learning rate",
    "batch_size": "rows per step",
    "weight_decay": "weight decay",
    "clip": "largest norm of the gradient",
    "smoothing": "label smoothing",
    "accumulate": "parts of a batch",
    "ema": "decay of the moving average of the weights",
}
_OBJECTIVES = {
    "mean": "the mean loss",
    "class_balanced": "the mean loss with classes weighed alike",
    "group_balanced": "the mean loss with groups weighed alike",
    "group_dro": "the loss of the worst-off groups (group DRO)",
    "demographic_parity": "the mean loss and a penalty on gaps of selection rates",
    "equalized_odds": "the mean loss and a penalty on gaps of error rates",
}
_PARTS = ("train", "valid", "test")
_SAMPLES = "a sample of its own, drawn from the train rows with replacement"
_DEFAULTS: Mapping[str, object] = {"smoothing": 0.0, "accumulate": 1, "ema": None, "clip": None}


def setting_rows(result: Result) -> tuple[tuple[str, str], ...]:
    """Return the settings of a training, each with its value; of several cycles those of each.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> cycle = {"epochs": 8, "lr": 0.002, "batch_size": 256,
    ...          "recipe": {"weight_decay": 0.05, "ema": None, "objective": {"kind": "group_dro", "groups": ["sex"]}}}
    >>> given = {"seeds": [7, 8], "rows": {"train": 600, "valid": 200, "test": 200}, "cycles": [cycle]}
    >>> for row in setting_rows(Result(measurements=(), provenance=Provenance(given=given))):
    ...     print(*row, sep=": ")
    rows: train 600, valid 200, test 200
    models: 2, with the seeds 7, 8
    epochs: 8
    largest learning rate: 0.002
    rows per step: 256
    weight decay: 0.05
    minimised: the loss of the worst-off groups (group DRO), of groups by sex
    """
    given = result.provenance.given
    rows = []
    if given.get("rows"):
        parts = dict.fromkeys([*(part for part in _PARTS if part in given["rows"]), *given["rows"]])
        rows.append(("rows", ", ".join(f"{part} {given['rows'][part]:,}" for part in parts)))
    seeds = list(given.get("seeds") or ())
    if seeds:
        rows.append(("models", f"{len(seeds)}, with the seed{'s' if len(seeds) > 1 else ''} {_listed(seeds)}"))
    if given.get("row_weights"):
        drawn = given.get("resample") == "bootstrap"
        rows.append(("rows of each model", _SAMPLES if drawn else "weighed otherwise in each model (row_weights)"))
    cycles = list(given.get("cycles") or ())
    for number, cycle in enumerate(cycles, 1):
        where = f"cycle {number}, " if len(cycles) > 1 else ""
        rows += [(where + name, value) for name, value in _cycle(cycle)]
    return tuple(rows)


def _cycle(cycle: Mapping[str, Any]) -> list[tuple[str, str]]:
    recipe = cycle.get("recipe") or {}
    flat = {**cycle, **recipe}
    rows = [
        (words, safe_label(str(flat[name]), target="text", limit=60))
        for name, words in _NAMES.items()
        if name in flat and (name not in _DEFAULTS or flat[name] != _DEFAULTS[name])
    ]
    objective = recipe.get("objective") or {}
    kind = str(objective.get("kind", "mean"))
    groups = f", of groups by {_listed(objective['groups'])}" if objective.get("groups") else ""
    rows.append(("minimised", _OBJECTIVES.get(kind, safe_label(kind, target="text")) + groups))
    for name, words in (("augment", "images are changed by"), ("layers", "layers")):
        if recipe.get(name):
            told = [f"{key} {value}" for key, value in recipe[name].items() if value not in (None, False, 0)]
            rows.append((words, _listed(told)))
    return rows


def _listed(items: Iterable[object]) -> str:
    return ", ".join(safe_label(str(item), target="text", limit=60) for item in items)
