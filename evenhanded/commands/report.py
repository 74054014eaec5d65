"""``evenhanded report``: a saved run as one HTML page."""

import json
from pathlib import Path

import click

from audit.result import Result
from audit.store import read_document, write_text
from checklists.gate import judge
from dashboards.monitoring import is_monitoring
from dashboards.training import is_training, title_of
from evenhanded.outputs import report_of
from evenhanded.policies import open_policy
from evenhanded.printing import console
from evenhanded.runs import find_run, open_run

_PATH = click.Path(path_type=Path)


@click.command("report")
@click.argument("run", metavar="RUN")
@click.option("--html", "html_file", type=_PATH, default=Path("report.html"), show_default=True, help="The page.")
@click.option("--policy", type=_PATH, help="Judge by this policy; else the verdicts saved with the run are shown.")
@click.option("--stage", help="Judge only the requirements of this stage.")
@click.option("--title", help="Title of the page.")
@click.option("--runs", type=_PATH, default=Path("runs"), show_default=True, help="Folder of runs.")
def command(run: str, html_file: Path, policy: Path | None, stage: str | None, title: str | None, runs: Path) -> int:
    """Write RUN (a folder, an id or "latest") as one page without scripts, for people who were not there."""
    result = open_run(run, runs)
    saved = None if Path(run).is_file() else read_document(find_run(run, runs), "gate.json")
    gate, asked = None, open_policy(policy, held={row.metric for row in result.measurements})
    if asked is not None:
        gate = json.loads(judge(result, asked, stage=stage).to_json())
    elif saved is not None:
        gate = json.loads(saved)
    again = " (it was there, and is replaced)" if html_file.exists() else ""
    write_text(html_file, report_of(result, gate, title or _title(result)))
    console().print(f"written: {html_file}{again}")
    return 0


def _title(result: Result) -> str:
    if is_monitoring(result):
        return "What changed"
    return title_of(result) if is_training(result) else "Audit of predictions"
