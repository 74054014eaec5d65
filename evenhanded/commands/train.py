"""``evenhanded train``: a model from a table, and the predictions that an audit reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.errors import InputError
from audit.values import BINARY, canonical
from evenhanded.options import Names, config_option, seed_option
from evenhanded.printing import console

if TYPE_CHECKING:
    import pandas as pd

_PATH = click.Path(path_type=Path)


@click.command("train")
@click.argument("data", type=_PATH)
@config_option
@click.option("--target", required=True, metavar="COLUMN", help="The label to learn.")
@click.option("--features", type=Names(), help="What the model may see; default: every column without another role.")
@click.option(
    "--categorical", type=Names(), default=(), help="Features that are codes although they look like numbers."
)
@click.option(
    "--sensitive", type=Names(), default=(), help="Logged for the audit; an input only if named in --features."
)
@click.option("--positive", metavar="LABEL", help="The positive label; needed unless labels are 0/1 or true/false.")
@click.option("--group", metavar="COLUMN", help="Rows of one person or site: kept in one part of the split.")
@click.option("--epochs", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Passes through the data.")
@click.option("--lr", type=float, default=2e-3, show_default=True, help="Largest learning rate of the cycle.")
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True, help="Rows per step.")
@seed_option("Of the split and of everything drawn.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda.")
@click.option("--model", type=_PATH, default=Path("model"), show_default=True, help="Folder for the checkpoint.")
@click.option(
    "--predictions",
    type=_PATH,
    default=Path("predictions.parquet"),
    show_default=True,
    help="Where the predictions of the test part go.",
)
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Train on DATA (CSV or Parquet), keep a fifth of it untouched, and write the predictions of that fifth."""
    from trainer.data.columns import Columns
    from trainer.data.splits import split_groups, split_rows
    from trainer.data.table import Table
    from trainer.learner import Learner

    screen = console()
    frame, texts = _frame(options)
    group = options["group"]
    if group is not None and group not in frame.columns:
        raise InputError([f"column {group!r} (group) is missing; the data has {list(frame.columns)[:20]}"])
    seed = options["seed"]
    split = split_rows(len(frame), seed=seed) if group is None else split_groups(frame[group], seed=seed)
    columns = Columns(
        y=options["target"],
        features=options["features"],
        categorical=options["categorical"],
        sensitive_features=options["sensitive"],
        cluster=group,
        positive=_positive(frame, options["target"], options["positive"]),
    )
    learner = Learner(Table.from_frame(frame, columns=columns, split=split), seed=seed, device=options["device"])
    with _progress(options["epochs"]) as step:
        learner.fit_one_cycle(options["epochs"], options["lr"], batch_size=options["batch_size"], on_epoch=step)
    learner.save(options["model"])
    _write(learner, options["predictions"], {name: column.iloc[split.test] for name, column in texts.items()})
    last = learner.history[-1]
    screen.print(
        f"validation accuracy {last.valid_accuracy:.4f}, loss {last.valid_loss:.4f}, on {len(split.valid):,} rows"
    )
    screen.print(
        f"model: {options['model']}   predictions of {len(split.test):,} untouched rows: {options['predictions']}"
    )
    screen.print(_next(options))
    return 0


def _frame(options: dict[str, Any]) -> "tuple[pd.DataFrame, dict[str, pd.Series]]":
    """Return the table, and the texts of sensitive columns that the model is to see as numbers.

    Labels, groups and sensitive columns of a CSV file are read as `audit` reads them: as text, of which only the empty
    one is missing.
    """
    import pandas as pd

    path: Path = options["data"]
    if not path.is_file():
        raise InputError([f"{path} does not exist; give the path of a CSV or Parquet file"])
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path), {}
        separator = "\t" if ".tsv" in map(str.lower, path.suffixes) else ","
        frame = pd.read_csv(path, sep=separator, low_memory=False)
        named = {options["target"], options["group"], *options["sensitive"]} & set(frame.columns)
        spelled = pd.read_csv(
            path, sep=separator, usecols=sorted(named), dtype=str, keep_default_na=False, na_values=[""]
        )
    except (OSError, ValueError) as error:  # pandas' own parsing errors are ValueErrors
        raise InputError([f"{path} cannot be read: {' '.join(str(error).split())}; expected CSV or Parquet"]) from error
    numbers = set(options["features"] or ()) - set(options["categorical"])
    kept = [str(name) for name in spelled.columns if name in numbers and pd.api.types.is_numeric_dtype(frame[name])]
    columns = {str(name): spelled[name] for name in spelled.columns if name not in kept}
    if options["target"] in columns:
        columns[options["target"]] = _labels(columns[options["target"]])
    return frame.assign(**columns), {name: spelled[name] for name in kept}


def _labels(column: "pd.Series") -> "pd.Series":
    """Return labels that spell 0 and 1 as these numbers, others as they are."""
    words = {text: canonical(text) for text in column.dropna().unique()}
    if not set(words.values()) <= set(BINARY):
        return column.map(words)
    numbers = column.map({text: int(BINARY[str(word)]) for text, word in words.items()})
    return numbers if numbers.isna().any() else numbers.astype(int)


def _positive(frame: "pd.DataFrame", target: str, label: str | None) -> Any:  # noqa: ANN401 - a label of the data
    if label is None or target not in frame.columns:
        return label
    known = {canonical(value): value for value in frame[target].dropna().unique().tolist()}
    wanted = canonical(label)
    if wanted in BINARY and set(known) <= set(BINARY):
        known = {BINARY[str(text)]: value for text, value in known.items()}
        wanted = BINARY[str(wanted)]
    if wanted not in known:
        shown = sorted(map(str, known))[:20]
        raise InputError([f"the positive label {label!r} does not occur in {target!r}; it has {shown}"])
    return known[wanted]


@contextmanager
def _progress(epochs: int) -> Iterator[Any]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[speed]}"),
        console=console(), transient=True, disable=not console().is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("training", total=epochs, speed="")
        yield lambda row: bar.update(task, advance=1, speed=f"{row.samples_per_s:,.0f} rows/s")


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


def _next(options: dict[str, Any]) -> str:
    cluster = " --cluster cluster" if options["group"] else ""
    positive = f" --positive {options['positive']}" if options["positive"] else ""
    return (
        f"next: evenhanded audit {options['predictions']} --y-true y_true --y-pred y_pred --y-score y_score "
        f"--sensitive {','.join(options['sensitive']) or 'COLUMN'}{cluster}{positive}"
    )
