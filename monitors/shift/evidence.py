"""The exact e-value of rows that lie beyond a cutoff of the reference."""

import numpy as np
from scipy.special import betaln, logsumexp

_STEP = 1.5


def log_e_beyond(beyond: int, rows: int, *, rank: int, held_back: int) -> float:
    """Return the log of the e-value against "new rows are exchangeable with the held-back ones".

    Of `held_back` reference rows m the cutoff is the one of `rank` r from the top. Where new rows are exchangeable with
    them, the number beyond the cutoff is beta-binomial with r and m + 1 - r, exactly and whatever is scored; ties make
    fewer. The alternative is the mean of beta-binomials whose share is r / (m + 1) times 1.5, 1.5^2, ... up to 1/2.
    Each grows with the number beyond, so that ties only make the e-value smaller. Expectation at most 1.

    Parameters
    ----------
    beyond, rows
        New rows beyond the cutoff, and all new rows.
    rank, held_back
        1 <= rank <= (held_back + 1) / 3.

    Returns
    -------
    float
        0 without rows.

    References
    ----------
    Counts between order statistics as a Polya urn: Wilks 1962, Mathematical statistics, section 8.7. e-values as ratios
    of densities: Grunwald, de Heide and Koolen 2024, Safe testing, arXiv:1906.07801.

    Examples
    --------
    The cutoff is the largest of 5 rows: a new row is beyond it with probability 1/6; alternatives say 1/4 and 3/8.

    >>> round(float(np.exp(log_e_beyond(1, 1, rank=1, held_back=5))), 6)  # (1/4 + 3/8) / 2 * 6
    1.875
    """
    null = _log_share(beyond, rows, float(rank), held_back + 1.0 - rank)
    base = rank / (held_back + 1.0)
    shares: list[float] = []
    while base * _STEP ** (len(shares) + 1) <= 0.5 or not shares:
        shares.append(base * _STEP ** (len(shares) + 1))
    # The first parameter stays: the mixture is then above the null's in its ratio for every larger count.
    others = [_log_share(beyond, rows, float(rank), rank * (1.0 - share) / share) for share in shares]
    return float(logsumexp(others)) - float(np.log(len(others))) - null


def _log_share(beyond: int, rows: int, up: float, down: float) -> float:
    """Return the log probability of one order of rows beyond and not beyond, in a Polya urn of `up` and `down`."""
    return float(betaln(up + beyond, down + rows - beyond) - betaln(up, down))
