"""``evenhanded gate``: hold a saved run against a policy, or plan a first one."""

from pathlib import Path

import click

from audit.errors import InputError
from audit.store import write_text
from checklists.formats.junit import junit
from checklists.gate import judge
from checklists.planning import plan
from checklists.template import policy_template
from evenhanded.options import config_option
from evenhanded.printing import console, print_gate, print_plan
from evenhanded.runs import find_run, open_run

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
@click.option("--plan", "planning", is_flag=True, help="Say what the data can decide; with --write, a first policy.")
@click.option("--write", type=_PATH, metavar="FILE", help="Where --plan writes the policy.")
@click.option("--runs", type=_PATH, default=Path("runs"), show_default=True, help="Folder of runs.")
@click.option("--json", "json_file", type=_PATH, help="Write the verdicts as JSON.")
@click.option("--junit", "junit_file", type=_PATH, help="Write the verdicts as JUnit XML.")
def command(
    *,
    run: str,
    policy: Path | None,
    stage: str | None,
    baseline: str | None,
    planning: bool,
    write: Path | None,
    runs: Path,
    json_file: Path | None,
    junit_file: Path | None,
) -> int:
    """Judge a run, or plan a first policy for it."""
    if planning:
        return _plan(run, runs, write)
    if policy is None:
        raise InputError(["name a --policy, or write a first one: evenhanded gate RUN --plan --write policy.yaml"])
    result = open_run(run, runs)
    earlier = None if baseline is None else open_run(baseline, runs)
    if earlier is not None and earlier.digest() == result.digest():
        raise InputError([f"--baseline {baseline} is the run that is judged; name an earlier one"])
    judged = judge(result, policy, stage=stage, baseline=earlier)
    if json_file is not None:
        write_text(json_file, judged.to_json())
    if junit_file is not None:
        write_text(junit_file, junit(judged))
    console().print(f"judging {run}: {result!r}")
    print_gate(judged)
    return judged.exit_code


def _name(run: str, runs: Path) -> str:
    return run if Path(run).is_file() else find_run(run, runs).name


def _plan(run: str, runs: Path, write: Path | None) -> int:
    result = open_run(run, runs)
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
