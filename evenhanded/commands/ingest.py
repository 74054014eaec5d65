"""``evenhanded ingest``: predictions and late labels into a log that keeps versions; corrections and removals."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.errors import InputError, raise_violations
from audit.extras import require
from dashboards.labels import safe_label
from evenhanded.logs import bin_option, column_option, positive_option, threshold_option, version_option
from evenhanded.options import InParts, Names, Pair, config_option
from evenhanded.printing import console, progress

if TYPE_CHECKING:
    from monitors.log_store.store import LogStore

_PATH = click.Path(path_type=Path)
_PARTS = {
    "What the columns are (the first time; the log remembers it)": (
        "prediction_id", "timestamp", "y_pred", "y_score", "y_true", "label_timestamp", "sensitive", "features",
        "hashed", "left_out",
    ),
    "What to do": ("labels", "correct", "erase", "erase_file", "by", "retain", "dry_run", "yes", "compact"),
    "More (columns)": ("numbers", "texts", "model_version", "weight", "cluster", "place", "role"),
    "More (how they are read)": ("task", "positive", "threshold", "score_max", "bins"),
    "More": ("source", "salt_file", "rows", "as_json", "config", "help"),
}  # fmt: skip

_HELP = """Append DATA (CSV or Parquet) to the prediction log STORE, a folder or a URL.

A row that is there already is skipped and counted; one that says something else under a known id is refused. DATA of up
to a million rows is in the log as a whole or not at all. Run it again whenever it failed. Example:

\b
  evenhanded ingest log monday.csv --id case --timestamp at --y-pred flagged \\
      --sensitive sex --features age,income --hash case
  evenhanded ingest log tuesday.csv
  evenhanded ingest log outcomes.csv --labels --y-true outcome
  evenhanded ingest log --erase 4711 --erase 4712 --yes
"""


@click.command("ingest", cls=InParts, parts=_PARTS, help=_HELP)
@click.argument("store")
@click.argument("data", type=_PATH, required=False)
@config_option
@click.option("--id", "prediction_id", metavar="COLUMN", help="Id of the prediction.")
@column_option("--timestamp", "When the prediction was made; with a zone.")
@column_option("--y-pred", "Predicted labels.")
@column_option("--y-score", "Predicted probability of the positive label.")
@column_option("--y-true", "True labels, where they are known; they go to a table of their own.")
@column_option("--label-timestamp", "When the label was known; without it, when it came here.")
@click.option("--sensitive", type=Names(), help="Columns whose groups are compared.")
@click.option("--features", type=Names(), help="Columns whose distribution is watched.")
@click.option(
    "--hash", "hashed", type=Names(), help="Ids of which only a keyed hash is kept; the key lies beside STORE."
)
@click.option("--leave-out", "left_out", type=Names(), help="Columns that are not kept; any other is refused.")
@click.option("--labels", is_flag=True, help="DATA holds labels of predictions: --id, --y-true, --label-timestamp.")
@click.option("--correct", is_flag=True, help="DATA replaces what the log says under its ids; with --labels, labels.")
@click.option("--erase", multiple=True, metavar="ID", help="Remove a prediction everywhere, for good; may be repeated.")
@click.option("--erase-file", type=_PATH, help="Remove the ids in this file, one per line.")
@click.option("--by", metavar="COLUMN", help="What is erased is named by this column, not by the id: all of a person.")
@click.option("--retain", metavar="DAYS", help="Remove predictions older than, say, 400d, for good.")
@click.option("--dry-run", is_flag=True, help="Say what --erase and --retain would remove; remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without asking; needed where there is no terminal, as under cron.")
@click.option("--compact", is_flag=True, help="Write small files together.")
@click.option("--numbers", type=Names(), help="Columns that hold numbers; features that look so are taken for such.")
@click.option("--texts", type=Names(), help="Features that are codes though they look like numbers.")
@version_option
@column_option("--weight", "Weight of each row.")
@column_option("--cluster", "Rows of one person, site or day.")
@column_option("--place", "Where the prediction was used.")
@click.option("--role", type=Pair("ROLE=COLUMN"), multiple=True, help="Any other role: action=decision.")
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "multilabel", "regression", "ranking"]),
    help="What labels are; binary.",
)
@positive_option
@threshold_option
@click.option("--score-max", type=float, help="The score that means 1 (10 for deciles).")
@bin_option
@click.option("--source", metavar="TEXT", help="Who or what says so; kept with each label of DATA.")
@click.option("--salt", "salt_file", type=_PATH, help="The file with the key of hashed ids; STORE.salt by default.")
@click.option("--rows", type=click.IntRange(1), default=1_000_000, show_default=True, help="Rows appended at once.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def command(**options: Any) -> int:  # noqa: ANN401 - the options above
    """Do what the options ask for: first what comes in, then what goes, then the files."""
    require("A prediction log", modules=["deltalake"], extra="store")
    raise_violations(_violations(options))
    ids = _ids(options)
    removing = bool(ids) or options["retain"] is not None
    if options["dry_run"]:
        return _previewed(options, ids)
    if removing and _is_there(options):
        from evenhanded.removals import confirmed

        confirmed(options, ids)
    store, made = _store(options)
    done: dict[str, Any] = {"made": made} if made else {}
    if options["data"] is not None:
        with progress(f"appending {options['data']}"):
            done |= _received(store, options)
    if ids:
        done["erased"] = _erased(store, ids, options)
    if options["retain"] is not None:
        from evenhanded.ingesting import days_of

        done["left_behind"] = store.retain(days_of(options["retain"]))._asdict()
    if options["compact"]:
        done["files_fewer"] = store.compact()
    _say(store, done, options)
    return 0


def _violations(options: dict[str, Any]) -> list[str]:
    """Return what is wrong with the options together, before anything is touched."""
    from evenhanded.ingesting import days_of

    erase = bool(options["erase"]) or options["erase_file"] is not None
    found = []
    if options["data"] is None and not (erase or options["retain"] is not None or options["compact"]):
        found.append("nothing to do: name DATA, or --erase, --retain or --compact")
    if options["data"] is None and (options["labels"] or options["correct"]):
        found.append("--labels and --correct say what DATA holds; name DATA")
    if options["by"] and not erase:
        found.append("--by says what --erase names; name what is to be erased")
    if options["dry_run"] and (options["data"] is not None or options["compact"] or not (erase or options["retain"])):
        found.append(
            "--dry-run says what --erase or --retain would remove; name one of these, and no DATA or --compact"
        )
    if (erase or options["retain"]) and options["data"] is not None and not (options["yes"] or options["dry_run"]):
        found.append("--erase and --retain beside DATA need --yes; --dry-run without DATA shows what would be removed")
    if options["source"] and not options["labels"]:
        found.append("--source is kept with labels; use it with --labels")
    if options["data"] is not None and not options["data"].exists():
        found.append(f"{options['data']} does not exist; give the path of a CSV or Parquet file")
    if options["retain"] is not None:
        try:
            days_of(options["retain"])
        except InputError as error:
            found += error.violations
    return found


def _is_there(options: dict[str, Any]) -> bool:
    from monitors.log_store.opened import exists, place_of

    return exists(place_of(options["store"]))


def _previewed(options: dict[str, Any], ids: list[str]) -> int:
    from evenhanded.removals import previewed, told

    found = previewed(options, ids)
    words = told(found) + "; nothing was removed"
    console().print(json.dumps({"store": options["store"], "would": found}) if options["as_json"] else words,
                    soft_wrap=True)  # fmt: skip
    return 0


def _ids(options: dict[str, Any]) -> list[str]:
    from evenhanded.ingesting import ids_in

    return [*options["erase"], *([] if options["erase_file"] is None else ids_in(options["erase_file"]))]


def _store(options: dict[str, Any]) -> tuple["LogStore", bool]:
    """Return the log, made from the options where there is none yet, and whether it was made."""
    from evenhanded.ingesting import columns_of, contradictions, pieces
    from monitors.log_store.opened import exists, place_of
    from monitors.log_store.receiving import check_batch
    from monitors.log_store.store import LogStore

    path, salt = options["store"], options["salt_file"]
    if exists(place_of(path)):
        store = LogStore.open(path, salt_file=salt)
        raise_violations([] if options["labels"] else contradictions(options, store.columns))
        return store, False
    needed = [option for option, name in (("--id", "prediction_id"), ("--timestamp", "timestamp")) if not options[name]]
    if options["data"] is None or options["labels"] or options["correct"] or needed:
        missing = f"; name {' and '.join(needed)}" if needed else ""
        msg = f"{path} is no prediction log yet; the first batch of predictions makes one{missing}"
        raise InputError([msg])
    first = next(pieces(options["data"], rows=options["rows"]))
    columns = columns_of(options, first)
    check_batch(columns, first)  # a log that was made from a mistake would be in the way of the next attempt
    return LogStore.create(path, columns, salt_file=salt), True


def _erased(store: "LogStore", ids: list[str], options: dict[str, Any]) -> dict[str, int]:
    """Erase what is named, and return what is gone; refuse what the log does not hold: it may be misspelt."""
    removed = store.erase(ids, by=options["by"])
    if not any(removed):
        shown = ", ".join(repr(each) for each in ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        column = f"no row with {options['by']} =" if options["by"] else "no prediction and no label with the id"
        raise InputError([f"{options['store']} holds {column} {shown}; nothing was deleted; is it spelt as in DATA?"])
    return removed._asdict()


def _received(store: "LogStore", options: dict[str, Any]) -> dict[str, int]:
    """Append the file piece by piece; return how many rows of each kind it brought."""
    from evenhanded.ingesting import pieces

    totals: dict[str, int] = {}
    start = 0
    without = (options["left_out"] or ()) if options["labels"] else ()
    for piece in pieces(options["data"], without=without, rows=options["rows"]):
        try:
            counts = _piece(store, piece, options)
        except InputError as error:
            raise InputError(_placed(error, start, piece.num_rows)) from error
        totals = {name: totals.get(name, 0) + number for name, number in counts.items()}
        start += piece.num_rows
    return totals


def _piece(store: "LogStore", piece: Any, options: dict[str, Any]) -> dict[str, int]:  # noqa: ANN401 - an Arrow table
    if options["labels"]:
        received = _labels(store, piece, options)
    elif options["correct"]:
        return {"corrected": store.correct(piece)}
    else:
        received = store.append(piece)
    return {name: number for name, number in received._asdict().items() if name != "version"}


def _labels(store: "LogStore", piece: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - an Arrow table; counts
    """Append labels under the names of the options, or of the last file of labels, or of the predictions."""
    from monitors.log_store.label_names import label_columns, remember
    from monitors.log_store.opened import Tables

    tables, roles = Tables(store.place), store.columns.roles
    named = {name: options[name] for name in ("prediction_id", "y_true", "label_timestamp") if options[name]}
    known = {**label_columns(tables), **named}
    y_true = known.get("y_true") or roles.get("y_true", "y_true")
    if y_true not in piece.column_names:
        has = ", ".join(map(repr, piece.column_names[:20]))
        raise InputError([f"--y-true names the column of the labels; {y_true!r} is missing: the file has {has}"])
    received = store.append_labels(
        piece,
        prediction_id=known.get("prediction_id"),
        y_true=y_true,
        label_timestamp=known.get("label_timestamp"),
        source=options["source"],
        correct=options["correct"],
    )
    remember(tables, named)
    return received


def _placed(error: InputError, start: int, rows: int) -> list[str]:
    """Return the violations of a piece with where the piece is: its rows are counted from its own first one."""
    if not start:
        return list(error.violations)
    where = (
        f"in rows {start + 1:,} to {start + rows:,} of the file (counted from the first of them; those before are in)"
    )
    return [f"{where}: {text}" for text in error.violations]


_SENTENCES = {
    "new": "new predictions",
    "repeated": "predictions that were there already",
    "new_labels": "new labels",
    "repeated_labels": "labels that were there already",
    "corrected_labels": "labels corrected",
    "corrected": "predictions corrected",
    "files_fewer": "files fewer",
}


def _say(store: "LogStore", done: dict[str, Any], options: dict[str, Any]) -> None:
    from evenhanded.removals import counted, rows

    screen = console()
    if options["as_json"]:
        screen.print(json.dumps({"store": options["store"], "version": store.version, **done}), soft_wrap=True)
        return
    path = safe_label(options["store"], target="terminal", limit=200)
    if done.get("made"):
        screen.print(f"made {path}; it keeps as numbers: {_listed(store.columns.numbers)}; as hashes: "
                     f"{_listed(store.columns.hashed)}")  # fmt: skip
    for name, words in _SENTENCES.items():
        if done.get(name) or (name == "new" and "new" in done and not options["labels"]):
            screen.print(rows(done[name], words))
    for name, words in (("erased", "erased"), ("left_behind", "older than retained, erased")):
        if name in done:
            counts = done[name]
            files = f"{rows(counts['files'], 'files')} deleted, those of earlier versions among them: these are gone"
            screen.print(f"{words}: {counted(counts)}; {files}")
    screen.print(f"version {store.version} of {path}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(safe_label(name, target="terminal", limit=40) for name in names) or "none"
