"""YAML that people write, read safely: values with the line of every key, and every fault with its line.

Of YAML only what a policy needs is understood. Aliases and anchors (with which a kilobyte can grow to gigabytes),
tags, merges, repeated keys and several documents are refused; ``NO`` is a text and not false, ``12:30`` a text and not
750, ``01`` a text and not 1.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audit.errors import InputError

MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 20

KeyPath = tuple[str | int, ...]
"""Keys and positions from the top of the document down to a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a YAML file says, and on which line each of its keys stands.

    Parameters
    ----------
    content
        Mappings as dict, sequences as list, scalars as str, int, float, bool, None or date.
    lines
        Line, counted from 1, of each key and each item of a sequence.

    Examples
    --------
    >>> document = Document(content={"expect": {"sex": ["F"]}}, lines={("expect",): 3, ("expect", "sex"): 4})
    >>> document.line(("expect", "sex", 0)), document.line(("expect",)), document.line(("level",))
    (4, 3, 1)
    """

    content: Any
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, or of the nearest thing above it that is there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


class _Loader(yaml.SafeLoader):
    """The safe loader, with fewer surprises in plain scalars."""


_FLOAT = (
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Parameters
    ----------
    path
        The file, at most 1 MiB of UTF-8.

    Raises
    ------
    InputError
        If the file is missing, a directory, too large, no UTF-8, empty, or holds what is refused; with the line.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "policy.yaml"
    ...     _ = path.write_text("level: 0.95", encoding="utf-8")
    ...     read_yaml(path).content
    {'level': 0.95}
    """
    return parse_yaml(_text(path), name=str(path))


def parse_yaml(text: str, *, name: str) -> Document:
    r"""Parse the text of one YAML document.

    Parameters
    ----------
    text
        The document.
    name
        What to call it in errors.

    Raises
    ------
    InputError
        If it is empty, no YAML, or holds what is refused; with the line.

    Examples
    --------
    >>> document = parse_yaml("level: 0.95\nexpect:\n  race: [A, NO]\n", name="policy.yaml")
    >>> document.content, document.line(("expect", "race"))
    ({'level': 0.95, 'expect': {'race': ['A', 'NO']}}, 3)
    """
    loader = None
    try:
        _refuse_bombs(text, name)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            msg = f"{name} is empty; expected a policy; `evenhanded gate --plan` writes one to start from"
            raise InputError([msg])
        reader = _Reader(loader, name)
        content = reader.plain(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise InputError([f"{where}: expected YAML; {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise InputError([f"{name}: expected YAML; {' '.join(str(error).split())}"]) from error
    finally:
        if loader is not None:
            loader.dispose()
    if reader.violations:
        raise InputError(reader.violations)
    return Document(content=content, lines=reader.lines)


class _Reader:
    """Walks the nodes of a document once and keeps lines and faults."""

    def __init__(self, loader: _Loader, name: str) -> None:
        self.loader = loader
        self.name = name
        self.lines: dict[KeyPath, int] = {(): 1}
        self.violations: list[str] = []

    def plain(self, node: yaml.Node, path: KeyPath) -> Any:  # noqa: ANN401 - whatever the document holds
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, place)) for place, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # 2026-13-45 looks like a date and is none
            self.violations.append(f"{self.name}:{_line(node)}: {shown(path)}: {error}; got {node.value!r}")
            return None

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:  # noqa: ANN401
        self.lines[path] = _line(node)
        return self.plain(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.violations.append(f"{self.name}:{_line(key_node)}: {shown(path)}: expected a plain key")
                continue
            key = key_node.value
            if key in content:
                first = self.lines[(*path, key)]
                where = f"{self.name}:{_line(key_node)}: {shown((*path, key))}"
                self.violations.append(f"{where}: this key stands on line {first} already; keep one")
                continue
            self.lines[(*path, key)] = _line(key_node)
            content[key] = self.plain(value_node, (*path, key))
        return content


def shown(path: KeyPath) -> str:
    """Return a path as people read it.

    Examples
    --------
    >>> shown(("requirements", 0, "max")), shown(())
    ('requirements[0].max', 'the document')
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_escaped(part)}" for part in path)
    return text.removeprefix(".") or "the document"


def _escaped(key: str) -> str:
    return key if key.isprintable() else ascii(key)[1:-1]


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            msg = f"{path} is a directory; expected a YAML file; name the policy inside it"
            raise InputError([msg])
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            msg = f"{path} is larger than {MAX_BYTES:,} bytes; expected a policy that a person can read"
            raise InputError([msg])
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        msg = f"{path} does not exist; expected a YAML file; `evenhanded gate --plan` writes one to start from"
        raise InputError([msg]) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise InputError([msg]) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is no UTF-8 text (byte {error.start}); save it as UTF-8"
        raise InputError([msg]) from error


def _refuse_bombs(text: str, name: str) -> None:
    """Refuse aliases, anchors, tags, deep nesting and further documents before anything is built from them."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        fault = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            fault = "anchors and aliases (& and *) are refused; write the value out, or put it in quotes"
        elif tag := getattr(event, "tag", None):
            fault = f"the tag {tag!r} is refused; write a plain value, or put it in quotes"
        elif depth > _MAX_DEPTH:
            fault = f"nested more than {_MAX_DEPTH} deep"
        elif documents > 1:
            fault = "expected one document; remove what follows ---"
        if fault:
            raise InputError([f"{name}:{_line(event)}: {fault}"])


def _line(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1
