"""Predictions of a saved model about a file, piece by piece, without anything of the training data."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import InputError, raise_violations
from audit.values import canonical
from evenhanded.frames import Columns, Frame, read_pieces
from evenhanded.prediction_files import written_at_the_end
from trainer.data.columns import MADE_BY_PREDICTION
from trainer.data.encoders import encode
from trainer.data.numeric import as_floats, is_number_column
from trainer.data.ratings import RatingsSpec, with_newcomers
from trainer.data.spec import TableSpec
from trainer.data.truth import label_sets
from trainer.predict import LABEL_FROM, label_texts, most_probable

if TYPE_CHECKING:
    from trainer.data.kinds import Spec
    from trainer.learner import Learner

Y_TRUE = "y_true"
"""The column of what is true in every file of predictions, whatever it is called in the data."""
MOST = 20
"""Violations that one error lists; later ones are counted."""


class Predicted(NamedTuple):
    """What was predicted: rows, the model's version, and by column rows that were read as unknown.

    `unseen` counts values that no train row had; `untold` numbers that are missing here and never were in training,
    which are read as the median; `labelled` rows whose truth is known. `columns` are those of the file.

    Examples
    --------
    >>> Predicted(rows=3, model_version="ab12", unseen={"site": 1}).unseen
    {'site': 1}
    """

    rows: int
    model_version: str
    unseen: Mapping[str, int]
    untold: Mapping[str, int] = MappingProxyType({})
    labelled: int = 0
    columns: tuple[str, ...] = ()


def predict_file(learner: "Learner", data: Path, out: Path, *, keep: tuple[str, ...] = (), rows: int) -> Predicted:
    """Predict every row of a CSV or Parquet file, and write the answers to a file when all are there.

    Parameters
    ----------
    learner
        From `Learner.load`; of tables or ratings.
    data
        The file, with the columns that the model reads.
    out
        The file to write, CSV where its name ends so, else Parquet: what the model carries where the data have it (the
        label as ``y_true``, sensitive features, ids), `keep`, ``y_pred``, ``y_score`` where a label is positive,
        ``model_version``.
    keep
        Further columns to copy.
    rows
        Rows at a time; changes memory, and scores by no more than the rounding of float32.

    Raises
    ------
    InputError
        Listing everything that is wrong with the data; nothing is written then.
    """
    reading = reading_of(learner.spec, keep=keep)
    asked = _Asked(learner, learner.model_version, _types(data), keep)
    violations: list[str] = []
    unseen, untold = Counter[str](), Counter[str]()
    done = labelled = 0
    names: tuple[str, ...] = ()
    with written_at_the_end(out) as write:
        for piece in read_pieces(data, reading, rows=rows):
            try:
                answered = _answered(asked, piece)
                write(answered)
                names = tuple(answered.column_names)
                labelled += len(answered) - answered["y_true"].null_count if "y_true" in names else 0
                unseen.update(unseen_of(learner.spec, piece.rows))
                untold.update(untold_of(learner.spec, piece.rows))
            except InputError as error:
                where = f"rows from {done} on: " if done else ""
                violations += [where + text for text in error.violations]
            done += len(piece.rows)
        more = [f"and {len(violations) - MOST} more like these"] if len(violations) > MOST else []
        raise_violations(violations[:MOST] + more)
        raise_violations([] if done else [f"{data} has no rows; expected at least one"])
    return Predicted(done, asked.model_version, dict(unseen), dict(untold), labelled, names)


def reading_of(spec: "Spec", *, keep: tuple[str, ...] = ()) -> Columns:
    """Return how the columns of a CSV file are read, so that they mean what they meant in training.

    A category that was a number in training is read as one ("01" is 1); any other as the text that it is.

    Raises
    ------
    InputError
        If the model reads images.
    """
    columns, texts, numbers = spec.columns, set[str](), set[str]()
    as_numbers = {columns.sample_weight, *(columns.truth if spec.target.kind == "number" else ())}
    spelled = {*columns.carried(), *keep} - as_numbers
    if isinstance(spec, RatingsSpec):
        coded = [spec.users, spec.items]
    elif isinstance(spec, TableSpec):
        coded, texts = [*spec.encoder.category], {item.column for item in spec.encoder.text}
        numbers = {item.column for item in spec.encoder.numeric}
    else:
        kind = spec.record()["kind"]
        raise InputError(
            [f"the model reads {kind}, not tables: predict in Python, Learner.load(...).predict_proba(...)"]
        )
    words = {item.column for item in coded if not all(_is_number(name) for name in item.categories)}
    return Columns(spelled=spelled, numbers=numbers, words=words | texts)


def unseen_of(spec: "Spec", frame: pd.DataFrame) -> dict[str, int]:
    """Return how many rows hold, by column, a category, a user or an item that no train row had."""
    if isinstance(spec, RatingsSpec):
        names = (spec.users.column, spec.items.column)
        counts = [int((codes == 0).sum()) for codes in spec.inputs(frame)]
        return {name: count for name, count in zip(names, counts, strict=True) if count}
    return dict(encode(frame, encoder=spec.encoder).unseen) if isinstance(spec, TableSpec) else {}


def untold_of(spec: "Spec", frame: pd.DataFrame) -> dict[str, int]:
    """Return how many rows miss, by column, a number that no train row missed: the model reads the median instead."""
    if not isinstance(spec, TableSpec):
        return {}
    told = {item.column for item in spec.encoder.numeric if item.flagged}
    numbers = [item.column for item in spec.encoder.numeric if item.column not in told]
    return {name: count for name in numbers if (count := int(frame[name].isna().sum()))}


class _Asked(NamedTuple):
    learner: "Learner"
    model_version: str
    types: Mapping[str, pa.DataType]
    keep: tuple[str, ...]


def _types(data: Path) -> dict[str, pa.DataType]:
    """Return the types of a Parquet file's columns, so that a piece without any value has them too."""
    if data.suffix.lower() != ".parquet" or not data.is_file():
        return {}
    try:
        schema = pq.read_schema(data)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError([f"{data} cannot be read: {' '.join(str(error).split())}; expected Parquet"]) from error
    kinds = {field.name: field.type for field in schema}
    return {name: kind.value_type if pa.types.is_dictionary(kind) else kind for name, kind in kinds.items()}


def _answered(asked: _Asked, piece: Frame) -> pa.Table:
    """Return what is written about the rows of a piece."""
    learner, spec, frame = asked.learner, asked.learner.spec, piece.rows
    shown = ", ".join(map(str, frame.columns))
    absent = [name for name in asked.keep if name not in frame.columns]
    violations = [f"column {name!r} (keep) is missing; the data has {shown}" for name in absent]
    taken = [name for name in (*MADE_BY_PREDICTION, Y_TRUE) if name in asked.keep and name not in spec.columns.truth]
    violations += [f"column {name!r} (keep) has a name that predictions need for themselves" for name in taken]
    answers = np.zeros((0, spec.target.n_outputs))
    try:
        answers = learner.predict_proba(frame) if len(frame) else answers
        frame = with_newcomers(frame, spec).assign(**piece.texts)
    except InputError as error:
        violations += error.violations
    raise_violations(violations)
    carried = [name for name in dict.fromkeys((*spec.columns.carried(), *asked.keep)) if name in frame.columns]
    columns = _truth(asked, frame)
    others = [name for name in carried if name not in (*spec.columns.truth, spec.columns.sample_weight)]
    columns |= {name: _copied(asked, frame[name]) for name in others}
    columns |= _decided(spec, answers)
    columns["model_version"] = pa.array([asked.model_version] * len(frame), pa.string())
    return pa.table(columns)


def _truth(asked: _Asked, frame: pd.DataFrame) -> dict[str, pa.Array]:
    """Return what is true of each row under the name that an audit is told; empty where the data do not say."""
    spec = asked.learner.spec
    if any(name not in frame.columns for name in spec.columns.truth):
        return {}
    if not spec.columns.labels:
        return {Y_TRUE: _copied(asked, frame[spec.columns.y])}
    known = frame[list(spec.columns.labels)].notna().all(axis=1).to_numpy()
    sets = iter(label_sets(frame.loc[known], columns=spec.columns))
    texts = [spec.columns.separator.join(sorted(next(sets))) if labelled else None for labelled in known]
    return {Y_TRUE: pa.array(texts, pa.string())}


def _copied(asked: _Asked, column: pd.Series) -> pa.Array:
    spec, name = asked.learner.spec, str(column.name)
    if spec.target.kind == "number" and name == spec.columns.y:
        if not is_number_column(column) and not column.isna().all():
            raise InputError([f"label {name!r} held numbers in training; came {column.dtype}: convert or drop it"])
        return pa.array(as_floats(column), from_pandas=True)
    kind = asked.types.get(name, pa.string())
    return pa.Array.from_pandas(column.astype(object), type=kind)


def _decided(spec: "Spec", answers: npt.NDArray[np.float64]) -> dict[str, pa.Array]:
    classes = spec.target.classes
    if spec.target.kind == "number":
        return {"y_pred": pa.array(answers[:, 0])}
    if spec.target.kind == "labels":
        texts = label_texts(answers >= LABEL_FROM, classes=classes, separator=spec.columns.separator, none="")
        return {"y_pred": pa.array(texts, pa.string())}
    decided = {"y_pred": pa.array(most_probable(answers, classes=classes).tolist(), pa.array(list(classes)).type)}
    if spec.positive is not None:
        decided["y_score"] = pa.array(answers[:, classes.index(spec.positive)])
    return decided


def _is_number(text: str) -> bool:
    try:
        return canonical(float(text)) == text
    except ValueError:
        return False
