"""Whose decision changes when the same model computes in fewer bits, or on another device."""

import copy
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.result import Result
from audit.tasks.shares import group_counts, number_rows, share_rows
from trainer.data.splits import Part
from trainer.device import deterministic_kernels, resolve_device
from trainer.evidence.disagreement import decisions_of
from trainer.evidence.origin import features_of, frame_of, provenance_of
from trainer.evidence.temperature import tempered
from trainer.fitting.epoch import outputs_of
from trainer.fitting.stacked import StackedModels
from trainer.networks.registry import build_network

if TYPE_CHECKING:
    from trainer.learner import Learner

Way = Literal["bfloat16", "int8", "cpu", "cuda"]
Floats = npt.NDArray[np.float64]

FLIPS, CHANGE = "perturbation_flip_rate", "perturbation_score_change"
"""The names that `audit.stress.robustness` gives to the same numbers about disturbed inputs."""

TITLES: dict[Way, str] = {
    "bfloat16": "computed in bfloat16",
    "int8": "weights of dense layers in int8",
    "cpu": "computed on a CPU",
    "cuda": "computed on CUDA",
}


def precision_flips(
    learner: "Learner",
    rows: pd.DataFrame | Part = "test",
    *,
    ways: Sequence[Way] | None = None,
    by: str | tuple[str, ...] | list[str] | None = None,
    threshold: float = 0.5,
    level: float = 0.95,
) -> Result:
    """Return the share of rows whose decision is another one than in float32 on the learner's device, by group.

    Parameters
    ----------
    rows
        A frame, or a part of the data.
    ways
        "bfloat16": as the network computes on CUDA in training. "int8": the weights of dense layers as 8-bit integers
        and their inputs rounded to 8 bits by batch (torch's dynamic quantisation, on a CPU); other layers stay as they
        are. "cpu", "cuda": float32 there. None for all that this machine has.
    by
        Columns whose groups are compared; None for the sensitive features.
    threshold
        Of two classes the positive one is chosen at or above it; of several the most probable.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    Result
        ``perturbation_flip_rate`` in [0, 1], smaller is better, for every slice with its gaps (Wilson's interval, by
        the rules of `audit.tasks.shares`), and ``perturbation_score_change``, the mean absolute change of the positive
        class's probability, where there is one. `at.feature` names the way. Of several models their mean decides.

    Raises
    ------
    InputError
        If a way is unknown or this machine does not have it, columns are missing, or the model answers numbers.

    Notes
    -----
    A rate of 0 in n rows still leaves room: its interval ends above 0. Dynamic quantisation: Jacob et al. 2018,
    arXiv:1712.05877, section 2, with ranges of inputs taken from each batch.
    """
    frame, features = frame_of(learner, rows), features_of(learner, by)
    chosen = available_ways(learner) if ways is None else tuple(ways)
    raise_violations(_violations(learner, frame, chosen, features=features, threshold=threshold))
    groups = {name: frame[name].to_numpy(dtype=object) for name in features}
    column = learner.spec.columns.cluster
    cluster = frame[column].to_numpy() if column is not None and column in frame.columns else None
    inputs = learner.inputs(rows)
    before = _answers(learner, inputs, None)
    found: list[Measurement] = [*group_counts(groups, len(frame))]
    for way in chosen:
        options: dict[str, Any] = {"cluster": cluster, "level": level, "at": (("feature", TITLES[way]),)}
        after = _answers(learner, inputs, way)
        pair = [decisions_of(learner, answers[None], threshold=threshold)[0] for answers in (before, after)]
        changed = (pair[0] != pair[1]).reshape(len(frame), -1).any(axis=1)
        found += share_rows(FLIPS, changed, groups, **options)
        if learner.spec.positive is not None:
            place = learner.spec.target.classes.index(learner.spec.positive)
            found += number_rows(CHANGE, np.abs(after - before)[:, place], groups, **options)
    given = {"check": "precision", "ways": list(chosen), "threshold": threshold, "level": level}
    given |= {"device": str(learner.device), "sensitive_features": list(features)}
    return Result(measurements=tuple(found), provenance=provenance_of(learner, given))


def available_ways(learner: "Learner") -> tuple[Way, ...]:
    """Return the other ways to compute that this machine has.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> "cpu" in available_ways(SimpleNamespace(device=torch.device("cpu")))
    False
    """
    there: list[Way] = ["bfloat16"]
    there += ["int8"] if has_int8() else []
    if learner.device.type == "cuda":
        there.append("cpu")
    elif torch.cuda.is_available():
        there.append("cuda")
    return tuple(there)


def has_int8() -> bool:
    """Return whether this torch quantises dense layers on a CPU."""
    quantization = getattr(torch.ao, "quantization", None)
    return hasattr(quantization, "quantize_dynamic") and bool(
        set(torch.backends.quantized.supported_engines) - {"none"}
    )


def _answers(learner: "Learner", inputs: tuple[Tensor, ...], way: Way | None) -> Floats:
    """Return the mean answer of the models, shape (n_rows, n_classes)."""
    device = {"cpu": "cpu", "int8": "cpu", "cuda": "cuda"}.get(str(way))
    place = learner.device if device is None else resolve_device(device)
    moved = tuple(tensor.to(place) for tensor in inputs)
    if way == "int8":
        output = torch.stack([outputs_of(model, moved) for model in _quantized(learner)])
    else:
        # Elsewhere a copy computes: a captured step would go on with the addresses of weights that had moved.
        model = learner.answering() if place == learner.device else copy.deepcopy(learner.answering()).to(place)
        with (
            deterministic_kernels(device=place, enabled=learner.deterministic and place.type == "cpu"),
            torch.autocast(place.type, dtype=torch.bfloat16, enabled=way == "bfloat16"),
        ):
            output = outputs_of(model, moved)
    answers = learner.spec.target.answer(output.double()).view(learner.models or 1, len(inputs[0]), -1)
    mean: Floats = answers.cpu().numpy().mean(axis=0)
    return mean


def _quantized(learner: "Learner") -> list[nn.Module]:
    """Return each model with its dense layers in int8; the learner's own stays as it is."""
    temperatures = learner.temperatures or (None,) * (learner.models or 1)
    singles = []
    for place, temperature in enumerate(temperatures):
        single = build_network(learner.spec, learner.network, seed=learner.seed)
        state = learner.model.state_dict()
        if isinstance(learner.model, StackedModels):
            state = {name: state[name.replace(".", "__")][place] for name in single.state_dict()}
        single.load_state_dict({name: value.cpu() for name, value in state.items()})
        with warnings.catch_warnings():
            # Torch has announced another home for this; until it has moved, the one that ships with torch is used.
            warnings.filterwarnings("ignore", message=r"torch\.(ao\.)?quanti")
            smaller = torch.ao.quantization.quantize_dynamic(single.eval(), {nn.Linear}, dtype=torch.qint8)  # type: ignore[no-untyped-call]
        singles.append(tempered(smaller, None if temperature is None else (temperature,)))
    return singles


def _violations(
    learner: "Learner", frame: pd.DataFrame, ways: Sequence[Way], *, features: Sequence[str], threshold: float
) -> list[str]:
    there = available_ways(learner)
    found = [
        f"{way!r} is no way to compute that this machine has; expected some of {', '.join(map(repr, there))}"
        for way in ways
        if way not in there
    ]
    if not ways:
        found.append(f"name at least one way to compute of {', '.join(map(repr, there))}")
    found += [f"{way!r} is named twice" for way in dict.fromkeys(ways) if list(ways).count(way) > 1]
    found += [f"column {name!r} (groups) is missing from the rows" for name in features if name not in frame.columns]
    if learner.spec.target.kind == "number":
        found.append("flips are counted on decisions; this model answers numbers")
    if not 0 < threshold < 1:
        found.append(f"threshold must lie in (0, 1); came {threshold}")
    return found
