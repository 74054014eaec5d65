"""Which column of a data frame plays which part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.errors import InputError, raise_violations

Label = str | int | float | bool

# Columns that predictions add beside those carried from the data.
MADE_BY_PREDICTION = ("y_pred", "y_score", "model_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a frame by role; what is not named as a feature never reaches the model.

    Parameters
    ----------
    y
        The label to learn: text, whole numbers, floats or booleans; two classes or more.
    features
        What the model may see. None takes every column without another role. A sensitive column is an input only if
        it is named here.
    categorical
        Features to read as categories although they hold numbers (codes of an occupation, say).
    sensitive_features
        Carried beside the predictions for the audit.
    sample_weight
        Weight of each row in the loss, at least 0.
    cluster, prediction_id
        Carried to the prediction log.
    positive
        The label that counts as positive. Required with two classes other than 0/1 and booleans.

    Raises
    ------
    InputError
        If a list of columns is given as one text, or a column has two roles that exclude each other.

    Examples
    --------
    >>> Columns(y="income", sensitive_features=["sex"], positive=">50K").sensitive_features
    ('sex',)
    >>> Columns(y="income", features=["age", "income"])
    Traceback (most recent call last):
    audit.errors.InputError: column 'income' is the label and cannot be a feature as well
    """

    y: str
    features: Sequence[str] | None = None
    categorical: Sequence[str] = ()
    sensitive_features: Sequence[str] = ()
    sample_weight: str | None = None
    cluster: str | None = None
    prediction_id: str | None = None
    positive: Label | None = None

    def __post_init__(self) -> None:
        for name in ("features", "categorical", "sensitive_features"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise InputError([f"{name} must be a list of column names; came the text {value!r}: pass [{value!r}]"])
            if value is not None:
                object.__setattr__(self, name, tuple(value))
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
        others = {self.y, self.sample_weight, self.cluster, self.prediction_id, *self.sensitive_features}
        return tuple(name for name in available if name not in others)

    def named(self) -> tuple[str, ...]:
        """Return every column named in any role, each once.

        Examples
        --------
        >>> Columns(y="paid", sensitive_features=["sex"], cluster="person").named()
        ('paid', 'sex', 'person')
        """
        return tuple(dict.fromkeys([*self.carried(), *(self.features or ()), *self.categorical]))

    def carried(self) -> tuple[str, ...]:
        """Return the columns that stand beside the predictions in a log, each once.

        Examples
        --------
        >>> Columns(y="paid", features=["age"], sensitive_features=["sex"]).carried()
        ('paid', 'sex')
        """
        single = [name for name in (self.sample_weight, self.cluster, self.prediction_id) if name is not None]
        return tuple(dict.fromkeys([self.y, *self.sensitive_features, *single]))

    def _violations(self) -> list[str]:
        excluded = {"label": self.y, "sample weight": self.sample_weight}
        violations = [
            f"column {column!r} is the {role} and cannot be a feature as well"
            for role, column in excluded.items()
            if column is not None and column in (self.features or ())
        ]
        return violations + [
            f"column {column!r} has a name that predictions need for themselves: rename it"
            for column in self.carried()
            if column in MADE_BY_PREDICTION
        ]
