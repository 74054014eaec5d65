"""What a model and its simple alternatives are compared on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineTask:
    """What model and baselines are compared on: train rows to learn from, test rows to be judged by.

    Parameters
    ----------
    x_train, x_test
        Features, shape (n_rows, n_features); NaN where missing (the train median stands in, except for boosting).
    y_train, y_test
        Labels 0 or 1, or numbers for `regression_rows`, shape (n_rows,).
    groups_train, groups_test
        The group of each row, for the rate of the group; None = no such baseline.
    cluster
        Which test rows belong together, as integers; None = each stands alone.

    Raises
    ------
    InputError
        If lengths differ, a part is empty, or labels are missing: all at once.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0]])
    >>> BaselineTask(x_train=x, y_train=np.array([0, 1]), x_test=x, y_test=np.array([0, 1])).cluster is None
    True
    """

    x_train: Floats
    y_train: Floats | Labels
    x_test: Floats
    y_test: Floats | Labels
    groups_train: Sequence[str] | npt.NDArray[np.object_] | None = None
    groups_test: Sequence[str] | npt.NDArray[np.object_] | None = None
    cluster: Labels | None = None

    def __post_init__(self) -> None:
        sizes = {"train": len(self.y_train), "test": len(self.y_test)}
        found: dict[str, Any] = {"x_train": self.x_train, "x_test": self.x_test, "groups_train": self.groups_train}
        found |= {"groups_test": self.groups_test, "cluster (test)": self.cluster}
        violations = [
            f"{name} has {len(column)} rows, the labels of that part {sizes[part]}; give as many"
            for name, column in found.items()
            for part in sizes
            if column is not None and part in name and len(column) != sizes[part]
        ]
        violations += [f"y_{part} has no rows; expected at least one" for part, n in sizes.items() if not n]
        for part, labels in (("train", self.y_train), ("test", self.y_test)):
            if gone := int(np.count_nonzero(~np.isfinite(np.asarray(labels, dtype=np.float64)))):
                violations.append(f"y_{part} is missing or infinite in {gone} rows; leave these rows out")
        if (self.groups_train is None) != (self.groups_test is None):
            violations.append("groups are given for one part only; give groups_train and groups_test")
        raise_violations(violations)
