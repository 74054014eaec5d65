"""``evenhanded lint``: what makes a test part flatter a model: copies, leaks, shifts, worst first."""

from pathlib import Path
from typing import Any

import click

from audit.errors import raise_violations
from audit.result import Result
from audit.splits.data_evidence import DataEvidence, data_evidence
from audit.splits.findings import Finding, findings
from audit.splits.label_errors import suspects_csv
from audit.splits.leakage import lint_splits
from audit.splits.split_table import SplitTable, read_splits
from audit.store import write_text
from dashboards.labels import safe_label
from dashboards.lint_rows import LABELS, unchecked_texts
from evenhanded.logs import column_option, level_option
from evenhanded.options import Names, Pair, config_option, seed_option
from evenhanded.outputs import check_outputs, html_option, json_option, out_option, say_where, write_outputs
from evenhanded.printing import console, progress

_PATH = click.Path(path_type=Path)
_MARKS = {"found": "✕", "undecided": "◇"}

_HELP = """Does this test part measure what a model will do for people it has not seen? TRAIN and TEST: CSV or Parquet.

Looks for copies and twins across the parts, clusters in both, broken time order, features that give the label away,
scores that are too good, and parts that differ. Exit code 0; with --strict 1 if something is found. Examples:

\b
  evenhanded lint train.csv test.csv --y-true outcome --cluster person
  evenhanded lint all.csv --split part=test --y-true outcome --y-score score
"""


@click.command("lint", help=_HELP)
@click.argument("train", type=_PATH)
@click.argument("test", type=_PATH, required=False)
@config_option
@column_option("--y-true", "True labels.", required=True)
@click.option("--features", type=Names(), help="What the model reads; without it all columns that play no other part.")
@column_option("--y-score", "The model's scores of the test rows.")
@column_option("--cluster", "Rows of one person, site or household.")
@column_option("--timestamp", "When the row arose.")
@column_option("--row-id", "What a person finds a row by; without it the column called id, where there is one.")
@click.option("--positive", metavar="LABEL", help="The positive label, where it is not clear.")
@click.option("--split", type=Pair(), metavar="COLUMN=VALUE", help="One file: which rows are the test part.")
@click.option("--limit", "limits", type=Pair(), multiple=True, metavar="CHECK=LIMIT", help="From where on it counts.")
@level_option()
@seed_option("Seed of the models and of drawn rows.")
@click.option("--strict", is_flag=True, help="Exit code 1 if something is found.")
@json_option
@html_option
@click.option("--labels", "labels_file", type=_PATH, metavar="CSV", help="Write the labels to look at.")
@out_option
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Lint the split, print what was found, and write what was asked for."""
    check_outputs(options)
    with progress("reading"):
        table = table_of(options)
    with progress("looking for leaks"):
        linted = lint_splits(table, level=options["level"], limits=_limits(options), random_state=options["seed"])
        evidence = data_evidence(table, level=options["level"], random_state=options["seed"])
    result = _joined(linted, evidence)
    suspects = suspects_csv(evidence.suspects)
    title = "Leaks and differences between train and test"
    saved = write_outputs(result, options, title=title, documents={LABELS: suspects})
    if options["labels_file"]:
        write_text(options["labels_file"], suspects)
    read = findings(result)
    _print(table, read, evidence)
    say_where(saved, options)
    return int(options["strict"] and any(found.status == "found" for found in read))


def table_of(options: dict[str, Any]) -> SplitTable:
    """Return the two parts that the options name."""
    return read_splits(
        options["train"],
        options["test"],
        y_true=options["y_true"],
        features=options["features"],
        y_score=options["y_score"],
        cluster=options["cluster"],
        timestamp=options["timestamp"],
        positive=options["positive"],
        split=options["split"],
        row_id=options["row_id"],
    )


def _limits(options: dict[str, Any]) -> dict[str, float]:
    limits, violations = {}, []
    for name, text in options["limits"]:
        try:
            limits[name] = float(text)
        except ValueError:
            violations.append(f"--limit {name}={text}: expected a number, as in split_roc_auc=0.6")
    raise_violations(violations)
    return limits


def _joined(linted: Result, evidence: DataEvidence) -> Result:
    return Result(measurements=(*linted.measurements, *evidence.measurements), provenance=linted.provenance)


def _print(table: SplitTable, read: tuple[Finding, ...], evidence: DataEvidence) -> None:
    screen = console()
    sizes = f"{int((~table.test).sum()):,} train and {int(table.test.sum()):,} test rows"
    found = [each for each in read if each.status == "found"]
    _say(f"{sizes}, {len(table.features)} features; positive: {table.label}")
    spoiling = sum(each.spoils for each in found)
    many = f"{len(found)} finding{'s' * (len(found) > 1)}; of these spoil the test part: {spoiling}"
    _say(many if found else "nothing was found")
    for each in read:
        if each.status in _MARKS:
            screen.print()
            _say(f"{_MARKS[each.status]} {each.title}{'' if each.status == 'found' else ' (not decided)'}")
            for line in (each.evidence, f"Why: {each.why}", f"Do: {each.do}"):
                _say(line, indent=2)
    screen.print()
    unchecked = unchecked_texts(read)
    clear = list(dict.fromkeys(each.title for each in read if each.status == "clear"))
    clear = [title for title in clear if title not in {each.title for each in read if each.status in _MARKS}]
    _say(f"Looked for and not found: {'; '.join(clear) or 'nothing'}.")
    _say(f"Not checked: {'; '.join(unchecked) or 'nothing'}.")
    share = next((row for row in evidence.measurements if row.metric == "label_suspect_rate"), None)
    looked = share is not None and share.value is not None
    why = "" if share is None or looked else f" ({share.reason})"
    _say(f"Labels worth a second look: {len(evidence.suspects):,}{why}{' (--labels FILE writes them)' * looked}.")


def _say(text: str, *, indent: int = 0) -> None:
    """Print a text that may hold names from the data: no escape sequence and no markup of it survives."""
    console().print(" " * indent + safe_label(text, target="terminal", limit=4000))
