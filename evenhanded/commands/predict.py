"""``evenhanded predict``: what a saved model says about new rows, on any CPU, without the data it was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.errors import InputError, raise_violations
from evenhanded.options import Names
from evenhanded.outputs import check_outputs
from evenhanded.printing import console, print_rows, progress

if TYPE_CHECKING:
    from evenhanded.predicting import Predicted

_PATH = click.Path(path_type=Path)

_HELP = """Predict every row of DATA (CSV or Parquet) with the model in the folder MODEL.

The predictions stand beside the labels, sensitive columns and ids that the model carries, where DATA has them, with
the version of the model. A category that training never saw is read as unknown and counted. Nothing is written unless
every row could be predicted. Example:

\b
  evenhanded predict model new.csv --out predictions.parquet --keep region
"""


@click.command("predict", help=_HELP)
@click.argument("model", type=_PATH)
@click.argument("data", type=_PATH)
@click.option(
    "--out", type=_PATH, default=Path("predictions.parquet"), show_default=True, help="Parquet file to write."
)
@click.option("--keep", type=Names(), default=(), help="Further columns of DATA to copy.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, auto.")
@click.option("--rows", type=click.IntRange(1), default=100_000, show_default=True, help="Rows at a time.")
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Load, predict, write, and say what was read as unknown."""
    raise_violations(_violations(options))
    from evenhanded.predicting import predict_file
    from trainer.learner import Learner

    learner = Learner.load(options["model"], device=options["device"])
    with progress("predicting"):
        done = predict_file(learner, options["data"], options["out"], keep=options["keep"], rows=options["rows"])
    _say(done, options["out"])
    return 0


def _violations(options: dict[str, Any]) -> list[str]:
    """Return what is wrong with the files named, before anything heavy is loaded."""
    found = []
    if not (options["model"] / "config.json").is_file():
        found.append(f"{options['model']} holds no model: name the folder that `evenhanded train` wrote")
    if not options["data"].is_file():
        found.append(f"{options['data']} does not exist; give the path of a CSV or Parquet file")
    if options["out"].absolute() == options["data"].absolute():
        found.append(f"{options['out']} is the data itself; name another file for the predictions")
    try:
        check_outputs({"json_file": options["out"]})
    except InputError as error:
        found += error.violations
    return found


def _say(done: "Predicted", out: Path) -> None:
    screen = console()
    if done.unseen:
        rows = [[name, f"{count:,}", f"{count / done.rows:.1%}"] for name, count in sorted(done.unseen.items())]
        print_rows("Read as unknown: no train row had this value", ["column", "rows", "share"], rows, out=screen)
    if done.untold:
        rows = [[name, f"{count:,}", f"{count / done.rows:.1%}"] for name, count in sorted(done.untold.items())]
        title = "Missing here and never in training: read as the median"
        print_rows(title, ["column", "rows", "share"], rows, out=screen)
    screen.print(f"predictions of {done.rows:,} rows by model {done.model_version[:12]}: {out}")
