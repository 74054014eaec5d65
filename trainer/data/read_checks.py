"""What was read back of a saved spec must be what a fit could have made: made-up files are refused by name."""

import math
from collections.abc import Iterator
from typing import Any

from trainer.data.category import CategoryEncoder, OrderedEncoder
from trainer.data.dates import CATEGORIES, NUMBERS, DateEncoder
from trainer.data.images import ImageSpec
from trainer.data.kinds import Spec
from trainer.data.numeric import NumericEncoder
from trainer.data.ratings import RatingsSpec
from trainer.data.spec import TableSpec
from trainer.data.target import Target
from trainer.data.text import TextEncoder

Encoder = NumericEncoder | CategoryEncoder | OrderedEncoder | DateEncoder | TextEncoder


def spec_violations(spec: Spec) -> list[str]:
    """Return a sentence for every part of a spec that is of another kind than it says, or nothing.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.table_encoder import TableEncoder
    >>> encoder = TableEncoder(numeric=(NumericEncoder(column="age", values=("1", "2"), scores=(0.0, 1.0),
    ...                                                flagged=False),), category=())
    >>> spec_violations(TableSpec(columns=Columns(y="paid"), encoder=encoder,
    ...                           target=Target(kind="classes", classes=(0, 1))))
    ["encoder of 'age': values must be ascending finite numbers"]
    """
    found = _target_violations(spec.target)
    positive = spec.columns.positive
    if positive is not None and spec.target.kind == "classes" and positive not in spec.target.classes:
        found.append(f"the positive label {positive!r} is none of the classes {list(spec.target.classes)}")
    if isinstance(spec, ImageSpec):
        sizes = [*spec.size, spec.channels]
        if not (_numbers(spec.mean) and _numbers(spec.std) and all(each > 0 for each in spec.std)):
            found.append("mean and std of pixels must be finite numbers, std above 0")
        if len(spec.size) != 2 or not all(type(each) is int and each > 0 for each in sizes):
            found.append("size and channels of images must be whole numbers above 0")
    for encoder in _encoders(spec):
        found += [f"encoder of {encoder.column!r}: {text}" for text in _encoder_violations(encoder)]
    return found


def _encoders(spec: Spec) -> Iterator[Encoder]:
    if isinstance(spec, RatingsSpec):
        yield from (spec.users, spec.items)
    if isinstance(spec, TableSpec):
        encoder = spec.encoder
        for some in (encoder.numeric, encoder.category, encoder.ordered, encoder.dates, encoder.text):
            yield from some
        for date in encoder.dates:
            yield from date.numeric
            yield from date.category


def _target_violations(target: Target) -> list[str]:
    ends = [end for end in (target.low, target.high) if end is not None]
    if not _numbers((target.center, target.scale, *ends)) or target.scale <= 0:
        return ["center, scale and range of the target must be finite numbers, scale above 0"]
    if target.kind != "number" and len(target.classes) < 1:
        return [f"a target of {target.kind} needs names for them"]
    return []


def _encoder_violations(encoder: Encoder) -> list[str]:
    found = [] if isinstance(encoder.column, str) else ["column must be a text"]
    if isinstance(encoder, NumericEncoder):
        if not (_numbers(encoder.values) and list(encoder.values) == sorted(set(encoder.values))):
            found.append("values must be ascending finite numbers")
        if not _numbers(encoder.scores) or len(encoder.scores) != len(encoder.values) or not encoder.values:
            found.append("scores must be finite numbers, one per value")
        found += [] if isinstance(encoder.flagged, bool) else ["flagged must be true or false"]
    if isinstance(encoder, CategoryEncoder):
        found += _text_violations("categories", encoder.categories)
    if isinstance(encoder, OrderedEncoder):
        found += _text_violations("levels", encoder.levels)
        whole = all(type(code) is int and code >= 0 for code in encoder.codes)
        if not (
            whole and _numbers(encoder.scores) and len(encoder.codes) == len(encoder.levels) == len(encoder.scores)
        ):
            found.append("codes must be whole numbers, and scores finite numbers, one of each per level")
    if isinstance(encoder, DateEncoder):
        strange = [each.column for each in encoder.numeric if each.column not in NUMBERS]
        strange += [each.column for each in encoder.category if each.column not in CATEGORIES]
        found += [f"{column!r} is no part of a date" for column in strange]
    if isinstance(encoder, TextEncoder):
        found += _text_violations("vocabulary", encoder.vocabulary)
        found += [] if type(encoder.length) is int and encoder.length > 0 else ["length must be a whole number above 0"]
    return found


def _text_violations(name: str, texts: tuple[Any, ...]) -> list[str]:
    fine = isinstance(texts, tuple) and all(isinstance(text, str) for text in texts) and len(set(texts)) == len(texts)
    return [] if fine else [f"{name} must be texts, each once"]


def _numbers(values: tuple[Any, ...]) -> bool:
    """Say whether all are finite numbers; true and false are none."""
    return isinstance(values, tuple) and all(
        math.isfinite(each) if type(each) is float else type(each) is int and abs(each) < 2**63 for each in values
    )
