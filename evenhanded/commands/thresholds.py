"""``evenhanded thresholds``: what acting from each score on is worth, by group, and which threshold is chosen."""

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import click

from audit.counting import count
from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.provenance import file_digests
from audit.result import Result
from audit.scores.concentration import OUTCOMES, Outcome, concentration_rows
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.tally import Tally
from evenhanded.logs import (
    bin_option,
    cluster_option,
    column_option,
    level_option,
    log_of,
    missing_option,
    positive_option,
    score_max_option,
    version_option,
    weight_options,
)
from evenhanded.options import Names, Pair, config_option, seed_option
from evenhanded.outputs import check_outputs, output_options, say_where, write_outputs
from evenhanded.printing import console, print_rows, progress

_PATH = click.Path(path_type=Path)
_SHORT: dict[str, Outcome] = dict(zip(("tp", "fp", "fn", "tn"), OUTCOMES, strict=True))

_HELP = """What acting from each score on is worth in DATA (CSV or Parquet), by group, with stated payoffs.

Acting or not on a true or a false signal has four outcomes: tp, fp, fn, tn. Say what each is worth. A threshold is
chosen on a smoothed curve, with all that are not shown to be worse; thresholds by group are shown with their price and
never applied. The exit code is 0 whatever is found. Example:

\b
  evenhanded thresholds scored.csv --y-true outcome --y-score score \\
      --sensitive sex,race --costs tp=5,fp=-1,fn=-5,tn=0 --split
"""


class Amounts(click.ParamType[dict[str, float]]):
    """Numbers by outcome: ``tp=5,fp=-1``.

    Raises
    ------
    click.BadParameter
        By `convert`, if a part is no ``outcome=number``, or an outcome is named twice.

    Examples
    --------
    >>> Amounts().convert("tp=5, fp=-1", None, None)
    {'tp': 5.0, 'fp': -1.0}
    """

    name = "tp=5,fp=-1,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:  # noqa: ANN401
        """Return the numbers by outcome."""
        if isinstance(value, dict):
            return value
        found: dict[str, float] = {}
        for part in str(value).split(","):
            name, _, text = (piece.strip() for piece in part.partition("="))
            number = _number(text)
            if number is None or name not in _SHORT or name in found:
                self.fail(f"expected tp=5,fp=-1,fn=-5,tn=0, each once; got {part.strip()!r}", param, ctx)
            found[name] = number
        return found


@click.command("thresholds", help=_HELP)
@click.argument("data", type=_PATH)
@config_option
@column_option("--y-true", "True labels.", required=True)
@column_option("--y-score", "Predicted probability of the positive label.", required=True)
@click.option("--sensitive", required=True, type=Names(), help="Columns whose groups are compared.")
@click.option("--costs", required=True, type=Amounts(), help="What each outcome is worth; costs are negative.")
@positive_option
@click.option("--threshold", type=float, default=0.5, show_default=True, help="The threshold in use.")
@score_max_option
@click.option("--split", is_flag=True, help="Choose on a random half of the rows, measure on the other.")
@click.option("--held-out", type=_PATH, metavar="FILE", help="Choose on DATA, measure on this file.")
@seed_option("Seed of the split.")
@click.option(
    "--order",
    type=Pair(),
    multiple=True,
    metavar="FEATURE=low,high",
    help="Groups from the least to the most powerful: who bears the harms, who has the benefits.",
)
@click.option("--harms", type=Amounts(), default="fp=1,fn=1", show_default=True, help="How much harm an outcome is.")
@click.option("--benefits", type=Amounts(), default="tp=1", show_default=True, help="How much benefit an outcome is.")
@weight_options
@cluster_option("intervals allow for it")
@version_option
@bin_option
@missing_option("sensitive value")
@level_option()
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Measure the thresholds, say what was chosen, and write what was asked for."""
    check_outputs(options)
    payoff = Payoff.from_mapping(options["costs"])
    with progress(f"counting {options['data']}"):
        result = _measured(payoff, options)
    saved = write_outputs(result, options, title="Thresholds and what they are worth")
    print_thresholds(result)
    say_where(saved, options)
    return 0


def print_thresholds(result: Result) -> None:
    """Print the chosen threshold and the price of thresholds by group, in words; then a table of both.

    Examples
    --------
    >>> row = Measurement(metric="best_threshold", value=0.42, low=0.3, high=0.55, n=900, level=0.95,
    ...                   method="kernel_smoother")
    >>> print_thresholds(Result(measurements=[row]))
    One threshold for everyone: 0.42 pays most on the smoothed curve; of those from 0.3 to 0.55 none is shown to be
    worse (n = 900).
    """
    from dashboards.labels import safe_label
    from dashboards.tables import display_row
    from dashboards.threshold_rows import LAW, best_rows, best_sentence, gain_sentence

    screen = console()
    best = best_rows(result.measurements)
    if () in best:
        screen.print(safe_label(best_sentence(best[()]), target="terminal", limit=400))
    priced = [row for row in result.measurements if row.metric == "group_threshold_gain"]
    for row in priced:
        if not row.slice:
            screen.print(safe_label(gain_sentence(row), target="terminal", limit=400))
    other = [row for row in result.measurements if row.metric.endswith("_concentration_index")]
    rows = [display_row(row) for row in [*(each for key, each in best.items() if key), *priced, *other]]
    if rows:
        head = ["what", "value", "interval", "n"]
        body = [[safe_label(row.name, target="terminal", limit=90), row.value, row.interval, row.n] for row in rows]
        print_rows("Thresholds and their price", head, body, out=screen)
    if priced:
        screen.print(LAW)


def _measured(payoff: Payoff, options: dict[str, Any]) -> Result:
    log = log_of(options, options["sensitive"])
    other = options["held_out"]
    held_out = None if other is None else log_of(options, options["sensitive"], data=other)
    orders = dict(options["order"])
    raise_violations(
        [
            f"--order names {name!r}, which is not among --sensitive {','.join(log.sensitive_features)}"
            for name in orders
            if name not in log.sensitive_features
        ]
    )
    result = run_thresholds(
        log, payoff, held_out=held_out, split=options["split"], random_state=options["seed"], level=options["level"]
    )
    if not orders:
        return result
    tally = count(log)
    rows = [row for name, text in orders.items() for row in _concentrated(tally, name, text, options)]
    return _with(result, rows, orders, options)


def _concentrated(tally: Tally, feature: str, order: str, options: dict[str, Any]) -> tuple[Measurement, ...]:
    harms, benefits = ({_SHORT[name]: value for name, value in options[side].items()} for side in ("harms", "benefits"))
    names = [name.strip() for name in order.split(",")]
    return concentration_rows(tally, feature, names, harms=harms, benefits=benefits, level=options["level"])


def _with(result: Result, rows: list[Measurement], orders: dict[str, str], options: dict[str, Any]) -> Result:
    """Return the result with more rows, and with what they were made from."""
    given = dict(result.provenance.given)
    given |= {"order": {name: [one.strip() for one in text.split(",")] for name, text in orders.items()}}
    given |= {"harms": options["harms"], "benefits": options["benefits"]}
    files = [options["data"], *([options["held_out"]] if options["held_out"] else [])]
    provenance = replace(result.provenance, given=given, data=file_digests(files))
    return replace(result, measurements=(*result.measurements, *rows), provenance=provenance)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
