"""What comes into the log: predictions, and labels that may come later, twice, or before their prediction."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError
from monitors.log_store.appending import Added, append_rows, check_rows, refuse_twice
from monitors.log_store.columns import ARROW_TYPES, LABEL_ROLES, LABELS, Kind, LogColumns
from monitors.log_store.commits import commit, write_file
from monitors.log_store.delta import Place, Snapshot, snapshot
from monitors.log_store.door import checked
from monitors.log_store.label_check import check_labels
from monitors.log_store.matching import matched, once, present
from monitors.log_store.opened import EVENT_RULE, Opened, Tables
from monitors.log_store.rewriting import Keep, all_but, change_rows

_SHOWN = 5


class LabelNames(NamedTuple):
    """What the columns of a batch of labels are called, and where the labels come from.

    `source` is a text that is kept with each label, not a column.

    Examples
    --------
    >>> LabelNames(prediction_id="id", y_true="outcome").label_timestamp is None
    True
    """

    prediction_id: str
    y_true: str
    label_timestamp: str | None = None
    source: str | None = None


class Brought(NamedTuple):
    """What became of a batch: rows that are new in a table, that were there already, and that were corrected.

    Examples
    --------
    >>> Brought(new=3).repeated
    0
    """

    new: int = 0
    repeated: int = 0
    corrected: int = 0


def receive(store: Opened, data: Any) -> tuple[Brought, Brought]:  # noqa: ANN401 - any table, or a path
    """Append a batch of predictions, and the labels that stand in it; return what became of either.

    Predictions are committed before their labels. A process that ends in between has acknowledged neither: sent again,
    the predictions are found to be there and the labels are appended.

    Examples
    --------
    >>> from monitors.log_store.example import small_batch, small_store
    >>> with small_store(empty=True) as store:
    ...     receive(store, small_batch())
    (Brought(new=2, repeated=0, corrected=0), Brought(new=0, repeated=0, corrected=0))
    """
    roles = store.columns.roles
    batch = _admitted(store, data)
    check_labels(store, _labelled(store, batch))
    rows = batch.select([name for name in store.columns.kept if name in batch.column_names])
    if roles.get("y_true") not in batch.column_names:
        return _brought(append_rows(store.tables.predictions, rows, store.predictions_rule())), Brought()
    told = labels_of(batch, LabelNames(store.id, roles["y_true"], roles.get("label_timestamp")))
    check_rows(store.tables.labels, told, store.labels_rule())  # before predictions are in whose labels are refused
    added = append_rows(store.tables.predictions, rows, store.predictions_rule())
    return _brought(added), _brought(append_rows(store.tables.labels, told, store.labels_rule()))


def check_batch(columns: LogColumns, data: Any) -> None:  # noqa: ANN401 - as `receive`
    """Do nothing where a log of these columns would take a batch as its first; nothing is written.

    Raises
    ------
    InputError
        As `LogStore.append`.

    Examples
    --------
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})
    >>> check_batch(columns, pa.table({"id": ["a"], "at": ["2026-01-05T09:00Z"], "said": [1]}))
    """
    store = Opened(Tables(Place("")), columns, None)
    batch, rule = _admitted(store, data), store.predictions_rule()
    check_labels(store, _labelled(store, batch), stored=False)
    refuse_twice(batch, once(batch, compared=rule.compared)[1])


def receive_labels(store: Opened, data: Any, names: LabelNames, *, correct: bool) -> Brought:  # noqa: ANN401 - as above
    """Append a batch of labels; with `correct`, those that disagree with what is there replace it.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store(empty=True) as store:
    ...     receive_labels(store, pa.table({"id": ["a"], "y": [1]}), LabelNames("id", "y"), correct=False).new
    1
    """
    kinds: dict[str, Kind] = {names.prediction_id: "text", names.y_true: "text"}
    if names.label_timestamp is not None:
        kinds[names.label_timestamp] = "time"
    wanted = store.wanted(kinds, required=(names.prediction_id, names.y_true))
    hashed = {names.prediction_id: store.id} if store.id in store.columns.hashed else {}
    told = labels_of(checked(data, wanted._replace(hashed=hashed)), names)
    check_labels(store, {"y_true": told.select(["prediction_id", "y_true"])})
    if not correct:
        return _brought(append_rows(store.tables.labels, told, store.labels_rule()))
    return _corrected_labels(store, told)


def labels_of(batch: pa.Table, names: LabelNames) -> pa.Table:
    """Return the rows of a batch that have a label, as rows of the table of labels.

    A label without a time of its own counts as known since it came here.

    Examples
    --------
    >>> batch = pa.table({"id": ["a", "b"], "y": ["1", None]})
    >>> labels_of(batch, LabelNames(prediction_id="id", y_true="y")).select(["prediction_id", "y_true"]).to_pylist()
    [{'prediction_id': 'a', 'y_true': '1'}]
    """
    told = batch.filter(batch[names.y_true].is_valid())
    now = pa.scalar(datetime.now(UTC), ARROW_TYPES["time"])
    named = names.label_timestamp is not None and names.label_timestamp in told.column_names
    known = pc.coalesce(told[str(names.label_timestamp)], now) if named else _repeated(now, told.num_rows)
    source = pa.scalar(names.source, pa.string())
    columns = [told[names.prediction_id], told[names.y_true], known]
    columns += [_repeated(now, told.num_rows), _repeated(source, told.num_rows)]
    return pa.table(columns, names=list(LABELS))


def correct_rows(store: Opened, data: Any) -> int:  # noqa: ANN401 - any table, or a path
    """Replace predictions that are there: the columns that the batch has; return how many.

    Raises
    ------
    InputError
        If an id is not in the log, or stands in the batch twice with other content: nothing is changed then.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     correct_rows(store, pa.table({"id": ["b"], "said": [1]}))
    1
    """
    kinds, rule = store.columns.kinds(), store.predictions_rule()
    batch = checked(data, store.wanted(kinds, required=rule.required, optional=tuple(kinds)[1:]))
    rows, again = once(batch, compared=rule.compared)
    refuse_twice(batch, again)
    batch = batch.take(rows)
    check_labels(store, _labelled(store, batch))
    ids = batch[store.id].combine_chunks()

    def plan(found: Snapshot) -> tuple[Keep, pa.Table]:
        stored = present(ids, found, kinds)
        _need_all(ids, stored[store.id].combine_chunks(), store.id)
        return all_but(ids), _overlaid(stored, batch, store.id)

    return change_rows(store.tables.predictions, rule, plan)


def record_event(store: Opened, event: str, *, predictions: int = 0, labels: int = 0) -> None:
    """Put on record that something was corrected or removed, and how many rows: never whose.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store(empty=True) as store:
    ...     record_event(store, "erase", predictions=1)
    ...     snapshot(store.tables.events).version
    1
    """
    now = pa.array([datetime.now(UTC)], ARROW_TYPES["time"])
    row = pa.table([now, [event], [float(predictions)], [float(labels)]], schema=EVENT_RULE.schema)
    file = write_file(store.tables.events, row.to_batches(), EVENT_RULE.schema)
    while not commit(snapshot(store.tables.events), add=[file]):
        pass  # rows of this table never clash: whoever was first only moved the version


def _label_kinds(store: Opened) -> dict[str, Kind]:
    """Return the columns of a batch of predictions that go to the table of labels."""
    roles = store.columns.roles
    kinds: dict[str, Kind] = {"y_true": "text", "label_timestamp": "time"}
    return {roles[role]: kinds[role] for role in LABEL_ROLES if role in roles}


def _admitted(store: Opened, data: Any) -> pa.Table:  # noqa: ANN401 - as `receive`
    labels = _label_kinds(store)
    kinds = {**store.columns.kinds(), **labels}
    return checked(data, store.wanted(kinds, required=store.predictions_rule().required, optional=tuple(labels)))


def _labelled(store: Opened, batch: pa.Table) -> dict[str, pa.Table]:
    """Return the ids and the labels of a batch by role, of the roles that it has."""
    named = {role: store.columns.roles.get(role) for role in ("y_true", "y_pred")}
    text = {role: name for role, name in named.items() if name in batch.column_names and _is_text(batch, str(name))}
    return {role: batch.select([store.id, name]) for role, name in text.items()}


def _is_text(batch: pa.Table, name: str) -> bool:
    return bool(pa.types.is_string(batch[name].type))


def _corrected_labels(store: Opened, told: pa.Table) -> Brought:
    rule = store.labels_rule()
    rows, again = once(told, compared=rule.compared)
    refuse_twice(told, again)
    told = told.take(rows)
    counts = Brought()

    def plan(found: Snapshot) -> tuple[Keep, pa.Table]:
        nonlocal counts
        match = matched(told, found, found.files, rule.kinds, compared=rule.compared)
        wrong = np.array(sorted(match.differing), np.int64)
        stay = np.setdiff1d(np.arange(told.num_rows), match.repeated)
        counts = Brought(len(stay) - len(wrong), len(match.repeated) + len(again.repeated), len(wrong))
        return all_but(told["prediction_id"].take(wrong).combine_chunks()), told.take(stay)

    change_rows(store.tables.labels, rule, plan)
    return counts


def _overlaid(stored: pa.Table, batch: pa.Table, name: str) -> pa.Table:
    """Return stored rows with the values of the batch in the columns that it has."""
    rows = pc.index_in(stored[name], value_set=batch[name].combine_chunks())
    for column in batch.column_names:
        place = stored.column_names.index(column)
        stored = stored.set_column(place, column, batch[column].take(rows))
    return stored


def _need_all(ids: pa.Array, known: pa.Array, name: str) -> None:
    unknown = ids.filter(pc.invert(pc.is_in(ids, value_set=known))).to_pylist()
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        shown = ", ".join(map(repr, unknown[:_SHOWN]))
        msg = f"{len(unknown)} {name!r} to correct are not in the log: {shown}{more}; nothing was changed"
        raise InputError([msg])


def _brought(added: Added) -> Brought:
    return Brought(added.new, added.repeated)


def _repeated(value: pa.Scalar, rows: int) -> pa.Array:
    return pa.array([value.as_py()] * rows, value.type)
