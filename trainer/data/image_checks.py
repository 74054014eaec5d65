"""What images and the frame beside them must satisfy before anything is learnt from them."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from trainer.data.checks import table_violations
from trainer.data.columns import Columns
from trainer.data.splits import Split

Layout = Literal["nhw", "nhwc", "nchw"]

_RANK: dict[Layout, int] = {"nhw": 3, "nhwc": 4, "nchw": 4}


def pixel_violations(pixels: object, *, layout: Layout | None) -> list[str]:
    """Return a sentence for everything about pixels that a model of images could not survive or would hide.

    Examples
    --------
    >>> pixel_violations(np.zeros((6, 20), dtype=np.uint8), layout=None)
    ['pixels must have 3 or 4 dimensions; came 2 of shape (6, 20)']
    """
    if not isinstance(pixels, np.ndarray):
        return [f"images are a numpy array of bytes; came {type(pixels).__name__}"]
    violations = []
    if pixels.dtype != np.uint8:
        scale = (
            "multiply by 255 if they lie in [0, 1], round, and"
            if pixels.dtype.kind == "f"
            else "bring to 0 ... 255 and"
        )
        violations.append(f"pixels must be bytes (uint8); came {pixels.dtype}: {scale} convert with .astype('uint8')")
    if layout is not None and layout not in _RANK:
        violations.append(f"layout must be one of {', '.join(map(repr, _RANK))}; came {layout!r}")
    elif layout is None and pixels.ndim == 4:
        violations.append('images with channels need layout="nhwc" (channels last) or layout="nchw" (channels first)')
    elif layout is None or pixels.ndim != _RANK[layout]:
        wanted = "3 or 4 dimensions" if layout is None else f"the {_RANK[layout]} dimensions of {layout!r}"
        violations.append(f"pixels must have {wanted}; came {pixels.ndim} of shape {pixels.shape}")
    if pixels.size == 0:
        violations.append(f"there must be at least one image with at least one pixel; came the shape {pixels.shape}")
    return violations


def frame_violations(frame: pd.DataFrame, *, columns: Columns, split: Split) -> list[str]:
    """Return a sentence for everything about labels, weights and split that training could not survive or would hide.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> frame = pd.DataFrame({"y": [1, 1]})
    >>> frame_violations(frame, columns=Columns(y="y"), split=split_given(train=[0, 1], valid=[], test=[]))
    ["label 'y' has the one class 1 in the train rows; at least two are needed to learn"]
    """
    named = [*(columns.features or ()), *columns.categorical, *dict(columns.ordered), *columns.dates, *columns.text]
    violations = [
        f"column {name!r} is named as a feature, but a model of images sees pixels only"
        for name in dict.fromkeys(named)
    ]
    # The pixels stand as the one feature, so that labels, weights and split are checked as those of a table are.
    stand_in = next(name for name in ("pixels", *(f"pixels {i}" for i in range(frame.shape[1]))) if name not in frame)
    whole = replace(columns, features=(stand_in,), categorical=(), ordered=(), dates=(), text=())
    return violations + table_violations(frame.assign(**{stand_in: 1.0}), columns=whole, split=split)
