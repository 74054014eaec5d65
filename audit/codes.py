"""Values as whole numbers: the place of each among the sorted distinct ones, and one number for several of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def sorted_codes(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, list[str | None]]:
    """Return each row's position in the sorted distinct values (null first), and those values.

    Examples
    --------
    >>> codes, values = sorted_codes(pa.array(["b", None, "a", "b"]))
    >>> codes.tolist(), values
    ([2, 0, 1, 2], [None, 'a', 'b'])
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if len(array) and array.null_count == len(array):
        return np.zeros(len(array), dtype=np.int64), [None]
    encoded = array.dictionary_encode(null_encoding="encode")
    values = encoded.dictionary.to_pylist()
    order = sorted(
        range(len(values)),
        key=lambda place: (values[place] is not None, values[place] if values[place] is not None else 0),
    )
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return rank[indices], [values[place] for place in order]


def joint_codes(codes: Sequence[Codes], sizes: Sequence[int], rows: int) -> Codes:
    """Return one code per row for the combination of several codes, compressed where the product grows too large.

    The code is the place in a table of all combinations, the last code running fastest: ``first * s + second`` with two
    codes, s the size of the second.

    Examples
    --------
    >>> joint_codes([np.array([0, 1, 1]), np.array([2, 0, 2])], sizes=[2, 3], rows=3).tolist()
    [2, 3, 5]
    """
    joint = np.zeros(rows, dtype=np.int64)
    span = 1
    for column, size in zip(codes, sizes, strict=True):
        if span * size > 2**62:
            distinct, joint = np.unique(joint, return_inverse=True)
            span = len(distinct)
        joint = joint * size + column
        span *= size
    return joint
