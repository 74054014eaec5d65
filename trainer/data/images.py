"""Images as the trainer needs them: bytes on the device, beside a frame of what is known of each picture."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from audit.errors import raise_violations
from trainer.data.card import CardRow
from trainer.data.columns import Columns, Label
from trainer.data.image_card import image_card_rows
from trainer.data.image_checks import Layout, frame_violations, pixel_violations
from trainer.data.resident import Resident
from trainer.data.spec import columns_record, tuples
from trainer.data.splits import Part, Split
from trainer.data.target import Target
from trainer.data.truth import fit_target, target_tensor
from trainer.data.weights import weight_tensor

Pixels = npt.NDArray[np.generic]

_COUNTED_AT_ONCE = 1024  # images whose bytes are counted together, so that the wide copy stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """Shape, scale and target of images; saved with the model.

    Parameters
    ----------
    columns
        Roles of the columns of the frame; none of them is an input.
    target
        What the model answers.
    layout
        Order of the dimensions of the pixels: n images, h rows, w columns, c channels.
    size
        Rows and columns of an image.
    channels
        1 for grey, 3 for colour.
    mean, std
        Of each channel over the train rows, on the scale of 0 to 255; the deviation of a constant channel is given as
        1, so that it can be divided by.

    Examples
    --------
    >>> target = Target(kind="classes", classes=("cat", "dog"))
    >>> spec = ImageSpec(columns=Columns(y="animal", positive="dog"), target=target, layout="nhw", size=(2, 2),
    ...                  channels=1, mean=(127.5,), std=(127.5,))
    >>> spec.positive, ImageSpec.read(spec.record()) == spec
    ('dog', True)
    >>> spec.inputs(np.zeros((5, 2, 2), dtype=np.uint8))[0].shape
    torch.Size([5, 1, 2, 2])
    """

    columns: Columns
    target: Target
    layout: Layout
    size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels of the train rows, sorted; the model's outputs stand in this order."""
        return self.target.classes

    @property
    def positive(self) -> Label | None:
        """The label named as positive; of 0/1 and booleans the larger; None with more classes and none named."""
        if self.columns.positive is not None:
            return self.columns.positive
        return self.classes[1] if self.target.kind == "classes" and len(self.classes) == 2 else None

    def inputs(self, rows: Pixels) -> tuple[Tensor, ...]:
        """Return new images as the network takes them: shape (n, channels, h, w), uint8, on the host.

        Parameters
        ----------
        rows
            Pixels in the layout of the train rows, uint8.

        Raises
        ------
        InputError
            If they are not bytes, or not of the shape of the train rows.
        """
        violations = pixel_violations(rows, layout=self.layout)
        if not violations:
            shape = _channels_first(rows, layout=self.layout).shape[1:]
            if shape != (self.channels, *self.size):
                violations = [
                    f"images must have {self.channels} channels of {self.size[0]} x {self.size[1]} pixels as in "
                    f"training; came {shape[0]} of {shape[1]} x {shape[2]}: resize them as the train rows were"
                ]
        raise_violations(violations)
        return (_tensor(rows, layout=self.layout),)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"kind": "images", **asdict(self), "columns": columns_record(self.columns)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return the spec that `record` was made of."""
        values = tuples({name: value for name, value in record.items() if name != "kind"})
        columns, target = Columns(**values.pop("columns")), Target(**tuples(values.pop("target")))
        return cls(columns=columns, target=target, **values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """Pictures, their labels and whom they show; made by `from_arrays`.

    Parameters
    ----------
    frame
        One row per image: labels, sensitive columns, ids. Nothing of it reaches the model but the label.
    split
        Which images train, tune and test.
    spec
        Shape, scale and target.
    resident
        The bytes, in the memory of the host.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> pixels = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
    >>> frame = pd.DataFrame({"digit": [0, 1, 0, 1], "hand": ["left", "right"] * 2})
    >>> images = Images.from_arrays(pixels, frame, columns=Columns(y="digit", sensitive_features=["hand"]),
    ...                             split=split_given(train=[0, 1], valid=[2], test=[3]))
    >>> images.spec.mean, images.resident.inputs[0].shape
    ((3.5,), torch.Size([4, 1, 2, 2]))
    """

    frame: pd.DataFrame
    split: Split
    spec: ImageSpec
    resident: Resident

    @classmethod
    def from_arrays(
        cls, pixels: Pixels, frame: pd.DataFrame, *, columns: Columns, split: Split, layout: Layout | None = None
    ) -> "Images":
        """Check pixels and frame, and take the scale of each channel from the train rows.

        Parameters
        ----------
        pixels
            Bytes (uint8), shape (n, h, w), (n, h, w, c) or (n, c, h, w); all images are of one size.
        frame
            Row i tells what is known of image i.
        columns
            Roles of the columns of the frame; no column is a feature.
        split
            From `split_rows`, `split_groups` (by person, by camera) or `split_given`.
        layout
            "nhw", "nhwc" or "nchw"; must be stated where there are channels, and may be left out where there are none.

        Returns
        -------
        Images
            Ready for a `Learner`.

        Raises
        ------
        InputError
            Listing everything that is wrong: pixels that are not bytes, of another rank or empty, other lengths,
            features named, labels missing or of one class, bad weights, a split that does not fit.
        TypeError
            If `pixels` is not a numpy array or `frame` not a pandas data frame.
        """
        _check_types(pixels, frame)
        layout = "nhw" if layout is None and pixels.ndim == 3 else layout
        violations = pixel_violations(pixels, layout=layout)
        if len(pixels) != len(frame):
            violations.append(f"each image needs one row of the frame; came {len(pixels)} images and {len(frame)} rows")
        raise_violations(violations + frame_violations(frame, columns=columns, split=split))
        first = _channels_first(pixels, layout=layout)
        mean, std = _scales(first[split.train])
        spec = ImageSpec(
            columns=columns,
            target=fit_target(frame.iloc[split.train], columns=columns),
            layout=layout or "nhw",
            size=(first.shape[2], first.shape[3]),
            channels=first.shape[1],
            mean=mean,
            std=std,
        )
        resident = _resident(_tensor(pixels, layout=layout), frame=frame, spec=spec, split=split)
        return cls(frame=frame.copy(deep=False), split=split, spec=spec, resident=resident)

    def part(self, part: Part) -> pd.DataFrame:
        """Return what is known of the images of one part, as it came."""
        return self.frame.iloc[self.split.rows(part)]

    def card(self) -> tuple[CardRow, ...]:
        """Return what the model sees: pixels, labels, what is carried, the parts of the split, and leaks found."""
        spec = self.spec
        scale = ", ".join(f"{mean:.1f} +- {std:.1f}" for mean, std in zip(spec.mean, spec.std, strict=True))
        note = f"{spec.size[0]} x {spec.size[1]}, channels: {spec.channels}, mean and deviation {scale} (train rows)"
        pixels = self.resident.inputs[0]
        return image_card_rows(pixels, self.frame, columns=spec.columns, split=self.split, note=note)


def _check_types(pixels: object, frame: object) -> None:
    if not isinstance(pixels, np.ndarray):
        message = f"pixels must be a numpy array; came {type(pixels).__name__}: convert it with numpy.asarray"
        raise TypeError(message)
    if not isinstance(frame, pd.DataFrame):
        message = f"frame must be a pandas DataFrame; came {type(frame).__name__}: convert it with .to_pandas()"
        raise TypeError(message)


def _channels_first(pixels: Pixels, *, layout: Layout | None) -> Pixels:
    """Return a view of shape (n, c, h, w)."""
    if layout == "nhwc":
        return pixels.transpose(0, 3, 1, 2)
    return pixels if layout == "nchw" else pixels[:, None]


def _tensor(pixels: Pixels, *, layout: Layout | None) -> Tensor:
    return torch.from_numpy(np.array(_channels_first(pixels, layout=layout), dtype=np.uint8, order="C"))


def _scales(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation by channel from counts of the 256 values: exact, and without wide copies."""
    counts = np.zeros((pixels.shape[1], 256))
    for start in range(0, len(pixels), _COUNTED_AT_ONCE):
        for channel in range(len(counts)):
            some = pixels[start : start + _COUNTED_AT_ONCE, channel]
            counts[channel] += np.bincount(some.ravel(), minlength=256)
    shares, values = counts / counts.sum(axis=1, keepdims=True), np.arange(256.0)
    mean = shares @ values
    variance = (shares * (values - mean[:, None]) ** 2).sum(axis=1)
    std = np.sqrt(np.where(variance > 0, variance, 1.0))
    return tuple(mean.tolist()), tuple(std.tolist())


def _resident(pixels: Tensor, *, frame: pd.DataFrame, spec: ImageSpec, split: Split) -> Resident:
    columns = spec.columns
    used = np.concatenate([split.train, split.valid, split.test])
    target = target_tensor(frame, columns=columns, target=spec.target, used=used)
    weights = weight_tensor(frame, columns=columns, split=split)
    return Resident(inputs=(pixels,), target=target, weights=weights)
