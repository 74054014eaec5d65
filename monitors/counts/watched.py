"""What is watched of a log: its features, and its scores, predictions and labels, each by its column and its texts."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import narwhals.stable.v2 as nw
import pyarrow as pa

from audit.errors import raise_violations
from audit.labelling import label_lists
from audit.predictions import PredictionLog, Role, input_column
from audit.values import BINARY
from monitors.counts.values import texts_of

Labels = Literal["none", "binary", "plain", "sets"]

_ROLES: tuple[Role, ...] = ("y_score", "y_pred", "y_true")
_NUMBERS = frozenset({"regression", "ranking"})
_NO_VALUE = (nw.Binary, nw.Duration, nw.Object)


class Watched(NamedTuple):
    """One watched feature.

    Parameters
    ----------
    feature
        Name of the column, or of the role.
    column
        Its name in `PredictionLog.table`.
    labels
        "none" for a feature; what the labels are otherwise: "binary" (0/1 in any spelling are one), "plain", "sets".
    separator
        What stands between the labels of a set.

    Examples
    --------
    >>> Watched("age", "input_0").labels
    'none'
    """

    feature: str
    column: str
    labels: Labels = "none"
    separator: str = ""

    def texts(self, column: pa.Array) -> pa.DictionaryArray:
        """Return the values as texts, labels in the one spelling that the audit gives them.

        Examples
        --------
        >>> Watched("y_true", "y_true", labels="binary").texts(pa.array([True, False, None])).to_pylist()
        ['1', '0', None]
        """
        if self.labels == "sets":
            return label_lists(pa.chunked_array([column]), self.feature, self.separator).dictionary_encode()
        texts = texts_of(column)
        if self.labels != "binary":
            return texts
        words = [word if word is None else BINARY.get(word, word) for word in texts.dictionary.to_pylist()]
        return pa.DictionaryArray.from_arrays(texts.indices, pa.array(words, pa.string()))


def watched(log: PredictionLog) -> tuple[Watched, ...]:
    """Return what is watched of a log: its features, then "y_score", "y_pred" and "y_true" where it has them.

    A feature that is the column of such a role is watched once, as the role.

    Raises
    ------
    InputError
        If a column holds lists, binary or durations, or a feature has the name of a role of another column: all at
        once.

    Examples
    --------
    >>> table = pa.table({"age": [31], "y": [1], "p": [1]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=["age"])
    >>> [item.feature for item in watched(log)]
    ['age', 'y_pred', 'y_true']
    """
    roles = [role for role in _ROLES if role in log.columns]
    of_roles = {log.columns[role] for role in roles}
    features = [Watched(name, input_column(place)) for place, name in enumerate(log.features) if name not in of_roles]
    items = (*features, *(_role(log, role) for role in roles))
    raise_violations(_violations(log, items, [item.feature for item in features if item.feature in roles]))
    return items


def _role(log: PredictionLog, role: Role) -> Watched:
    task = log.reading.task
    if role == "y_score" or task in _NUMBERS:
        return Watched(role, role)
    if task == "multilabel":
        return Watched(role, role, "sets", log.reading.separator)
    return Watched(role, role, "binary" if task == "binary" else "plain")


def _violations(log: PredictionLog, items: tuple[Watched, ...], clashes: list[str]) -> list[str]:
    schema: Mapping[str, Any] = log.table.collect_schema()
    violations = [
        f"feature {name!r} has the name of a role that another column plays; rename the column" for name in clashes
    ]
    for item in items:
        kind = schema[item.column]
        lists = item.labels == "sets" and isinstance(kind, nw.List)
        if (kind.is_nested() and not lists) or kind in _NO_VALUE:
            violations.append(f"column {item.feature!r} holds {kind}; expected numbers, text, booleans or dates")
    if not items:
        violations.append("nothing is watched: name features, predictions or scores")
    return violations
