"""The version of a prediction log: where its two tables stood."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple

from audit.errors import InputError
from audit.provenance import Provenance

_FORM = re.compile(r"(\d{1,18})\.(\d{1,18})")


class Version(NamedTuple):
    """The versions of the table of predictions and of the table of labels; as text "12.7".

    It is a text and no decimal number: 12.10 comes after 12.9.

    Examples
    --------
    >>> str(Version(12, 7)), Version.parse("12.7")
    ('12.7', Version(predictions=12, labels=7))
    """

    predictions: int
    labels: int

    def __str__(self) -> str:
        return f"{self.predictions}.{self.labels}"

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read "12.7".

        Raises
        ------
        InputError
            If the text is no version.
        """
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            msg = f"expected a version such as '12.7' (predictions at 12, labels at 7); got {text!r}"
            raise InputError([msg])
        return cls(int(found[1]), int(found[2]))


def cited(provenance: Provenance) -> str | None:
    """Return the version that a result rested on; None where it rested on no local prediction log.

    The files that a version is read from (`PredictionLog.source`) hold the commit that made it, and the name of that
    file is its number.

    Examples
    --------
    >>> commits = {"predictions/_delta_log/00000000000000000012.json": "ab",
    ...            "labels/_delta_log/00000000000000000000.json": "cd"}
    >>> cited(Provenance(data=commits)), cited(Provenance(data={"scored.csv": "ef"}))
    ('12.0', None)
    """
    commits = [PurePosixPath(name) for name in provenance.data if "/_delta_log/" in name]
    numbers = [
        max((int(path.stem) for path in commits if path.parts[0] == table), default=-1)
        for table in ("predictions", "labels")
    ]
    return None if min(numbers) < 0 else str(Version(*numbers))
