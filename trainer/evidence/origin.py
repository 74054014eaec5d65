"""The rows that evidence about a model rests on, and where a result comes from."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError, raise_violations
from audit.provenance import Provenance, recorded_versions
from trainer.data.splits import Part

if TYPE_CHECKING:
    from trainer.learner import Learner


def frame_of(learner: "Learner", rows: pd.DataFrame | Part) -> pd.DataFrame:
    """Return what is known of rows: the frame itself, or that of a part of the data.

    Raises
    ------
    InputError
        If there are no rows, or they are not in a frame.
    """
    frame = learner.training_data()[0].part(rows) if isinstance(rows, str) else rows
    if not isinstance(frame, pd.DataFrame):
        raise InputError([f"expected a frame, or the name of a part; came {type(frame).__name__}"])
    where = f'the part "{rows}"' if isinstance(rows, str) else "the frame"
    raise_violations([] if len(frame) else [f"{where} has no rows; expected at least one"])
    return frame


def cluster_of(learner: "Learner", frame: pd.DataFrame) -> str | None:
    """Return the column of rows that belong together, where the data named one and the rows have it; else None.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> learner = SimpleNamespace(spec=SimpleNamespace(columns=SimpleNamespace(cluster="person")))
    >>> cluster_of(learner, pd.DataFrame({"person": [1]})), cluster_of(learner, pd.DataFrame({"age": [1]}))
    ('person', None)
    """
    name = learner.spec.columns.cluster
    return name if name is not None and name in frame.columns else None


def share_violations(**settings: object) -> list[str]:
    """Return a sentence for each setting that is no number in (0, 1), or nothing.

    Examples
    --------
    >>> share_violations(alpha="test", level=0.95)
    ["alpha must lie in (0, 1); came 'test'"]
    """
    return [
        f"{name} must lie in (0, 1); came {value!r}"
        for name, value in settings.items()
        if not (isinstance(value, int | float) and 0 < value < 1)
    ]


def classes_only(learner: "Learner", *, what: str) -> None:
    """Do nothing where the model answers one class per row.

    Raises
    ------
    InputError
        If it answers labels or numbers.
    """
    kind = learner.spec.target.kind
    raise_violations([] if kind == "classes" else [f"{what} needs one class per row; this model answers {kind}"])


def class_codes(learner: "Learner", frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the place of each row's label among the model's classes.

    Raises
    ------
    InputError
        If the model answers labels or numbers, the label's column is missing, or it holds what is none of the classes.
    """
    classes_only(learner, what="the class of a row")
    name, classes = learner.spec.columns.y, learner.spec.target.classes
    raise_violations([] if name in frame.columns else [f"column {name!r} (the label) is missing from the rows"])
    place = {label: code for code, label in enumerate(classes)}
    codes = frame[name].map(place)
    strange = frame[name][codes.isna()].unique()[:5].tolist()
    raise_violations([f"column {name!r}: {strange} are none of the classes {list(classes)}"] if strange else [])
    return codes.to_numpy().astype(np.int64)


def features_of(learner: "Learner", by: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """Return the columns whose groups are compared: those named, or the sensitive features.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> learner = SimpleNamespace(spec=SimpleNamespace(columns=SimpleNamespace(sensitive_features=("sex",))))
    >>> features_of(learner, None), features_of(learner, "race"), features_of(learner, ["sex", "race"])
    (('sex',), ('race',), ('sex', 'race'))
    """
    if by is None:
        return tuple(learner.spec.columns.sensitive_features)
    return (by,) if isinstance(by, str) else tuple(by)


def provenance_of(learner: "Learner", given: dict[str, Any]) -> Provenance:
    """Return where a result about a model comes from: its version, its seeds, and the settings given."""
    training = {"model_version": learner.model_version, "models": learner.models, **given}
    training |= learner.reweighing.record()
    if learner.data is not None:
        training["split"] = learner.data.split.digest
    return Provenance(versions=recorded_versions(), seed=learner.seed, given=training)
