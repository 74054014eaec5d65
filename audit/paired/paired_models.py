"""Several models over the same rows in one tally: which column holds whose predictions, and each model's own cells.

A joint tally is an ordinary one. The first model's predictions are its `y_pred` (and its scores the score bins); those
of every other model are a further feature, so that counting, checks, weights, clusters and engines are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import EvidenceError
from audit.result import Result
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, cells_of, without_scores
from audit.tally import Codes, Tally
from audit.values import BINARY

Flags = npt.NDArray[np.bool_]

SETTING = "models"
"""Under this name `audit.provenance.Provenance.given` records the models of a comparison."""


class Model(NamedTuple):
    """Where a joint tally holds what one model said.

    `prediction` and `score` name features of the tally; None for the first model, which `y_pred` and the score bins
    belong to, and for models without scores. `cut`: the threshold that makes predictions of scores; they are "true" and
    "false" then. `exact`: every score bin holds one distinct score, so that no order is lost. `moments`: the feature
    that holds, for each row, the mean score (with its spread) of the rows with the same bin and label.

    Examples
    --------
    >>> Model("new").prediction is None, Model("old", prediction="old").exact
    (True, False)
    """

    name: str
    prediction: str | None = None
    score: str | None = None
    cut: float | None = None
    exact: bool = False
    moments: str | None = None


class Models(NamedTuple):
    """The models of a comparison, candidates first, and the features whose groups are compared.

    `bins`: how many score bins there are; 0 where the models have no scores.

    Examples
    --------
    >>> models = Models((Model("new"),), Model("old", prediction="old"), ("sex",))
    >>> Models.from_json(models.to_json()) == models, models.find("old").prediction
    (True, 'old')
    """

    candidates: tuple[Model, ...]
    baseline: Model
    features: tuple[str, ...]
    bins: int = 0

    @property
    def every(self) -> tuple[Model, ...]:
        """All models, the baseline last."""
        return (*self.candidates, self.baseline)

    def find(self, name: str) -> Model:
        """Return the model of a name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for model in self.every:
            if model.name == name:
                return model
        msg = f"no model {name!r}; there are {[model.name for model in self.every]}"
        raise KeyError(msg)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "candidates": [model._asdict() for model in self.candidates],
            "baseline": self.baseline._asdict(),
            "features": list(self.features),
            "bins": self.bins,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Models":
        """Read the record back; the inverse of `to_json`.

        Raises
        ------
        EvidenceError
            If it is none.
        """
        try:
            return cls(
                candidates=tuple(Model(**model) for model in record["candidates"]),
                baseline=Model(**record["baseline"]),
                features=tuple(record["features"]),
                bins=record["bins"],
            )
        except (KeyError, TypeError) as error:
            msg = f"the record of the compared models is broken ({error}); run the comparison again"
            raise EvidenceError(msg) from error


def models_of(result: Result) -> Models | None:
    """Return the models that a result compares on the same rows; None for any other result.

    Examples
    --------
    >>> models_of(Result(measurements=())) is None
    True
    """
    record = result.provenance.given.get(SETTING)
    return None if not isinstance(record, Mapping) or "baseline" not in record else Models.from_json(record)


def joint_cells(tally: Tally, models: Models, *, scores: bool = False) -> tuple[Cells, ...]:
    """Return the cells of a joint tally as each model sees them: cell for cell the same rows.

    Parameters
    ----------
    tally
        The joint tally.
    models
        Its models; the result has their order, the baseline last.
    scores
        Whether cells that differ in scores only are kept apart.

    Examples
    --------
    One row is a true positive for the first model and a false negative for the second.

    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1, 0], "new": [1, 1], "old": [0, 1]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="new", sensitive_features=["old"]))
    >>> models = Models((Model("new"),), Model("old", prediction="old"), ())
    >>> [sorted(cells.quadrant.tolist()) for cells in joint_cells(tally, models)] == [[TP, FP], [FP, FN]]
    True
    """
    cells = cells_of(tally)
    people = {name: cells.features[name] for name in models.features}
    predicted = [_predicted(cells, str(tally.positive), model) for model in models.every]
    if scores:
        return tuple(
            _scored(_seen(cells, positive), cells, model)._replace(features=people)
            for model, positive in zip(models.every, predicted, strict=True)
        )
    said: dict[str, tuple[Codes, list[str | None]]] = {
        model.name: (one.astype(np.int64), ["0", "1"]) for model, one in zip(models.every, predicted, strict=True)
    }
    coarse = without_scores(cells._replace(features={**people, **said}))
    people = {name: coarse.features[name] for name in people}
    return tuple(
        _seen(coarse, coarse.features[model.name][0] == 1)._replace(features=people, bins=None, n_bins=0)
        for model in models.every
    )


def bin_label(place: int, mean: float, spread: float) -> str:
    """Return the name of a score bin, where bins are values of a feature: with the mean score and its spread in it.

    Examples
    --------
    >>> bin_label(7, 0.0295, 0.0)
    'b007 0.0295 0.0'
    """
    return f"b{place:03d} {mean!r} {spread!r}"


def is_positive(values: Sequence[str | None], positive: str) -> Flags:
    """Return which spellings of a prediction mean the positive label.

    Examples
    --------
    >>> is_positive(["1", "0", "true", None], "1").tolist()
    [True, False, True, False]
    """
    binary = positive in BINARY
    found = [value is not None and (BINARY.get(value) if binary else value) == positive for value in values]
    return np.array(found, dtype=np.bool_)


def _seen(cells: Cells, predicted: Flags) -> Cells:
    """Return cells with the predictions of a model; the true label is the same for all of them."""
    true, labelled = np.isin(cells.quadrant, (TP, FN)), ~np.isin(cells.quadrant, (UP, UN))
    with_label = np.where(true, np.where(predicted, TP, FN), np.where(predicted, FP, TN))
    return cells._replace(quadrant=np.where(labelled, with_label, np.where(predicted, UP, UN)).astype(np.int64))


def _predicted(cells: Cells, positive: str, model: Model) -> Flags:
    """Return in which cells a model predicts the positive label."""
    if model.prediction is None:
        return np.isin(cells.quadrant, (TP, FP, UP))
    codes, values = cells.features[model.prediction]
    said = np.array([value == "true" for value in values]) if model.cut is not None else is_positive(values, positive)
    return np.asarray(said[codes], dtype=np.bool_)


def _scored(seen: Cells, cells: Cells, model: Model) -> Cells:
    """Return cells with the scores of a model: its bins, and the sums that its moments come to."""
    if model.score is not None:
        codes, values = cells.features[model.score]
        bins = np.array([0 if value is None else int(value[1:4]) for value in values], dtype=np.int64)[codes]
        seen = seen._replace(bins=bins, exact_scores=model.exact)
    if model.moments is None:
        return seen
    codes, values = cells.features[model.moments]
    parts = np.array([(value or "b000 0 0").split()[1:] for value in values], dtype=np.float64).reshape(-1, 2)[codes]
    return seen._replace(score=seen.w * parts[:, 0], score2=seen.w * (parts[:, 0] ** 2 + parts[:, 1] ** 2))
