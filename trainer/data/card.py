"""What the model sees of a table, in rows that a person can read."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from trainer.data.encoders import Encoded
from trainer.data.spec import TableSpec
from trainer.data.splits import Part, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """One line of what the model sees.

    Parameters
    ----------
    name
        A column, or a part of the split.
    role
        "feature", "label", "sensitive feature", "sample weight", "cluster", "prediction id", or "split".
    kind
        "number", "category", "classes", "carried" (kept for the audit, not seen by the model), or "rows".
    n
        Number of rows that the line is about.
    levels
        Distinct values in the train rows; None for a part of the split.
    missing
        Rows without a value.
    unseen
        Rows with a category that no train row has.
    note
        What a reader should know, or empty.

    Examples
    --------
    >>> row = CardRow(name="job", role="feature", kind="category", n=900, levels=12, missing=3, unseen=1, note="")
    >>> f"{row.name}: {row.levels} values, {row.missing + row.unseen} rows read as unknown"
    'job: 12 values, 4 rows read as unknown'
    """

    name: str
    role: str
    kind: str
    n: int
    levels: int | None
    missing: int
    unseen: int
    note: str


def card_rows(frame: pd.DataFrame, *, split: Split, spec: TableSpec, encoded: Encoded) -> tuple[CardRow, ...]:
    """Return one row per feature, per column kept beside them, and per part of the split.

    Parameters
    ----------
    frame
        All rows.
    split
        Parts of the rows.
    spec
        Roles and encoders.
    encoded
        The counts of missing and unseen values.

    Returns
    -------
    tuple of CardRow
        Features in the order in which the model sees them.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> frame = pd.DataFrame({"age": range(10), "sex": ["f", "m"] * 5, "paid": [0, 1] * 5})
    >>> columns = Columns(y="paid", sensitive_features=["sex"])
    >>> table = Table.from_frame(frame, columns=columns, split=split_rows(10, seed=1))
    >>> [(row.name, row.n) for row in card_rows(frame, split=table.split, spec=table.spec, encoded=table.encoded)]
    [('age', 10), ('paid', 10), ('sex', 10), ('train', 6), ('valid', 2), ('test', 2)]
    """
    train = frame.iloc[split.train]
    return (
        *_feature_rows(train, n=len(frame), spec=spec, encoded=encoded),
        *_carried_rows(frame, train=train, spec=spec),
        *_split_rows(split),
    )


def _feature_rows(train: pd.DataFrame, *, n: int, spec: TableSpec, encoded: Encoded) -> list[CardRow]:
    numbers = {item.column for item in spec.encoder.numeric}
    levels = {name: int(train[name].nunique()) for name in spec.encoder.features}
    return [
        CardRow(
            name=name,
            role="feature",
            kind="number" if name in numbers else "category",
            n=n,
            levels=levels[name],
            missing=encoded.missing.get(name, 0),
            unseen=encoded.unseen.get(name, 0),
            note=_note(
                levels=levels[name],
                n_train=len(train),
                number=name in numbers,
                sensitive=name in spec.columns.sensitive_features,
            ),
        )
        for name in spec.encoder.features
    ]


def _carried_rows(frame: pd.DataFrame, *, train: pd.DataFrame, spec: TableSpec) -> list[CardRow]:
    columns = spec.columns
    single = {
        "sample weight": columns.sample_weight,
        "cluster": columns.cluster,
        "prediction id": columns.prediction_id,
    }
    roles = [(columns.y, "label", "classes")]
    roles += [(name, "sensitive feature", "carried") for name in columns.sensitive_features]
    roles += [(name, role, "carried") for role, name in single.items() if name is not None]
    return [
        CardRow(
            name=name,
            role=role,
            kind=kind,
            n=len(frame),
            levels=int(train[name].nunique()),
            missing=int(frame[name].isna().sum()),
            unseen=0,
            note="",
        )
        for name, role, kind in roles
        if name not in spec.encoder.features
    ]


def _split_rows(split: Split) -> list[CardRow]:
    parts: Sequence[Part] = ("train", "valid", "test")
    note = f"by {split.method}, seed {split.seed}, digest {split.digest[:12]}"
    return [
        CardRow(
            name=part,
            role="split",
            kind="rows",
            n=len(split.rows(part)),
            levels=None,
            missing=0,
            unseen=0,
            note=note,
        )
        for part in parts
    ]


def _note(*, levels: int, n_train: int, number: bool, sensitive: bool) -> str:
    notes = []
    if levels == 1:
        notes.append("constant in the train rows: tells the model nothing")
    if not number and levels > n_train / 2:
        notes.append("almost a value per row: an identifier?")
    if sensitive:
        notes.append("a sensitive feature that the model sees")
    return "; ".join(notes)
