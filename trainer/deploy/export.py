"""A trained model for other machines: all that predicting takes, and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from audit.errors import raise_violations
from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.history import rows_of_cycle

if TYPE_CHECKING:
    from trainer.learner import Learner


def export(learner: "Learner", path: str | Path) -> str:
    """Write the model for prediction elsewhere, and read it back to be sure: no data, no state of training.

    The folder holds ``config.json`` and weights as safetensors. ``evenhanded predict FOLDER DATA`` answers from it on
    any CPU; so does ``Learner.load(FOLDER, device="cpu")``.

    Parameters
    ----------
    path
        The folder; created if need be. A model that is there already is replaced.

    Returns
    -------
    str
        The model's version: SHA-256 over weights, encoders, classes and network.

    Raises
    ------
    InputError
        If the model was never trained, is in the middle of a cycle, or is a module of one's own, which another machine
        could not build.
    """
    checkpoint, violations = learner._checkpoint(), []
    if isinstance(learner.network, nn.Module):
        name = type(learner.network).__name__
        violations.append(
            f"the network is a {name} of your own: a machine without its code cannot build it; use save()"
        )
    if not learner.history:
        violations.append("the model was never trained: call fit_one_cycle first")
    if checkpoint.state is not None:
        violations.append("training stopped in the middle of a cycle: resume() it first")
    elif learner.history and (done := len(rows_of_cycle(learner.history, len(learner.cycles)))) < _asked(learner):
        violations.append(f"the last cycle was broken off after {done} of {_asked(learner)} epochs: train another one")
    raise_violations(violations)
    save_checkpoint(checkpoint, Path(path))
    return load_checkpoint(Path(path)).model_version


def _asked(learner: "Learner") -> int:
    return learner.cycles[-1].epochs
