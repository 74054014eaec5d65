"""``evenhanded baselines``: what a simple alternative achieves on the same rows, and whether the model beats it."""

from pathlib import Path
from typing import Any

import click

from audit.result import Result
from evenhanded.logs import column_option, level_option, score_max_option
from evenhanded.options import Names, Pair, config_option, seed_option
from evenhanded.outputs import check_outputs, output_options, say_where, write_outputs
from evenhanded.printing import console, print_rows, progress

_PATH = click.Path(path_type=Path)

_HELP = """What does a simple alternative achieve on the same test rows? TRAIN and TEST: CSV or Parquet.

The commoner label, a rule on one feature, a logistic regression and others learn from TRAIN and are judged on TEST.
With --y-score the model is compared with each of them, row by row. The exit code is 0 whatever is found. Examples:

\b
  evenhanded baselines train.csv test.csv --y-true outcome --y-score score
  evenhanded baselines all.csv --split part=test --y-true outcome --features age,prior_convictions
"""


@click.command("baselines", help=_HELP)
@click.argument("train", type=_PATH)
@click.argument("test", type=_PATH, required=False)
@config_option
@column_option("--y-true", "True labels.", required=True)
@column_option("--y-score", "The model's scores of the test rows.")
@click.option("--threshold", type=float, default=0.5, show_default=True, help="The model predicts positive from here.")
@score_max_option
@click.option("--features", type=Names(), help="What they learn from; without it all columns that play no other part.")
@click.option("--positive", metavar="LABEL", help="The positive label, where it is not clear.")
@column_option("--cluster", "Rows of one person, site or household: intervals allow for it.")
@click.option("--split", type=Pair(), metavar="COLUMN=VALUE", help="One file: which rows are the test part.")
@level_option()
@seed_option("Seed of what is drawn.")
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Learn the baselines, say which is best, and write what was asked for."""
    check_outputs(options)
    with progress("learning simple alternatives"):
        result = baselines_of(options)
    saved = write_outputs(result, options, title="What a simple alternative achieves")
    print_baselines(result)
    say_where(saved, options)
    return 0


def baselines_of(options: dict[str, Any]) -> Result:
    """Return the baselines of the two parts that the options name."""
    from audit.alternatives.baseline_run import run_baselines
    from audit.splits.split_table import read_splits

    names = ("y_true", "features", "y_score", "cluster", "positive", "split")
    table = read_splits(options["train"], options["test"], **{name: options[name] for name in names})
    return run_baselines(
        table,
        threshold=options["threshold"],
        score_max=options["score_max"],
        level=options["level"],
        random_state=options["seed"],
    )


def print_baselines(result: Result) -> None:
    """Print the best simple alternative and whether the model is shown to beat it; then the table.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy", at=(("model_version", "majority"),), value=0.6, low=0.5, high=0.7, n=90,
    ...                   level=0.95, method="wilson")
    >>> print_baselines(Result(measurements=[row]))
    The best simple alternative, always the commoner label (majority), is right in 60.0 % [50.0, 70.0] of 90 test rows.
    Learned on the train rows, judged on the test rows
    alternative             accuracy  ROC AUC
    majority     60.0 % [50.0, 70.0]
    """
    from dashboards.baseline_rows import HEAD, asked_sentence, lead_sentences, table_rows
    from dashboards.labels import safe_label

    screen = console()
    for sentence in filter(None, (*lead_sentences(result), asked_sentence(result))):
        screen.print(safe_label(sentence, target="terminal", limit=1000))
    rows = table_rows(result)
    head = HEAD if any(row[-1] for row in rows) else HEAD[:-1]
    print_rows("Learned on the train rows, judged on the test rows", head, [row[: len(head)] for row in rows])
