"""``evenhanded sealed``: a test for a model that others make; labels and policy fixed first, opened once."""

from pathlib import Path
from typing import Any

import click

from audit.errors import InputError
from audit.sealing.seal_files import FOR_VENDOR, KEPT_POLICY
from audit.sealing.seal_record import SealedColumns
from audit.sealing.sealed import SealStatus, seal, status
from audit.sealing.sealed_opening import open_sealed
from audit.store import save_run
from checklists.gate import judge
from checklists.policy import load_policy
from dashboards.labels import safe_label
from evenhanded.logs import column_option, positive_option
from evenhanded.options import Names
from evenhanded.outputs import out_option
from evenhanded.printing import console, print_gate, print_groups, progress

_PATH = click.Path(path_type=Path)

_HELP = """A sealed test: the vendor never sees the labels, and it is opened once.

\b
  evenhanded sealed new test.csv --policy policy.yaml --folder box \\
      --id case --y-true outcome --sensitive sex --by "Your Name"
  (give box/vendor/unlabelled.parquet away; get predictions back)
  evenhanded sealed open box predictions.csv --by "Your Name"
  evenhanded sealed status box

It records every attempt, and sees changes of labels, rows and policy. It neither encrypts nor signs: keep the folder
where the vendor cannot reach it, note the digest of the seal elsewhere, and pass it as --seal to open and status.
"""


@click.group("sealed", help=_HELP)
def command() -> None:
    """Group the three steps."""


@command.command("new")
@click.argument("test", type=_PATH)
@click.option("--policy", type=_PATH, required=True, help="The policy that will judge; fixed now.")
@click.option("--folder", type=_PATH, required=True, help="A new folder for the sealed test.")
@click.option("--id", "prediction_id", required=True, metavar="COLUMN", help="Id of each row.")
@column_option("--y-true", "True labels; never given away.", required=True)
@click.option("--sensitive", type=Names(), default="", help="Columns whose groups are compared; not given away.")
@click.option("--features", type=Names(), help="What the vendor gets; without it all columns of no other part.")
@positive_option
@click.option("--threshold", type=float, help="Predictions will be scores (y_score), positive from here on.")
@column_option("--cluster", "Rows of one person or site; not given away.")
@column_option("--weight", "Weight of each row; not given away.")
@click.option("--by", required=True, metavar="NAME", help="Who seals it.")
def new(test: Path, policy: Path, folder: Path, by: str, **options: Any) -> int:  # noqa: ANN401 - the options above
    """Fix labels and policy of TEST, and write what the vendor gets."""
    load_policy(policy)
    columns = SealedColumns(
        prediction_id=options["prediction_id"],
        y_true=options["y_true"],
        sensitive_features=options["sensitive"],
        features=options["features"],
        positive=options["positive"],
        threshold=options["threshold"],
        cluster=options["cluster"],
        sample_weight=options["weight"],
    )
    with progress(f"sealing {test}"):
        made = seal(test, policy, folder, columns=columns, by=by)
    asked = f"{columns.prediction_id} and {columns.predicted}"
    lines = (
        f"sealed: {made.rows:,} rows in {folder}, at {made.sealed_at}",
        f"give away only: {folder / FOR_VENDOR}",
        f"ask for: a CSV or Parquet file with {asked}, one row for each",
        "note this digest of the seal elsewhere, and pass it as --seal to open and status:",
        made.digest(),
    )
    screen = console()
    for line in lines:
        screen.print(safe_label(line, target="terminal", limit=600))
    return 0


@command.command("open")
@click.argument("folder", type=_PATH)
@click.argument("predictions", type=_PATH)
@click.option("--by", required=True, metavar="NAME", help="Who opens it.")
@click.option("--seal", "expect", metavar="DIGEST", help="The digest of the seal as it was noted elsewhere.")
@out_option
def open_(folder: Path, predictions: Path, by: str, expect: str | None, out: Path | None) -> int:
    """Open the sealed test in FOLDER with PREDICTIONS, once; the exit code is the verdict of its policy."""
    if out is not None and out.exists() and not out.is_dir():
        raise InputError([f"{out} is no folder; name another for the runs"])
    with progress("opening"):
        result = open_sealed(folder, predictions, by=by, expect=expect)
    gate = judge(result, folder / KEPT_POLICY)
    screen = console()
    print_groups(result, out=screen)
    print_gate(gate, result=result, out=screen)
    screen.print(f"opened: {folder} is used up; its record stands in {folder / 'opened.json'}")
    if out is not None:
        screen.print(f"saved: {save_run(result, out, documents={'gate.json': gate.to_json()})}")
    return gate.exit_code


@command.command("status")
@click.argument("folder", type=_PATH)
@click.option("--seal", "expect", metavar="DIGEST", help="The digest of the seal as it was noted elsewhere.")
def status_(folder: Path, expect: str | None) -> int:
    """Say how the sealed test in FOLDER stands; exit code 4 if anything has changed since it was sealed."""
    screen = console()
    found = status(folder, expect=expect)
    for line in _lines(found, compared=expect is not None):
        screen.print(safe_label(line, target="terminal", limit=600))
    return 4 if found.changes else 0


def _lines(found: SealStatus, *, compared: bool) -> list[str]:
    made, opened = found.seal, found.opened
    lines = [f"sealed at {made.sealed_at} by {made.sealed_by}: {made.rows:,} rows, seal {made.digest()}"]
    if opened is None:
        lines.append("closed: no one has opened it")
    elif "trace" in opened:
        lines.append(f"opened: {opened['trace']}")
    else:
        sent = f"with predictions {opened.get('predictions')}; result {opened.get('result')}"
        lines.append(f"opened at {opened.get('time')} by {opened.get('by')} {sent}")
    lines += [f"attempt at {each.get('time')} by {each.get('by')}: {each.get('outcome')}" for each in found.attempts]
    lines += [f"CHANGED: {change}" for change in found.changes]
    if not found.changes:
        lines.append("intact: labels, rows and policy are those that were sealed")
    if not compared:
        lines.append("the seal itself was not compared: pass --seal with the digest that was noted when it was sealed")
    return lines
