"""Changes to a batch of images on the device, so that no epoch shows the model the same pixels.

All are operations on the whole batch with shapes that do not depend on what is drawn, so that a step can be captured;
all numbers come from torch's default generator, which training seeds in each epoch. Pixels stay on the scale of 0 to
255; they remain bytes under shift and flip and become floats under the others.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor

from audit.errors import InputError, raise_violations
from trainer.data.resident import Batch
from trainer.fitting.pixels import cropped, flipped, mixed, shifted, shrunk

_QUANTILES = 4096  # steps of the table from which shares of mixup are drawn
_ASPECT = 4 / 3  # of the sides of a crop, either way


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """What is drawn anew for each image each time it is shown; by default nothing.

    Parameters
    ----------
    shift
        Largest shift in whole pixels, up, down, left and right alike; black moves in.
    flip
        Whether half of the images are mirrored left to right. Not for letters, digits, or what has a left and a right.
    crop
        Least share of the area that a crop keeps, in (0, 1]; the crop is stretched to the whole size. 1 for none.
    mixup
        ``alpha`` of mixup: each image is blended with another at shares from Beta(alpha, alpha); 0 for none. Around
        0.2 to 0.4 is usual, and it takes more epochs to pay.
    small_epochs, small_size
        Share of the epochs, at the start, in which images are shrunk, and the share of their sides that is left then.

    Raises
    ------
    InputError
        If a setting is out of range; all of them are listed.

    Notes
    -----
    Crops: Szegedy et al. 2015, arXiv:1409.4842, section 6. Mixup: Zhang et al. 2018, arXiv:1710.09412. Progressive
    resizing: Howard & Gugger, "Deep learning for coders with fastai and PyTorch" (2020), chapter 7.

    Examples
    --------
    >>> AugmentSettings(shift=-1, crop=0.0)
    Traceback (most recent call last):
    audit.errors.InputError: 2 problems with the input:
      1. shift is a whole number of pixels of at least 0; came -1
      2. crop is a share in (0, 1]; came 0.0
    """

    shift: int = 0
    flip: bool = False
    crop: float = 1.0
    mixup: float = 0.0
    small_epochs: float = 0.0
    small_size: float = 0.5

    def __post_init__(self) -> None:
        violations = []
        if self.shift < 0 or self.shift != int(self.shift):
            violations.append(f"shift is a whole number of pixels of at least 0; came {self.shift}")
        violations += [
            f"{name} is a share in (0, 1]; came {value}"
            for name, value in {"crop": self.crop, "small_size": self.small_size}.items()
            if not 0 < value <= 1
        ]
        if not 0 <= self.mixup < math.inf:
            violations.append(f"mixup must be at least 0 and finite; came {self.mixup}")
        if not 0 <= self.small_epochs <= 1:
            violations.append(f"small_epochs is a share in [0, 1]; came {self.small_epochs}")
        raise_violations(violations)


def read_augment(record: Mapping[str, Any] | None) -> AugmentSettings | None:
    """Return the settings that a checkpoint's record describes, or None where there were none.

    Examples
    --------
    >>> read_augment({"shift": 1}).shift, read_augment(None)
    (1, None)
    """
    return None if record is None else AugmentSettings(**record)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Augmentation:
    """Settings at work: from a batch whose first input is pixels to the batch that is trained on.

    Parameters
    ----------
    settings
        What to draw.
    small
        Whether images are shrunk, as in the first epochs.

    Examples
    --------
    >>> pixels = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2)
    >>> batch = Batch(inputs=(pixels,), target=torch.tensor([0]), weights=None, groups=None)
    >>> torch.equal(Augmentation(settings=AugmentSettings())(batch).inputs[0], pixels)
    True
    """

    settings: AugmentSettings
    small: bool = False
    # The table of shares by device, made at the first batch: a captured step may not copy from the host.
    _shares: dict[torch.device, Tensor] = field(default_factory=dict, init=False)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch changed; of several models at once, pixels (n_models, n, c, h, w), each draws its own."""
        settings, pixels = self.settings, batch.inputs[0]
        if pixels.ndim < 4:
            raise InputError([f"augment changes images; the first input here has the shape {tuple(pixels.shape)}"])
        changed = pixels.flatten(0, -4)
        if settings.shift:
            changed = shifted(changed, _shifts(len(changed), most=settings.shift, device=pixels.device))
        if settings.flip:
            changed = flipped(changed, torch.rand(len(changed), device=pixels.device) < 0.5)
        if settings.crop < 1:
            changed = cropped(changed, _boxes(len(changed), least=settings.crop, device=pixels.device))
        if self.small:
            changed = shrunk(changed, share=settings.small_size)
        batch = batch._replace(inputs=(changed.reshape(*pixels.shape[:-3], *changed.shape[1:]), *batch.inputs[1:]))
        if settings.mixup:
            draws = torch.rand(pixels.shape[:-3], device=pixels.device)
            batch = mixed(batch, _looked_up(self._table(pixels.device), draws))
        return batch

    def _table(self, device: torch.device) -> Tensor:
        if device not in self._shares:
            alpha, steps = self.settings.mixup, np.linspace(0.0, 1.0, _QUANTILES + 1)
            self._shares[device] = torch.from_numpy(betaincinv(alpha, alpha, steps)).float().to(device)
        return self._shares[device]


def augmentations(settings: AugmentSettings | None, *, epochs: int) -> list[Augmentation | None]:
    """Return what changes the batches of each epoch of a cycle; within a size it is one and the same object.

    Examples
    --------
    >>> [item.small for item in augmentations(AugmentSettings(small_epochs=0.5), epochs=5)]
    [True, True, False, False, False]
    >>> augmentations(None, epochs=2)
    [None, None]
    """
    if settings is None:
        return [None] * epochs
    n_small = int(settings.small_epochs * epochs) if settings.small_size < 1 else 0
    small, whole = Augmentation(settings=settings, small=True), Augmentation(settings=settings)
    return [small if epoch < n_small else whole for epoch in range(epochs)]


def _shifts(n: int, *, most: int, device: torch.device) -> Tensor:
    return torch.randint(-most, most + 1, (n, 2), device=device)


def _boxes(n: int, *, least: float, device: torch.device) -> Tensor:
    """Draw boxes: area uniform, ratio of sides log-uniform within 4/3 and what fits, place uniform where it fits."""
    area, aspect, top, left = torch.rand(4, n, device=device)
    area = least + (1.0 - least) * area
    widest = torch.minimum(-area.log(), torch.full_like(area, math.log(_ASPECT)))
    ratio = ((2.0 * aspect - 1.0) * widest).exp()
    height, width = (area / ratio).sqrt(), (area * ratio).sqrt()
    return torch.stack([top * (1.0 - height), left * (1.0 - width), height, width], dim=1)


def _looked_up(table: Tensor, draws: Tensor) -> Tensor:
    """Return the quantiles of uniform draws, linear between the entries of the table."""
    places = draws * (len(table) - 1)
    below = places.long().clamp(max=len(table) - 2)
    return torch.lerp(table[below], table[below + 1], places - below)
