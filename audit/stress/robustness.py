"""How a model's decisions and errors change for whom when its inputs are disturbed in stated ways."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.measurement import At, Measurement
from audit.paired.paired_changes import paired_change_rows
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.seeds import seed_violations
from audit.splits.model_calls import on_a_copy
from audit.stress.answers import Answers, Predict, answers
from audit.tasks.shares import Groups, group_counts, number_rows, share_rows
from audit.values import canonical

Perturbation = Callable[[Any], Any]
"""From rows to as many disturbed rows, in the same order."""

_ERROR = "perturbation_error_increase"


class Subjects(NamedTuple):
    """Whom rows are about: true labels, sensitive values by feature, and what belongs together.

    Examples
    --------
    >>> Subjects([1, 0], {"sex": ["F", "M"]}).cluster is None
    True
    """

    y_true: Any
    sensitive_features: Groups
    cluster: Any = None


def run_robustness(
    predict: Predict,
    rows: Any,  # noqa: ANN401 - a frame or an array, whatever the model takes
    perturbations: Mapping[str, Perturbation],
    subjects: Subjects,
    *,
    threshold: float | None = None,
    positive: str | None = None,
    level: float = 0.95,
    random_state: int | None = None,
) -> Result:
    """Ask a model about the same rows before and after each perturbation, and say what changed for whom.

    Parameters
    ----------
    predict
        The model: from rows to one label (or score) per row.
    rows
        The rows as they are: a frame, or pictures of shape (n, height, width[, channels]).
    perturbations
        Stated disturbances by name (`audit.stress.perturbations`); at.feature is the name.
    subjects
        Labels and sensitive values of the rows.
    threshold
        The answers are scores; positive where they reach it. None = they are labels.
    positive
        The positive label, where labels are neither 0/1 nor true/false.
    level
        Confidence level, in (0, 1).
    random_state
        The seed that the perturbations were made with; it is recorded.

    Returns
    -------
    Result
        Per perturbation: ``perturbation_flip_rate``, the share of decisions that change, in [0, 1], for every slice,
        with gaps between groups; ``perturbation_error_increase``, the error rate after minus before on the same rows,
        in [-1, 1], below 0 is better, with its paired interval (with clusters: cluster-robust t) and gaps; with scores
        ``perturbation_score_change``, the mean of |after - before|.

    Raises
    ------
    InputError
        If there is no perturbation, one raises or changes the number of rows, labels and answers do not fit, or
        `random_state` is no seed.

    Notes
    -----
    Error increases have the intervals of `audit.paired.paired_changes`. A model is not robust because these
    perturbations leave it alone; they are the ones that were stated.

    Examples
    --------
    >>> rows = np.arange(8.0)[:, None]
    >>> found = run_robustness(lambda x: (x[:, 0] > 3.5).astype(int), rows, {"a little more": lambda x: x + 1},
    ...                        Subjects([0, 0, 0, 0, 1, 1, 1, 1], {"sex": ["F", "M"] * 4}))
    >>> [(row.metric, row.value) for row in found.measurements if not row.slice and row.against is None]
    [('count', 8), ('perturbation_flip_rate', 0.125), ('perturbation_error_increase', 0.125)]
    """
    y_true = np.array([canonical(value) for value in subjects.y_true], dtype=object)
    n = len(y_true)
    seed = [] if random_state is None else seed_violations(random_state)
    raise_violations([*_violations(rows, perturbations, y_true), *seed])
    before = answers(predict, rows, n, threshold=threshold, positive=positive)
    truth = _truth(y_true, before, positive)
    found: list[Measurement] = [*group_counts(subjects.sensitive_features, n)]
    for name, perturbation in perturbations.items():
        disturbed = on_a_copy(f"perturbation {name!r}", perturbation, rows)
        many = len(disturbed) if hasattr(disturbed, "__len__") else 0
        raise_violations([f"perturbation {name!r} returned {many} rows for {n}"] if many != n else [])
        after = answers(predict, disturbed, n, threshold=threshold, positive=positive)
        found += _rows(name, before, after, truth, subjects, level)
    given = {
        "check": "robustness", "perturbations": list(perturbations), "threshold": threshold, "positive": positive,
        "level": level, "sensitive_features": list(subjects.sensitive_features),
        "clusters": subjects.cluster is not None,
    }  # fmt: skip
    provenance = Provenance(versions=recorded_versions(), seed=random_state, given=given)
    return Result(measurements=tuple(found), provenance=provenance)


def _violations(rows: Any, perturbations: Mapping[str, Perturbation], y_true: npt.NDArray[Any]) -> list[str]:  # noqa: ANN401
    violations = [] if perturbations else ["no perturbation is named; state at least one, as {name: function}"]
    if len(rows) != len(y_true):
        violations.append(f"y_true has {len(y_true)} labels for {len(rows)} rows")
    missing = sum(label is None for label in y_true)
    if missing:
        violations.append(f"y_true is missing in {missing} rows; drop those rows, or complete them")
    return violations


def _truth(y_true: npt.NDArray[Any], before: Answers, positive: str | None) -> npt.NDArray[Any]:
    """Return true labels in the words of the answers: scores are answered by 1 and 0."""
    words = {"true": "1", "false": "0", "1": "1", "0": "0"}
    if before.scores is not None and positive is not None:
        return np.where(y_true == canonical(positive), "1", "0").astype(object)
    if before.scores is not None:
        strange = sorted({label for label in y_true if label not in words})
        raise_violations([f"y_true has {strange[:5]}; with scores, name the positive label"] if strange else [])
    if set(y_true) <= set(words) and set(before.labels) <= set(words):
        return np.array([words[label] for label in y_true], dtype=object)
    return y_true


def _rows(
    name: str, before: Answers, after: Answers, truth: npt.NDArray[Any], subjects: Subjects, level: float
) -> Iterator[Measurement]:
    at: At = (("feature", name),)
    groups = subjects.sensitive_features
    options: dict[str, Any] = {"cluster": subjects.cluster, "level": level, "at": at}
    yield from share_rows("perturbation_flip_rate", before.labels != after.labels, groups, **options)
    right = [_spelled(side.labels, truth) == truth for side in (before, after)]
    worse, better = right[0] & ~right[1], right[1] & ~right[0]
    if subjects.cluster is None:
        yield from paired_change_rows(_ERROR, worse, better, groups, level=level, at=at)
    else:
        yield from number_rows(_ERROR, worse.astype(float) - better, groups, **options)
    if before.scores is not None and after.scores is not None:
        yield from number_rows("perturbation_score_change", np.abs(after.scores - before.scores), groups, **options)


def _spelled(labels: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if set(truth) <= {"0", "1"}:
        return np.array([{"true": "1", "false": "0"}.get(label, label) for label in labels], dtype=object)
    return labels
