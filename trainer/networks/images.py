"""The small network for images, and the layers that networks for images share.

None normalises over the batch: an answer never depends on who else is in it, and one image is a batch. All take images
of any size that is not too small, so that training may begin with smaller ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from audit.errors import InputError, raise_violations
from trainer.setting_checks import share_violations, width_violations

_GRID = 2  # the last convolution is averaged over a grid of 2 x 2 fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CNNSettings:
    """Shape of the small convolutional network: about 26,000 parameters for grey images of ten classes.

    Parameters
    ----------
    widths
        Channels of each convolution (3 x 3); the image is halved after each but the first and the last.
    dropout
        Share of the values before the last layer that is left out in training, in [0, 1).

    Examples
    --------
    >>> CNNSettings(widths=[8, 16]).widths, CNNSettings().least_size
    ((8, 16), 4)
    """

    architecture: ClassVar[str] = "image_cnn"

    widths: Sequence[int] = (16, 32, 64)
    dropout: float = 0.25

    def __post_init__(self) -> None:
        raise_violations(shape_violations(self.widths, dropout=self.dropout))
        object.__setattr__(self, "widths", tuple(self.widths))

    @property
    def least_size(self) -> int:
        """Rows and columns that an image must have at least."""
        return int(_GRID * 2 ** max(len(self.widths) - 2, 0))


class Normalize(nn.Module):
    """Pixels from 0 to 255 as the network wants them: each channel with mean 0 and deviation 1 over the train rows.

    Put it before a network of one's own that takes floats: ``nn.Sequential(Normalize(mean=spec.mean, std=spec.std),
    own)``. Mean and deviation are saved with the weights, so a network that is tuned further keeps the ones it has.

    Parameters
    ----------
    mean, std
        By channel, on the scale of 0 to 255.

    Examples
    --------
    >>> Normalize(mean=[100.0], std=[50.0])(torch.tensor([[[[0, 100, 200]]]], dtype=torch.uint8)).tolist()
    [[[[-2.0, 0.0, 2.0]]]]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32).view(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return floats of the same shape, (..., channels, h, w), from bytes or floats."""
        return (pixels.float() - self.mean) / self.std


class FieldMeans(nn.Module):
    """The mean of each channel over a grid of equal fields; rows and columns that are left over are not read.

    Unlike adaptive pooling its gradient is deterministic on CUDA.

    Raises
    ------
    InputError
        If there are fewer rows or columns than fields.

    Examples
    --------
    >>> FieldMeans(2)(torch.arange(16.0).view(1, 1, 4, 4)).tolist()
    [[2.5, 4.5, 10.5, 12.5]]
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, maps: Tensor) -> Tensor:
        """Return shape (n, channels * grid**2) from (n, channels, h, w)."""
        high, wide = maps.shape[-2] // self.grid, maps.shape[-1] // self.grid
        if not high or not wide:
            size = f"{maps.shape[-2]} x {maps.shape[-1]}"
            raise InputError([f"images have become too small for the network, maps of {size}: raise small_size"])
        fields = maps[..., : high * self.grid, : wide * self.grid]
        split = fields.reshape(*fields.shape[:-2], self.grid, high, self.grid, wide)
        return split.mean(dim=(-3, -1)).flatten(1)


class ImageCNN(nn.Module):
    """Convolutions with ReLU, halving as they go, means over 2 x 2 fields, and one dense layer.

    Parameters
    ----------
    normalize
        The first layer.
    channels
        Of the images.
    n_outputs
        Numbers per image.
    settings
        Shape of the network.

    Examples
    --------
    >>> normalize = Normalize(mean=[0.0], std=[1.0])
    >>> model = ImageCNN(normalize=normalize, channels=1, n_outputs=10, settings=CNNSettings())
    >>> model(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).shape, sum(item.numel() for item in model.parameters())
    (torch.Size([3, 10]), 25866)
    """

    def __init__(self, *, normalize: Normalize, channels: int, n_outputs: int, settings: CNNSettings) -> None:
        super().__init__()
        self.normalize = normalize
        layers: list[nn.Module] = []
        last = len(settings.widths) - 1
        for place, width in enumerate(settings.widths):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if 0 < place < last else []
            channels = width
        self.body = nn.Sequential(*layers, FieldMeans(_GRID), nn.Dropout(settings.dropout))
        self.head = nn.Linear(channels * _GRID**2, n_outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the output, shape (n, n_outputs), of pixels of shape (n, channels, h, w)."""
        output: Tensor = self.head(self.body(self.normalize(pixels)))
        return output


def shape_violations(widths: object, *, dropout: object) -> list[str]:
    """Return a sentence for each of the settings that all networks of images have and that is wrong.

    Examples
    --------
    >>> shape_violations((8, 16), dropout=1.0)
    ['dropout is a share in [0, 1); came 1.0']
    """
    violations = width_violations("widths", widths)
    if not violations and not widths:
        violations.append("widths must name at least one convolution; came none")
    return violations + share_violations({"dropout": dropout})
