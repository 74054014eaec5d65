"""What a mitigation did in a simulated world, alike for all simulators."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class MitigationOutcome:
    """One figure of one world under one mitigation.

    Parameters
    ----------
    simulator
        "urn", "hidden_loop", "recommender", "credit" or "performative".
    mitigation
        What was done, such as "rejection_correction"; "none" for the world as it is.
    figure
        What is measured, such as "share_of_first_place".
    value
        Its mean over the runs.
    standard_error
        Monte-Carlo standard error of the mean; 0 where nothing is random, NaN for a single run.
    runs
        Number of runs.
    ideal
        The value of a world without the loop; None where there is none.

    Examples
    --------
    >>> outcome_of("urn", "none", "share_of_first_place", [0.4, 0.6], ideal=0.5).value
    0.5
    """

    simulator: str
    mitigation: str
    figure: str
    value: float
    standard_error: float
    runs: int
    ideal: float | None = None


def outcome_of(
    simulator: str, mitigation: str, figure: str, values: ArrayLike, *, ideal: float | None = None
) -> MitigationOutcome:
    """Return the mean of a figure over runs, with its Monte-Carlo standard error.

    Parameters
    ----------
    simulator, mitigation, figure, ideal
        As in `MitigationOutcome`.
    values
        The figure by run, shape (runs,).

    Examples
    --------
    >>> outcome_of("urn", "none", "share_of_first_place", [0.4, 0.6]).standard_error
    0.1
    """
    found = np.asarray(values, dtype=np.float64)
    spread = float(found.std(ddof=1)) / found.size**0.5 if found.size > 1 else float("nan")
    return MitigationOutcome(
        simulator=simulator,
        mitigation=mitigation,
        figure=figure,
        value=float(found.mean()),
        standard_error=round(spread, 12),
        runs=found.size,
        ideal=ideal,
    )
