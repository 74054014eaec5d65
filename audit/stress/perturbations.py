"""Stated disturbances of rows and of pictures: what a model may meet that its test rows do not hold.

Each is a pure function that returns a changed copy; random ones take a seed. Together with a name they are what
`audit.stress.robustness.run_robustness` runs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.seeds import seed_violations

Images = npt.NDArray[Any]
"""Shape (n, height, width) or (n, height, width, channels)."""


def missing_cells(frame: pd.DataFrame, *, columns: Sequence[str], share: float, random_state: int = 0) -> pd.DataFrame:
    """Return the rows with a share of the cells of some columns missing, each cell on its own.

    Raises
    ------
    InputError
        If a column is missing, the share lies outside [0, 1], or `random_state` is no seed.

    Examples
    --------
    >>> missing_cells(pd.DataFrame({"age": [1.0, 2.0]}), columns=["age"], share=1.0)["age"].isna().tolist()
    [True, True]
    """
    raise_violations([*_absent(frame, columns), *_outside("share", share, 0, 1), *seed_violations(random_state)])
    random = np.random.default_rng(random_state)
    return frame.assign(**{name: frame[name].mask(random.random(len(frame)) < share) for name in columns})


def noise(frame: pd.DataFrame, *, columns: Sequence[str], scale: float, random_state: int = 0) -> pd.DataFrame:
    """Return the rows with normal noise added to numeric columns, of `scale` times each column's standard deviation.

    Raises
    ------
    InputError
        If a column is missing or holds no numbers, the scale is negative, or `random_state` is no seed.

    Examples
    --------
    >>> noise(pd.DataFrame({"age": [1.0, 2.0]}), columns=["age"], scale=0.0)["age"].tolist()
    [1.0, 2.0]
    """
    raise_violations(
        [*_no_numbers(frame, columns), *_outside("scale", scale, 0, np.inf), *seed_violations(random_state)]
    )
    random = np.random.default_rng(random_state)
    changed = {
        name: frame[name] + random.normal(size=len(frame)) * scale * float(frame[name].std(ddof=0)) for name in columns
    }
    return frame.assign(**changed)


def unit_error(
    frame: pd.DataFrame, *, column: str, factor: float, share: float = 1.0, random_state: int = 0
) -> pd.DataFrame:
    """Return the rows with a share of the numbers of a column in a wrong unit: multiplied by a factor.

    Raises
    ------
    InputError
        If the column is missing or holds no numbers, the share lies outside [0, 1], or `random_state` is no seed.

    Examples
    --------
    Centimetres where metres are expected.

    >>> unit_error(pd.DataFrame({"height": [1.5, 1.8]}), column="height", factor=100)["height"].tolist()
    [150.0, 180.0]
    """
    raise_violations([*_no_numbers(frame, [column]), *_outside("share", share, 0, 1), *seed_violations(random_state)])
    hit = np.random.default_rng(random_state).random(len(frame)) < share
    return frame.assign(**{column: frame[column].where(~hit, frame[column] * factor)})


def crop(images: Images, *, share: float) -> Images:
    """Return the middle of each picture, `share` of its height and width, stretched back to the full size.

    Each pixel takes the nearest one of the middle.

    Raises
    ------
    InputError
        If there are no pictures, or the share lies outside (0, 1].

    Examples
    --------
    >>> crop(np.arange(16.0).reshape(1, 4, 4), share=0.5)[0].tolist()[0]
    [5.0, 5.0, 6.0, 6.0]
    """
    raise_violations([*_no_images(images), *_outside("share", share, 1e-9, 1)])
    places = []
    for size in images.shape[1:3]:
        kept = max(round(size * share), 1)
        first = (size - kept) // 2
        places.append(first + np.arange(size) * kept // size)
    return images[:, places[0]][:, :, places[1]]


def blur(images: Images, *, sigma: float) -> Images:
    """Return each picture blurred by a normal kernel of `sigma` pixels, cut at three sigma, edges repeated.

    Raises
    ------
    InputError
        If there are no pictures, or sigma is negative.

    Examples
    --------
    >>> spot = np.zeros((1, 3, 3))
    >>> spot[0, 1, 1] = 1.0
    >>> blur(spot, sigma=0.5)[0, 1].round(3).tolist()  # the kernel is (0.106, 0.786, 0.106), twice
    [0.084, 0.619, 0.084]
    """
    raise_violations([*_no_images(images), *_outside("sigma", sigma, 0, np.inf)])
    reach = int(np.ceil(3 * sigma))
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-(steps**2) / (2 * sigma**2)) if sigma > 0 else np.ones(1)
    blurred = images.astype(np.float64)
    for axis in (1, 2):
        size = images.shape[axis]
        moved = (np.take(blurred, np.clip(np.arange(size) + step, 0, size - 1), axis=axis) for step in steps)
        blurred = sum(weight * part for weight, part in zip(kernel / kernel.sum(), moved, strict=True))
    return _as_before(blurred, images)


def pixel_noise(images: Images, *, scale: float, random_state: int = 0) -> Images:
    """Return each picture with normal noise on every value; `scale` is in the values' own unit, whole bytes stay bytes.

    Raises
    ------
    InputError
        If there are no pictures, the scale is negative, or `random_state` is no seed.

    Examples
    --------
    >>> pixel_noise(np.full((1, 1, 1), 200, dtype=np.uint8), scale=0.0).dtype
    dtype('uint8')
    """
    raise_violations([*_no_images(images), *_outside("scale", scale, 0, np.inf), *seed_violations(random_state)])
    random = np.random.default_rng(random_state)
    return _as_before(images + random.normal(size=images.shape) * scale, images)


def _as_before(changed: npt.NDArray[np.float64], images: Images) -> Images:
    if images.dtype == np.uint8:
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return np.asarray(changed, dtype=images.dtype)


def _absent(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    return [
        f"column {name!r} is missing; the data has {list(frame.columns)[:20]}" for name in columns if name not in frame
    ]


def _no_numbers(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    absent = _absent(frame, columns)
    return absent or [
        f"column {name!r} holds {frame[name].dtype}; expected numbers"
        for name in columns
        if not pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name])
    ]


def _outside(name: str, value: float, low: float, high: float) -> list[str]:
    return (
        [] if low <= value <= high and np.isfinite(value) else [f"{name} must lie in [{low:g}, {high:g}]; got {value}"]
    )


def _no_images(images: Images) -> list[str]:
    fine = images.ndim in {3, 4} and min(images.shape) > 0
    shape = "(n, height, width) or (n, height, width, channels)"
    return [] if fine else [f"expected pictures of shape {shape}; got {images.shape}"]
