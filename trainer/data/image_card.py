"""What the model sees of images, in rows that a person can read."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from trainer.data.card import CardRow
from trainer.data.columns import Columns
from trainer.data.splits import Part, Split, readable

PARTS: Sequence[Part] = ("train", "valid", "test")


def image_card_rows(
    pixels: Tensor, frame: pd.DataFrame, *, columns: Columns, split: Split, note: str
) -> tuple[CardRow, ...]:
    """Return one row for the pixels, one per column kept beside them, per part of the split, and per leak found.

    A leak here is an image of the valid or test rows that is also among the train rows, byte for byte. Images that are
    nearly the same, frames of one film say, are not found: split by what they come from (`split_groups`). Of test rows
    that are still sealed nothing is read: they are counted in their own line only.

    Parameters
    ----------
    pixels
        Shape (n, channels, h, w), uint8.
    frame, columns, split
        What is known of the images, and which of them train.
    note
        What a reader should know of the pixels.

    Returns
    -------
    tuple of CardRow
        The pixels first.

    Examples
    --------
    >>> import torch
    >>> from trainer.data.splits import split_given
    >>> pixels = torch.tensor([1, 2, 2, 3], dtype=torch.uint8).view(4, 1, 1, 1)
    >>> split, columns = split_given(train=[0, 1], valid=[], test=[2, 3]), Columns(y="y")
    >>> rows = image_card_rows(pixels, pd.DataFrame({"y": [0, 1, 1, 0]}), columns=columns, split=split, note="")
    >>> [(row.name, row.role, row.n) for row in rows if row.role in ("feature", "leak")]
    [('pixels', 'feature', 4), ('test', 'leak', 1)]
    """
    parts, (rows, split) = split, readable(split, len(frame))
    if len(rows) < len(frame):
        frame, pixels = frame.iloc[rows], pixels[torch.from_numpy(rows)]
    prints = _fingerprints(pixels)
    levels = len(set(prints[split.train].tolist()))
    seen = CardRow(
        name="pixels", role="feature", kind="pixels", n=len(pixels), levels=levels, missing=0, unseen=0, note=note
    )
    return (seen, *_carried(frame, columns=columns, split=split), *_parts(parts), *_leaks(prints, split))


def _carried(frame: pd.DataFrame, *, columns: Columns, split: Split) -> list[CardRow]:
    roles: list[tuple[str, str, str]] = [(name, "label", columns.task) for name in columns.truth]
    roles += [(name, "sensitive feature", "carried") for name in columns.sensitive_features]
    single = {
        "sample weight": columns.sample_weight,
        "cluster": columns.cluster,
        "prediction id": columns.prediction_id,
    }
    roles += [(name, role, "carried") for role, name in single.items() if name is not None]
    return [
        CardRow(
            name=name,
            role=role,
            kind=kind,
            n=len(frame),
            levels=int(frame[name].iloc[split.train].astype(str).nunique()),
            missing=int(frame[name].isna().sum()),
            unseen=0,
            note="",
        )
        for name, role, kind in roles
    ]


def _parts(split: Split) -> list[CardRow]:
    note = f"by {split.method}, seed {split.seed}, digest {split.digest[:12]}"
    sealed = "" if split.sealed is None else f"; sealed in {split.sealed}"
    return [
        CardRow(
            name=part,
            role="split",
            kind="rows",
            n=len(_rows(split, part)),
            levels=None,
            missing=0,
            unseen=0,
            note=note + (sealed if part == "test" else ""),
        )
        for part in PARTS
    ]


def _rows(split: Split, part: Part) -> npt.NDArray[np.int64]:
    """Return the rows of a part; of sealed ones too, to be counted."""
    return {"train": split.train, "valid": split.valid, "test": split.test}[part]


def _leaks(prints: npt.NDArray[np.bytes_], split: Split) -> list[CardRow]:
    counts = {part: int(np.isin(prints[_rows(split, part)], prints[split.train]).sum()) for part in PARTS[1:]}
    return [
        CardRow(
            name=part,
            role="leak",
            kind="equal images",
            n=number,
            levels=None,
            missing=0,
            unseen=0,
            note=f"{number} of {len(_rows(split, part))} images stand among the train rows too, byte for byte",
        )
        for part, number in counts.items()
        if number
    ]


def _fingerprints(pixels: Tensor) -> npt.NDArray[np.bytes_]:
    digests = [blake2b(image.tobytes(), digest_size=16).hexdigest() for image in pixels.numpy()]
    return np.array(digests, dtype=np.bytes_)
