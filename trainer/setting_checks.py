"""What is wrong with single settings: of another type, or out of range; a sentence each, none raised here."""

import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

from audit.seeds import seed_violations


def is_whole(value: object) -> bool:
    """Whether a value is a whole number and no boolean.

    Examples
    --------
    >>> is_whole(3), is_whole(True), is_whole(3.0), is_whole("3")
    (True, False, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value is a number, NaN and infinity among them, and no boolean.

    Examples
    --------
    >>> is_number(0.5), is_number(3), is_number(True), is_number("0.5")
    (True, True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool)


def whole_violations(values: Mapping[str, object], *, least: int = 1) -> list[str]:
    """Return a sentence for each value that is no whole number, or below the least.

    Examples
    --------
    >>> whole_violations({"blocks": 2, "groups": "8", "embedding": 0})
    ["groups must be a whole number; came '8'", 'embedding must be at least 1; came 0']
    """
    found = []
    for name, value in values.items():
        if not is_whole(value):
            found.append(f"{name} must be a whole number; came {value!r}")
        elif value < least:  # type: ignore[operator] # a whole number
            found.append(f"{name} must be at least {least}; came {value!r}")
    return found


def share_violations(values: Mapping[str, object]) -> list[str]:
    """Return a sentence for each value that is no share in [0, 1).

    Examples
    --------
    >>> share_violations({"dropout": 0.5}), share_violations({"dropout": float("nan")})
    ([], ['dropout is a share in [0, 1); came nan'])
    """
    return [
        f"{name} is a share in [0, 1); came {value!r}"
        for name, value in values.items()
        if not (is_number(value) and 0 <= value < 1)  # type: ignore[operator] # a number
    ]


def above_zero_violations(values: Mapping[str, object]) -> list[str]:
    """Return a sentence for each value that is no finite number above 0.

    Examples
    --------
    >>> above_zero_violations({"lr": -1.0, "clip": "high", "sigma": 4.0})
    ['lr must be above 0 and finite; came -1.0', "clip must be a number; came 'high'"]
    """
    found = []
    for name, value in values.items():
        if not is_number(value):
            found.append(f"{name} must be a number; came {value!r}")
        elif not 0 < value <= sys.float_info.max:  # type: ignore[operator] # a number; whole ones may be larger
            found.append(f"{name} must be above 0 and finite; came {value!r}")
    return found


def seed_faults(seed: object) -> list[str]:
    """Return a sentence where a seed is none.

    Examples
    --------
    >>> seed_faults(-1)
    ['seed must be a whole number from 0 to 4294967295; came -1']
    """
    return [text.replace("random_state", "seed").replace("; got", "; came") for text in seed_violations(seed)]


def kind_violations(name: str, value: object, kinds: Sequence[type], said: str) -> list[str]:
    """Return a sentence where a value is of none of the kinds; None is always allowed.

    Examples
    --------
    >>> kind_violations("recipe", {"ema": 0.9}, [float], "a Recipe, such as Recipe(ema=0.99)")
    ["recipe must be a Recipe, such as Recipe(ema=0.99); came {'ema': 0.9}"]
    """
    if value is None or isinstance(value, tuple(kinds)):
        return []
    text = repr(value)
    return [f"{name} must be {said}; came {text if len(text) <= 60 else type(value).__name__}"]


def widths_of(value: object) -> Sequence[object] | None:
    """Return the widths of layers, None where the value is no list.

    Examples
    --------
    >>> widths_of([8, 8]), widths_of("88"), widths_of(8)
    ((8, 8), None, None)
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return None
    return tuple(value)


def width_violations(name: str, widths: object) -> list[str]:
    """Return a sentence where widths of layers are no list of whole numbers from 1 on.

    Examples
    --------
    >>> width_violations("hidden", (8, 4)), width_violations("hidden", (8, -3))
    ([], ['hidden is a list of whole numbers from 1 on; came (8, -3)'])
    """
    found = widths_of(widths)
    if found is not None and not any(whole_violations({name: width}) for width in found):
        return []
    return [f"{name} is a list of whole numbers from 1 on; came {widths!r}"]
