"""A network with residual blocks, for pictures of 32 x 32 pixels and more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from audit.errors import raise_violations
from trainer.networks.images import FieldMeans, Normalize, shape_violations
from trainer.setting_checks import whole_violations


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetSettings:
    """Shape of the residual network: 0.7 million parameters as it stands, 11 million as ``(64, 128, 256, 512)``.

    Parameters
    ----------
    widths
        Channels of each stage; the image is halved before each but the first. At least two for each of the `groups`.
    blocks
        Residual blocks of each stage.
    groups
        Groups of channels that are normalised together. Of one channel each, they would wipe out the means that the
        last layer reads.
    dropout
        Share of the values before the last layer that is left out in training, in [0, 1).

    Examples
    --------
    >>> ResNetSettings(widths=(30,))
    Traceback (most recent call last):
    audit.errors.InputError: widths must be multiples of groups=8, two channels or more in each; came 30
    """

    architecture: ClassVar[str] = "image_resnet"

    widths: Sequence[int] = (32, 64, 128)
    blocks: int = 2
    groups: int = 8
    dropout: float = 0.0

    def __post_init__(self) -> None:
        violations = shape_violations(self.widths, dropout=self.dropout)
        violations += whole_violations({"blocks": self.blocks, "groups": self.groups})
        if not violations:
            object.__setattr__(self, "widths", tuple(self.widths))
            violations += [
                f"widths must be multiples of groups={self.groups}, two channels or more in each; came {width}"
                for width in self.widths
                if width % self.groups or width == self.groups
            ]
        raise_violations(violations)

    @property
    def least_size(self) -> int:
        """Rows and columns that an image must have at least."""
        return int(2 ** len(self.widths))


class ImageResNet(nn.Module):
    """Stages of residual blocks, each stage at half the size of the one before, then the mean and one dense layer.

    Parameters
    ----------
    normalize, channels, n_outputs, settings
        As in `ImageCNN`.

    Notes
    -----
    He, Zhang, Ren & Sun, "Deep residual learning for image recognition" (2016), arXiv:1512.03385, in the form for
    32 x 32 pixels of section 4.2, with group normalisation (Wu & He 2018, arXiv:1803.08494) for that of the batch.

    Examples
    --------
    >>> import torch
    >>> normalize = Normalize(mean=[0.0] * 3, std=[1.0] * 3)
    >>> settings = ResNetSettings(widths=(8, 16), blocks=1, groups=2)
    >>> model = ImageResNet(normalize=normalize, channels=3, n_outputs=10, settings=settings)
    >>> model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, *, normalize: Normalize, channels: int, n_outputs: int, settings: ResNetSettings) -> None:
        super().__init__()
        self.normalize = normalize
        width = settings.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.GroupNorm(settings.groups, width), nn.ReLU()
        )
        stages = []
        for place, wider in enumerate(settings.widths):
            blocks = [ResidualBlock(width, wider, stride=2 if place else 1, groups=settings.groups)]
            blocks += [
                ResidualBlock(wider, wider, stride=1, groups=settings.groups) for _ in range(settings.blocks - 1)
            ]
            stages.append(nn.Sequential(*blocks))
            width = wider
        self.stages = nn.Sequential(*stages)
        self.pool = nn.Sequential(FieldMeans(1), nn.Dropout(settings.dropout))
        self.head = nn.Linear(width, n_outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the output, shape (n, n_outputs), of pixels of shape (n, channels, h, w)."""
        output: Tensor = self.head(self.pool(self.stages(self.stem(self.normalize(pixels)))))
        return output


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what came in.

    The scale of the last normalisation starts at 0, so that each block starts as the identity (Goyal et al. 2017,
    arXiv:1706.02677, section 5.1).

    Examples
    --------
    >>> import torch
    >>> block, maps = ResidualBlock(8, 8, stride=1, groups=2), torch.rand(1, 8, 4, 4)
    >>> torch.equal(block(maps), maps)
    True
    """

    def __init__(self, width: int, wider: int, *, stride: int, groups: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, wider, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.GroupNorm(groups, wider)
        self.second = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.second_norm = nn.GroupNorm(groups, wider)
        nn.init.zeros_(self.second_norm.weight)
        same = stride == 1 and width == wider
        self.shortcut = nn.Identity() if same else nn.Conv2d(width, wider, 1, stride=stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return shape (n, wider, h / stride, w / stride) from (n, width, h, w)."""
        inner = self.first_norm(self.first(maps)).relu()
        added: Tensor = self.second_norm(self.second(inner)) + self.shortcut(maps)
        return added.relu()
