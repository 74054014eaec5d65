"""``evenhanded gate``: hold a saved run against a policy, or plan a first one."""

from pathlib import Path
from typing import Any

import click

from audit.errors import InputError
from audit.result import Result
from audit.store import GATE, RESULT, TALLY, read_document, save_run, write_text
from checklists.formats.junit import junit
from checklists.gate import judge
from checklists.gate_result import GateResult
from checklists.planning import plan
from checklists.template import policy_template
from dashboards.labels import safe_label
from dashboards.training import is_training
from evenhanded.options import config_option
from evenhanded.outputs import check_outputs, report_of
from evenhanded.policies import open_policy
from evenhanded.printing import console, print_gate, print_plan
from evenhanded.runs import find_run, open_run, told

_PATH = click.Path(path_type=Path)


_HELP = """Judge RUN (a folder, an id, "latest" or a result.json) by a policy; the exit code is the verdict.

\b
  evenhanded gate latest --plan --write policy.yaml     what can this data decide?
  evenhanded gate latest --policy policy.yaml           may it ship?
"""


@click.command("gate", help=_HELP)
@click.argument("run", metavar="RUN")
@config_option
@click.option("--policy", type=_PATH, help="The policy.")
@click.option("--stage", help="Judge only the requirements of this stage.")
@click.option("--baseline", metavar="RUN", help="Saved run that `compare: baseline` refers to.")
@click.option(
    "--look", type=click.IntRange(1), metavar="K", help="This is the K-th time that this policy meets growing data."
)
@click.option("--plan", "planning", is_flag=True, help="Say what the data can decide; with --write, a first policy.")
@click.option("--write", type=_PATH, metavar="FILE", help="Where --plan writes the policy.")
@click.option("--runs", type=_PATH, default=Path("runs"), show_default=True, help="Folder of runs.")
@click.option(
    "--out", type=_PATH, metavar="FOLDER", help="Save the run again, with its verdict, in this folder of runs."
)
@click.option("--json", "json_file", type=_PATH, help="Write the verdicts as JSON.")
@click.option("--junit", "junit_file", type=_PATH, help="Write the verdicts as JUnit XML.")
def command(*, run: str, runs: Path, **options: Any) -> int:  # noqa: ANN401 - the options above
    """Judge a run, or plan a first policy for it."""
    check_outputs(options)
    policy, baseline, out = options["policy"], options["baseline"], options["out"]
    if options["planning"]:
        return _plan(run, runs, options["write"])
    if policy is None:
        raise InputError(["name a --policy, or write a first one: evenhanded gate RUN --plan --write policy.yaml"])
    result = _audited(run, runs)
    earlier = None if baseline is None else open_run(baseline, runs)
    if earlier is not None and earlier.digest() == result.digest():
        raise InputError([f"--baseline {baseline} is the run that is judged; name an earlier one"])
    asked = open_policy(policy, held={row.metric for row in result.measurements})
    judged = judge(result, asked or policy, stage=options["stage"], baseline=earlier, look=options["look"])
    saved = None if out is None else _saved(run, runs, result, judged, out)
    if options["json_file"] is not None:
        write_text(options["json_file"], judged.to_json())
    if options["junit_file"] is not None:
        write_text(options["junit_file"], junit(judged))
    screen = console()
    rows = (
        ""
        if result.tally is None
        else f", {result.tally.rows:,} rows by {', '.join(result.tally.features) or 'nothing'}"
    )
    screen.print(safe_label(f"judging {run}: {told(result)}{rows}", target="terminal", limit=400))
    print_gate(judged, result=result, out=screen)
    kept = "this verdict is not kept: --out runs saves the run again with it, for report and dashboard"
    screen.print(kept if saved is None else f"saved with its verdict: {saved}")
    return judged.exit_code


def _audited(run: str, runs: Path) -> Result:
    """Return a saved run that can be judged: a training has no error rates by group."""
    result = open_run(run, runs)
    if is_training(result):
        found = f"{run} is a {told(result)}: it holds no error rates by group that could be judged"
        raise InputError([f"{found}; audit its predictions first: evenhanded audit PREDICTIONS ... --out {runs}"])
    return result


def _saved(run: str, runs: Path, result: Result, judged: GateResult, out: Path) -> Path:
    """Save the run once more, with its verdict: a run that was saved is never rewritten."""
    if result.tally is None and result.provenance.tally is not None:
        raise InputError([f"--out needs the whole run, with its {TALLY}; name its folder instead of {run}"])
    documents = {} if Path(run).is_file() else _documents(find_run(run, runs))
    page = report_of(result, judged, "Audit of predictions")
    return save_run(result, out, documents={**documents, "report.html": page, GATE: judged.to_json()})


def _documents(folder: Path) -> dict[str, str]:
    """Return what else was saved with a run, such as lists of labels; its page and its verdict are made anew.

    What is Parquet is the tally, with clusters in two files: it is written again from the result that holds it.
    """
    binary = Path(TALLY).suffix
    files = (path.name for path in folder.iterdir() if path.is_file() and path.suffix != binary and path.name != RESULT)
    texts = {name: read_document(folder, name) for name in files}
    return {name: text for name, text in texts.items() if text is not None}


def _name(run: str, runs: Path) -> str:
    return run if Path(run).is_file() else find_run(run, runs).name


def _plan(run: str, runs: Path, write: Path | None) -> int:
    result = _audited(run, runs)
    planned = plan(result)
    screen = console()
    print_plan(planned, out=screen)
    text = policy_template(result, planned)
    if write is None:
        screen.print("Add --write policy.yaml to get a first policy from this.")
        return 0
    if write.exists():
        raise InputError([f"{write} exists; name another file, or remove it first"])
    write_text(write, text)
    screen.print(f"written: {write}. Read it, set the limits that you can answer for, then:")
    screen.print(f"  evenhanded gate {run} --policy {write}")
    screen.print("What it asks of new data in comparison with these (no-worse-...) is not shown until there are some:")
    screen.print(f"  evenhanded audit NEW_DATA ... --policy {write} --baseline {_name(run, runs)} --out {runs}")
    return 0
