"""The kinds of data that a learner takes, what all of them offer, and how a saved one is read back."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from trainer.data.columns import Columns, Label
from trainer.data.images import ImageSpec
from trainer.data.ratings import RatingsSpec
from trainer.data.resident import Resident
from trainer.data.spec import TableSpec
from trainer.data.splits import Part, Split
from trainer.data.target import Target

Rows = pd.DataFrame | npt.NDArray[np.generic]
"""New rows to predict: a frame, or pixels."""


class Spec(Protocol):
    """How new rows are read, and what the model answers; saved with the model."""

    @property
    def columns(self) -> Columns:
        """Roles of the columns of the frame beside the inputs."""
        ...

    @property
    def target(self) -> Target:
        """What the model answers."""
        ...

    @property
    def positive(self) -> Label | None:
        """The positive of two classes."""
        ...

    def inputs(self, rows: Any) -> tuple[Tensor, ...]:  # noqa: ANN401 - a frame or pixels, as the kind has it
        """Return what the network takes of new rows, on the host."""
        ...

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values, with a "kind"."""
        ...


class Data(Protocol):
    """Data as a learner takes it: a frame of what is known of each row, a split, and tensors."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as they came: labels, sensitive features, ids."""
        ...

    @property
    def split(self) -> Split:
        """Which rows train, tune and test."""
        ...

    @property
    def spec(self) -> Spec:
        """How the rows were read."""
        ...

    @property
    def resident(self) -> Resident:
        """The tensors, in the memory of the host."""
        ...

    def part(self, part: Part) -> pd.DataFrame:
        """Return the rows of one part as they came."""
        ...


def read_spec(record: Mapping[str, Any]) -> Spec:
    """Return the spec that a checkpoint's record describes.

    Raises
    ------
    ValueError
        If the kind of data is unknown.

    Examples
    --------
    >>> read_spec({"kind": "music"})
    Traceback (most recent call last):
    ValueError: data must be of the kind 'table', 'images', 'ratings'; came 'music'
    """
    kind = record["kind"]
    if kind not in _READ:
        message = f"data must be of the kind {', '.join(map(repr, _READ))}; came {kind!r}"
        raise ValueError(message)
    return _READ[kind](record)


_READ: dict[str, Callable[[Mapping[str, Any]], Spec]] = {
    "table": TableSpec.read,
    "images": ImageSpec.read,
    "ratings": RatingsSpec.read,
}
