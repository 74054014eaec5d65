"""A frozen reference: bins and counts made once, saved, and compared with from then on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from audit.counting import count
from audit.measurement import Window
from audit.predictions import PredictionLog, Role
from audit.tally import Tally
from monitors.counts.binning import Binning
from monitors.counts.clusters import design_effect
from monitors.counts.digests import digest_of, part_digests
from monitors.counts.errors import with_errors
from monitors.counts.fitting import BINS, fit_and_count
from monitors.counts.kept_windows import KeptWindows
from monitors.counts.profile import Profile
from monitors.counts.reference_files import Stored, read, write
from monitors.counts.traffic import Traffic, count_traffic
from monitors.windows import Windows, place_expression

_LABELLED = frozenset({"binary", "multiclass", "multilabel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What later data is compared with.

    Make one with `make_reference`, or read one with `Reference.load`.

    Parameters
    ----------
    profile
        The counts of the reference, not cut by time: ``windows == (None,)``.
    sensitive_features
        The features whose groups were counted.
    tally
        The reference's tally, where it has labels that an audit reads; otherwise None.
    digest
        SHA-256 of bins, counts and times: the same for every engine and order of rows. The tally has its own.
    traffic
        When its rows came, where it has times.
    clusters
        The design effect of its clusters (`monitors.counts.clusters.design_effect`), 1 where it names none.
    windows
        How its windows scatter, where `monitors.scatter.with_scatter` has put it there; no part of the digest.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [0, 1], "p": [0, 1], "age": [20, 40]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=["age"])
    >>> reference = make_reference(log, bins=2)
    >>> reference.binnings["age"].edges, reference.rows, reference.tally.rows
    ((20.0,), 2, 2)
    """

    profile: Profile
    sensitive_features: tuple[str, ...]
    tally: Tally | None
    digest: str
    traffic: Traffic | None = None
    clusters: float = 1.0
    windows: KeptWindows | None = None

    @property
    def binnings(self) -> Mapping[str, Binning]:
        """The bins of each feature."""
        return self.profile.binnings

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.profile.rows[0, 0])

    def save(self, path: Path | str) -> Path:
        """Save the reference as a folder, whole or not at all; one that is there already is never replaced.

        Parameters
        ----------
        path
            The folder, not there yet; saving the same reference again changes nothing.

        Raises
        ------
        InputError
            If the folder cannot be written, or holds something else.
        """
        fields = (self.profile, self.sensitive_features, self.tally, self.digest, self.traffic, self.clusters)
        return write(Stored(*fields, self.windows), Path(path))

    @classmethod
    def load(cls, path: Path | str) -> "Reference":
        """Read a saved reference.

        Raises
        ------
        EvidenceError
            If a file is missing or broken, the schema is another one, or something differs from what was saved: the
            parts that do are named.
        """
        stored = read(Path(path))
        return cls(**stored._asdict())


def make_reference(log: PredictionLog, *, bins: int = BINS, depth: int = 1, within: Window | None = None) -> Reference:
    """Fit the bins of a reference and count it.

    Parameters
    ----------
    log
        The data of a time when all was well: the test data that was signed off, the first weeks in service.
    bins, depth
        As in `fit_binnings` and `count_profile`.
    within
        Only rows of this time, half-open, in UTC; None = all rows.

    Raises
    ------
    InputError
        As `fit_binnings`, `count_profile` and, with labels, `audit.counting.count`; if it has times that are unfit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"y": [0, 1], "p": [0, 1]}), y_true="y", y_pred="p")
    >>> make_reference(log).profile.counts["y_pred"].tolist()
    [[[1, 1, 0, 0]]]
    """
    if within is not None:
        inside = place_expression(Windows(edges=within, regular=False, complete=0), log) >= 0
        log = replace(log, table=log.table.filter(inside))
    profile = fit_and_count(with_errors(log), bins=bins, depth=depth)
    tally = None
    if log.reading.task in _LABELLED and _has_labels(profile):
        # a tally of one model; which one does not matter to what is compared with
        columns: dict[Role, str] = {role: name for role, name in log.columns.items() if role != "model_version"}
        tally = count(replace(log, columns=MappingProxyType(columns)))
    return frozen(
        profile,
        sensitive_features=log.sensitive_features,
        tally=tally,
        traffic=count_traffic(log, profile.slices, depth=depth),
        clusters=design_effect(log),
    )


def frozen(
    profile: Profile,
    *,
    sensitive_features: tuple[str, ...],
    tally: Tally | None = None,
    traffic: Traffic | None = None,
    clusters: float = 1.0,
) -> Reference:
    """Return a profile as a reference, with its digest.

    Raises
    ------
    ValueError
        If the profile is cut by time.

    Examples
    --------
    >>> import numpy as np
    >>> profile = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[4]]))
    >>> frozen(profile, sensitive_features=()).rows
    4
    """
    if profile.windows != (None,):
        msg = f"a reference is not cut by time; this profile has {len(profile.windows)} windows"
        raise ValueError(msg)
    return Reference(
        profile=profile,
        sensitive_features=sensitive_features,
        tally=tally,
        digest=digest_of(part_digests(profile, sensitive_features, traffic, clusters)),
        traffic=traffic,
        clusters=clusters,
    )


def _has_labels(profile: Profile) -> bool:
    return "y_true" in profile.counts and bool(profile.counts["y_true"][0, 0, :-1].any())
