"""The record of a sealed test: what was fixed, by whom, when, and the digests that see any change."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from audit.errors import EvidenceError

SCHEMA = "evenhanded/seal/1"
SEAL = "seal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumns:
    """What the columns of the test file mean, and how predictions will be read: fixed when the test is sealed.

    Parameters
    ----------
    prediction_id
        The id of each row: unique, never missing.
    y_true
        The labels, which stay here.
    sensitive_features
        Columns whose groups are compared; they stay here unless they are named in `features`.
    features
        What the vendor gets beside the id; None = all columns that play no other part.
    positive
        The label that counts as positive; None where labels are 0/1 or true/false.
    threshold
        Predictions are scores, and positive where they reach this; None = predictions are labels.
    cluster, sample_weight
        As in `audit.predictions.PredictionLog`; None = not there.

    Examples
    --------
    >>> SealedColumns(prediction_id="case", y_true="outcome", threshold=0.5).predicted
    'y_score'
    """

    prediction_id: str
    y_true: str
    sensitive_features: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    positive: str | None = None
    threshold: float | None = None
    cluster: str | None = None
    sample_weight: str | None = None

    @property
    def predicted(self) -> str:
        """Return the name of the column that the vendor sends in beside the id."""
        return "y_pred" if self.threshold is None else "y_score"

    def kept(self) -> list[str]:
        """Return the columns that never leave, unless they are named as features."""
        named = [self.y_true, *self.sensitive_features, self.cluster, self.sample_weight]
        return [name for name in named if name is not None and name not in (self.features or ())]

    def given(self, names: Sequence[str]) -> list[str]:
        """Return the columns that the vendor gets, of the names in the file: the id first."""
        if self.features is not None:
            return [self.prediction_id, *self.features]
        return [self.prediction_id, *(name for name in names if name not in {self.prediction_id, *self.kept()})]

    def seen_only(self, names: Sequence[str]) -> list[str]:
        """Return the columns that are features and nothing else, of the names in the file."""
        return [name for name in self.given(names)[1:] if name not in {self.y_true, *self.sensitive_features}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The record of a sealed test, as ``seal.json`` holds it.

    Parameters
    ----------
    sealed_at, sealed_by
        When (ISO 8601, UTC) and who.
    rows
        Rows of the test.
    columns
        What they mean.
    labels, features, policy, source
        SHA-256 of ids with labels and everything kept; of ids with what the vendor gets; of the policy's bytes; of the
        bytes of the file that was sealed.

    Examples
    --------
    >>> seal = Seal(sealed_at="2026-11-21T00:00:00Z", sealed_by="A", rows=9, labels="a", features="b", policy="c",
    ...             source="d", columns=SealedColumns(prediction_id="id", y_true="y"))
    >>> Seal.from_json(seal.to_json()) == seal
    True
    """

    sealed_at: str
    sealed_by: str
    rows: int
    columns: SealedColumns
    labels: str
    features: str
    policy: str
    source: str

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Seal":
        """Read a record back; the inverse of `to_json`.

        Raises
        ------
        EvidenceError
            If it is no seal.
        """
        try:
            record = json.loads(text)
            schema, columns = record.pop("schema"), dict(record.pop("columns"))
            columns["sensitive_features"] = tuple(columns["sensitive_features"])
            columns["features"] = None if columns["features"] is None else tuple(columns["features"])
            made = cls(columns=SealedColumns(**columns), **record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"this is no seal: {error}; the folder of a sealed test holds a {SEAL} that was never edited"
            raise EvidenceError(msg) from error
        if schema != SCHEMA:
            msg = f"a seal of schema {schema!r} cannot be read; expected {SCHEMA!r}: another version made it"
            raise EvidenceError(msg)
        return made

    def digest(self) -> str:
        """Return the SHA-256 of the record: note it where this folder's owner cannot change it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def column_violations(names: Sequence[str], columns: SealedColumns) -> list[str]:
    """Return what is wrong with the named columns of the file that is to be sealed.

    Examples
    --------
    >>> column_violations(["id"], SealedColumns(prediction_id="id", y_true="y"))
    ["column 'y' is missing; the file has ['id']; name one of these", 'nothing is left to give to the vendor']
    """
    wanted = dict.fromkeys([columns.prediction_id, *columns.kept(), *(columns.features or ())])
    violations = [
        f"column {name!r} is missing; the file has {list(names)[:20]}; name one of these"
        for name in wanted
        if name not in names
    ]
    if columns.y_true in (columns.features or ()):
        violations.append(f"the labels {columns.y_true!r} are named as a feature: the vendor would get them")
    if columns.prediction_id in columns.kept():
        violations.append(f"the id {columns.prediction_id!r} plays another part too; name a column of its own")
    if {"y_pred", "y_score"} & {columns.prediction_id, *columns.kept()}:
        violations.append("columns may not be called y_pred or y_score: predictions come under these names")
    if len(columns.given(names)) < 2:
        violations.append("nothing is left to give to the vendor")
    return violations
