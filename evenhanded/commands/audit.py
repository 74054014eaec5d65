"""``evenhanded audit``: from a table of predictions to rates by group, a verdict, a page, in one command."""

from pathlib import Path
from typing import Any

import click

from audit.errors import InputError
from audit.predictions import PredictionLog, RoleColumns
from audit.result import Result
from checklists.gate import judge
from checklists.gate_result import GateResult
from evenhanded.audited import audited
from evenhanded.audited_tables import print_impact, print_population
from evenhanded.options import InParts, Names, Pair, config_option, edges
from evenhanded.outputs import check_outputs, say_where, write_outputs
from evenhanded.printing import console, print_gaps, print_gate, print_groups, progress
from evenhanded.runs import open_run

_PATH = click.Path(path_type=Path)
_ROLES = {"y_true": "y_true", "y_pred": "y_pred", "y_score": "y_score", "weight": "sample_weight", "cluster": "cluster",
          "timestamp": "timestamp", "model_version": "model_version", "prediction_id": "prediction_id",
          "human": "human_decision", "final": "action"}  # fmt: skip


_PARTS = {
    "Options": (
        "y_true", "y_pred", "y_score", "sensitive", "positive", "threshold", "reference", "bins", "policy", "html_file",
        "out", "help",
    ),
    "More (scores and metrics)": ("score_max", "metrics", "level", "all_pairs", "intersections"),
    "More (who is in the data, and who is selected)": ("population", "impact_ratios", "attributes", "on"),
    "More (weights, clusters, versions)": (
        "weight", "weights", "cluster", "timestamp", "model_version", "prediction_id",
    ),
    "More (other tasks)": ("task", "labels", "separator", "k"),
    "More (people who decide)": ("abstain", "human", "final"),
    "More (what is held fixed, what is missing)": ("control", "missing", "bounds"),
    "More (comparing, judging, writing)": ("baseline", "stage", "json_file", "junit_file", "title", "config"),
}  # fmt: skip

_HELP = """Error rates of every group in DATA (CSV or Parquet), with intervals.

Without a policy the exit code is 0. Example:

\b
  evenhanded audit scored.csv --y-true outcome --y-pred flagged \\
      --sensitive sex,race --html report.html
"""


@click.command("audit", cls=InParts, parts=_PARTS, help=_HELP)
@click.argument("data", type=_PATH)
@config_option
@click.option("--y-true", metavar="COLUMN", help="True labels (true numbers, relevance).")
@click.option("--y-pred", metavar="COLUMN", help="Predicted labels.")
@click.option("--y-score", metavar="COLUMN", help="Predicted probability of the positive label.")
@click.option("--sensitive", required=True, type=Names(), help="Columns whose groups are compared.")
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "multilabel", "regression", "ranking"]),
    default="binary",
    show_default=True,
    help="What labels and predictions are.",
)
@click.option("--positive", metavar="LABEL", help="The positive label; needed unless labels are 0/1 or true/false.")
@click.option("--threshold", type=float, help="Predict positive where the score reaches it; instead of --y-pred.")
@click.option(
    "--score-max", type=float, default=1.0, show_default=True, help="The score that means 1 (10 for deciles)."
)
@click.option("--labels", type=Names(), help="Every label that may occur (multiclass, multilabel).")
@click.option("--separator", metavar="TEXT", help='Between the labels of one row (multilabel); "|" by default.')
@click.option("--abstain", metavar="LABEL", help="The prediction that means: left to a person. Never counts as right.")
@click.option("--k", type=int, metavar="N", help="Places beyond N are not seen (ranking; --cluster names the query).")
@click.option("--human", metavar="COLUMN", help="What a person decided, beside the model.")
@click.option("--final", metavar="COLUMN", help="The final decision: overrides of the model, helpful and harmful.")
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
@click.option(
    "--intersections", type=int, metavar="N", help="Cross at most N features (all of up to four, pairs of more)."
)
@click.option("--baseline", type=_PATH, metavar="RUN", help="Saved run to compare with.")
@click.option("--policy", type=_PATH, help="Policy to judge the result by; the exit code says how.")
@click.option("--stage", help="Judge only the requirements of this stage.")
@click.option("--control", type=Names(), help="Gaps also with these columns held fixed (by strata, by regression).")
@click.option("--bounds", is_flag=True, help="Also the worst cases that missing labels and groups allow.")
@click.option(
    "--population",
    type=Pair(),
    multiple=True,
    metavar="FEATURE=FILE",
    help="Who is in the data, against a reference population: a CSV of group and share or count.",
)
@click.option("--impact-ratios", is_flag=True, help="Selection rates over the highest one, by group and crossed.")
@click.option("--json", "json_file", type=_PATH, help="Write the result as JSON.")
@click.option("--junit", "junit_file", type=_PATH, help="Write the verdicts as JUnit XML.")
@click.option("--html", "html_file", type=_PATH, help="Write the report as one HTML page.")
@click.option("--title", help="Title of the report.")
@click.option("--out", type=_PATH, metavar="FOLDER", help="Save the run in this folder of runs.")
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Audit the file, judge it where a policy is named, and write what was asked for."""
    check_outputs(options)
    if options["junit_file"] and not options["policy"]:
        raise InputError(["--junit writes verdicts; name a --policy"])
    runs = options["out"] or Path("runs")
    baseline = None if options["baseline"] is None else open_run(str(options["baseline"]), runs)
    with progress(f"counting {options['data']}"):
        result = audited(lambda sensitive: log_of(options, sensitive), options, baseline)
    gate = (
        None
        if options["policy"] is None
        else judge(result, options["policy"], stage=options["stage"], baseline=baseline)
    )
    saved = write_outputs(result, options, title="Audit of predictions", gate=gate)
    _print(result, gate)
    say_where(saved, options)
    return 0 if gate is None else gate.exit_code


def log_of(options: dict[str, Any], sensitive: tuple[str, ...]) -> PredictionLog:
    """Return the log that the options describe, with these sensitive features."""
    unused = {*(options["control"] or ())} - set(sensitive)  # cut only where it is read
    roles: RoleColumns = {role: options[name] for name, role in _ROLES.items() if options[name]}  # type: ignore[assignment]
    return PredictionLog.from_file(
        options["data"],
        sensitive_features=sensitive,
        task=options["task"],
        labels=options["labels"],
        separator=options["separator"],
        abstain=options["abstain"],
        positive=options["positive"],
        threshold=options["threshold"],
        score_max=options["score_max"],
        bins={feature: edges(feature, text) for feature, text in options["bins"] if feature not in unused},
        missing=options["missing"],
        weights=options["weights"],
        attributes=options["attributes"],
        on=options["on"],
        **roles,
    )


def _print(result: Result, gate: GateResult | None) -> None:
    screen = console()
    print_groups(result, out=screen)
    print_gaps(result, out=screen)
    print_impact(result, out=screen)
    print_population(result, out=screen)
    if gate is not None:
        print_gate(gate, out=screen)
