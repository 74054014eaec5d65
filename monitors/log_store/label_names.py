"""What the columns of files of labels are called: a log remembers it from the last file that was named."""

import json
from collections.abc import Mapping

from deltalake.exceptions import CommitFailedError

from monitors.log_store.delta import settings, snapshot
from monitors.log_store.opened import Tables

_KEY = "evenhanded.label_columns"


def label_columns(tables: Tables) -> Mapping[str, str]:
    """Return the columns of the last file of labels whose columns were named; nothing where none were.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     label_columns(store.tables)
    {}
    """
    known = json.loads(settings(snapshot(tables.events)).get(_KEY, "{}"))
    return {str(name): str(column) for name, column in known.items()}


def remember(tables: Tables, named: Mapping[str, str]) -> None:
    """Let the log remember these columns beside those that it knows; the versions of its rows stay what they are.

    The settings of the table of events hold them. Where somebody else commits at the same moment, they are not kept:
    they can be named again.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     remember(store.tables, {"y_true": "outcome"})
    ...     label_columns(store.tables), snapshot(store.tables.predictions).version
    ({'y_true': 'outcome'}, 1)
    """
    before = label_columns(tables)
    after = {**before, **named}
    if after == before:
        return
    text = json.dumps(after, ensure_ascii=False, sort_keys=True)
    try:
        snapshot(tables.events).table.alter.set_table_properties({_KEY: text}, raise_if_not_exists=False)
    except CommitFailedError:
        return
