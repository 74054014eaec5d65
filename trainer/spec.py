"""What it takes to read a frame the way the train rows were read."""

from dataclasses import dataclass

from trainer.columns import Columns, Label
from trainer.encoders import TableEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """Roles, encoders and classes of a table; saved with the model.

    Parameters
    ----------
    columns
        Roles of the columns.
    encoder
        Encoders of the features, learnt from the train rows.
    classes
        The labels of the train rows, sorted; the model's outputs stand in this order.

    Examples
    --------
    >>> from trainer.encoders import fit_encoder
    >>> import pandas as pd
    >>> encoder = fit_encoder(pd.DataFrame({"age": [20.0, 30.0, 40.0]}), features=["age"])
    >>> TableSpec(columns=Columns(y="paid"), encoder=encoder, classes=(0, 1)).positive
    1
    >>> TableSpec(columns=Columns(y="job"), encoder=encoder, classes=("cook", "smith", "tailor")).positive is None
    True
    """

    columns: Columns
    encoder: TableEncoder
    classes: tuple[Label, ...]

    @property
    def positive(self) -> Label | None:
        """The label named as positive; of 0/1 and booleans the larger; None with more classes and none named."""
        if self.columns.positive is not None:
            return self.columns.positive
        return self.classes[1] if len(self.classes) == 2 else None
