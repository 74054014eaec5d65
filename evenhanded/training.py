"""What a model is trained on and how, as options say it or a YAML file: the same settings under the same names."""

import re
from collections.abc import Collection, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from audit.errors import InputError, raise_violations
from audit.seeds import MAX_SEED
from checklists.policy_errors import sentences
from checklists.policy_yaml import Document, read_yaml
from checklists.requirement import FORBID_UNKNOWN
from evenhanded.training_sections import network_class, section_faults

if TYPE_CHECKING:
    from trainer.history import Recipe
    from trainer.networks.registry import Settings

Name = Annotated[str, Strict(), Field(min_length=1)]
Names = tuple[Name, ...]
Label = Annotated[str, Strict()] | Annotated[bool, Strict()] | Annotated[int, Strict()] | Annotated[float, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Share = Annotated[float, Strict(), Field(ge=0, lt=1)]
Sections = dict[str, Any]

NAME = "training"
YAML = (".yaml", ".yml")


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
    features, drop, categorical, ordered, dates, text, min_count, missing
        What the model sees and how it reads it. None takes every column without another role, but those of `drop`.
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
    models, resample, seed, device
        As in `Learner`; ``resample: bootstrap`` gives each model a sample of the train rows of its own.
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
    drop: Names = ()
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
    lr: Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)] = 2e-3
    batch_size: Count = 256
    recipe: Sections | None = None
    models: Count | None = None
    resample: Literal["bootstrap"] | None = None
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
    return training_of(_document(path, given), name=str(path), given=given)


def training_of(document: Document, *, name: str = NAME, given: Collection[str] = ()) -> Training:
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
    settings, found = checked_training(document, name=name, given=given)
    raise_violations(found)
    if settings is None:  # pragma: no cover - a fault was raised above
        raise InputError([f"{name}: no settings"])
    return settings


def document_of(source: Path, given: Mapping[str, Any]) -> Document:
    """Return what a YAML file says with what is given besides, or that alone about a table.

    Raises
    ------
    InputError
        If a YAML file cannot be read as settings.
    """
    if source.suffix.lower() in YAML:
        return _document(source, given)
    return Document(content={"data": source, **given}, lines={})


def checked_training(
    document: Document, *, name: str = NAME, given: Collection[str] = ()
) -> tuple[Training | None, list[str]]:
    """Return settings, without those keys that are at fault, and a sentence for every fault.

    Parameters
    ----------
    document
        The settings.
    name
        Of the file that they stand in.
    given
        Keys that were given as options: faults of theirs name the option, not a line.

    Returns
    -------
    Training or None, and list of str
        None where not even a table is named.

    Examples
    --------
    >>> document = Document(content={"data": "t.csv", "target": "y", "lr": -1.0, "valid": 2.0}, lines={})
    >>> settings, found = checked_training(document, name="options", given={"lr", "valid"})
    >>> settings.lr, found
    (0.002, ['--lr: expected greater than 0; got -1.0', '--valid: expected less than 1; got 2.0'])
    """
    known = tuple(each.name for each in fields(Training))
    found: list[str] = []
    content, settings = document.content, None
    try:
        settings = TypeAdapter(Training).validate_python(content)
    except ValidationError as error:
        found += sentences(error, document, name=name, keys={"policy": known})
        faulty = {detail["loc"][0] for detail in error.errors()}
        settings = _without({key: value for key, value in content.items() if key not in faulty})
    for section in ("network", "recipe"):
        record = content.get(section)
        if isinstance(record, dict):
            found += section_faults(section, record, document, name=name)
    if settings is not None:
        faulty = set() if not found else {key for key in content if any(f": {key}" in text for text in found)}
        together = [(key, text) for key, text in _together(settings) if key not in faulty]
        found += [f"{name}:{document.line((key,))}: {key}: {text}" for key, text in together]
    return settings, [_as_option(text, name, given) for text in found]


def _document(path: Path, given: Mapping[str, Any]) -> Document:
    if not path.is_file():
        raise InputError([f"{path} does not exist; name a table (CSV, Parquet), or a YAML file with settings"])
    if path.stat().st_size == 0:
        raise InputError([f"{path} is empty; expected settings as `name: value`, such as `data: patients.csv`"])
    document = read_yaml(path)
    if not isinstance(document.content, dict):
        came = type(document.content).__name__
        raise InputError([f"{path}:1: expected settings as `name: value`; got a {came}"])
    return Document(content=document.content | dict(given), lines=document.lines)


def _without(content: Mapping[str, Any]) -> Training | None:
    """Return settings of what is not at fault; None where too little is left."""
    try:
        return TypeAdapter(Training).validate_python(content)
    except ValidationError:
        return None


def _as_option(text: str, name: str, given: Collection[str]) -> str:
    """Return a fault with the option that it is about, where that was given as an option: it stands on no line."""
    found = re.match(re.escape(name) + r":\d+: (\w+)((?:\.\w+)*): ", text)
    if found is None or found[1] not in given:
        return text
    return f"--{found[1].replace('_', '-')}{found[2]}: {text[found.end() :]}"


def network_of(settings: Training) -> "Settings | None":
    """Return the settings of the network, None for the usual one."""
    if settings.network is None:
        return None
    record = dict(settings.network)
    kind = network_class(record)
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
    if settings.features is not None and settings.drop:
        found.append(("drop", "features names all that the model sees: leave drop out, or features"))
    found += [("drop", f"{name!r} has a role of its own, so it is no feature anyway") for name in _roles(settings)
              if name in settings.drop]  # fmt: skip
    found += [(key, f"{name!r} {why}") for key, name, why in _clashes(settings)]
    if settings.resample is not None and settings.models is None:
        found.append(("resample", "draws a sample for each of several models: say how many, models: 8"))
    if settings.valid + settings.test >= 1:
        found.append(("test", f"valid and test together stay below 1; came {settings.valid} and {settings.test}"))
    if settings.test == 0:
        found.append(("test", "predictions are those of the test part: its share must be above 0"))
    return found


def named_columns(settings: Training) -> dict[str, tuple[str, ...]]:
    """Return the columns that the settings name, by the name of the setting.

    Examples
    --------
    >>> named_columns(Training(data="t.csv", target="ill", sensitive=("sex",)))
    {'target': ('ill',), 'sensitive': ('sex',)}
    """
    single = {key: getattr(settings, key) for key in ("target", "weight", "group", "id", "user", "item", "time")}
    several = {key: getattr(settings, key) for key in ("labels", "sensitive", "features", "drop", "categorical")}
    several |= {"ordered": settings.ordered, "dates": settings.dates, "text": settings.text}
    found = {key: (name,) for key, name in single.items() if name}
    return found | {key: tuple(names) for key, names in several.items() if names}


def _roles(settings: Training) -> list[str]:
    others = ("features", "drop", "categorical", "ordered", "dates", "text")
    return [name for key, names in named_columns(settings).items() if key not in others for name in names]


def _clashes(settings: Training) -> list[tuple[str, str, str]]:
    """Return sensitive columns that stand twice, or under a name that the file of predictions has for a role."""
    taken = {"y_true", "y_pred", "y_score", "model_version"}
    given = {"cluster": settings.group, "prediction_id": settings.id, "training_weight": settings.weight}
    taken |= {role for role, column in given.items() if column is not None}
    names = settings.sensitive
    why = "is the name of another column in the file of predictions: rename it"
    found = [("sensitive", name, why) for name in dict.fromkeys(names) if name in taken]
    return found + [("sensitive", name, "is named twice") for name in dict.fromkeys(names) if names.count(name) > 1]
