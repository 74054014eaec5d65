"""What `evenhanded ingest` removes for good: counted first, and done only where somebody says so."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from audit.errors import InputError
from evenhanded.ingesting import days_of


def previewed(options: Mapping[str, Any], ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many predictions and labels would be removed from the newest version, by what removes them.

    Parameters
    ----------
    options
        The options of the command.
    ids
        What is to be erased.

    Raises
    ------
    InputError
        If there is no log, or no such column in it.
    EvidenceError
        If a file of the log or the key of hashed ids is missing.
    """
    from monitors.log_store.opened import opened, place_of
    from monitors.log_store.removing import as_ids, count_ids, count_since, ids_with

    store = opened(place_of(options["store"]), options["salt_file"])
    found: dict[str, dict[str, int]] = {}
    if ids:
        values, by = as_ids(ids), options["by"]
        counted = count_ids(store, store.ids(values) if by is None else ids_with(store, values, by))
        found["erased"] = {"predictions": counted.predictions, "labels": counted.labels}
    if options["retain"] is not None:
        start = datetime.now(UTC) - timedelta(days=days_of(options["retain"]))
        counted = count_since(store, start)
        found["left_behind"] = {"predictions": counted.predictions, "labels": counted.labels}
    return found


def told(found: Mapping[str, Mapping[str, int]]) -> str:
    """Return what would be removed, in words.

    Examples
    --------
    >>> told({"erased": {"predictions": 1, "labels": 0}, "left_behind": {"predictions": 1200, "labels": 3}})
    '--erase would remove 1 prediction, 0 labels; --retain would remove 1,200 predictions, 3 labels'
    """
    options = {"erased": "--erase", "left_behind": "--retain"}
    return "; ".join(f"{options[name]} would remove {counted(counts)}" for name, counts in found.items())


def counted(counts: Mapping[str, int]) -> str:
    """Return how many predictions and labels these are.

    Examples
    --------
    >>> counted({"predictions": 2, "labels": 1})
    '2 predictions, 1 label'
    """
    return ", ".join(rows(counts[name], name) for name in ("predictions", "labels"))


def rows(number: int, words: str) -> str:
    """Return a number with its words, the first of which is in the plural: one where it is one.

    Examples
    --------
    >>> rows(1, "labels"), rows(1, "new predictions"), rows(2, "labels corrected")
    ('1 label', '1 new prediction', '2 labels corrected')
    >>> rows(1, "predictions that were there already")
    '1 prediction that was there already'
    """
    if number == 1:
        for many, one in (("predictions", "prediction"), ("labels", "label"), ("files", "file"), ("were", "was")):
            words = words.replace(many, one)
    return f"{number:,} {words}"


def confirmed(options: Mapping[str, Any], ids: Sequence[str]) -> None:
    """Do nothing where a removal is wanted: said with --yes, or on a terminal when asked; data may come first.

    Raises
    ------
    InputError
        If nobody said so: what would be removed is told, and nothing is done.
    """
    if options["yes"]:
        return
    words = told(previewed(options, ids))
    if sys.stdin.isatty() and click.confirm(f"{words}, for good and from all versions; go on?", err=True):
        return
    msg = (
        f"{words}, for good and from all versions; nothing was done: repeat it with --yes where that is meant, or with "
        f"--dry-run to see the number alone"
    )
    raise InputError([msg])
