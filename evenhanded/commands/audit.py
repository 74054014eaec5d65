"""``evenhanded audit``: from a table of predictions to rates by group, a verdict, a page, in one command."""

import os
from pathlib import Path
from typing import Any

import click

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog, RoleColumns
from audit.result import Result
from audit.run import run_audit
from audit.store import save_run, write_text
from checklists.formats.junit import junit
from checklists.gate import judge
from checklists.gate_result import GateResult
from evenhanded.options import Names, Pair, config_option
from evenhanded.printing import console, print_gaps, print_gate, print_groups, progress
from evenhanded.runs import open_run

_PATH = click.Path(path_type=Path)
_ROLES = {"y_true": "y_true", "y_pred": "y_pred", "y_score": "y_score", "weight": "sample_weight", "cluster": "cluster",
          "timestamp": "timestamp", "model_version": "model_version", "prediction_id": "prediction_id"}  # fmt: skip


_HELP = """Error rates of every group in DATA (CSV or Parquet), with intervals.

Without a policy the exit code is 0. Example:

\b
  evenhanded audit scored.csv --y-true outcome --y-pred flagged \\
      --sensitive sex,race --html report.html
"""


@click.command("audit", help=_HELP)
@click.argument("data", type=_PATH)
@config_option
@click.option("--y-true", required=True, metavar="COLUMN", help="True labels.")
@click.option("--y-pred", metavar="COLUMN", help="Predicted labels.")
@click.option("--y-score", metavar="COLUMN", help="Predicted probability of the positive label.")
@click.option("--sensitive", required=True, type=Names(), help="Columns whose groups are compared.")
@click.option("--positive", metavar="LABEL", help="The positive label; needed unless labels are 0/1 or true/false.")
@click.option("--threshold", type=float, help="Predict positive where the score reaches it; instead of --y-pred.")
@click.option(
    "--score-max", type=float, default=1.0, show_default=True, help="The score that means 1 (10 for deciles)."
)
@click.option("--weight", metavar="COLUMN", help="Weight of each row.")
@click.option(
    "--weights",
    type=click.Choice(["sampling", "frequency"]),
    default="sampling",
    show_default=True,
    help="What the weight means: rows stand for so many people, or were repeated.",
)
@click.option("--cluster", metavar="COLUMN", help="Rows of one person, site or day: intervals allow for it.")
@click.option("--timestamp", metavar="COLUMN", help="When the prediction was made.")
@click.option("--model-version", metavar="COLUMN", help="Which model made it.")
@click.option("--prediction-id", metavar="COLUMN", help="Id of the prediction.")
@click.option("--attributes", type=_PATH, help="Second file with the sensitive columns.")
@click.option("--on", metavar="COLUMN", help="The id that joins --attributes to the data.")
@click.option("--reference", type=Pair(), multiple=True, help="Reference group of a feature; never inferred.")
@click.option("--bin", "bins", type=Pair(), multiple=True, metavar="FEATURE=25,45", help="Cut a number into ranges.")
@click.option(
    "--missing",
    type=click.Choice(["group", "raise", "drop"]),
    default="group",
    show_default=True,
    help="What to do with a missing sensitive value.",
)
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence level of the intervals.")
@click.option("--metrics", type=Names(), help="Only these metrics.")
@click.option("--all-pairs", is_flag=True, help="Also compare every pair of groups of a feature.")
@click.option("--baseline", type=_PATH, metavar="RUN", help="Saved run to compare with.")
@click.option("--policy", type=_PATH, help="Policy to judge the result by; the exit code says how.")
@click.option("--stage", help="Judge only the requirements of this stage.")
@click.option("--json", "json_file", type=_PATH, help="Write the result as JSON.")
@click.option("--junit", "junit_file", type=_PATH, help="Write the verdicts as JUnit XML.")
@click.option("--html", "html_file", type=_PATH, help="Write the report as one HTML page.")
@click.option("--title", help="Title of the report.")
@click.option("--out", type=_PATH, metavar="FOLDER", help="Save the run in this folder of runs.")
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Audit the file, judge it where a policy is named, and write what was asked for."""
    _check_outputs(options)
    if options["junit_file"] and not options["policy"]:
        raise InputError(["--junit writes verdicts; name a --policy"])
    runs = options["out"] or Path("runs")
    baseline = None if options["baseline"] is None else open_run(str(options["baseline"]), runs)
    with progress(f"counting {options['data']}"):
        result = run_audit(
            log_of(options),
            level=options["level"],
            reference=dict(options["reference"]) or None,
            metrics=options["metrics"],
            all_pairs=options["all_pairs"],
            baseline=baseline,
        )
    gate = (
        None
        if options["policy"] is None
        else judge(result, options["policy"], stage=options["stage"], baseline=baseline)
    )
    saved = _save(result, gate, options)
    _write(result, gate, options)
    _print(result, gate)
    _say_where(saved, options)
    return 0 if gate is None else gate.exit_code


def log_of(options: dict[str, Any]) -> PredictionLog:
    """Return the log that the options describe."""
    roles: RoleColumns = {role: options[name] for name, role in _ROLES.items() if options[name]}  # type: ignore[assignment]
    return PredictionLog.from_file(
        options["data"],
        sensitive_features=options["sensitive"],
        positive=options["positive"],
        threshold=options["threshold"],
        score_max=options["score_max"],
        bins={feature: _edges(feature, text) for feature, text in options["bins"]},
        missing=options["missing"],
        weights=options["weights"],
        attributes=options["attributes"],
        on=options["on"],
        **roles,
    )


def report_of(result: Result, gate: GateResult | None, title: str | None) -> str:
    """Return the HTML report of a result."""
    from dashboards.report.render import render_report

    return render_report(result, gate=gate, title=title or "Audit of predictions")


def _edges(feature: str, text: str) -> list[float]:
    try:
        return [float(edge) for edge in text.split(",")]
    except ValueError as error:
        raise InputError([f"--bin {feature}={text}: expected numbers, as in {feature}=25,45"]) from error


def _write(result: Result, gate: GateResult | None, options: dict[str, Any]) -> None:
    if options["json_file"]:
        write_text(options["json_file"], result.to_json())
    if options["junit_file"] and gate is not None:
        write_text(options["junit_file"], junit(gate))
    if options["html_file"]:
        write_text(options["html_file"], report_of(result, gate, options["title"]))


def _print(result: Result, gate: GateResult | None) -> None:
    screen = console()
    print_groups(result, out=screen)
    print_gaps(result, out=screen)
    if gate is not None:
        print_gate(gate, out=screen)


def _check_outputs(options: dict[str, Any]) -> None:
    """Refuse targets that cannot be written before anything is: a command that ends with 2 leaves nothing behind."""
    files = [options[name] for name in ("json_file", "junit_file", "html_file") if options[name]]
    violations = [f"{path} is a folder; name a file" for path in files if path.is_dir()]
    for path in [*(path.absolute().parent for path in files), *([options["out"].absolute()] if options["out"] else [])]:
        nearest = next(parent for parent in (path, *path.parents) if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            violations.append(f"{path} cannot be written: {nearest} is no folder that may be written to; name another")
        elif nearest != path and path != (options["out"] or path.parent).absolute():
            violations.append(f"folder {path} does not exist; make it, or name another")
    raise_violations(list(dict.fromkeys(violations)))


def _save(result: Result, gate: GateResult | None, options: dict[str, Any]) -> Path | None:
    if options["out"] is None:
        return None
    documents = {"report.html": report_of(result, gate, options["title"])}
    if gate is not None:
        documents["gate.json"] = gate.to_json()
    return save_run(result, options["out"], documents=documents)


def _say_where(saved: Path | None, options: dict[str, Any]) -> None:
    screen = console()
    for name in ("json_file", "junit_file", "html_file"):
        if options[name]:
            screen.print(f"written: {options[name]}")
    screen.print(
        f"saved: {saved}" if saved else "not saved as a run: --out runs keeps it for gate, report and dashboard"
    )
