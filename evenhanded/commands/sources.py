"""``evenhanded sources``: where a gap comes from, evidence for and against, and what would help."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from audit.provenance import file_digests
from audit.result import Result
from dashboards.labels import safe_label
from evenhanded.logs import column_option, level_option, positive_option
from evenhanded.options import Names, config_option, seed_option
from evenhanded.outputs import check_outputs, output_options, say_where, write_outputs
from evenhanded.printing import console, print_rows, progress

_PATH = click.Path(path_type=Path)
_FILES = ("data", "population", "benchmark", "deployment")

_HELP = """Sources of bias: historical, representation, measurement, aggregation, evaluation, deployment.

For each the evidence for and against it, from what you provide, and a verdict with its sentence; what was not provided
is "not testable because ...". A model is fitted again and again on DATA. The exit code is 0 whatever is found. Example:

\b
  evenhanded sources applicants.csv --y-true hired --sensitive sex \\
      --features age,degree,years --audited-label qualified --population census.csv
"""


@click.command("sources", help=_HELP)
@click.argument("data", type=_PATH)
@config_option
@column_option("--y-true", "Recorded labels.", required=True)
@column_option("--sensitive", "The column whose groups are compared.", required=True)
@click.option("--features", required=True, type=Names(), help="Columns that the model is fitted on.")
@click.option("--group", metavar="VALUE", help="The group in question; else the one with the highest error.")
@positive_option
@column_option("--audited-label", "The label after an audit; empty where nobody looked.")
@click.option("--population", type=_PATH, help="How common each group is: a CSV of group,share or count.")
@click.option("--benchmark", type=_PATH, help="The rows that the model is evaluated on; else held-out rows of DATA.")
@click.option("--deployment", type=_PATH, help="Rows from use: groups; predictions, decisions and outcomes if known.")
@column_option("--y-pred", "What the model said, in --deployment.")
@column_option("--decision", "What was done in the end, in --deployment.")
@click.option(
    "--model",
    type=click.Choice(["logistic", "boosting"]),
    default="logistic",
    show_default=True,
    help="The model that is fitted again; the closer to yours, the better.",
)
@level_option()
@seed_option("Seed of the folds.")
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Look for sources of bias in the file and write what was asked for."""
    check_outputs(options)
    with progress(f"fitting models on {options['data']}"):
        result = sources_of(options)
    saved = write_outputs(result, options, title="Sources of bias")
    print_sources(result)
    say_where(saved, options)
    return 0


def sources_of(options: dict[str, Any]) -> Result:
    """Return the evidence that the options ask for."""
    from audit.causes.bias_sources import bias_sources
    from audit.causes.fits import FITS
    from audit.causes.sample_tables import SampleColumns, development_sample, other_sample
    from audit.publishing.representation import read_reference

    columns = SampleColumns(
        y_true=options["y_true"],
        sensitive=options["sensitive"],
        features=options["features"],
        positive=options["positive"],
        audited=options["audited_label"],
        predicted=options["y_pred"],
        decision=options["decision"],
    )
    found = development_sample(options["data"], columns)
    others = {
        name: None if options[name] is None else other_sample(options[name], columns, found.encoding, labelled=labelled)
        for name, labelled in (("benchmark", True), ("deployment", False))
    }
    result = bias_sources(
        found.sample,
        FITS[options["model"]],
        feature=options["sensitive"],
        group=options["group"],
        population=None if options["population"] is None else read_reference(options["population"]),
        benchmark=others["benchmark"],
        deployment_rows=others["deployment"],
        level=options["level"],
        random_state=options["seed"],
    )
    files = {name: options[name] for name in _FILES if options[name] is not None}
    asked = {
        name: options[name]
        for name in ("y_true", "sensitive", "model", "positive", "audited_label", "y_pred", "decision")
    }
    given = {
        **result.provenance.given,
        **{name: value for name, value in asked.items() if value is not None},
        "features": list(options["features"]),
        "rows_without_label": found.unlabelled,
        "files": {name: str(path) for name, path in files.items()},
    }
    provenance = replace(result.provenance, given=given, data=file_digests([p for p in files.values() if p.is_file()]))
    return replace(result, provenance=provenance)


def print_sources(result: Result) -> None:
    """Print the gap in question, each source with its verdict, and the sentences.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="bias_source", at=(("class", "historical"),), value=0.0, n=90, method="evidence",
    ...                   reason="true outcomes differ by +0.1 points")
    >>> print_sources(Result(measurements=[row]))
    Sources of bias
    source      verdict        n
    historical  not supported  90
    - historical: true outcomes differ by +0.1 points
    """
    from audit.causes.bias_sources import VERDICT, verdict_of
    from dashboards.tables import display_row

    screen = console()
    for row in result.measurements:
        if row.metric.startswith(("held_out_error_rate", "balanced_error_rate")):
            shown = display_row(row)
            screen.print(
                f"{safe_label(shown.name, target='terminal', limit=120)}: {shown.value} {shown.interval}".rstrip()
            )
    verdicts = [row for row in result.measurements if row.metric == VERDICT]
    rows = [[str(dict(row.at)["class"]), verdict_of(row), f"{row.n:,}" if row.n else ""] for row in verdicts]
    print_rows("Sources of bias", ["source", "verdict", "n"], rows, out=screen)
    for row in verdicts:
        screen.print(f"- {dict(row.at)['class']}: {safe_label(row.reason, target='terminal', limit=600)}")
