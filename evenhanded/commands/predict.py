"""``evenhanded predict``: what a saved model says about new rows, on any CPU, without the data it was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.errors import InputError, raise_violations
from dashboards.labels import safe_label
from evenhanded.next_steps import audit_words, say_next
from evenhanded.options import Names
from evenhanded.outputs import check_outputs
from evenhanded.prediction_files import target_violations
from evenhanded.printing import console, print_rows, progress

if TYPE_CHECKING:
    from evenhanded.predicting import Predicted
    from trainer.learner import Learner

_PATH = click.Path(path_type=Path)

_ONE_LINE: dict[str, Any] = {"target": "terminal", "limit": 400}
_NO_TRUTH = "no row has a label yet: an audit can follow once a column y_true says what happened"

_HELP = """Predict every row of DATA (CSV or Parquet) with the model in the folder MODEL.

The predictions stand beside the labels (as y_true), sensitive columns and ids that the model carries, where DATA has
them, with the version of the model. A category that training never saw is read as unknown and counted. Nothing is
written unless every row could be predicted. Example:

\b
  evenhanded predict model new.csv --out scored.csv --keep region
"""


@click.command("predict", help=_HELP)
@click.argument("model", type=_PATH)
@click.argument("data", type=_PATH)
@click.option(
    "--out", type=_PATH, help="File to write, .parquet or .csv.  [default: named after DATA, new-predictions.parquet]"
)
@click.option("--keep", type=Names(), default=(), help="Further columns of DATA to copy.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, auto.")
@click.option("--rows", type=click.IntRange(1), default=100_000, show_default=True, help="Rows at a time.")
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Load, predict, write, and say what was read as unknown."""
    out = options["out"] or Path(f"{options['data'].stem}-predictions.parquet")
    raise_violations(_violations(options, out))
    from evenhanded.predicting import predict_file
    from trainer.learner import Learner

    learner = Learner.load(options["model"], device=options["device"])
    with progress("predicting"):
        done = predict_file(learner, options["data"], out, keep=options["keep"], rows=options["rows"])
    _say(done, out)
    _say_next(learner, done, out)
    return 0


def _violations(options: dict[str, Any], out: Path) -> list[str]:
    """Return what is wrong with the files named, before anything heavy is loaded."""
    found = []
    if not (options["model"] / "config.json").is_file():
        found.append(f"{options['model']} holds no model: name the folder that `evenhanded train` wrote")
    if not options["data"].is_file():
        found.append(f"{options['data']} does not exist; give the path of a CSV or Parquet file")
    found += target_violations(out, read=[options["data"]], option="--out")
    try:
        check_outputs({} if out.is_dir() else {"json_file": out})
    except InputError as error:
        found += error.violations
    return found


def _say(done: "Predicted", out: Path) -> None:
    screen = console()
    counted = {
        "Read as unknown: no train row had this value": done.unseen,
        "Missing here and never in training: read as the median": done.untold,
    }
    for title, counts in counted.items():
        rows = [
            [safe_label(name, **_ONE_LINE), f"{count:,}", f"{count / done.rows:.1%}"]
            for name, count in sorted(counts.items())
        ]
        if rows:
            print_rows(title, ["column", "rows", "share"], rows, out=screen)
    where = f"predictions of {done.rows:,} rows by model {done.model_version[:12]}: {safe_label(str(out), **_ONE_LINE)}"
    screen.print(where, soft_wrap=True)


def _say_next(learner: "Learner", done: "Predicted", out: Path) -> None:
    """Print the audit of what was written, or what it lacks for one."""
    spec, screen = learner.spec, console()
    sensitive = [name for name in spec.columns.sensitive_features if name in done.columns]
    if not done.labelled:
        screen.print(f"next: {_NO_TRUTH}")
    elif not sensitive:
        screen.print("next: predict again with --keep COLUMN, the groups that an audit compares")
    else:
        cluster = spec.columns.cluster if spec.columns.cluster in done.columns else None
        say_next(audit_words(spec, out, sensitive=sensitive, cluster=cluster))
