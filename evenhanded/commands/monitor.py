"""``evenhanded monitor``: what changed since the reference, for whom, since when, and how sure that is."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from audit.errors import InputError, raise_violations
from audit.result import Alarm, Result
from checklists.gate import judge
from dashboards.alarm_words import alarms_of, numbered
from dashboards.labels import safe_label
from evenhanded.logs import bin_option, cluster_option, column_option, positive_option, threshold_option, version_option
from evenhanded.monitor_running import Ran, ran, running_violations
from evenhanded.monitored import time_of, with_context
from evenhanded.options import InParts, Names, Pair, config_option
from evenhanded.outputs import check_outputs, judging_options, output_options, say_where, write_outputs
from evenhanded.policies import open_policy
from evenhanded.printing import console, print_gate
from monitors.alarms.events import alarm_id
from monitors.alarms.outbox import send_unsent
from monitors.alarms.states import log_of, raise_alarms
from monitors.alarms.webhook import check_url

_PATH = click.Path(path_type=Path)
_PARTS = {
    "Options": (
        "current", "reference", "reference_until", "timestamp", "y_pred", "y_score", "y_true", "sensitive", "features",
        "window", "loops", "policy", "html_file", "out", "help",
    ),
    "More (columns)": (
        "ignore", "label_timestamp", "prediction_id", "model_version", "place", "action", "cluster", "positive",
        "threshold", "score_max", "task", "labels", "bins",
    ),
    "More (feedback loops, with --loops)": ("role", "loop_limit", "show_all"),
    "More (what is tolerated, and the promise)": ("alpha", "tolerance", "effect", "dispersion", "until"),
    "More (what else is asked)": ("within", "tell_apart", "retraining"),
    "More (again and again)": ("since_last", "log", "save_reference", "webhook", "fail_on_alarm"),
    "More (judging, writing)": ("evidently", "stage", "json_file", "junit_file", "title", "config"),
}  # fmt: skip

_HELP = """What changed in a log of predictions, for whom, since when: drift, errors, traffic, actions; feedback loops.

CURRENT is a CSV or Parquet file, or a log of `evenhanded ingest`. Without a policy the exit code is 0. Example:

\b
  evenhanded monitor --reference spring.csv --current summer.csv \\
      --timestamp at --y-pred flagged --y-true outcome --sensitive sex \\
      --html changes.html --out runs
  evenhanded monitor --loops --current decisions.csv --role arm=group --html loops.html
"""


class Time(click.ParamType[datetime]):
    """A time with a zone, or a day.

    Examples
    --------
    >>> Time().convert("2026-03-30", None, None).isoformat()
    '2026-03-30T00:00:00+00:00'
    """

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 - as click has it
        """Read the time."""
        if isinstance(value, datetime):
            return value
        try:
            return time_of(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


@click.command("monitor", cls=InParts, parts=_PARTS, help=_HELP)
@config_option
@click.option("--current", type=_PATH, required=True, help="The log since: a file, a folder, or an ingested log.")
@click.option("--reference", type=_PATH, help="What it is held against: as --current, or what --save-reference wrote.")
@click.option("--reference-until", type=Time(), help="Instead: the rows of --current before this time.")
@column_option("--timestamp", "When the prediction was made; with a zone.")
@column_option("--y-pred", "Predicted labels.")
@column_option("--y-score", "Predicted probability of the positive label.")
@column_option("--y-true", "True labels; empty where none has come yet.")
@click.option("--sensitive", type=Names(), default="", help="Columns whose groups are watched one by one.")
@click.option("--features", type=Names(), help="Columns whose distribution is watched; without it all that are left.")
@click.option("--ignore", type=Names(), help="Columns that are not watched.")
@click.option("--window", default="7d", show_default=True, help="7d, 12h, '5000 rows' or model_version.")
@column_option("--label-timestamp", "When the label was known: late labels are allowed for.")
@column_option("--prediction-id", "Id of the prediction: duplicates are counted.")
@version_option
@column_option("--place", "Where the prediction was used.")
@column_option("--action", "What was done: 1 or 0. With --place: alarms where actions double or halve.")
@cluster_option("counted as rows")
@positive_option
@threshold_option
@click.option("--score-max", type=float, help="The score that means 1 (10 for deciles).")
@click.option("--task", type=click.Choice(["binary", "multiclass", "multilabel", "regression"]), help="Labels; binary.")
@click.option("--labels", type=Names(), help="Every label that may occur (multiclass, multilabel).")
@bin_option
@click.option(
    "--loops", is_flag=True, help="Measure feedback loops of --current, too; without a reference, only these."
)
@click.option(
    "--role", type=Pair("ROLE=COLUMN"), multiple=True, help="Any other role, such as arm=group; unnamed, by its name."
)
@click.option("--loop-limit", type=Pair("METRIC=LIMIT"), multiple=True, help="Another limit, such as loop_gain=1.")
@click.option("--all", "show_all", is_flag=True, help="Show every row, and all that cannot be measured and why.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance that a quiet log ever rings.")
@click.option("--tolerance", type=float, default=0.02, show_default=True, help="Rise of an error rate let pass.")
@click.option("--effect", type=float, default=0.05, show_default=True, help="Drift let pass: KS, total variation.")
@click.option("--dispersion", type=float, help="How much more weeks scatter than independent rows; estimated.")
@click.option("--until", type=Time(), help="When the log was looked at; without it, its newest row.")
@click.option("--tell-apart", is_flag=True, help="Also let a classifier tell the windows from the reference; slow.")
@click.option("--within", metavar="COLUMN", help="Seek drift within each value of this, too: season, site, device.")
@click.option("--retraining", is_flag=True, help="Also which mix of old and new rows to retrain on; fits models.")
@click.option("--since-last", is_flag=True, help="Show, and fail on, only alarms that are new in --out.")
@click.option("--log", metavar="NAME", help="Which log it is, where --out holds several; else its path from --out.")
@click.option("--save-reference", type=_PATH, metavar="FOLDER", help="Keep the reference's counts for later runs.")
@click.option("--webhook", metavar="URL", help="Send new alarms, and unsent ones (https, or http to this machine).")
@click.option("--fail-on-alarm", is_flag=True, help="Leave with 1 where an alarm is shown.")
@click.option("--evidently", type=_PATH, metavar="FOLDER", help="Also Evidently's reports on the same windows.")
@judging_options
@output_options
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Monitor the log, judge it where a policy is named, and write what was asked for."""
    check_outputs(options)
    raise_violations(_violations(options))
    policy = open_policy(options["policy"])
    options["sensitive"] = with_context(options)
    found = ran(options)
    result = found.result
    gate = None if policy is None else judge(result, policy, stage=options["stage"])
    title = "What changed" if found.monitors is not None else "Feedback loops"
    saved = write_outputs(result, options, title=title, gate=gate)
    screen = console()
    new, unsent = (None, ()) if options["out"] is None else _keep_alarms(result, options)
    for sentence in (*found.notes, *unsent):
        screen.print(safe_label(sentence, target="terminal", limit=600))
    shown = _shown(found, new if options["since_last"] else None, options, screen)
    if gate is not None:
        print_gate(gate, result=result, out=screen)
    say_where(saved, options)
    if new:
        screen.print(f"{numbered(alarms_of(new), 'new alarm')}: evenhanded alarms list --runs {options['out']}")
    if gate is None:
        return 1 if shown and options["fail_on_alarm"] else 0
    return gate.exit_code


def _shown(found: Ran, new: Sequence[Alarm] | None, options: dict[str, Any], screen: Console) -> int:
    """Print what changed and what is known of loops; return how many alarms are shown."""
    from evenhanded.loops_printing import print_loops
    from evenhanded.monitoring import print_monitoring

    number = 0
    if found.monitors is not None:
        number += print_monitoring(found.monitors, new=_of(new, found.monitors), out=screen)
    if found.loops is not None:
        number += print_loops(found.loops, new=_of(new, found.loops), show_all=options["show_all"], out=screen)
    return number


def _of(new: Sequence[Alarm] | None, part: Result) -> Sequence[Alarm] | None:
    return None if new is None else [alarm for alarm in new if alarm in part.alarms]


def _violations(options: dict[str, Any]) -> list[str]:
    """Return what is wrong with the options together, before anything is read."""
    found = [
        f"--{name.replace('_', '-')} needs the folder of runs; name --out"
        for name in ("since_last", "webhook", "log")
        if options[name] and options["out"] is None
    ]
    if options["webhook"]:
        try:
            check_url(options["webhook"])
        except InputError as error:
            found += error.violations
    if options["save_reference"] and options["save_reference"].exists():
        found.append(f"{options['save_reference']} is there already; name a new folder for the reference")
    return found + running_violations(options)


def _keep_alarms(result: Result, options: dict[str, Any]) -> tuple[tuple[Alarm, ...], tuple[str, ...]]:
    """Write the alarms as events beside the runs; return those that are new, and what is to be said of unsent ones."""
    new = raise_alarms(result, options["out"], to_send=bool(options["webhook"]))
    sent = send_unsent(options["webhook"], options["out"]) if options["webhook"] else ()
    failed = sum(event.kind == "not_sent" for event in sent)
    told = f"{numbered(failed, 'alarm')} could not be sent; the next run with --webhook tries again."
    rung, log = {(event.alarm, event.since) for event in new}, log_of(result)
    alarms = tuple(alarm for alarm in result.alarms if (alarm_id(alarm.key, log), alarm.since) in rung)
    return alarms, (told,) if failed else ()
