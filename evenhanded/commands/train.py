"""``evenhanded train``: a model from a table, and the predictions that an audit reads."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from audit.errors import InputError, raise_violations
from dashboards.labels import safe_label
from evenhanded.next_steps import audit_words, say_next
from evenhanded.options import Names, seed_option, together
from evenhanded.prediction_files import NO_LISTS, target_violations, written_at_the_end
from evenhanded.printing import console
from evenhanded.training_notes import (
    card_of,
    columns_read,
    leak_lines,
    leaks_of,
    validation_lines,
    with_notes,
)

if TYPE_CHECKING:
    import pandas as pd

    from audit.measurement import Measurement
    from evenhanded.training import Training
    from trainer.history import EpochRow
    from trainer.learner import Learner

_PATH = click.Path(path_type=Path)

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
    click.option("--drop", type=Names(), help="Columns that are no features, where --features names none."),
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
        "--predictions",
        type=_PATH,
        help="Predictions of the test part, .parquet or .csv.  [default: predictions.parquet]",
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
    from trainer.evidence.ensemble import ensemble_row

    given = {name: value for name, value in options.items() if _is_given(name)}
    settings = _settings(source, given)
    learner, texts = _trained(settings)
    ensemble = ensemble_row(learner)  # a look at the validation part, written down with the model
    learner.save(settings.model)
    sensitive = _write(learner, settings.predictions, texts)
    leaks = leaks_of(card_of(learner))
    saved = _saved(settings, learner, leaks, ensemble)
    _say(settings, learner, saved, validation_lines(learner, ensemble))
    _say_next(settings, learner, sensitive)
    return 0


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) not in (ParameterSource.DEFAULT, None)


def _settings(source: Path, given: Mapping[str, Any]) -> "Training":
    """Return the settings, checked with where the outputs go and the columns that the data have, all at once."""
    from evenhanded.frames import column_names
    from evenhanded.training import YAML, checked_training, document_of
    from evenhanded.training_data import absent_columns

    is_table = source.suffix.lower() not in YAML
    if is_table and "target" not in given:
        raise InputError([f"name the column to learn: evenhanded train {source} --target COLUMN"])
    settings, found = checked_training(document_of(source, given), name=str(source), given=given)
    if settings is not None:
        found += _target_violations(settings, [settings.data, *([] if is_table else [source])])
    if found and settings is not None and settings.data.is_file():
        found += absent_columns(settings, column_names(settings.data))
    raise_violations(found)
    if settings is None:  # pragma: no cover - its fault was raised above
        raise InputError([f"{source}: no settings"])
    return settings


def _target_violations(settings: "Training", read: list[Path]) -> list[str]:
    """Return what could not be written at the end, before anything is trained."""
    found = target_violations(settings.predictions, read=read, option="--predictions")
    if (settings.task == "labels" or settings.labels) and settings.predictions.suffix.lower() == ".csv":
        found.append(f"--predictions {settings.predictions} {NO_LISTS}")
    folders = [settings.model, settings.predictions.absolute().parent, *([settings.out] if settings.out else [])]
    for path in (folder.absolute() for folder in folders):
        nearest = next(parent for parent in (path, *path.parents) if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            found.append(f"{path} cannot be written: {nearest} is no folder that may be written to; name another")
    return found


def _trained(settings: "Training") -> "tuple[Learner, dict[str, pd.Series]]":
    """Return the learner, and the texts of the test rows' columns that it reads as numbers."""
    from evenhanded.frames import read_frame
    from evenhanded.training import recipe_of
    from evenhanded.training_data import fit, learner_of, reading_of

    frame, texts = read_frame(settings.data, reading_of(settings))
    learner, binds = learner_of(settings, frame), ""
    test = learner.training_data()[0].split.test
    card = card_of(learner)
    for line in (*columns_read(card), *leak_lines(leaks_of(card))):
        console().print(line, soft_wrap=True)
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


def _write(learner: "Learner", path: Path, texts: "dict[str, pd.Series]") -> list[str]:
    """Write the predictions of the test part, and return the sensitive columns in them."""
    import pyarrow as pa

    log = learner.predict_log("test")
    names = {role: role for role in log.columns} | {
        f"feature_{place}": name for place, name in enumerate(log.sensitive_features)
    }
    table = log.table.collect(backend="pyarrow").to_native()
    table = table.rename_columns([names[name] for name in table.column_names])
    for name, column in texts.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(column, pa.string(), from_pandas=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_at_the_end(path) as write:
        write(table)
    return list(log.sensitive_features)


def _saved(
    settings: "Training",
    learner: "Learner",
    leaks: "Sequence[Mapping[str, object]]",
    ensemble: "Measurement | None",
) -> "Path | None":
    """Save the training as a run where that is asked for, with the digest of the file it learnt from."""
    if settings.out is None:
        return None
    from audit.provenance import file_digests
    from dashboards.training import title_of
    from evenhanded.outputs import write_outputs
    from trainer.evidence.training_rows import training_result

    result = with_notes(training_result(learner), leaks, ensemble)
    result = replace(result, provenance=replace(result.provenance, data=file_digests([settings.data])))
    return write_outputs(result, {"out": settings.out}, title=title_of(result))


def _say(settings: "Training", learner: "Learner", saved: "Path | None", validation: "Sequence[str]") -> None:
    screen, split = console(), learner.training_data()[0].split
    model, predictions, run = (
        safe_label(str(path), target="terminal", limit=400) for path in (settings.model, settings.predictions, saved)
    )
    for line in validation:
        screen.print(line, soft_wrap=True)
    screen.print(f"training saved: {run}" if saved else "training not saved as a run: --out runs keeps it")
    screen.print(f"model: {model}   predictions of {len(split.test):,} untouched rows: {predictions}", soft_wrap=True)


def _say_next(settings: "Training", learner: "Learner", sensitive: list[str]) -> None:
    if sensitive:
        cluster = "cluster" if settings.group else None
        say_next(audit_words(learner.spec, settings.predictions, sensitive=sensitive, cluster=cluster))
    else:
        console().print("next: train with --sensitive COLUMN, the groups that an audit compares")
