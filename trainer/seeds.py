"""Seeds for separate purposes out of one seed, so that no stream of random numbers can disturb another."""

import hashlib


def derived_seed(seed: int, *, purpose: str, epoch: int = 0) -> int:
    """Return a 62-bit seed that is a pure function of the seed, its purpose and the epoch.

    The first eight bytes of SHA-256 over ``"<purpose>:<seed>:<epoch>"``, shifted right by two. Initial weights, row
    order and dropout each name their own purpose, so drawing more from one leaves the others where they were.

    Parameters
    ----------
    seed
        The seed that the user gave.
    purpose
        What the numbers are for, such as "order".
    epoch
        Epoch number from 0; a stream that restarts in each epoch can be resumed at any of them.

    Returns
    -------
    int
        In [0, 2**62).

    Examples
    --------
    >>> derived_seed(7, purpose="order", epoch=1) == derived_seed(7, purpose="order", epoch=1)
    True
    >>> len({derived_seed(7, purpose=name, epoch=e) for name in ("order", "dropout") for e in range(3)})
    6
    """
    digest = hashlib.sha256(f"{purpose}:{seed}:{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2
