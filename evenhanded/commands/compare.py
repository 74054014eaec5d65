"""``evenhanded compare``: a candidate and a baseline on the same rows; who gets worse, with paired intervals."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from audit.measurement import Measurement
from audit.paired.comparison import run_compare
from audit.result import Result
from checklists.gate import judge
from dashboards.changes import HEADLINES, OUTCOMES, Shown, baseline, candidates, changes, helped_and_harmed
from dashboards.labels import safe_label, slice_label
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title
from evenhanded.logs import (
    bin_option,
    bins_of,
    cluster_option,
    column_option,
    level_option,
    positive_option,
    reference_option,
    score_max_option,
    weight_options,
)
from evenhanded.options import Names, config_option
from evenhanded.outputs import check_outputs, judging_options, output_options, say_where, write_outputs
from evenhanded.policies import open_policy
from evenhanded.printing import console, print_gate, print_rows, progress

_PATH = click.Path(path_type=Path)
_MOST = 40
_UNKNOWN = 12

_HELP = """Compare models on the same rows: who gets worse with the candidate, for sure.

DATA holds the predictions of all models; or name two files, whose rows are matched by --on. Both models are counted
jointly, so that what they agree on cancels: such intervals are much narrower than those of two audits. Without a policy
the exit code is 0; with one, `compare: baseline` is judged in pairs. Examples:

\b
  evenhanded compare scored.csv --y-true outcome --baseline old --candidate new --sensitive sex,race
  evenhanded compare v2.csv v1.csv --on id --y-true outcome --baseline flagged --candidate flagged \\
      --sensitive sex
"""


@click.command("compare", help=_HELP)
@click.argument("data", type=_PATH)
@click.argument("other", type=_PATH, required=False, metavar="[BASELINE_DATA]")
@config_option
@column_option("--y-true", "True labels.", required=True)
@click.option("--candidate", required=True, type=Names(), help="Predictions of the new model; of several, by commas.")
@column_option("--baseline", "Predictions of the model that is compared with.", required=True)
@click.option("--sensitive", required=True, type=Names(), help="Columns whose groups are compared.")
@column_option("--on", "The id that joins two files; rows that match only are compared.")
@click.option("--scores", type=Names(), help="Columns of scores, one per model, the baseline's last: ROC AUC, too.")
@positive_option
@click.option("--threshold", type=float, help="The models' columns are scores: positive where a score reaches it.")
@score_max_option
@weight_options
@cluster_option("intervals allow for it")
@reference_option
@bin_option
@level_option()
@click.option("--metrics", type=Names(), help="Only these metrics.")
@judging_options
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Compare the models, judge them where a policy is named, and write what was asked for."""
    check_outputs(options)
    policy = open_policy(options["policy"])
    with progress(f"counting {options['data']}"):
        result = _compared(options)
    gate = None if policy is None else judge(result, policy, stage=options["stage"])
    saved = write_outputs(result, options, title="Comparison of models on the same rows", gate=gate)
    screen = console()
    for candidate in candidates(result):
        print_changes(result, candidate, metrics=options["metrics"], out=screen)
    _print_unmatched(result, screen)
    if gate is not None:
        print_gate(gate, result=result, out=screen)
    say_where(saved, options)
    return 0 if gate is None else gate.exit_code


def print_changes(
    result: Result, candidate: str, *, metrics: tuple[str, ...] | None = None, out: Console | None = None
) -> None:
    """Print what changes with a candidate: what gets worse first, then what is not shown, then the rest.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1] * 100, "new": [0] * 60 + [1] * 40, "old": [1] * 100})
    >>> result = run_compare(frame, y_true="y", candidate="new", baseline="old", metrics=["accuracy"])
    >>> print_changes(result, "new")
    With new instead of old
    shows    metric       group   before   after        change        interval    n
    ✕ worse  Accuracy  everyone  100.0 %  40.0 %  −60.0 points  [−68.8, −49.7]  100
    Rows that became right, and that became wrong
    group     became right  became wrong    n
    everyone      0 [0, 4]   60 [50, 70]  100
    """
    screen = out or console()
    found = changes(result, metrics=metrics or HEADLINES, candidate=candidate)
    names = [safe_label(name, target="terminal", limit=40) for name in (candidate, baseline(result))]
    head = ["shows", "metric", "group", "before", "after", "change", "interval", "n"]
    unknown = [shown for shown in found if shown.outcome == "not shown"]
    listed = [shown for shown in found if shown.outcome != "not shown" or shown in unknown[:_UNKNOWN]][:_MOST]
    print_rows(f"With {names[0]} instead of {names[1]}", head, map(_cells, listed), out=screen)
    if len(found) > len(listed):
        screen.print(f"... and {len(found) - len(listed)} more, most of them not shown; --json FILE holds them all")
    pairs = helped_and_harmed(result, candidate=candidate)[:_MOST]
    if not pairs:  # numbers are not right or wrong
        return
    counts = [[_group(right), *map(_interval, (right, wrong)), f"{right.n:,}"] for right, wrong in pairs]
    head = ["group", "became right", "became wrong", "n"]
    print_rows("Rows that became right, and that became wrong", head, counts, out=screen)


def _cells(shown: Shown) -> list[str]:
    row, sides = shown.row, (shown.before, shown.after)
    values = ["" if side is None else value_text(side) for side in sides]
    title = metric_title(shown.metric)
    return [OUTCOMES[shown.outcome], title, _group(row), *values, value_text(row), interval_text(row), f"{row.n:,}"]


def _group(row: Measurement) -> str:
    return slice_label(row.slice, target="terminal", limit=28)


def _interval(row: Measurement) -> str:
    return f"{value_text(row)} {interval_text(row)}".strip()


def _print_unmatched(result: Result, screen: Console) -> None:
    given = result.provenance.given
    for name in ("candidate", "baseline"):
        rows = given.get(f"rows_only_in_the_{name}")
        if rows:
            screen.print(f"left out: {rows:,} rows of the {name}'s file, whose id the other file lacks")


def _compared(options: dict[str, Any]) -> Result:
    return run_compare(
        options["data"],
        options["other"],
        y_true=options["y_true"],
        candidate=options["candidate"],
        baseline=options["baseline"],
        sensitive_features=options["sensitive"],
        on=options["on"],
        scores=options["scores"] or (),
        positive=options["positive"],
        threshold=options["threshold"],
        score_max=options["score_max"],
        bins=bins_of(options),
        weights=options["weights"],
        sample_weight=options["weight"],
        cluster=options["cluster"],
        level=options["level"],
        reference=dict(options["reference"]) or None,
        metrics=options["metrics"],
    )
