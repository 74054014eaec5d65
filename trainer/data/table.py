"""A data frame as the trainer needs it: encoded once, small enough to stay on the device."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.errors import raise_violations
from trainer.data.card import CardRow, card_rows
from trainer.data.checks import table_violations
from trainer.data.columns import Columns
from trainer.data.encoders import Encoded, encode
from trainer.data.resident import Resident
from trainer.data.spec import TableSpec, encoded_tensors
from trainer.data.splits import Part, Split
from trainer.data.table_encoder import fit_encoder
from trainer.data.truth import fit_target, target_tensor
from trainer.data.weights import weight_tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A frame, its split, and its encoded tensors; made by `from_frame`.

    Parameters
    ----------
    frame
        The rows as they came; sensitive columns are read from here when predictions are logged.
    split
        Which rows train, tune and test.
    spec
        Roles, encoders and classes.
    encoded
        Codes and floats, with counts of missing and unseen values.
    resident
        The tensors, in the memory of the host.

    Examples
    --------
    >>> from trainer.data.splits import split_rows
    >>> frame = pd.DataFrame({"age": range(10), "sex": ["f", "m"] * 5, "paid": [0, 1] * 5})
    >>> columns = Columns(y="paid", sensitive_features=["sex"])
    >>> table = Table.from_frame(frame, columns=columns, split=split_rows(10, seed=1))
    >>> table.spec.encoder.features, table.spec.classes
    (('age',), (0, 1))
    """

    frame: pd.DataFrame
    split: Split
    spec: TableSpec
    encoded: Encoded
    resident: Resident

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, columns: Columns, split: Split) -> "Table":
        """Check a frame, learn the encoders from its train rows, and encode all of it.

        Parameters
        ----------
        frame
            One row per observation.
        columns
            Roles of the columns.
        split
            From `split_rows`, `split_groups`, `split_time` or `split_given`.

        Returns
        -------
        Table
            Ready for a `Learner`.

        Raises
        ------
        InputError
            Listing everything that is wrong: absent columns, labels missing, malformed, out of range or of one class,
            features without any value, infinite numbers and unreadable dates by column and row, bad weights, a split
            that does not fit.
        TypeError
            If `frame` is not a pandas data frame.
        """
        _check_type(frame)
        raise_violations(table_violations(frame, columns=columns, split=split))
        train = frame.iloc[split.train]
        encoder = fit_encoder(
            train,
            features=columns.inputs(list(frame.columns)),
            categorical=columns.categorical,
            ordered=dict(columns.ordered),
            dates=columns.dates,
            text=columns.text,
            min_count=columns.min_count,
            refuse_missing=columns.missing == "refuse",
        )
        spec = TableSpec(columns=columns, encoder=encoder, target=fit_target(train, columns=columns))
        encoded = encode(frame, encoder=encoder)
        return cls(
            frame=frame.copy(deep=False),
            split=split,
            spec=spec,
            encoded=encoded,
            resident=_resident(frame, spec, split, encoded),
        )

    def part(self, part: Part) -> pd.DataFrame:
        """Return the rows of one part as they came."""
        return self.frame.iloc[self.split.rows(part)]

    def card(self) -> tuple[CardRow, ...]:
        """Return what the model sees, one row per column, per part of the split, and per leak that was found.

        Examples
        --------
        >>> from trainer.data.splits import split_given
        >>> frame = pd.DataFrame({"job": ["a", "b", "c", None], "paid": [0, 1, 0, 1]})
        >>> split = split_given(train=[0, 1], valid=[2], test=[3])
        >>> row = Table.from_frame(frame, columns=Columns(y="paid"), split=split).card()[0]
        >>> row.kind, row.levels, row.missing, row.unseen
        ('category', 2, 1, 1)
        """
        return card_rows(self.frame, split=self.split, spec=self.spec, encoded=self.encoded, resident=self.resident)


def _check_type(frame: object) -> None:
    if not isinstance(frame, pd.DataFrame):
        message = f"frame must be a pandas DataFrame; came {type(frame).__name__}: convert it with .to_pandas()"
        raise TypeError(message)


def _resident(frame: pd.DataFrame, spec: TableSpec, split: Split, encoded: Encoded) -> Resident:
    used = np.concatenate([split.train, split.valid, split.test])
    return Resident(
        inputs=encoded_tensors(encoded),
        target=target_tensor(frame, columns=spec.columns, target=spec.target, used=used),
        weights=weight_tensor(frame, columns=spec.columns, split=split),
    )
