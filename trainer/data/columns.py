"""Which column of a data frame plays which part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit.errors import InputError, raise_violations

Label = str | int | float | bool
Levels = Sequence[Label]
Missing = Literal["flag", "refuse"]
Task = Literal["classes", "labels", "number"]

# Columns that predictions add beside those carried from the data.
MADE_BY_PREDICTION = ("y_pred", "y_score", "model_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a frame by role; what is not named as a feature never reaches the model.

    Parameters
    ----------
    y
        What to learn: text, whole numbers, floats or booleans (two classes or more); numbers where the task is
        "number"; where it is "labels", the labels of each row in one text (``"cat|dog"``) or a list. Left out only
        where `labels` names columns.
    features
        What the model may see. None takes every column without another role. A sensitive column is an input only if
        it is named here.
    categorical
        Features to read as categories although they hold numbers (codes of an occupation, say).
    ordered
        Features whose categories have an order, with all their levels from low to high: ``{"size": ["s", "m", "l"]}``.
        The model sees each level as a code and its place as a number. Ordered pandas categoricals need no naming.
    dates
        Features to read as dates although they are text (ISO 8601); datetime columns need no naming.
    text
        Features to read as free text, word by word.
    min_count
        A word of a text feature is known if it stands in at least so many train rows.
    missing
        What a missing value of a feature means: "flag", it is read as unknown and the model is told, of a number or
        date by a flag of its own where train rows missed it too; where none did, a missing number is read as the
        median of the train rows and the model is not told, since it never saw what that means. Such rows are counted
        in `Encoded.missing` (``table.encoded``, or `encode` for new rows) and in the table's card. "refuse", a missing
        value is an error, in training and in prediction.
    sensitive_features
        Carried beside the predictions for the audit.
    sample_weight
        Weight of each row in the loss, at least 0.
    cluster, prediction_id
        Carried to the prediction log.
    positive
        The label that counts as positive. Required with two classes other than 0/1 and booleans.
    task
        "classes" (one of several), "labels" (any of several, or none of them) or "number" (regression).
    labels
        Columns of 0/1 or booleans, one per label; makes the task "labels".
    separator
        What stands between the labels of a row in the text of `y`, where the task is "labels".
    loss
        Of a number: "squared" (where None), "absolute", or "log", which needs `range`.
    range
        Low and high end of the numbers that the model may answer.

    Raises
    ------
    InputError
        If a list of columns is given as one text, a column has two roles that exclude each other, or an option does
        not go with the task.

    Examples
    --------
    >>> Columns(y="income", sensitive_features=["sex"], positive=">50K").sensitive_features
    ('sex',)
    >>> Columns(y="income", features=["age", "income"])
    Traceback (most recent call last):
    audit.errors.InputError: column 'income' is the label and cannot be a feature as well
    """

    y: str = ""
    features: Sequence[str] | None = None
    categorical: Sequence[str] = ()
    sensitive_features: Sequence[str] = ()
    sample_weight: str | None = None
    cluster: str | None = None
    prediction_id: str | None = None
    positive: Label | None = None
    ordered: Mapping[str, Levels] | Sequence[tuple[str, Levels]] = ()
    dates: Sequence[str] = ()
    text: Sequence[str] = ()
    min_count: int = 2
    missing: Missing = "flag"
    task: Task = "classes"
    labels: Sequence[str] = ()
    separator: str = "|"
    loss: Literal["squared", "absolute", "log"] | None = None
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("features", "categorical", "sensitive_features", "dates", "text", "labels"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise InputError([f"{name} must be a list of column names; came the text {value!r}: pass [{value!r}]"])
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "ordered", _pairs(self.ordered))
        if self.range is not None:
            object.__setattr__(self, "range", tuple(self.range))
        if self.labels and self.task == "classes":
            object.__setattr__(self, "task", "labels")
        positive: object = self.positive
        if isinstance(positive, np.generic):
            object.__setattr__(self, "positive", positive.item())
        raise_violations(self._violations())

    def inputs(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the feature columns among those available, in order: the named ones, or all that have no other role.

        Examples
        --------
        >>> Columns(y="paid", sensitive_features=["sex"]).inputs(["age", "sex", "paid"])
        ('age',)
        """
        if self.features is not None:
            return tuple(self.features)
        others = {self.sample_weight, self.cluster, self.prediction_id, *self.truth, *self.sensitive_features}
        return tuple(name for name in available if name not in others)

    def named(self) -> tuple[str, ...]:
        """Return every column named in any role, each once.

        Examples
        --------
        >>> Columns(y="paid", sensitive_features=["sex"], cluster="person").named()
        ('paid', 'sex', 'person')
        """
        read = [*self.categorical, *dict(self.ordered), *self.dates, *self.text]
        return tuple(dict.fromkeys([*self.carried(), *(self.features or ()), *read]))

    def carried(self) -> tuple[str, ...]:
        """Return the columns that stand beside the predictions in a log, each once.

        Examples
        --------
        >>> Columns(y="paid", features=["age"], sensitive_features=["sex"]).carried()
        ('paid', 'sex')
        """
        single = [name for name in (self.sample_weight, self.cluster, self.prediction_id) if name is not None]
        return tuple(dict.fromkeys([*self.truth, *self.sensitive_features, *single]))

    @property
    def truth(self) -> tuple[str, ...]:
        """The columns that hold what is to be learnt: `y`, or one per label.

        Examples
        --------
        >>> Columns(y="paid").truth, Columns(labels=["cat", "dog"]).truth
        (('paid',), ('cat', 'dog'))
        """
        return tuple(self.labels) or (self.y,)

    def _violations(self) -> list[str]:
        excluded: dict[str | None, str] = dict.fromkeys(self.truth, "label")
        excluded[self.sample_weight] = "sample weight"
        excluded[self.prediction_id] = "prediction id"
        violations = [
            f"column {column!r} is the {role} and cannot be a feature as well"
            for column, role in excluded.items()
            if column is not None and column in (self.features or ())
        ]
        violations += [
            f"column {column!r} has a name that predictions need for themselves: rename it"
            for column in self.carried()
            if column in MADE_BY_PREDICTION or (column == "y_true" and column not in self.truth)
        ]
        violations += [
            f"{role} names {column!r} twice"
            for role, named in (("sensitive_features", self.sensitive_features), ("features", self.features or ()))
            for column in dict.fromkeys(named)
            if named.count(column) > 1
        ]
        single = {"sample_weight": self.sample_weight, "cluster": self.cluster, "prediction_id": self.prediction_id}
        violations += [
            f"column {column!r} is the label and cannot be the {role} as well"
            for role, column in single.items()
            if column is not None and column in self.truth
        ]
        return violations + self._reading_violations() + self._task_violations()

    def _reading_violations(self) -> list[str]:
        ways = {"categorical": self.categorical, "ordered": dict(self.ordered), "dates": self.dates, "text": self.text}
        named = [(column, way) for way, columns in ways.items() for column in columns]
        violations = [
            f"feature {column!r} is named as {way} and as {other}: a column is read in one way"
            for place, (column, way) in enumerate(named)
            for other in [later for name, later in named[place + 1 :] if name == column]
        ]
        for column, levels in dict(self.ordered).items():
            if len(levels) < 2 or len(set(levels)) < len(levels):
                violations.append(f"ordered feature {column!r} needs two levels or more, each once; came {levels!r}")
        if self.min_count < 1:
            violations.append(f"min_count is a number of train rows, at least 1; came {self.min_count}")
        if self.missing not in ("flag", "refuse"):
            violations.append(f'missing is "flag" or "refuse"; came {self.missing!r}')
        return violations

    def _task_violations(self) -> list[str]:
        if self.task not in ("classes", "labels", "number"):
            return [f'task is "classes", "labels" or "number"; came {self.task!r}']
        violations = []
        if bool(self.y) == bool(self.labels):
            violations.append(f"name what to learn by y or by labels, one of them; came y={self.y!r}, {self.labels!r}")
        if self.labels and (self.task != "labels" or len(set(self.labels)) < len(self.labels)):
            violations.append(f"labels are columns of 0/1 of the task 'labels', each once; came {self.labels!r}")
        if self.task != "classes" and self.positive is not None:
            violations.append(f"positive goes with classes, not with the task {self.task!r}; leave it out")
        if not self.separator:
            violations.append("separator is the text between two labels of a row, such as '|'; came an empty one")
        if self.task != "number" and (self.loss is not None or self.range is not None):
            violations.append(f"loss and range go with the task 'number', not with {self.task!r}; leave them out")
        return violations + self._number_violations()

    def _number_violations(self) -> list[str]:
        violations = []
        if self.loss not in (None, "squared", "absolute", "log"):
            violations.append(f'loss is "squared", "absolute" or "log"; came {self.loss!r}')
        if self.loss == "log" and self.range is None:
            violations.append("loss 'log' compares shares of a range: give range=(low, high)")
        if self.range is not None and not (
            len(self.range) == 2 and np.isfinite(self.range).all() and self.range[0] < self.range[1]
        ):
            violations.append(f"range is two finite numbers, the low end first; came {self.range!r}")
        return violations


def _pairs(ordered: Mapping[str, Levels] | Iterable[tuple[str, Levels]]) -> tuple[tuple[str, tuple[Label, ...]], ...]:
    """Return names with their levels as tuples, which can be compared, hashed and written as JSON."""
    pairs = ordered.items() if isinstance(ordered, Mapping) else ordered
    return tuple((name, tuple(levels)) for name, levels in pairs)
