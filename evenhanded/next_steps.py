"""The command that comes next, as a line that a shell takes: nothing in it is left to complete."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.values import canonical
from evenhanded.printing import console

if TYPE_CHECKING:
    from trainer.data.kinds import Spec

_TASKS = {"number": "regression", "labels": "multilabel"}


def command_line(words: Sequence[str]) -> str:
    r"""Return words as one line for a shell (sh, bash, zsh); marks that a terminal would obey are spelled out.

    Examples
    --------
    >>> print(command_line(["audit", "my file.csv", "--positive", ">50K"]))
    audit 'my file.csv' --positive '>50K'
    >>> print(command_line(["a\x1b[31m'b"]))
    $'a\u001b[31m\'b'
    """
    return " ".join(map(_word, words))


def audit_words(
    spec: "Spec",
    predictions: Path,
    *,
    sensitive: Sequence[str],
    y_true: str = "y_true",
    cluster: str | None = None,
) -> list[str]:
    """Return the words of the command that audits predictions of a model.

    Parameters
    ----------
    spec
        What the model answers.
    predictions
        The file of predictions.
    sensitive
        Its sensitive columns.
    y_true, cluster
        Its column of what is true, and the one of rows that belong together; None for none.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.encoders import TableEncoder
    >>> from trainer.data.spec import TableSpec
    >>> from trainer.data.target import Target
    >>> spec = TableSpec(columns=Columns(y="kind"), encoder=TableEncoder(numeric=(), category=()),
    ...                  target=Target(kind="classes", classes=("a", "b", "c")))
    >>> command_line(audit_words(spec, Path("p.parquet"), sensitive=["sex"]))
    'evenhanded audit p.parquet --y-true y_true --y-pred y_pred --task multiclass --sensitive sex'
    """
    words = ["evenhanded", "audit", str(predictions), "--y-true", y_true, "--y-pred", "y_pred"]
    binary = spec.positive is not None and len(spec.target.classes) == 2
    task = _TASKS.get(spec.target.kind) or (None if binary else "multiclass")
    words += ["--y-score", "y_score"] if task is None else ["--task", task]
    words += ["--sensitive", ",".join(sensitive)] if sensitive else []
    words += ["--cluster", cluster] if cluster is not None else []
    if task is None and spec.positive is not None and set(spec.target.classes) != {0, 1}:
        words += ["--positive", str(canonical(spec.positive))]
    return words


def say_next(words: Sequence[str]) -> None:
    """Print the command that comes next, on one line however narrow the terminal is.

    Examples
    --------
    >>> say_next(["evenhanded", "report", "latest"])
    next: evenhanded report latest
    """
    console().print(f"next: {command_line(words)}", soft_wrap=True)


def _word(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text)
    marks = {"\\": "\\\\", "'": "\\'"}
    spelled = (marks.get(mark) or (mark if mark.isprintable() else _code(mark)) for mark in text)
    return f"$'{''.join(spelled)}'"


def _code(mark: str) -> str:
    return f"\\u{ord(mark):04x}" if ord(mark) < 0x10000 else f"\\U{ord(mark):08x}"
