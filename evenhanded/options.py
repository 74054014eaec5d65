"""Options that several commands share, and options from a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from audit.errors import InputError

MAX_CONFIG_BYTES = 1_000_000


class Names(click.ParamType[tuple[str, ...]]):
    """Names separated by commas; a list, where the option comes from YAML."""

    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ANN401
        """Return the names as a tuple."""
        del param, ctx
        if isinstance(value, list | tuple):
            return tuple(str(name) for name in value)
        return tuple(name.strip() for name in str(value).split(",") if name.strip())


class Pair(click.ParamType[tuple[str, str]]):
    """``feature=value``."""

    name = "FEATURE=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401
        """Return feature and value."""
        if isinstance(value, tuple):
            return value
        feature, sign, text = str(value).partition("=")
        if not sign or not feature or not text:
            self.fail(f"expected FEATURE=VALUE; got {value!r}", param, ctx)
        return feature, text


def from_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Read options from a YAML file; what stands on the command line wins.

    Raises
    ------
    InputError
        If the file is missing, no mapping, or names an unknown option: every violation at once.
    """
    if path is None:
        return None
    known = {parameter.name: parameter for parameter in ctx.command.params if parameter.name}
    config = _mapping(path)
    unknown = [key for key in config if str(key).replace("-", "_") not in known]
    if unknown:
        options = ", ".join(sorted(name.replace("_", "-") for name in known if name != "config"))
        raise InputError([f"{path}: unknown option {key!r}; expected one of {options}" for key in unknown])
    ctx.default_map = {str(key).replace("-", "_"): _default(value) for key, value in config.items()}
    return path


def _mapping(path: Path) -> Mapping[Any, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > MAX_CONFIG_BYTES:
            raise InputError([f"{path} is larger than {MAX_CONFIG_BYTES:,} bytes; is it a configuration?"])
        if "&" in text and "*" in text:
            _refuse_aliases(text, path)
        config = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError([f"{path} cannot be read as YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(config, dict):
        raise InputError([f"{path} must hold options as `name: value`; got {type(config).__name__}"])
    return config


def _refuse_aliases(text: str, path: Path) -> None:
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
        raise InputError([f"{path}: anchors and aliases are not read; write the values out"])


def _default(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, dict):  # reference: {race: White}, bin: {age: [25, 45]}
        return [(str(k), ",".join(map(str, v)) if isinstance(v, list) else str(v)) for k, v in value.items()]
    return value
