"""``evenhanded train``: a model from a table, and the predictions that an audit reads."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from audit.errors import InputError, raise_violations
from evenhanded.options import Names, seed_option, together
from evenhanded.printing import console

if TYPE_CHECKING:
    import pandas as pd

    from evenhanded.training import Training
    from trainer.history import EpochRow

_PATH = click.Path(path_type=Path)
_YAML = (".yaml", ".yml")

_HELP = """Train on SOURCE, keep a part of it untouched, and write the predictions of that part.

SOURCE is a table (CSV or Parquet), or a YAML file that names one under `data` and holds any of the options below by
name, and beside them `network`, `recipe`, `ordered`, `labels`, `loss` and others that have no option. Options win over
the file. Examples:

\b
  evenhanded train patients.csv --target ill --sensitive sex --group person
  evenhanded train train.yaml --seed 3
"""

_columns = together(
    click.option("--target", metavar="COLUMN", help="What to learn."),
    click.option("--task", type=click.Choice(["classes", "labels", "number"]), help="One class, any labels, a number."),
    click.option("--features", type=Names(), help="What the model may see; default: columns without another role."),
    click.option("--categorical", type=Names(), help="Features that are codes although they look like numbers."),
    click.option("--dates", type=Names(), help="Features that are dates although they are text."),
    click.option("--text", type=Names(), help="Features that are read word by word."),
    click.option("--sensitive", type=Names(), help="Logged for the audit; an input only if named in --features."),
    click.option("--positive", metavar="LABEL", help="The positive label; needed unless labels are 0/1 or true/false."),
    click.option("--weight", metavar="COLUMN", help="How much each row counts in training."),
    click.option("--id", metavar="COLUMN", help="Names each prediction in the file of predictions."),
    click.option("--user", metavar="COLUMN", help="Of a log of ratings: who rated. The target is the rating."),
    click.option("--item", metavar="COLUMN", help="Of a log of ratings: what was rated."),
    click.option("--range", nargs=2, type=float, metavar="LOW HIGH", help="Where a number to be learnt lies."),
)
_split = together(
    click.option("--group", metavar="COLUMN", help="Rows of one person or site: kept in one part of the split."),
    click.option("--time", metavar="COLUMN", help="When each row happened: the last rows are kept for the test."),
    click.option(
        "--split", type=click.Choice(["rows", "groups", "time"]), help="Default: by --time, else --group, else rows."
    ),
    click.option("--valid", type=float, help="Share of rows to look at during training.  [default: 0.2]"),
    click.option("--test", type=float, help="Share of rows kept untouched.  [default: 0.2]"),
)
_fit = together(
    click.option("--epochs", type=click.IntRange(1, 10_000), help="Passes through the data.  [default: 8]"),
    click.option("--lr", type=float, help="Largest learning rate of the cycle.  [default: 0.002]"),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per step.  [default: 256]"),
    click.option(
        "--models", type=click.IntRange(1), help="So many models with seeds one after the other.  [default: 1]"
    ),
    seed_option("Of the split and of everything drawn."),
    click.option("--device", help="auto, cpu, cuda.  [default: auto]"),
    click.option("--model", type=_PATH, help="Folder for the checkpoint.  [default: model]"),
    click.option(
        "--predictions", type=_PATH, help="Where predictions of the test part go.  [default: predictions.parquet]"
    ),
    click.option("--out", type=_PATH, metavar="FOLDER", help="Save the training as a run in this folder of runs."),
)


@click.command("train", help=_HELP)
@click.argument("source", type=_PATH)
@_columns
@_split
@_fit
def command(source: Path, **options: Any) -> int:  # noqa: ANN401 - the options above
    """Train, save, write predictions, and say what to do next."""
    given = {name: value for name, value in options.items() if _is_given(name)}
    settings = _settings(source, given)
    _check_targets(settings)
    learner, texts = _trained(settings)
    learner.save(settings.model)
    _write(learner, settings.predictions, texts)
    _say(settings, learner, _saved(settings, learner))
    return 0


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) not in (ParameterSource.DEFAULT, None)


def _settings(source: Path, given: Mapping[str, Any]) -> "Training":
    from checklists.policy_yaml import Document
    from evenhanded.training import read_training, training_of

    if source.suffix.lower() in _YAML:
        return read_training(source, given)
    if "target" not in given:
        raise InputError([f"name the column to learn: evenhanded train {source} --target COLUMN"])
    return training_of(Document(content={"data": source, **given}, lines={}), name="options")


def _check_targets(settings: "Training") -> None:
    """Refuse what could not be written at the end, before anything is trained."""
    found = [f"{settings.predictions} is a folder; name a file"] if settings.predictions.is_dir() else []
    folders = [settings.model, settings.predictions.absolute().parent, *([settings.out] if settings.out else [])]
    for path in (folder.absolute() for folder in folders):
        nearest = next(parent for parent in (path, *path.parents) if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            found.append(f"{path} cannot be written: {nearest} is no folder that may be written to; name another")
    raise_violations(found)


def _trained(settings: "Training") -> "tuple[Any, dict[str, pd.Series]]":
    """Return the learner, and the texts of the test rows' columns that it reads as numbers."""
    from evenhanded.frames import read_frame
    from evenhanded.training import recipe_of
    from evenhanded.training_data import fit, learner_of, reading_of

    frame, texts = read_frame(settings.data, reading_of(settings))
    learner, binds = learner_of(settings, frame), ""
    test = learner.training_data()[0].split.test
    if console().is_terminal:
        # Measuring the roof takes a second, which is worth it only where someone watches.
        binds = learner.roof(batch_size=settings.batch_size, recipe=recipe_of(settings)).binds
    with _progress(settings.epochs, binds) as step:
        fit(learner, settings, on_epoch=step)
    return learner, {name: column.iloc[test] for name, column in texts.items()}


@contextmanager
def _progress(epochs: int, binds: str) -> Iterator[Any]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[speed]}"),
        console=console(), transient=True, disable=not console().is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("training", total=epochs, speed="")
        yield lambda row: bar.update(task, advance=1, speed=_speed(row, binds))


def _speed(row: "EpochRow", binds: str) -> str:
    share = "" if row.roof is None else f", {row.roof:.0%} of the roof ({binds} binds)"
    return f"{row.samples_per_s:,.0f} rows/s{share}"


def _write(learner: Any, path: Path, texts: "dict[str, pd.Series]") -> None:  # noqa: ANN401 - a Learner, imported late
    import pyarrow as pa
    import pyarrow.parquet as pq

    log = learner.predict_log("test")
    names = {role: role for role in log.columns} | {
        f"feature_{place}": name for place, name in enumerate(log.sensitive_features)
    }
    table = log.table.collect(backend="pyarrow").to_native()
    table = table.rename_columns([names[name] for name in table.column_names])
    for name, column in texts.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(column, pa.string(), from_pandas=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _saved(settings: "Training", learner: Any) -> "Path | None":  # noqa: ANN401 - a Learner, imported late
    """Save the training as a run where that is asked for, with the digest of the file it learnt from."""
    if settings.out is None:
        return None
    from dataclasses import replace

    from audit.provenance import file_digests
    from evenhanded.outputs import write_outputs
    from trainer.evidence.training_rows import training_result

    result = training_result(learner)
    result = replace(result, provenance=replace(result.provenance, data=file_digests([settings.data])))
    return write_outputs(result, {"out": settings.out}, title=f"Training on {settings.data.name}")


def _say(settings: "Training", learner: Any, saved: "Path | None") -> None:  # noqa: ANN401 - a Learner, imported late
    screen, last, split = console(), learner.history[-1], learner.data.split
    if last.valid_value is not None:
        name = last.metric.replace("_", " ")
        screen.print(
            f"validation {name} {last.valid_value:.4f}, loss {last.valid_loss:.4f}, on {len(split.valid):,} rows"
        )
    screen.print(f"training saved: {saved}" if saved else "training not saved as a run: --out runs keeps it")
    screen.print(f"model: {settings.model}   predictions of {len(split.test):,} untouched rows: {settings.predictions}")
    kind = learner.spec.target.kind
    asked = ["evenhanded audit", str(settings.predictions), "--y-true y_true --y-pred y_pred"]
    asked += ["--y-score y_score"] if learner.spec.positive is not None else []
    asked += ["--task regression"] if kind == "number" else ["--task multilabel"] if kind == "labels" else []
    asked += [f"--sensitive {','.join(learner.spec.columns.sensitive_features) or 'COLUMN'}"]
    asked += ["--cluster cluster"] if settings.group else []
    asked += [f"--positive {settings.positive}"] if settings.positive is not None else []
    screen.print(f"next: {' '.join(asked)}")
