"""``evenhanded calibration``: whether the scores of a saved run keep their promise, by group."""

from pathlib import Path

import click

from audit.errors import raise_violations
from audit.measurement import Slice
from audit.result import Result
from audit.scores.calibration import with_reliability
from audit.store import write_text
from dashboards.export import csv_text
from dashboards.labels import slice_label
from dashboards.reliability import calibration_sentence, curves, worst_first
from dashboards.tables import is_plain
from evenhanded.options import Names
from evenhanded.printing import console
from evenhanded.runs import open_run

_PATH = click.Path(path_type=Path)
_MOST = 30


@click.command("calibration")
@click.argument("run", metavar="RUN")
@click.option("--sensitive", type=Names(), help="Features whose groups have a table; all of the run where not given.")
@click.option("--json", "json_file", type=_PATH, help="Write metrics and reliability tables as a result (JSON).")
@click.option("--csv", "csv_file", type=_PATH, help="Write them as CSV.")
@click.option("--runs", type=_PATH, default=Path("runs"), show_default=True, help="Folder of runs.")
def command(
    run: str, sensitive: tuple[str, ...] | None, json_file: Path | None, csv_file: Path | None, runs: Path
) -> int:
    """Say whether a score of 0.3 comes true three times in ten, in each group of RUN (a folder, an id or "latest").

    The run must have been made with --y-score. Groups whose calibration error is largest for sure come first.
    """
    raise_violations([
        f"cannot write {path}: {path.parent} is no folder; make it first"
        for path in (json_file, csv_file)
        if path is not None and not path.parent.is_dir()
    ])  # fmt: skip
    found = with_reliability(open_run(run, runs), features=sensitive)
    if json_file is not None:
        write_text(json_file, found.to_json())
    if csv_file is not None:
        write_text(csv_file, csv_text(found.measurements))
    _print(found)
    for path in (json_file, csv_file):
        if path is not None:
            console().print(f"written: {path}")
    return 0


def _print(found: Result) -> None:
    screen = console()
    tables = curves([row for row in found.measurements if row.at])
    by_features: dict[tuple[str, ...], list[Slice]] = {}
    for group in tables:
        by_features.setdefault(tuple(name for name, _ in group), []).append(group)
    for groups in by_features.values():
        for group in worst_first(groups, found)[:_MOST]:
            rows = {row.metric: row for row in found.measurements if is_plain(row) and row.slice == group}
            whom = slice_label(group, target="terminal", limit=60)
            screen.print(f"{whom}: {calibration_sentence(rows, tables[group])}")
        if len(groups) > _MOST:
            screen.print(f"... and {len(groups) - _MOST} more groups; --csv and --json hold them all")
