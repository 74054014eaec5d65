"""How the columns of a log are to be read: the task, what counts as positive, and what contradicts what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal, SupportsFloat, get_args

from audit.errors import raise_violations
from audit.tally import Weights
from audit.values import canonical

Role = Literal[
    "prediction_id",
    "y_true",
    "y_pred",
    "y_score",
    "sample_weight",
    "cluster",
    "timestamp",
    "label_timestamp",
    "model_version",
    "place",
    "exposure",
    "action",
    "propensity",
    "arm",
    "dither",
    "human_decision",
    "outcome",
    "outcome_observed",
    "outcome_source",
    "training_weight",
    "user",
    "item",
    "round",
    "exposed",
    "earlier_score",
    "proxy",
]
Missing = Literal["group", "raise", "drop"]
Task = Literal["binary", "multiclass", "multilabel", "regression", "ranking", "watch"]
ROLES: tuple[Role, ...] = get_args(Role)

SEPARATOR = "|"
_NEEDS_PREDICTIONS = frozenset({"multiclass", "multilabel", "regression"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the columns of a log are to be read.

    Parameters
    ----------
    task
        "binary" (one of two labels is positive), "multiclass" (one of several labels per row), "multilabel" (any
        number of labels per row), "regression" (numbers), "ranking" (an order), "watch" (no labels: a log that
        is watched for drift and traffic, and cannot be audited).
    positive
        The label that counts as positive; may be None where labels are 0/1 or true/false. Binary only.
    threshold
        Predict positive where ``y_score / score_max >= threshold``; for logs without ``y_pred``. Binary only.
    score_max
        The score that means 1: ``10`` for deciles. Scores lie in [0, score_max].
    bins
        Edges by feature: ``{"age": (25, 45)}`` makes "<25", "25-45", ">=45" (left-closed).
    missing
        What to do with a missing sensitive value: "group" (a group of its own), "raise", "drop".
    weights
        What ``sample_weight`` means: "sampling" or "frequency" (whole numbers; a row repeated).
    labels
        Every label that may occur, for "multiclass" and "multilabel"; empty = those of ``y_true``.
    abstain
        The prediction that means "not decided, left to a person" (an empty prediction means the same then); None where
        every row is decided. For "binary" and "multiclass".
    separator
        What stands between the labels of one row in a text column; "multilabel" only.

    Examples
    --------
    >>> Reading(positive="yes").missing, Reading(task="multiclass").labels
    ('group', ())
    """

    task: Task = "binary"
    positive: str | None = None
    threshold: float | None = None
    score_max: float = 1.0
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    missing: Missing = "group"
    weights: Weights = "none"
    labels: tuple[str, ...] = ()
    abstain: str | None = None
    separator: str = SEPARATOR


def reading_of(
    options: Mapping[str, Any], *, bins: Mapping[str, Sequence[float]] | None, weights: str, weighted: bool
) -> Reading:
    """Return the options of a log as one record.

    Parameters
    ----------
    options
        The other fields of `Reading` as the user gave them.
    bins, weights
        As in `Reading`.
    weighted
        Whether there are weights at all.

    Raises
    ------
    InputError
        If a value is of a wrong type or no possible choice: all at once.

    Examples
    --------
    >>> given = {"task": "multiclass", "positive": None, "threshold": None, "score_max": 1.0, "missing": "group",
    ...          "labels": ["cat", 7], "abstain": None, "separator": None}
    >>> reading_of(given, bins={"age": [25]}, weights="sampling", weighted=False).labels
    ('cat', '7')
    """
    raise_violations(_value_violations(options, bins, weights))
    edges = {name: tuple(float(edge) for edge in cuts) for name, cuts in (bins or {}).items()}
    labels = options["labels"] or ()
    changed = {
        "positive": canonical(options["positive"]),
        "bins": MappingProxyType(edges),
        "weights": weights if weighted else "none",
        "labels": tuple(str(canonical(label)) for label in labels),
        "abstain": None if options["abstain"] is None else canonical(options["abstain"]) or "",
        "separator": SEPARATOR if options["separator"] is None else options["separator"],
    }
    raise_violations(_vain(options))
    return Reading(**{**options, **changed})


def option_violations(columns: Mapping[Role, str], sensitive: tuple[str, ...], reading: Reading) -> list[str]:
    """Return what is wrong with columns and options together.

    Examples
    --------
    >>> option_violations({"y_true": "y"}, (), Reading(task="multiclass"))
    ['no predictions: name y_pred; multiclass audits compare labels with labels']
    """
    violations = [] if reading.task == "watch" else _prediction_violations(columns, reading)
    if "y_pred" in columns and columns.get("y_true") == columns["y_pred"]:
        violations.append(f"y_true and y_pred are the same column {columns['y_pred']!r}; name two")
    if reading.threshold is not None and not 0 <= reading.threshold <= 1:
        violations.append(
            f"threshold must lie in [0, 1] (score / score_max); got {reading.threshold}; scores from 0 to 10 need "
            f"score_max=10 threshold=0.5"
        )
    if not 0 < reading.score_max < float("inf"):
        violations.append(f"score_max must be a positive number; got {reading.score_max}")
    for name, edges in reading.bins.items():
        if name not in sensitive:
            violations.append(
                f"bins are given for {name!r}, which is no sensitive feature; expected one of {sensitive}"
            )
        if not edges or list(edges) != sorted(set(edges)) or not all(map(isfinite, edges)):
            violations.append(f"bins of {name!r} must be finite, increasing edges; got {list(edges)}")
    return violations + _label_violations(reading)


def _prediction_violations(columns: Mapping[Role, str], reading: Reading) -> list[str]:
    violations = []
    task = reading.task
    if "y_true" not in columns and task != "ranking":
        violations.append("y_true is not named; error rates need true labels: name the column that holds them")
    if task == "binary":
        if "y_pred" not in columns and ("y_score" not in columns or reading.threshold is None):
            violations.append("no predictions: name y_pred, or y_score together with a threshold")
        if "y_pred" in columns and reading.threshold is not None:
            violations.append(
                "y_pred and a threshold are both given; drop one: the threshold makes predictions of y_score"
            )
        if "y_pred" not in columns and reading.abstain is not None:
            violations.append("abstain names a prediction; name y_pred, the column that it stands in")
    elif task in _NEEDS_PREDICTIONS:
        if "y_pred" not in columns:
            kinds = "numbers with numbers" if task == "regression" else "labels with labels"
            violations.append(f"no predictions: name y_pred; {task} audits compare {kinds}")
        if "y_score" in columns:
            violations.append(f"y_score is given in vain: {task} audits rest on y_pred; leave it out")
    elif not {"y_pred", "y_score"} & set(columns):
        violations.append("no predictions: name y_score, or y_pred, by which rows are ranked")
    return violations


def _label_violations(reading: Reading) -> list[str]:
    violations = []
    if len(set(reading.labels)) != len(reading.labels):
        violations.append(f"labels must differ from each other; got {list(reading.labels)[:20]}")
    if reading.abstain is not None and reading.abstain in {*reading.labels, reading.positive}:
        violations.append(
            f"abstain is {reading.abstain!r}, which is one of the labels; name what stands for no decision"
        )
    return violations


def _vain(options: Mapping[str, Any]) -> list[str]:
    """Return the options that mean nothing for the task: a setting that is silently ignored misleads."""
    task = options["task"]
    of_task = {
        "positive": {"binary", "watch"},  # of a watched log: which predictions, decisions and outcomes mean yes
        "threshold": {"binary", "watch"},
        "labels": {"multiclass", "multilabel"},
        "abstain": {"binary", "multiclass"},
        "separator": {"multilabel"},
    }
    return [
        f"{name} is given in vain: it means nothing for the task {task!r}, only for "
        f"{' and '.join(sorted(tasks - {'watch'}))}; leave it out"
        for name, tasks in of_task.items()
        if options[name] is not None and task not in tasks
    ]


def _value_violations(options: Mapping[str, Any], bins: Mapping[str, object] | None, weights: str) -> list[str]:
    violations = []
    if options["task"] not in get_args(Task):
        violations.append(f"task must be one of {', '.join(get_args(Task))}; got {options['task']!r}")
    if options["threshold"] is not None and not _is_number(options["threshold"]):
        violations.append(f"threshold must be a number; got {options['threshold']!r}")
    if not _is_number(options["score_max"]):
        violations.append(f"score_max must be a number; got {options['score_max']!r}")
    violations += [
        f"bins of {name!r} must be numbers; got {edges!r}"
        for name, edges in (bins or {}).items()
        if isinstance(edges, str) or not isinstance(edges, Iterable) or not all(map(_is_number, edges))
    ]
    if options["missing"] not in get_args(Missing):
        violations.append(f"missing must be 'group', 'raise' or 'drop'; got {options['missing']!r}")
    if weights not in {"sampling", "frequency"}:
        violations.append(f"weights must be 'sampling' or 'frequency'; got {weights!r}")
    labels = options["labels"]
    if isinstance(labels, str) or not (labels is None or isinstance(labels, Iterable)):
        violations.append(f"labels must be a list; got {labels!r}")
    elif labels is not None and any(label in {None, ""} for label in labels):
        violations.append("labels must be texts or numbers, none of them empty")
    if options["separator"] is not None and (not isinstance(options["separator"], str) or not options["separator"]):
        violations.append(f"separator must be a text such as '|'; got {options['separator']!r}")
    return violations


def _is_number(value: object) -> bool:
    return isinstance(value, SupportsFloat) and not isinstance(value, bool)
