"""What it takes to read a frame the way the train rows were read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor

from trainer.data.columns import Columns, Label
from trainer.data.encoders import CategoryEncoder, NumericEncoder, TableEncoder, encode
from trainer.data.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """Roles, encoders and target of a table; saved with the model.

    Parameters
    ----------
    columns
        Roles of the columns.
    encoder
        Encoders of the features, learnt from the train rows.
    target
        What the model answers.

    Examples
    --------
    >>> from trainer.data.encoders import fit_encoder
    >>> encoder = fit_encoder(pd.DataFrame({"age": [20.0, 30.0, 40.0]}), features=["age"])
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, target=Target(kind="classes", classes=(0, 1)))
    >>> spec.positive, TableSpec.read(spec.record()) == spec
    (1, True)
    """

    columns: Columns
    encoder: TableEncoder
    target: Target

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

    def inputs(self, rows: pd.DataFrame) -> tuple[Tensor, ...]:
        """Return codes and floats of new rows, on the host.

        Raises
        ------
        InputError
            If a feature is missing or not of the kind it had in training.
        """
        encoded = encode(rows, encoder=self.encoder)
        return torch.from_numpy(encoded.codes), torch.from_numpy(encoded.numerics)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"kind": "table", **asdict(self)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return the spec that `record` was made of."""
        encoder = TableEncoder(
            numeric=tuple(NumericEncoder(**tuples(item)) for item in record["encoder"]["numeric"]),
            category=tuple(CategoryEncoder(**tuples(item)) for item in record["encoder"]["category"]),
        )
        return cls(columns=Columns(**record["columns"]), encoder=encoder, target=Target(**tuples(record["target"])))


def tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with tuples where JSON has lists.

    Examples
    --------
    >>> tuples({"classes": [0, 1], "kind": "classes"})
    {'classes': (0, 1), 'kind': 'classes'}
    """
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
