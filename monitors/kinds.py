"""Arguments of another kind than a door reads, told in a sentence instead of failing somewhere within."""

from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import NamedTuple


class Wanted(NamedTuple):
    """What an argument must be, in words for the error.

    Examples
    --------
    >>> Wanted("a text", (str,)).words
    'a text'
    """

    words: str
    kinds: tuple[type, ...]


TEXT = Wanted("a text", (str,))
NUMBER = Wanted("a number", (Real,))  # those of numpy among them
PATH = Wanted("a path", (str, Path))


def wrong_kind(name: str, value: object, wanted: Wanted, *, then: str = "", optional: bool = False) -> list[str]:
    """Return that an argument is of another kind than is read, with what to do; empty where it is not.

    A truth value is no number.

    Examples
    --------
    >>> wrong_kind("alpha", "x", NUMBER), wrong_kind("alpha", 0.05, NUMBER)
    (["alpha: expected a number; got str 'x'"], [])
    """
    fine = isinstance(value, wanted.kinds) and not (isinstance(value, bool) and bool not in wanted.kinds)
    if fine or (optional and value is None):
        return []
    return [f"{name}: expected {wanted.words}; got {shown(value)}" + (f"; {then}" if then else "")]


def wrong_names(name: str, values: object, *, what: str = "names of columns") -> list[str]:
    """Return that an argument is no list of texts; empty where it is one.

    Examples
    --------
    >>> wrong_names("features", "age"), wrong_names("features", ["age"])
    (["features: expected a list of names of columns; got str 'age'"], [])
    """
    is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping)
    if is_list and all(isinstance(each, str) for each in values):  # type: ignore[attr-defined]
        return []
    return [f"{name}: expected a list of {what}; got {shown(values)}"]


def shown(value: object) -> str:
    """Return what kind of thing a value is, and a short one as it is.

    Examples
    --------
    >>> shown("r.csv"), shown({"a": 1})
    ("str 'r.csv'", 'dict')
    """
    plain = value is not None and isinstance(value, str | Path | bool | int | float | list | tuple)
    return f"{type(value).__name__} {repr(value)[:60]}" if plain else type(value).__name__
