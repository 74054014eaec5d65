"""Options that several commands share, and options from a YAML file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from audit.errors import InputError, raise_violations
from audit.seeds import MAX_SEED
from checklists.policy_errors import suggestion
from checklists.policy_yaml import parse_yaml

MAX_CONFIG_BYTES = 1_000_000
Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


class Names(click.ParamType[tuple[str, ...]]):
    """Names separated by commas; a list, where the option comes from YAML.

    Examples
    --------
    >>> Names().convert("sex, race", None, None), Names().convert(["sex", "race"], None, None)
    (('sex', 'race'), ('sex', 'race'))
    """

    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ANN401
        """Return the names as a tuple."""
        del param, ctx
        if isinstance(value, list | tuple):
            return tuple(str(name) for name in value)
        return tuple(name.strip() for name in str(value).split(",") if name.strip())


class InParts(click.Command):
    """A command with many options, whose help shows them in parts, the common ones first.

    Parameters
    ----------
    parts
        Names of options (as the function takes them) by the title of their part, in the order of the help; an option
        of no part stands at the end.

    Examples
    --------
    >>> options = [click.Option(["--rare"], help="Seldom."), click.Option(["--often"], help="Always.")]
    >>> command = InParts("look", params=options, parts={"Options": ["often"], "More": ["rare", "help"]})
    >>> print(command.get_help(click.Context(command, info_name="look")))
    Usage: look [OPTIONS]
    <BLANKLINE>
    Options:
      --often TEXT  Always.
    <BLANKLINE>
    More:
      --rare TEXT  Seldom.
      --help       Show this message and exit.
    """

    def __init__(self, *arguments: Any, parts: Mapping[str, Sequence[str]], **named: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*arguments, **named)
        self.parts = parts

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the parts."""
        found = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = {"help" if "--help" in each.opts else str(each.name): each.get_help_record(ctx) for each in found}
        left = {name: record for name, record in records.items() if record is not None}
        parts = [(title, [left.pop(name) for name in names if name in left]) for title, names in self.parts.items()]
        for title, shown in [*parts, ("Other options", list(left.values()))]:
            if shown:
                with formatter.section(title):
                    formatter.write_dl(shown)


class Pair(click.ParamType[tuple[str, str]]):
    """``feature=value``.

    Parameters
    ----------
    name
        What a pair is of, as the help and the error show it.

    Raises
    ------
    click.BadParameter
        By `convert`, if the sign, the feature or the value is missing.

    Examples
    --------
    >>> Pair().convert("race=White", None, None)
    ('race', 'White')
    >>> Pair().convert("race", None, None)
    Traceback (most recent call last):
    click.exceptions.BadParameter: expected FEATURE=VALUE; got 'race'
    """

    def __init__(self, name: str = "FEATURE=VALUE") -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401
        """Return feature and value."""
        if isinstance(value, tuple):
            return value
        feature, sign, text = str(value).partition("=")
        if not sign or not feature or not text:
            self.fail(f"expected {self.name}; got {value!r}", param, ctx)
        return feature, text


def edges(feature: str, text: str) -> list[float]:
    """Return the edges of ``--bin feature=25,45``.

    Raises
    ------
    InputError
        If one is no number.

    Examples
    --------
    >>> edges("age", "25,45")
    [25.0, 45.0]
    """
    try:
        return [float(edge) for edge in text.split(",")]
    except ValueError as error:
        raise InputError([f"--bin {feature}={text}: expected numbers, as in {feature}=25,45"]) from error


def from_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Read options from a YAML file, by their names on the command line; what stands there wins.

    Values are taken as they are written: ``positive: yes`` is the label "yes", ``reference: {country: NO}`` Norway.

    Raises
    ------
    InputError
        If the file is missing, is refused as YAML (see `checklists.policy_yaml`), or gives an option that is unknown
        or a value of the wrong shape: every violation at once.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> asked = click.Context(click.Command("audit", params=[click.Option(["--positive"])]))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "options.yaml"
    ...     _ = path.write_text("positive: yes", encoding="utf-8")
    ...     _ = from_config(asked, asked.command.params[0], path)
    >>> asked.default_map
    {'positive': 'yes'}
    """
    if path is None:
        return None
    options = _options(ctx.command)
    config = _mapping(path)
    violations, defaults = [], {}
    for key, value in config.items():
        option = options.get(key.replace("_", "-"))
        if option is None:
            near = (
                suggestion(key.replace("_", "-"), tuple(options)) or f"; expected one of {', '.join(sorted(options))}"
            )
            violations.append(f"{path}: unknown option {key!r}{near}")
        elif option.name in defaults:
            violations.append(f"{path}: option {key!r} is given twice, with - and with _; keep one")
        else:
            defaults[str(option.name)], wrong = _default(value, option.type)
            violations += [f"{path}: {key}: {wrong}"] if wrong else []
    raise_violations(violations)
    ctx.default_map = defaults
    return path


config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=from_config,
    help="YAML file with any of these options, by name.",
)
"""The option `-c FILE` of a command; it stands before the options that the file may set."""


def seed_option(text: str) -> Callable[[Command], Command]:
    """Return the option `--seed N` of a command: a whole number that every generator takes.

    Examples
    --------
    >>> @click.command()
    ... @seed_option("Seed of the split.")
    ... def split(seed: int) -> None: ...
    >>> split.params[0].type.min, split.params[0].default
    (0, 0)
    """
    return click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help=text)


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return several options as one, in the order of the help.

    Examples
    --------
    >>> @click.command()
    ... @together(click.option("--first"), click.option("--second"))
    ... def look(first: str, second: str) -> None: ...
    >>> [option.name for option in look.params]
    ['first', 'second']
    """

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _options(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by their long names, without the one that reads the file."""
    found = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {
        spelling.removeprefix("--"): option
        for option in found
        for spelling in option.opts
        if spelling.startswith("--") and spelling != "--config"
    }


def _mapping(path: Path) -> Mapping[str, Any]:
    """Return the file's texts as they are written; the policy reader has looked for everything that is refused."""
    text = _text(path)
    read = parse_yaml(text, name=str(path)).content
    if not isinstance(read, dict):
        raise InputError([f"{path} must hold options as `name: value`; got {type(read).__name__}"])
    written = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and mappings only
    return {key: value for key, value in written.items() if read[key] is not None}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}; name a YAML file with options"
        raise InputError([msg]) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is no UTF-8 text (byte {error.start}); save it as UTF-8"
        raise InputError([msg]) from error
    if len(data) > MAX_CONFIG_BYTES:
        raise InputError([f"{path} is larger than {MAX_CONFIG_BYTES:,} bytes; is it a configuration?"])
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        raise InputError([f"{path} is empty; expected options as `name: value`"])
    return text


def _default(value: Any, kind: click.ParamType[Any]) -> tuple[Any, str | None]:  # noqa: ANN401 - whatever YAML holds
    """Return what an option is to be, and what is wrong with the shape of the value."""
    if isinstance(kind, Pair):
        return _pairs(value)
    if isinstance(value, str):
        return value, None
    if isinstance(kind, Names):
        return value, None if _plain(value) else "expected names, as in [sex, race]"
    return None, f"expected one value; got a {_shape(value)}"


def _pairs(value: Any) -> tuple[Any, str | None]:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, dict):  # reference: {race: White}, bin: {age: [25, 45]}
        if all(isinstance(inner, str) or _plain(inner) for inner in value.values()):
            return [(key, inner if isinstance(inner, str) else ",".join(inner)) for key, inner in value.items()], None
    elif isinstance(value, str) or _plain(value):
        return [value] if isinstance(value, str) else value, None
    return None, "expected values by feature, as in {race: White} or {age: [25, 45]}"


def _plain(value: Any) -> bool:  # noqa: ANN401 - whatever YAML holds
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _shape(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    return "mapping" if isinstance(value, dict) else "list"
