"""The sections of a file of settings that a network and a recipe read: what is wrong in them, by line and key."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from audit.errors import InputError
from checklists.policy_errors import sentences, suggestion
from checklists.policy_yaml import Document, KeyPath, shown

if TYPE_CHECKING:
    from trainer.networks.registry import Settings


def section_faults(section: str, record: dict[str, Any], document: Document, *, name: str) -> list[str]:
    """Return what is wrong with network or recipe: unknown keys, values of another kind or out of range."""
    from trainer.history import Recipe

    try:
        kind = Recipe if section == "recipe" else network_class(record)
    except InputError as error:
        return [f"{name}:{document.line((section, 'architecture'))}: {section}: {error}"]
    given = {key: value for key, value in record.items() if (section, key) != ("network", "architecture")}
    found = [
        f"{name}:{document.line(path)}: {shown(path)}: unknown key{near}"
        for path, near in _unknown(kind, given, (section,))
    ]
    found += [
        f"{name}:{document.line(path)}: {shown(path)}: expected a number; got {value!r}"
        for path, value in _no_numbers(kind, given, (section,))
    ]
    if not found:
        try:
            TypeAdapter(dict[str, kind]).validate_python({section: given})  # type: ignore[valid-type]
        except ValidationError as error:
            found += _refused(error, document, name=name) or sentences(error, document, name=name, keys={"policy": ()})
    return found


def _refused(error: ValidationError, document: Document, *, name: str) -> list[str]:
    """Return what a section itself says about its values, each at the key that the sentence begins with."""
    found = []
    for detail in error.errors():
        refusal = detail.get("ctx", {}).get("error")
        for text in refusal.violations if isinstance(refusal, InputError) else ():
            path: KeyPath = (*detail["loc"], text.partition(" ")[0])
            path = path if path in document.lines else tuple(detail["loc"])
            found.append(f"{name}:{document.line(path)}: {shown(path)}: {text}")
    return found


def network_class(record: Mapping[str, Any]) -> "type[Settings]":
    """Return the settings of the network that a section names.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> network_class({"architecture": "tabular_mlp"}).__name__
    'MLPSettings'
    """
    from trainer.networks.registry import read_network

    try:
        found: Any = read_network({"architecture": str(record.get("architecture"))})
    except ValueError as error:
        raise InputError([str(error)]) from error
    return type(found)


def _no_numbers(kind: Any, record: Mapping[str, Any], path: KeyPath) -> list[tuple[KeyPath, object]]:  # noqa: ANN401
    """Return yes, no and texts where numbers belong: pydantic would read true as 1 and "8" as 8."""
    hints = get_type_hints(kind)
    found: list[tuple[KeyPath, object]] = []
    for key, value in record.items():
        inside = _types_in(hints.get(key, Any))
        records = [each for each in inside if is_dataclass(each)]
        if isinstance(value, dict) and records:
            found += _no_numbers(records[0], value, (*path, key))
            continue
        values = value if isinstance(value, list) else [value]
        wrong = [each for each in values if isinstance(each, bool | str) and type(each) not in inside]
        if wrong and inside & {int, float}:
            found.append(((*path, key), wrong[0]))
    return found


def _types_in(hint: Any) -> set[Any]:  # noqa: ANN401 - a type, a union, a list of types
    """Return every type that a hint is made of; of literals that of their values."""
    inner = get_args(hint)
    if not inner:
        return {type(hint) if isinstance(hint, str) else hint}
    return set().union(*(_types_in(each) for each in inner))


def _unknown(kind: Any, record: Mapping[str, Any], path: KeyPath) -> list[tuple[KeyPath, str]]:  # noqa: ANN401
    """Return keys that a record does not have, and those of records within it; each with what may have been meant."""
    known = tuple(each.name for each in fields(kind))
    hints = get_type_hints(kind)
    found = []
    for key, value in record.items():
        if key not in known:
            near = suggestion(str(key), known) or f"; expected one of {', '.join(known)}"
            found.append(((*path, key), near))
        elif isinstance(value, dict):
            inner = [each for each in (hints[key], *get_args(hints[key])) if is_dataclass(each)]
            found += _unknown(inner[0], value, (*path, key)) if inner else []
    return found
