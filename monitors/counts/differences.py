"""Whether a log still has the columns of a reference, and of the same kinds."""

import narwhals.stable.v2 as nw

from audit.expressions import NUMBER
from audit.predictions import PredictionLog
from monitors.counts.reference import Reference
from monitors.counts.values import ENDLESS, NOT_A_NUMBER
from monitors.counts.watched import Watched, watched
from monitors.timestamps import collected


def schema_differences(reference: Reference, log: PredictionLog) -> list[str]:
    """Return how the columns of a log differ from those of a reference, one sentence each.

    Columns that are missing or new, numbers that became text or booleans, categories that became numbers (texts that
    spell numbers are numbers; CSV has no others), sensitive features that were not counted. One pass reads the text
    columns that ought to be numbers; nothing else is read.

    Parameters
    ----------
    reference
        What the log is going to be compared with.
    log
        The predictions.

    Returns
    -------
    list of str
        Empty where nothing differs.

    Raises
    ------
    InputError
        If a column cannot be watched at all, or the engine cannot read.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.counts.reference import make_reference
    >>> was, now = (pa.table({"y": [0, 1], "p": [0, 1], "age": ages}) for ages in ([20, 40], ["20", "forty"]))
    >>> old, new = (PredictionLog.from_frame(t, y_true="y", y_pred="p", features=["age"]) for t in (was, now))
    >>> schema_differences(make_reference(old), new)
    ["feature 'age' was numeric; 1 of 2 rows now hold text that spells no number"]
    >>> schema_differences(make_reference(old), old)
    []
    """
    here = {item.feature: item for item in watched(log)}
    known = reference.binnings
    grouped = set(reference.sensitive_features) ^ set(log.sensitive_features)  # said below, once
    found = [
        f"feature {name!r} of the reference is missing; give the column, or a reference without it"
        for name in known
        if name not in here and name not in grouped
    ]
    found += [
        f"feature {name!r} is new: the reference does not have it; leave it out (--ignore), or make the reference again"
        for name in here
        if name not in known and name not in grouped
    ]
    schema = log.table.collect_schema()
    to_read = []
    for name, item in here.items():
        if name not in known:
            continue
        kind = schema[item.column]
        if known[name].kind == "numeric" and kind == nw.String:
            to_read.append(item)
        elif known[name].kind == "numeric" and not kind.is_numeric():
            found.append(f"feature {name!r} was numeric; the column now holds {kind}")
        elif known[name].kind == "categorical" and item.labels == "none" and _turned_numeric(reference, name, kind):
            found.append(f"feature {name!r} was categorical; the column now holds {kind}")
    return found + _texts_among_numbers(log, to_read) + _sensitive(reference, log)


def _turned_numeric(reference: Reference, name: str, kind: nw.dtypes.DType) -> bool:
    return bool(kind.is_numeric() and reference.binnings[name].categories)


def _texts_among_numbers(log: PredictionLog, items: list[Watched]) -> list[str]:
    if not items:
        return []
    flags = {f"wrong_{place}": _wrong(nw.col(item.column)) for place, item in enumerate(items)}
    table = log.table.select(**{name: nw.when(flag).then(1).otherwise(0) for name, flag in flags.items()})
    sums = collected(log, table.select(nw.len().alias("n"), *(nw.col(name).sum() for name in flags)))
    rows = int(sums["n"][0].as_py() or 0)
    wrong = [int(sums[name][0].as_py() or 0) for name in flags]
    return [
        f"feature {item.feature!r} was numeric; {number:,} of {rows:,} rows now hold text that spells no number"
        for item, number in zip(items, wrong, strict=True)
        if number
    ]


def _wrong(text: nw.Expr) -> nw.Expr:
    fine = text.str.contains(NUMBER) | text.str.contains(ENDLESS) | text.str.contains(NOT_A_NUMBER)
    return ~text.is_null() & (text != "") & ~fine


def _sensitive(reference: Reference, log: PredictionLog) -> list[str]:
    was, now = set(reference.sensitive_features), set(log.sensitive_features)
    found = [
        f"sensitive feature {name!r} of the reference is missing; name it: groups are held against those of before"
        for name in sorted(was - now)
    ]
    return found + [
        f"sensitive feature {name!r} is new: the reference did not count it; leave it out, or make the reference again"
        for name in sorted(now - was)
    ]
