"""What may be a seed: checked at the door, so that no generator has to refuse it deep inside."""

from operator import index

MAX_SEED = 2**32 - 1
"""The largest seed that every generator here takes; scikit-learn's goes no further."""


def seed_violations(random_state: object) -> list[str]:
    """Return what is wrong with a `random_state`: a whole number from 0 to 4294967295 is expected.

    Parameters
    ----------
    random_state
        What the caller passed.

    Returns
    -------
    list of str
        One sentence, or none.

    Examples
    --------
    >>> seed_violations(7), seed_violations(-1)
    ([], ['random_state must be a whole number from 0 to 4294967295; got -1'])
    """
    try:
        number = -1 if isinstance(random_state, bool) else index(random_state)  # type: ignore[arg-type] # asked, not known
    except TypeError:
        number = -1
    if 0 <= number <= MAX_SEED:
        return []
    return [f"random_state must be a whole number from 0 to {MAX_SEED}; got {str(random_state)[:40]!s}"]
