"""What a model is trained on and how, as options say it or a YAML file: the same settings under the same names."""

from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from pydantic import Field, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from audit.errors import InputError, raise_violations
from audit.seeds import MAX_SEED
from checklists.policy_errors import sentences, suggestion
from checklists.policy_yaml import Document, KeyPath, read_yaml, shown
from checklists.requirement import FORBID_UNKNOWN

if TYPE_CHECKING:
    from trainer.history import Recipe
    from trainer.networks.registry import Settings

Name = Annotated[str, Strict(), Field(min_length=1)]
Names = tuple[Name, ...]
Label = Annotated[str, Strict()] | Annotated[bool, Strict()] | Annotated[int, Strict()] | Annotated[float, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Sections = dict[str, Any]

NAME = "training"


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_UNKNOWN)
class Training:
    """Everything that decides which model comes out; `trainer.data.columns.Columns` explains the columns.

    Parameters
    ----------
    data
        CSV or Parquet file.
    target
        The column to learn; left out only where `labels` names columns.
    task, labels, separator, loss, range
        What kind of answer is learnt.
    features, categorical, ordered, dates, text, min_count, missing
        What the model sees and how it reads it. None takes every column without another role.
    sensitive, weight, group, id, positive
        Carried to the predictions; the weight of each row; rows of one person; the positive label.
    user, item
        Columns of a log of ratings: the target is a rating, and `range` says where it lies.
    time
        When each row happened. No feature unless named.
    split
        "rows", "groups" or "time"; None takes time where `time` is named, else groups where `group` is, else rows.
    valid, test
        Shares of the rows.
    network
        ``{architecture: tabular_mlp, hidden: [256, 256], ...}``; None for the usual one.
    epochs, lr, batch_size, recipe
        The cycle, as in `Learner.fit_one_cycle`.
    models, seed, device
        As in `Learner`.
    model, predictions, out
        Folder of the checkpoint, the file for the predictions of the test part, and the folder of runs in which the
        training is saved as a run of its own; None saves none.

    Examples
    --------
    >>> settings = Training(data="patients.csv", target="ill", group="person")
    >>> settings.method, settings.test
    ('groups', 0.2)
    """

    data: Path
    target: str = ""
    task: Literal["classes", "labels", "number"] = "classes"
    labels: Names = ()
    separator: str = "|"
    loss: Literal["squared", "absolute", "log"] | None = None
    range: tuple[float, float] | None = None
    features: Names | None = None
    categorical: Names = ()
    ordered: dict[Name, tuple[Label, ...]] = field(default_factory=dict)
    dates: Names = ()
    text: Names = ()
    min_count: Count = 2
    missing: Literal["flag", "refuse"] = "flag"
    sensitive: Names = ()
    weight: Name | None = None
    group: Name | None = None
    id: Name | None = None
    positive: Label | None = None
    user: Name | None = None
    item: Name | None = None
    time: Name | None = None
    split: Literal["rows", "groups", "time"] | None = None
    valid: Share = 0.2
    test: Share = 0.2
    network: Sections | None = None
    epochs: Annotated[int, Strict(), Field(ge=1, le=10_000)] = 8
    lr: float = 2e-3
    batch_size: Count = 256
    recipe: Sections | None = None
    models: Count | None = None
    seed: Annotated[int, Strict(), Field(ge=0, le=MAX_SEED)] = 0
    device: str = "auto"
    model: Path = Path("model")
    predictions: Path = Path("predictions.parquet")
    out: Path | None = None

    @property
    def method(self) -> Literal["rows", "groups", "time"]:
        """How the rows are split."""
        if self.split is not None:
            return self.split
        if self.time is not None:
            return "time"
        return "rows" if self.group is None else "groups"


def read_training(path: Path, given: Mapping[str, Any]) -> Training:
    r"""Return the settings of a YAML file; what is given besides wins.

    Parameters
    ----------
    path
        The file; relative paths in it are relative to the folder in which the command runs.
    given
        Settings by name.

    Raises
    ------
    InputError
        Listing everything that is wrong with file, line and key: unknown keys, values of another kind, what a network
        or a recipe refuses.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "train.yaml"
    ...     _ = path.write_text("data: patients.csv\ntarget: ill\nepochs: 3\n", encoding="utf-8")
    ...     read_training(path, {"epochs": 5}).epochs
    5
    """
    if not path.is_file():
        raise InputError([f"{path} does not exist; name a table (CSV, Parquet), or a YAML file with settings"])
    if path.stat().st_size == 0:
        raise InputError([f"{path} is empty; expected settings as `name: value`, such as `data: patients.csv`"])
    document = read_yaml(path)
    if not isinstance(document.content, dict):
        came = type(document.content).__name__
        raise InputError([f"{path}:1: expected settings as `name: value`; got a {came}"])
    return training_of(Document(content=document.content | dict(given), lines=document.lines), name=str(path))


def training_of(document: Document, *, name: str = NAME) -> Training:
    """Return settings, checked with the sections for network and recipe.

    Raises
    ------
    InputError
        As in `read_training`.

    Examples
    --------
    >>> training_of(Document(content={"data": "t.csv", "target": "y"}, lines={})).data.name
    't.csv'
    """
    known = tuple(each.name for each in fields(Training))
    found: list[str] = []
    settings: Training | None = None
    try:
        settings = TypeAdapter(Training).validate_python(document.content)
    except ValidationError as error:
        found += sentences(error, document, name=name, keys={"policy": known})
    for section in ("network", "recipe"):
        record = document.content.get(section)
        if isinstance(record, dict):
            found += _section_faults(section, record, document, name=name)
    if settings is not None:
        found += [f"{name}:{document.line((key,))}: {key}: {text}" for key, text in _together(settings)]
    raise_violations(found)
    if settings is None:  # pragma: no cover - a fault was raised above
        raise InputError([f"{name}: no settings"])
    return settings


def network_of(settings: Training) -> "Settings | None":
    """Return the settings of the network, None for the usual one."""
    if settings.network is None:
        return None
    record = dict(settings.network)
    kind = _network_class(record)
    given = {key: value for key, value in record.items() if key != "architecture"}
    return TypeAdapter(kind).validate_python(given)


def recipe_of(settings: Training) -> "Recipe":
    """Return the recipe, the usual one where none is given."""
    from trainer.history import Recipe

    found: Recipe = TypeAdapter(Recipe).validate_python(settings.recipe or {})
    return found


def _together(settings: Training) -> list[tuple[str, str]]:
    """Return what does not go together, each with the key that it stands at."""
    found = []
    if bool(settings.target) == bool(settings.labels):
        found.append(("target", "name what to learn: target, or labels for several columns of 0/1; one of them"))
    if settings.method == "groups" and settings.group is None:
        found.append(("split", "a split by groups needs group, the column that says which rows belong together"))
    if settings.method == "time" and settings.time is None:
        found.append(("split", "a split by time needs time, the column that says when"))
    if (settings.user is None) != (settings.item is None):
        found.append(("user" if settings.item is None else "item", "user and item go together: name both"))
    if settings.valid + settings.test >= 1:
        found.append(("test", f"valid and test together stay below 1; came {settings.valid} and {settings.test}"))
    if settings.test == 0:
        found.append(("test", "predictions are those of the test part: its share must be above 0"))
    return found


def _section_faults(section: str, record: dict[str, Any], document: Document, *, name: str) -> list[str]:
    """Return what is wrong with network or recipe: unknown keys, values of another kind or out of range."""
    from trainer.history import Recipe

    try:
        kind = Recipe if section == "recipe" else _network_class(record)
    except InputError as error:
        return [f"{name}:{document.line((section, 'architecture'))}: {section}: {error}"]
    given = {key: value for key, value in record.items() if (section, key) != ("network", "architecture")}
    found = [
        f"{name}:{document.line(path)}: {shown(path)}: unknown key{near}"
        for path, near in _unknown(kind, given, (section,))
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


def _network_class(record: Mapping[str, Any]) -> "type[Settings]":
    from trainer.networks.registry import read_network

    try:
        found: Any = read_network({"architecture": str(record.get("architecture"))})
    except ValueError as error:
        raise InputError([str(error)]) from error
    return type(found)


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
