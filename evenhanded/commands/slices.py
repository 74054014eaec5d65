"""``evenhanded slices``: combinations of features with the worst rate, found on one half, confirmed on the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.result import Result
from audit.search.slices import METRIC, MIN_SUPPORT, QUANTILES, run_slices
from evenhanded.logs import (
    bin_option,
    cluster_option,
    column_option,
    level_option,
    log_of,
    missing_option,
    positive_option,
    score_max_option,
    threshold_option,
    version_option,
    weight_options,
)
from evenhanded.options import Names, config_option, seed_option
from evenhanded.outputs import check_outputs, output_options, say_where, write_outputs
from evenhanded.printing import console, progress

if TYPE_CHECKING:
    from dashboards.slice_findings import Finding

_PATH = click.Path(path_type=Path)
_SUSPECTS = 10

_HELP = """Slices of DATA (CSV or Parquet) with the worst rate: found on one half, confirmed on the other.

Every combination of the values of the features is searched on a random half of the rows. The most striking ones are
measured again on the other half, with intervals that hold together. With --all-rows every row is searched and every
slice listed, and nothing is confirmed. The exit code is 0 whatever is found. Example:

\b
  evenhanded slices scored.csv --y-true outcome --y-pred flagged \\
      --features sex,race,age --metric false_positive_rate
"""


@click.command("slices", help=_HELP)
@click.argument("data", type=_PATH)
@config_option
@column_option("--y-true", "True labels.", required=True)
@column_option("--y-pred", "Predicted labels.")
@column_option("--y-score", "Predicted probability; with --threshold instead of --y-pred.")
@click.option("--features", required=True, type=Names(), help="Columns whose values are combined.")
@click.option("--metric", default=METRIC, show_default=True, help="The rate that slices are searched by.")
@click.option("--min-support", type=float, default=MIN_SUPPORT, show_default=True, help="Smallest share of the rows.")
@click.option("--max-depth", type=int, default=3, show_default=True, help="Most features of one slice.")
@click.option("--all-depths", is_flag=True, help="Combine any number of features.")
@seed_option("Seed of the split; choose one before looking.")
@level_option("Level that the intervals hold together.")
@click.option("--all-rows", is_flag=True, help="Exploratory: search all rows, list every slice, confirm nothing.")
@click.option("--limit", type=int, help="Most slices that go to confirmation [20] or, of all rows, are listed [10000].")
@click.option("--epsilon", type=float, default=0.01, show_default=True, help="Rates this close say the same.")
@bin_option
@click.option(
    "--quantiles",
    type=int,
    default=QUANTILES,
    show_default=True,
    help="Ranges of a number with more than ten values and no --bin.",
)
@positive_option
@threshold_option
@score_max_option
@weight_options
@cluster_option("split and counted together")
@version_option
@missing_option("value of a feature")
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Search the file, say what was confirmed, and write what was asked for."""
    check_outputs(options)
    with progress(f"searching {options['data']}"):
        result = run_slices(
            log_of(options, options["features"]),
            metric=options["metric"],
            min_support=options["min_support"],
            max_depth=None if options["all_depths"] else options["max_depth"],
            seed=options["seed"],
            level=options["level"],
            limit=options["limit"],
            epsilon=options["epsilon"],
            quantiles=options["quantiles"],
            confirm=not options["all_rows"],
        )
    title = "Exploratory search for slices" if options["all_rows"] else "Search for slices that differ from the rest"
    saved = write_outputs(result, options, title=title)
    print_slices(result)
    say_where(saved, options)
    return 0


def print_slices(result: Result) -> None:
    """Print the confirmed slices in words, then what only looked suspicious, then what was searched.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> print_slices(Result(measurements=[Measurement(metric="slices_searched", value=3, n=40, method="count")]))
    No slice was confirmed.
    3 slices were searched on one half of the rows (40 rows); none of them stood out enough to be confirmed.
    """
    from dashboards.slice_findings import (
        all_searched,
        cut_sentence,
        findings,
        grouped,
        searched_sentence,
        slice_sentence,
    )

    screen = console()
    found = findings(result)
    if all_searched(result):
        _print_explored(result, found)
        return
    confirmed = [each for each in found if each.confirmed]
    suspects = [each for each in found if not each.confirmed]
    screen.print(f"Confirmed ({len(confirmed)} of {len(found)}):" if confirmed else "No slice was confirmed.")
    for first, *others in grouped(confirmed):
        screen.print(f"- {slice_sentence(first, target='terminal')}{_inside(first)}")
        for other in others:
            screen.print(f"    mostly the same rows: {slice_sentence(other, target='terminal')}{_inside(other)}")
    if suspects:
        screen.print("Looked suspicious on the half that was searched, not confirmed on the other:")
    for each in suspects[:_SUSPECTS]:
        screen.print(f"- {slice_sentence(each, target='terminal')}")
    if len(suspects) > _SUSPECTS:
        screen.print(f"... and {len(suspects) - _SUSPECTS} more; --json FILE holds them all")
    for sentence in (searched_sentence(result), cut_sentence(result)):
        if sentence:
            screen.print(sentence)
    if suspects:
        screen.print("Not confirmed does not mean equal: fewer than all rows were there to show it.")


def _print_explored(result: Result, found: "Sequence[Finding]") -> None:
    """Print a search of all rows: first that nothing is confirmed, then the first slices."""
    from dashboards.labels import safe_label
    from dashboards.slice_findings import cut_sentence, searched_sentence, slice_sentence

    screen = console()
    for sentence in filter(None, (searched_sentence(result), cut_sentence(result))):
        screen.print(safe_label(sentence, target="terminal", limit=4000))
    for each in found[:_SUSPECTS]:
        screen.print(f"- {slice_sentence(each, target='terminal')}")
    if len(found) > _SUSPECTS:
        screen.print(f"... and {len(found) - _SUSPECTS:,} more; --json FILE holds them all")


def _inside(found: "Finding") -> str:
    """Return how many slices within a slice are folded under it."""
    folded = int(found.scores.get("folded", 0))
    number = "1 slice inside it is" if folded == 1 else f"{folded} slices inside it are"
    return f"; {number} not told apart from it" if folded else ""
