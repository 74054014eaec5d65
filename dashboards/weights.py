"""What a weighted result says of its weights, wherever its numbers are shown."""

from audit.result import Result
from dashboards.labels import safe_label


def weights_text(result: Result) -> str:
    """Return by what a result is weighted and what n counts; "" where every row counts once.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"columns": {"sample_weight": "w"}, "weights": "sampling"}
    >>> weights_text(Result(measurements=(), provenance=Provenance(given=given)))
    'weighted by “w”; n counts rows'
    >>> weights_text(Result(measurements=()))
    ''
    """
    given = result.provenance.given
    name = (given.get("columns") or {}).get("sample_weight")
    if name is None:
        return ""
    counted = "n counts each row as often as it says" if given.get("weights") == "frequency" else "n counts rows"
    return f"weighted by “{safe_label(str(name), target='text', limit=40)}”; {counted}"
