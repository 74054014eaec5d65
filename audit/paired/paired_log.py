"""The door for comparisons: the predictions of several models on the same rows, counted jointly into one tally."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from audit.counting import BINS, MAX_NUMERIC_GROUPS, count
from audit.errors import InputError, raise_violations
from audit.paired.paired_models import Model, Models
from audit.paired.paired_scores import with_score_bins
from audit.paired.paired_tables import Asked, joined_tables, opened_table
from audit.predictions import PredictionLog, RoleColumns
from audit.tally import SLICE, Tally
from audit.values import BINARY

MAX_MODELS = 10


class CountedTogether(NamedTuple):
    """The joint tally, its models, the files that it came from, and how many rows of either table found no partner.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0], "new": [1, 1], "old": [0, 1]})
    >>> found = count_together(frame, None, Asked(y_true="y", candidates=("new",), baseline="old"))
    >>> found.tally.rows, found.models.baseline.name, found.unmatched
    (2, 'old', {})
    """

    tally: Tally
    models: Models
    source: tuple[Path, ...] = ()
    unmatched: Mapping[str, int] = {}


def count_together(data: Any, other: Any, asked: Asked) -> CountedTogether:  # noqa: ANN401 - any tables, or paths
    """Count the predictions of all models jointly, in one lazy pass.

    With scores the columns that are compared are read into memory first (see `audit.paired.paired_scores`).

    Parameters
    ----------
    data
        A table with all predictions, or the candidates'; or the path of a CSV or Parquet file.
    other
        The baseline's table or file, whose rows are matched by `asked.on` (by their order where it is None); None where
        `data` holds everything.
    asked
        What is compared.

    Raises
    ------
    InputError
        If columns, values, ids or the rows of the two tables are not what they should be: every violation at once.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0, 1], "new": [0.9, 0.6, 0.4], "old": [0.4, 0.7, 0.2]})
    >>> found = count_together(frame, None, Asked(y_true="y", candidates=("new",), baseline="old", threshold=0.5))
    >>> found.models.baseline.exact, sorted(found.tally.cells["slice.old"].to_pylist())
    (True, ['false', 'false', 'true'])
    """
    raise_violations(list(_option_violations(asked, two=other is not None)))
    source: tuple[Path, ...] = ()
    unmatched: Mapping[str, int] = {}
    if other is not None:
        data, asked, source, unmatched = joined_tables(data, other, asked)
    raise_violations(list(_model_violations(data, asked)))
    models = _models(asked)
    files = source
    if models.bins:
        table = opened_table(data, wanted={*asked.about_rows, *asked.models, *asked.scores})
        files = source or table.source
        data, models = with_score_bins(table, asked)
    columns = [column for model in models.every for column in (model.prediction, model.score, model.moments) if column]
    log = _opened(data, asked, [*asked.features, *dict.fromkeys(columns)])
    tally = _counted(log, models)
    raise_violations(list(_prediction_violations(tally, models)))
    return CountedTogether(tally, models, files or log.source, unmatched)


def _models(asked: Asked) -> Models:
    found = [Model(asked.models[0]), *(Model(name, prediction=name) for name in asked.models[1:])]
    scored = asked.threshold is not None or bool(asked.scores)
    return Models(tuple(found[:-1]), found[-1], asked.features, BINS if scored else 0)


def _roles(asked: Asked) -> RoleColumns:
    """Return what the columns mean: the first model is the one that predicts."""
    roles: RoleColumns = {"y_true": asked.y_true}
    if asked.threshold is not None:
        roles["y_score"] = asked.models[0]
    else:
        roles["y_pred"] = asked.models[0]
    if asked.scores:
        roles["y_score"] = asked.scores[0]
    if asked.sample_weight is not None:
        roles["sample_weight"] = asked.sample_weight
    if asked.cluster is not None:
        roles["cluster"] = asked.cluster
    return roles


def _opened(data: Any, asked: Asked, features: Sequence[str]) -> PredictionLog:  # noqa: ANN401 - a table or a path
    door = PredictionLog.from_file if isinstance(data, str | Path) else PredictionLog.from_frame
    return door(
        data,
        sensitive_features=features,
        positive=asked.positive,
        threshold=asked.threshold,
        score_max=asked.score_max,
        bins=asked.bins,
        weights=asked.weights,
        **_roles(asked),
    )


def _counted(log: PredictionLog, models: Models) -> Tally:
    """Count; what is said of a model's column as if it were a sensitive feature is said of predictions."""
    try:
        return count(log)
    except InputError as error:
        texts = list(error.violations)
        for model in models.every[1:]:
            begin = f"sensitive feature {model.prediction!r} h"
            many = f"column {model.prediction!r} holds more than {MAX_NUMERIC_GROUPS} different predictions; expected "
            many += "two labels; are they scores? give a threshold with them"
            texts = [many if text.startswith(begin) else text for text in texts]
        raise InputError(texts) from error


def _option_violations(asked: Asked, *, two: bool) -> Iterator[str]:
    models, about = asked.models, asked.about_rows
    if not asked.candidates:
        yield "no candidate is named; name the column of the new model's predictions"
    if len(models) > MAX_MODELS:
        yield f"{len(models)} models are too many to compare at once; at most {MAX_MODELS}"
    distinct = asked.candidates if two else models
    doubled = sorted({name for name in distinct if distinct.count(name) > 1})
    if doubled:
        yield f"columns {doubled} are named for more than one model; name a column for each"
    clashes = sorted({*models, *asked.scores} & {*about})
    if clashes:
        yield f"columns {clashes} are named as a model's and as a label, group, weight or cluster; name others"
    if asked.scores and len(asked.scores) != len(models):
        yield f"scores names {len(asked.scores)} columns for {len(models)} models; name one each, the baseline's last"
    if asked.scores and not two and len({*asked.scores, *models}) < len(models) + len(asked.scores):
        yield "a column is named twice among predictions and scores; name each once, or give scores and a threshold"
    if asked.scores and asked.threshold is not None:
        yield "scores and a threshold are both given; drop one: with a threshold the models' columns are the scores"
    if asked.on is not None and not two:
        yield "on joins two tables; only one is given"
    if asked.cluster is not None and asked.cluster in asked.features:
        yield f"column {asked.cluster!r} is named as a cluster and as a sensitive feature; name two"


def _model_violations(data: Any, asked: Asked) -> Iterator[str]:  # noqa: ANN401 - a table or a path
    names = opened_table(data, wanted=()).names
    for name in dict.fromkeys([*asked.models, *asked.scores]):
        if name not in names:
            yield f"column {name!r} (of a model) is missing; the data has {names[:20]}; name one of these"


def _prediction_violations(tally: Tally, models: Models) -> Iterator[str]:
    """Yield what is wrong with the predictions of the further models, which the tally holds as features."""
    labels = {*tally.cells["y_true"].unique().to_pylist(), *tally.cells["y_pred"].unique().to_pylist()} - {None}
    for model in models.every[1:]:
        for column in filter(None, (model.prediction, model.score)):
            held = tally.cells[SLICE + column]
            if held.null_count:
                rows = pc.sum(pc.filter(tally.cells["n"], pc.is_null(held))).as_py()
                yield f"column {column!r} is empty in {rows} rows; every row needs a prediction of every model"
        if model.prediction is None or model.cut is not None:
            continue
        values = {BINARY.get(value, value) for value in tally.cells[SLICE + model.prediction].unique().to_pylist()}
        known = {"0", "1"} if tally.positive in BINARY else labels | {str(tally.positive)}
        strange = sorted(str(value) for value in values - {None} - known)
        if strange and (tally.positive in BINARY or len(known | values - {None}) > 2):
            yield f"column {model.prediction!r} holds {strange[:5]}; expected the labels {sorted(known)}, as elsewhere"
