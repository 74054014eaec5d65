"""A policy as a command takes it: read, and its metrics looked up before anything is counted or judged."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

from audit.errors import raise_violations
from audit.gaps import NAMED
from audit.metrics.catalog import METRICS
from audit.metrics.multiclass import SET_METRICS
from checklists.comparisons import comparison
from checklists.policy import Policy, load_policy
from dashboards.sentences import SENTENCES

_NEAR = 0.8
"""How alike a name must be to a known one to be a slip of the pen; others may be metrics of the user's own."""


def open_policy(path: Path | None, *, held: Collection[str] = ()) -> Policy | None:
    r"""Return the policy of a file; None where no file is named.

    Parameters
    ----------
    path
        The file.
    held
        The metrics that the run to be judged holds, where there is one: those may have any name.

    Raises
    ------
    InputError
        If the policy cannot be read, or a metric is misspelled: every violation at once.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "policy.yaml")
    ...     _ = file.write_text("schema: evenhanded/policy/1\nrequirements: [{id: a, metric: accuracy, min: 0.6}]\n")
    ...     open_policy(file).requirements[0].metric
    'accuracy'
    """
    if path is None:
        return None
    policy = load_policy(path)
    raise_violations(list(_misspelled(policy, set(held))))
    return policy


def _misspelled(policy: Policy, held: set[str]) -> Iterable[str]:
    known = {*METRICS, *NAMED, *SENTENCES, *(name for of_task in SET_METRICS.values() for name in of_task)}
    known |= {f"{name}_{ending}" for name in METRICS for ending in ("difference", "ratio")}
    for needed in policy.requirements:
        if needed.metric in known | held or comparison(needed.metric, needed.compare) is not None:
            continue
        near = get_close_matches(needed.metric, sorted(known), n=1, cutoff=_NEAR)
        if near:
            where = f"{policy.source.path if policy.source else 'policy'}:{policy.line(needed.id)}: {needed.id}"
            yield f"{where}: there is no metric {needed.metric!r}; did you mean {near[0]!r}?"
