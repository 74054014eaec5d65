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
