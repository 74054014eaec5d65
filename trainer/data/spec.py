"""What it takes to read a frame the way the train rows were read."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor

from audit.errors import InputError
from trainer.data.category import CategoryEncoder, OrderedEncoder
from trainer.data.columns import Columns, Label
from trainer.data.dates import DateEncoder
from trainer.data.encoders import Encoded, encode
from trainer.data.numeric import NumericEncoder
from trainer.data.table_encoder import TableEncoder
from trainer.data.target import Target
from trainer.data.text import TextEncoder

# Written whatever their value: all that the first checkpoints held. Of later fields only those that were set are, so
# that a table that does without them keeps its digest.
FIRST_FIELDS: dict[type, int] = {Columns: 8, TableEncoder: 2}


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
        """Return codes, floats and, where there is text, word codes of new rows, on the host.

        Raises
        ------
        InputError
            If a feature is missing or not of the kind it had in training.
        """
        came: object = rows
        if not isinstance(came, pd.DataFrame):
            said = 'rows must be a pandas DataFrame, or "train", "valid" or "test"'
            raise InputError([f"{said}; came {type(came).__name__}"])
        return encoded_tensors(encode(rows, encoder=self.encoder))

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "kind": "table",
            "columns": columns_record(self.columns),
            "encoder": _lean(self.encoder),
            "target": asdict(self.target),
        }

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return the spec that `record` was made of."""
        return cls(
            columns=Columns(**record["columns"]),
            encoder=_read_encoder(record["encoder"]),
            target=Target(**tuples(record["target"])),
        )


def encoded_tensors(encoded: Encoded) -> tuple[Tensor, ...]:
    """Return what the network takes, in its order: codes, floats and, where there is text, word codes."""
    inputs = (torch.from_numpy(encoded.codes), torch.from_numpy(encoded.numerics))
    return inputs if encoded.tokens is None else (*inputs, torch.from_numpy(encoded.tokens))


def columns_record(columns: Columns) -> dict[str, Any]:
    """Return the roles of the columns as JSON values; ``Columns(**record)`` reads them back.

    Examples
    --------
    >>> record = columns_record(Columns(y="price", task="number"))
    >>> record["task"], "loss" in record, Columns(**record) == Columns(y="price", task="number")
    ('number', False, True)
    """
    return _lean(columns)


def _lean(item: Columns | TableEncoder) -> dict[str, Any]:
    kept = fields(item)[: FIRST_FIELDS[type(item)]]
    set_later = [each for each in fields(item) if each not in kept and getattr(item, each.name) != _default(each)]
    record = asdict(item)
    return {each.name: record[each.name] for each in (*kept, *set_later)}


def _default(field: Field[Any]) -> object:
    return None if field.default is MISSING else field.default


def _read_encoder(record: Mapping[str, Any]) -> TableEncoder:
    return TableEncoder(
        numeric=_numeric(record["numeric"]),
        category=_category(record["category"]),
        ordered=tuple(OrderedEncoder(**tuples(item)) for item in record.get("ordered", ())),
        dates=tuple(
            DateEncoder(
                column=item["column"],
                zone=item["zone"],
                numeric=_numeric(item["numeric"]),
                category=_category(item["category"]),
            )
            for item in record.get("dates", ())
        ),
        text=tuple(TextEncoder(**tuples(item)) for item in record.get("text", ())),
        refuse_missing=bool(record.get("refuse_missing", False)),
    )


def _numeric(records: Iterable[Mapping[str, Any]]) -> tuple[NumericEncoder, ...]:
    return tuple(NumericEncoder(**tuples(item)) for item in records)


def _category(records: Iterable[Mapping[str, Any]]) -> tuple[CategoryEncoder, ...]:
    return tuple(CategoryEncoder(**tuples(item)) for item in records)


def tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with tuples where JSON has lists.

    Examples
    --------
    >>> tuples({"classes": [0, 1], "kind": "classes"})
    {'classes': (0, 1), 'kind': 'classes'}
    """
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
