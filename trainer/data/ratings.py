"""Ratings as the trainer needs them: who rated what, and by how much; newcomers are known as such."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from audit.errors import raise_violations
from trainer.data.category import CategoryEncoder, category_codes, fit_category
from trainer.data.checks import table_violations
from trainer.data.columns import Columns, Label
from trainer.data.numeric import row_list
from trainer.data.resident import Resident
from trainer.data.spec import tuples
from trainer.data.splits import Part, Split
from trainer.data.target import Target
from trainer.data.truth import fit_target, target_tensor
from trainer.data.weights import weight_tensor

NEW_USER, NEW_ITEM = "new_user", "new_item"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsSpec:
    """Whose taste and which items a model knows, and the range of its answers; saved with the model.

    Parameters
    ----------
    columns
        Roles of the columns; among the sensitive features are `new_user` and `new_item`, which are made from the rows.
    target
        What the model answers: a number.
    users, items
        Those of the train rows; the code of any other is 0.

    Examples
    --------
    >>> users = CategoryEncoder(column="reader", categories=("ann", "bo"))
    >>> items = CategoryEncoder(column="book", categories=("emma",))
    >>> spec = RatingsSpec(columns=Columns(y="stars", task="number", range=(0, 5.5)), users=users, items=items,
    ...                    target=Target(kind="number", low=0.0, high=5.5))
    >>> rows = pd.DataFrame({"reader": ["bo", "cy"], "book": ["emma", "emma"]})
    >>> [codes.tolist() for codes in spec.inputs(rows)], RatingsSpec.read(spec.record()) == spec
    ([[2, 0], [1, 1]], True)
    """

    columns: Columns
    target: Target
    users: CategoryEncoder
    items: CategoryEncoder

    @property
    def positive(self) -> Label | None:
        """None: a rating is a number."""
        return None

    def inputs(self, rows: pd.DataFrame) -> tuple[Tensor, ...]:
        """Return the codes of users and of items, each of shape (n_rows,), int32, on the host; 0 is unknown.

        Raises
        ------
        InputError
            If a column is missing.
        """
        found = self._codes(rows)
        return tuple(torch.from_numpy(codes.astype(np.int32)) for codes in found.values())

    def flagged(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with `new_user` and `new_item`: "true" where no train row has that user or item.

        Raises
        ------
        InputError
            If a column is missing, or one of these names is taken.

        Examples
        --------
        >>> users, items = (CategoryEncoder(column=name, categories=("1",)) for name in "ui")
        >>> spec = RatingsSpec(columns=Columns(y="r", task="number"), target=Target(kind="number"), users=users,
        ...                    items=items)
        >>> spec.flagged(pd.DataFrame({"u": [1, 2], "i": [1, None]}))[["new_user", "new_item"]].to_numpy().tolist()
        [['false', 'false'], ['true', 'true']]
        """
        taken = [name for name in (NEW_USER, NEW_ITEM) if name in rows.columns]
        raise_violations([f"column {name!r} has a name that newcomers are told by: rename it" for name in taken])
        codes = self._codes(rows)
        flags = {name: np.where(found == 0, "true", "false") for name, found in codes.items()}
        return rows.assign(**flags)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"kind": "ratings", **asdict(self)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return the spec that `record` was made of."""
        return cls(
            columns=Columns(**record["columns"]),
            target=Target(**tuples(record["target"])),
            users=CategoryEncoder(**tuples(record["users"])),
            items=CategoryEncoder(**tuples(record["items"])),
        )

    def _codes(self, rows: pd.DataFrame) -> dict[str, Any]:
        named = {NEW_USER: self.users, NEW_ITEM: self.items}
        absent = [item.column for item in named.values() if item.column not in rows.columns]
        shown = ", ".join(map(str, rows.columns))
        raise_violations([f"column {name!r} is missing; the data has {shown}" for name in absent])
        return {name: category_codes(rows[item.column], item.categories).codes for name, item in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratings:
    """A log of ratings, its split, and the codes of users and items; made by `from_frame`.

    A user or an item that no train row has is answered for by the mean taste: its embedding is the mean of the
    embeddings that training taught, each counted once. The logs of predictions flag such rows as `new_user` and
    `new_item`, so that an audit shows how much worse newcomers are served.

    Parameters
    ----------
    frame
        The rows as they came, with the two flags.
    split
        Which rows train, tune and test. A split by time is what deployment is like; one at random lets the model see
        other ratings of the same user, also later ones.
    spec
        Users, items, target.
    resident
        The tensors, in the memory of the host.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> frame = pd.DataFrame({"user": [1, 1, 2, 3], "item": list("abab"), "stars": [5, 4, 3, 1]})
    >>> ratings = Ratings.from_frame(frame, columns=Columns(y="stars", task="number", range=(0, 5.5)), user="user",
    ...                              item="item", split=split_given(train=[0, 1, 2], valid=[3], test=[]))
    >>> ratings.part("valid")[["new_user", "new_item"]].to_numpy().tolist(), ratings.spec.target.center
    ([['true', 'false']], 4.0)
    """

    frame: pd.DataFrame
    split: Split
    spec: RatingsSpec
    resident: Resident

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, columns: Columns, user: str, item: str, split: Split) -> "Ratings":
        """Check a log of ratings, and learn from its train rows which users and items there are.

        Parameters
        ----------
        frame
            One row per rating.
        columns
            ``Columns(y="rating", task="number")``, with the `range` in which answers lie and what is carried for the
            audit; no features.
        user, item
            Columns that say who rated what: text, whole numbers, anything with one spelling.
        split
            From `split_time`, `split_groups` (by user), `split_rows` or `split_given`.

        Returns
        -------
        Ratings
            Ready for a `Learner`.

        Raises
        ------
        InputError
            Listing everything that is wrong: absent columns, a task other than "number", features, ratings missing or
            out of range, train rows without user or item, bad weights, a split that does not fit.
        TypeError
            If `frame` is not a pandas data frame.
        """
        _check_type(frame)
        raise_violations(_violations(frame, columns=columns, user=user, item=item, split=split))
        train, used = frame.iloc[split.train], np.concatenate([split.train, split.valid, split.test])
        flagged = replace(columns, features=(), sensitive_features=(*columns.sensitive_features, NEW_USER, NEW_ITEM))
        spec = RatingsSpec(
            columns=flagged,
            target=fit_target(train, columns=columns),
            users=fit_category(train[user]),
            items=fit_category(train[item]),
        )
        resident = Resident(
            inputs=spec.inputs(frame),
            target=target_tensor(frame, columns=columns, target=spec.target, used=used),
            weights=weight_tensor(frame, columns=columns, split=split),
        )
        return cls(frame=spec.flagged(frame), split=split, spec=spec, resident=resident)

    def part(self, part: Part) -> pd.DataFrame:
        """Return the rows of one part as they came, with the two flags."""
        return self.frame.iloc[self.split.rows(part)]


def with_newcomers(frame: pd.DataFrame, spec: object) -> pd.DataFrame:
    """Return rows with their flags where a model of ratings answers about them, and any others as they are.

    Examples
    --------
    >>> with_newcomers(pd.DataFrame({"age": [3]}), spec=None).columns.tolist()
    ['age']
    """
    there = {NEW_USER, NEW_ITEM} <= set(frame.columns)
    return spec.flagged(frame) if isinstance(spec, RatingsSpec) and not there else frame


def _check_type(frame: object) -> None:
    if not isinstance(frame, pd.DataFrame):
        message = f"frame must be a pandas DataFrame; came {type(frame).__name__}: convert it with .to_pandas()"
        raise TypeError(message)


def _violations(frame: pd.DataFrame, *, columns: Columns, user: str, item: str, split: Split) -> list[str]:
    names = list(frame.columns)
    violations = [
        f"column {name!r} has a name that newcomers are told by: rename it"
        for name in (NEW_USER, NEW_ITEM)
        if name in names
    ]
    if columns.task != "number":
        violations.append(f"a rating is a number: pass Columns(y={columns.y!r}, task='number'); came {columns.task!r}")
    if len({user, item, *columns.truth}) < 3:
        violations.append(f"user, item and rating are three columns; came {user!r}, {item!r} and {columns.y!r}")
    stray = [*(columns.features or ()), *columns.categorical, *dict(columns.ordered), *columns.dates, *columns.text]
    violations += [
        f"column {name!r} is named as a feature, but a model of ratings sees users and items only" for name in stray
    ]
    if violations:
        return violations
    # Users and items are checked as the features of a table are, and so are ratings, weights and the split.
    whole = replace(columns, features=(user, item), categorical=(user, item))
    violations = table_violations(frame, columns=whole, split=split)
    for name in (user, item) if not violations else ():
        missing = split.train[frame[name].iloc[split.train].isna().to_numpy()]
        if len(missing):
            violations.append(f"column {name!r} is missing at {row_list(missing)}: drop these train rows")
    return violations
