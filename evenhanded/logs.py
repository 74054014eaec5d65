"""The options that say what a table of predictions holds, and the log that they describe."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from audit.predictions import PredictionLog, Role
from evenhanded.options import Command, Pair, edges, together

_ROLES: Mapping[str, Role] = {
    "y_true": "y_true",
    "y_pred": "y_pred",
    "y_score": "y_score",
    "weight": "sample_weight",
    "cluster": "cluster",
    "timestamp": "timestamp",
    "model_version": "model_version",
    "prediction_id": "prediction_id",
    "human": "human_decision",
    "final": "action",
}
_SETTINGS = (
    "task", "labels", "separator", "abstain", "positive", "threshold", "score_max", "missing", "weights", "attributes",
    "on",
)  # fmt: skip


def column_option(name: str, text: str, *, required: bool = False) -> Callable[[Command], Command]:
    """Return an option that names a column of the data.

    Examples
    --------
    >>> @click.command()
    ... @column_option("--y-true", "True labels.", required=True)
    ... def look(y_true: str) -> None: ...
    >>> look.params[0].metavar, look.params[0].required
    ('COLUMN', True)
    """
    return click.option(name, metavar="COLUMN", required=required, help=text)


def missing_option(of: str) -> Callable[[Command], Command]:
    """Return the option `--missing`: what to do where there is no such value.

    Examples
    --------
    >>> @click.command()
    ... @missing_option("value of a feature")
    ... def look(missing: str) -> None: ...
    >>> look.params[0].help, look.params[0].default
    ('What to do with a missing value of a feature.', 'group')
    """
    choices = click.Choice(["group", "raise", "drop"])
    return click.option(
        "--missing", type=choices, default="group", show_default=True, help=f"What to do with a missing {of}."
    )


def cluster_option(then: str) -> Callable[[Command], Command]:
    """Return the option `--cluster`, and what is done with such rows.

    Examples
    --------
    >>> @click.command()
    ... @cluster_option("intervals allow for it")
    ... def look(cluster: str) -> None: ...
    >>> look.params[0].help
    'Rows of one person, site or day: intervals allow for it.'
    """
    return column_option("--cluster", f"Rows of one person, site or day: {then}.")


def level_option(text: str = "Confidence level of the intervals.") -> Callable[[Command], Command]:
    """Return the option `--level` of the intervals.

    Examples
    --------
    >>> @click.command()
    ... @level_option()
    ... def look(level: float) -> None: ...
    >>> look.params[0].default
    0.95
    """
    return click.option("--level", type=float, default=0.95, show_default=True, help=text)


positive_option = click.option(
    "--positive", metavar="LABEL", help="The positive label; needed unless labels are 0/1 or true/false."
)
score_max_option = click.option(
    "--score-max", type=float, default=1.0, show_default=True, help="The score that means 1 (10 for deciles)."
)
threshold_option = click.option(
    "--threshold", type=float, help="Predict positive where the score reaches it; instead of --y-pred."
)
weight_options = together(
    column_option("--weight", "Weight of each row."),
    click.option(
        "--weights",
        type=click.Choice(["sampling", "frequency"]),
        default="sampling",
        show_default=True,
        help="What the weight means: rows stand for so many people, or were repeated.",
    ),
)
version_option = column_option("--model-version", "Which model made it.")
reference_option = click.option(
    "--reference", type=Pair(), multiple=True, help="Reference group of a feature; never inferred."
)
bin_option = click.option(
    "--bin", "bins", type=Pair(), multiple=True, metavar="FEATURE=25,45", help="Cut a number into ranges."
)


def log_of(options: Mapping[str, Any], sensitive: tuple[str, ...], *, data: Path | None = None) -> PredictionLog:
    r"""Return the log that the options of a command describe.

    Parameters
    ----------
    options
        Options by name, any of those in this module; ``data`` is the file. What a command does not know is left as
        `PredictionLog.from_file` has it.
    sensitive
        The sensitive features.
    data
        Another file that is read in the same way; None = that of the options.

    Raises
    ------
    InputError
        If the file or an option is not what it should be.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scored.csv"
    ...     _ = path.write_text("sick,said,sex,age\n1,1,F,30\n0,1,M,50\n", encoding="utf-8")
    ...     log = log_of({"data": path, "y_true": "sick", "y_pred": "said", "bins": [("age", "25,45")]}, ("sex", "age"))
    >>> dict(log.columns), dict(log.reading.bins)
    ({'y_true': 'sick', 'y_pred': 'said'}, {'age': (25.0, 45.0)})
    """
    roles = {role: options[name] for name, role in _ROLES.items() if options.get(name)}
    settings = {name: options[name] for name in _SETTINGS if name in options}
    held_fixed = {*(options.get("control") or ())} - set(sensitive)  # cut only where it is read
    bins = {feature: cuts for feature, cuts in bins_of(options).items() if feature not in held_fixed}
    path = options["data"] if data is None else data
    return PredictionLog.from_file(path, sensitive_features=sensitive, bins=bins, **settings, **roles)


def bins_of(options: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the edges by feature that `--bin` gives.

    Raises
    ------
    InputError
        If an edge is no number.

    Examples
    --------
    >>> bins_of({"bins": [("age", "25,45")]}), bins_of({})
    ({'age': [25.0, 45.0]}, {})
    """
    return {feature: edges(feature, text) for feature, text in options.get("bins", ())}
