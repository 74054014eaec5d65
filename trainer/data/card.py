"""What the model sees of a table, in rows that a person can read."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from trainer.data.dates import date_floats
from trainer.data.encoders import Encoded, encode
from trainer.data.leaks import find_leaks
from trainer.data.resident import Resident
from trainer.data.spec import TableSpec
from trainer.data.splits import Split, readable
from trainer.data.table_encoder import TableEncoder
from trainer.data.target import NONE_OF_THEM
from trainer.data.truth import label_sets


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """One line of what the model sees.

    Parameters
    ----------
    name
        A column, or a part of the split.
    role
        "feature", "label", "sensitive feature", "sample weight", "cluster", "prediction id", "split", or "leak".
    kind
        "number", "category", "ordered", "date", "text"; "classes", "labels"; "carried" (kept for the audit, not seen by
        the model); "rows"; of a leak, what was found.
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
    codes
        Different codes by which the model knows a feature, the unknown one among them; None where it gets numbers only.

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
    codes: int | None = None


def card_rows(
    frame: pd.DataFrame, *, split: Split, spec: TableSpec, encoded: Encoded, resident: Resident
) -> tuple[CardRow, ...]:
    """Return one row per feature, per column kept beside them, per part of the split, and per leak.

    Of test rows that are still sealed nothing is read: they are counted in their own line only.

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
    resident
        The tensors.

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
    >>> [(row.name, row.n) for row in table.card()]
    [('age', 10), ('paid', 10), ('sex', 10), ('train', 6), ('valid', 2), ('test', 2)]
    """
    parts, (rows, split) = split, readable(split, len(frame))
    if len(rows) < len(frame):
        frame = frame.iloc[rows]
        encoded = encode(frame, encoder=spec.encoder)
        resident = replace(resident, target=resident.target[torch.from_numpy(rows)])
    train = frame.iloc[split.train]
    return (
        *_feature_rows(frame, train=train, spec=spec, encoded=encoded),
        *_carried_rows(frame, train=train, spec=spec),
        *_split_rows(parts),
        *(
            CardRow(
                name=leak.name, role="leak", kind=leak.kind, n=leak.n, levels=None, missing=0, unseen=0, note=leak.note
            )
            for leak in find_leaks(frame, split=split, spec=spec, resident=resident)
        ),
    )


def _feature_rows(frame: pd.DataFrame, *, train: pd.DataFrame, spec: TableSpec, encoded: Encoded) -> list[CardRow]:
    kinds, codes = _kinds(spec.encoder), _codes(spec.encoder)
    levels = {name: int(train[name].nunique()) for name in spec.encoder.features}
    return [
        CardRow(
            name=name,
            role="feature",
            kind=kinds[name],
            n=len(frame),
            levels=levels[name],
            missing=encoded.missing.get(name, 0),
            unseen=encoded.unseen.get(name, 0),
            note=_note(
                levels=levels[name],
                n_train=len(train),
                kind=kinds[name],
                sensitive=name in spec.columns.sensitive_features,
                beyond=_beyond(frame, train, name) if kinds[name] == "date" else 0,
            ),
            codes=codes.get(name),
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
    kind = {"classes": "classes", "labels": "labels", "number": "number"}[spec.target.kind]
    roles = [(name, "label", kind) for name in columns.truth]
    roles += [(name, "sensitive feature", "carried") for name in columns.sensitive_features]
    roles += [(name, role, "carried") for role, name in single.items() if name is not None]
    return [
        CardRow(
            name=name,
            role=role,
            kind=kind,
            n=len(frame),
            levels=int(train[name].map(str).nunique() if role == "label" else train[name].nunique()),
            missing=int(frame[name].isna().sum()),
            unseen=0,
            note=_label_note(train, spec=spec, name=name) if role == "label" else "",
        )
        for name, role, kind in roles
        if name not in spec.encoder.features
    ]


def _split_rows(split: Split) -> list[CardRow]:
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    seed = "" if split.seed is None else f", seed {split.seed}"
    note = f"by {split.method}{seed}, digest {split.digest[:12]}"
    sealed = "" if split.sealed is None else f"; sealed in {split.sealed}"
    return [
        CardRow(
            name=part,
            role="split",
            kind="rows",
            n=len(rows),
            levels=None,
            missing=0,
            unseen=0,
            note=note + (sealed if part == "test" else ""),
        )
        for part, rows in parts.items()
    ]


def _kinds(encoder: TableEncoder) -> dict[str, str]:
    kinds = {item.column: "number" for item in encoder.numeric} | {item.column: "category" for item in encoder.category}
    kinds |= {item.column: "ordered" for item in encoder.ordered} | {item.column: "date" for item in encoder.dates}
    return kinds | {item.column: "text" for item in encoder.text}


def _codes(encoder: TableEncoder) -> dict[str, int]:
    codes = {item.column: 2 for item in encoder.numeric if item.flagged}
    codes |= {item.column: len(item.categories) + 1 for item in encoder.category}
    codes |= {item.column: max(item.codes) + 1 for item in encoder.ordered}
    codes |= {date.column: sum(len(item.categories) + 1 for item in date.category) for date in encoder.dates}
    return codes | {item.column: item.n_codes for item in encoder.text}


def _label_note(train: pd.DataFrame, *, spec: TableSpec, name: str) -> str:
    """Return how often no label is right, once, and what a number is compared with."""
    if spec.target.kind == "number":
        return f"mean {spec.target.center:.6g}, standard deviation {spec.target.scale:.6g} in the train rows"
    if spec.target.kind == "classes" or name != spec.columns.truth[0]:
        return ""
    none = sum(not labels for labels in label_sets(train, columns=spec.columns))
    return f"{NONE_OF_THEM}: {none} of {len(train)} train rows"


def _beyond(frame: pd.DataFrame, train: pd.DataFrame, name: str) -> int:
    known = date_floats(train[name])
    days = date_floats(frame[name])
    return int(((days < np.nanmin(known)) | (days > np.nanmax(known))).sum())


def _note(*, levels: int, n_train: int, kind: str, sensitive: bool, beyond: int) -> str:
    notes = []
    if levels == 1:
        notes.append("constant in the train rows: tells the model nothing")
    if kind in ("category", "ordered") and levels > n_train / 2:
        notes.append("almost a value per row: an identifier?")
    if beyond:
        notes.append(f"{beyond} rows lie before or after all train rows: read as the first or last day of these")
    if sensitive:
        notes.append("a sensitive feature that the model sees")
    return "; ".join(notes)
