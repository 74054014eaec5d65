"""Fine-tuning: a network that has learnt one thing learns another, its new head first.

This is a method of `trainer.learner.Learner`, kept in a file of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.errors import InputError
from trainer.fitting.layers import LayerSettings
from trainer.history import EpochRow, Recipe

if TYPE_CHECKING:
    from trainer.history import Saving
    from trainer.learner import Learner

BODY_FACTOR = 0.01
"""Learning rate of the first group of layers as a share of that of the head, unless another is named."""


def fine_tune(
    learner: "Learner",
    epochs: int,
    lr: float = 2e-3,
    *,
    freeze_epochs: int = 1,
    batch_size: int = 256,
    recipe: Recipe | None = None,
    on_epoch: Callable[[EpochRow], object] | None = None,
    saving: "Saving | None" = None,
) -> tuple[EpochRow, ...]:
    """Train the head alone, then all layers, those near the input more slowly.

    First a cycle of `freeze_epochs` at `lr` in which all groups of layers but the last keep their weights: a head of
    random weights would send noise into what the body has learnt. Then a cycle of `epochs` in which the last group
    learns at ``lr / 2``, the first at a hundredth of that, and those between at equal ratios.

    Parameters
    ----------
    epochs
        Passes with all layers, at least 1.
    lr
        The largest learning rate of the head while the body is frozen.
    freeze_epochs
        Passes with a frozen body; 0 leaves them out.
    batch_size, on_epoch, saving
        As in `fit_one_cycle`. A stop while the body is frozen resumes to the end of that cycle; the second is then
        started by ``fine_tune(freeze_epochs=0)``.
    recipe
        As in `fit_one_cycle`; ``layers=LayerSettings(factor=..., groups=...)`` names another factor than 1/100, or
        groups of one's own.

    Returns
    -------
    tuple of EpochRow
        Of both cycles.

    Raises
    ------
    InputError
        If a setting is out of range, or the groups do not fit the network.

    Notes
    -----
    Gradual unfreezing and discriminative learning rates: Howard & Ruder, "Universal language model fine-tuning for
    text classification" (2018), arXiv:1801.06146, sections 3.2 and 3.3, where each layer learns at 1/2.6 of the rate
    of the one above it. In two stages, with the half rate and the factor of 100, it is the rule of fastai's
    ``fine_tune``; here the rate of the frozen stage goes up and down as in any cycle, and normalisation over batches
    is frozen with its layer.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.images import Images
    >>> from trainer.data.splits import split_rows
    >>> from trainer.learner import Learner
    >>> pixels = np.arange(20, dtype=np.uint8)[:, None, None].repeat(4, axis=1).repeat(4, axis=2)
    >>> frame = pd.DataFrame({"bright": [0] * 10 + [1] * 10})
    >>> images = Images.from_arrays(pixels, frame, columns=Columns(y="bright"), split=split_rows(20, seed=1))
    >>> learner = Learner(images, device="cpu")
    >>> rows = learner.fine_tune(2)
    >>> len(rows), [(cycle.epochs, cycle.lr, cycle.recipe.layers.frozen) for cycle in learner.cycles]
    (3, [(1, 0.002, -1), (2, 0.001, 0)])
    """
    if freeze_epochs < 0:
        raise InputError([f"freeze_epochs must be at least 0; came {freeze_epochs}"])
    recipe = recipe or Recipe()
    layers = recipe.layers or LayerSettings(factor=BODY_FACTOR)
    rows: tuple[EpochRow, ...] = ()
    if freeze_epochs:
        rows = learner.fit_one_cycle(
            freeze_epochs,
            lr,
            batch_size=batch_size,
            recipe=replace(recipe, layers=replace(layers, frozen=-1, factor=1.0)),
            on_epoch=on_epoch,
            saving=saving,
        )
    return rows + learner.fit_one_cycle(
        epochs,
        lr / 2.0,
        batch_size=batch_size,
        recipe=replace(recipe, layers=layers),
        on_epoch=on_epoch,
        saving=saving,
    )
