"""``evenhanded audit``: from a table of predictions to rates by group, a verdict, a page, in one command."""

from pathlib import Path
from typing import Any

import click

from audit.result import Result
from checklists.gate import judge
from checklists.gate_result import GateResult
from dashboards.labels import safe_label
from evenhanded.audited import audited
from evenhanded.audited_logs import AuditedLog, check_options, is_log
from evenhanded.audited_tables import print_deciders, print_impact, print_population
from evenhanded.comparison_tables import print_adjusted, print_pairs
from evenhanded.logs import (
    bin_option,
    cluster_option,
    column_option,
    level_option,
    log_of,
    missing_option,
    positive_option,
    reference_option,
    score_max_option,
    threshold_option,
    version_option,
    weight_options,
)
from evenhanded.missing_tables import print_basis, print_bounds
from evenhanded.options import InParts, Names, Pair, config_option
from evenhanded.outputs import check_outputs, judging_options, output_options, say_where, write_outputs
from evenhanded.policies import open_policy
from evenhanded.printing import console, print_gaps, print_gate, print_groups, progress
from evenhanded.runs import open_run

_PATH = click.Path(path_type=Path)
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
    "More (comparing, judging, writing)": (
        "log_version", "baseline", "stage", "json_file", "junit_file", "title", "config",
    ),
}  # fmt: skip

_TABLES = (
    print_groups,
    print_basis,
    print_gaps,
    print_pairs,
    print_adjusted,
    print_bounds,
    print_deciders,
    print_impact,
    print_population,
)
"""What the terminal shows, in this order; each prints nothing where the audit holds nothing of its kind."""

_HELP = """Error rates of every group in DATA (CSV or Parquet), with intervals.

DATA may be a folder of Parquet files; those in its sub-folders are read, too. It may be a log of `evenhanded ingest`:
that knows its columns, and its version is kept with the audit.

Without a policy the exit code is 0. Example:

\b
  evenhanded audit scored.csv --y-true outcome --y-pred flagged \\
      --sensitive sex,race --html report.html
"""


@click.command("audit", cls=InParts, parts=_PARTS, help=_HELP)
@click.argument("data", type=_PATH)
@config_option
@column_option("--y-true", "True labels (true numbers, relevance).")
@column_option("--y-pred", "Predicted labels.")
@column_option("--y-score", "Predicted probability of the positive label.")
@click.option("--sensitive", type=Names(), default="", help="Columns whose groups are compared; needed for a file.")
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "multilabel", "regression", "ranking"]),
    default="binary",
    show_default=True,
    help="What labels and predictions are.",
)
@positive_option
@threshold_option
@score_max_option
@click.option("--labels", type=Names(), help="Every label that may occur (multiclass, multilabel).")
@click.option("--separator", metavar="TEXT", help='Between the labels of one row (multilabel); "|" by default.')
@click.option("--abstain", metavar="LABEL", help="The prediction that means: left to a person. Never counts as right.")
@click.option("--k", type=int, metavar="N", help="Places beyond N are not seen (ranking; --cluster names the query).")
@column_option("--human", "What a person decided, beside the model.")
@column_option("--final", "The final decision: overrides of the model, helpful and harmful.")
@weight_options
@cluster_option("intervals allow for it")
@column_option("--timestamp", "When the prediction was made.")
@version_option
@column_option("--prediction-id", "Id of the prediction.")
@click.option("--attributes", type=_PATH, help="Second file with the sensitive columns.")
@column_option("--on", "The id that joins --attributes to the data.")
@reference_option
@bin_option
@missing_option("sensitive value")
@level_option()
@click.option("--metrics", type=Names(), help="Only these metrics.")
@click.option("--all-pairs", is_flag=True, help="Also compare every pair of groups of a feature.")
@click.option(
    "--intersections", type=int, metavar="N", help="Cross at most N features (all of up to four, pairs of more)."
)
@click.option("--log-version", metavar="N", help="Of a log: audit this version (12.7) again; without it the newest.")
@click.option("--baseline", type=_PATH, metavar="RUN", help="Saved run to compare with.")
@judging_options
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
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Audit the file, judge it where a policy is named, and write what was asked for."""
    check_outputs(options)
    source = _source(options)
    policy = open_policy(options["policy"])
    runs = options["out"] or Path("runs")
    baseline = None if options["baseline"] is None else open_run(str(options["baseline"]), runs)
    with progress(f"counting {options['data']}"):
        result = audited(lambda sensitive: log_of(options, sensitive) if source is None else source.read(sensitive),
                         options, baseline)  # fmt: skip
    result = result if source is None else source.named(result)
    gate = None if policy is None else judge(result, policy, stage=options["stage"], baseline=baseline)
    saved = write_outputs(result, options, title="Audit of predictions", gate=gate)
    _print(result, gate)
    if source is not None:
        console().print(safe_label(source.sentence(), target="terminal", limit=600))
    say_where(saved, options)
    return 0 if gate is None else gate.exit_code


def _source(options: dict[str, Any]) -> AuditedLog | None:
    """Return the log of `evenhanded ingest` that is audited; None for a file."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    check_options(options, {name for name in options if context.get_parameter_source(name) is not default})
    if is_log(options["data"]):
        return AuditedLog(options["data"], options["log_version"])
    if not options["sensitive"]:
        raise click.MissingParameter(ctx=context, param_hint="'--sensitive'", param_type="option")
    return None


def _print(result: Result, gate: GateResult | None) -> None:
    screen = console()
    for shown in _TABLES:
        shown(result, out=screen)
    if gate is not None:
        print_gate(gate, result=result, out=screen)
