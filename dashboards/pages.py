"""The pages of the app: what each is called, what it shows, which runs have something for it, what makes such a run."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from audit.result import Result
from dashboards.changes import candidates
from dashboards.labels import safe_label
from dashboards.lint_rows import is_lint
from dashboards.loops import is_loops
from dashboards.monitoring import is_monitoring
from dashboards.reliability import holds_scores
from dashboards.report.groups import combinations_of, headline_metrics
from dashboards.robustness import checks
from dashboards.slice_findings import searched_row
from dashboards.source_words import source_verdicts
from dashboards.training import is_training

_AUDIT = "evenhanded audit DATA.csv --y-true LABEL --y-pred PREDICTION --sensitive race,sex"
_CONFUSED = frozenset({"confusion_rate", "f1"})


class PageOf(NamedTuple):
    """One page of the app.

    Examples
    --------
    >>> PAGES["compare"].title, PAGES["compare"].holds(Result(measurements=()))
    ('Compare models', False)
    """

    name: str
    title: str
    shows: str
    command: str
    holds: Callable[[Result], bool]

    @property
    def file(self) -> str:
        """The file of the page beside the app."""
        return f"views/{self.name}.py"


def labels_of(result: Result) -> tuple[str, ...]:
    """Return the labels of a result, in order; none where it is not one of several labels.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="f1", at=(("class", "cat"),), value=0.5, n=9, method="x")
    >>> labels_of(Result(measurements=[row]))
    ('cat',)
    """
    rows = (dict(row.at) for row in result.measurements if row.metric in _CONFUSED)
    return tuple(sorted({str(at["class"]) for at in rows if "class" in at}))


def has_scores(result: Result) -> bool:
    """Whether thresholds can be set on a result: its tally holds scores of two labels.

    Examples
    --------
    >>> has_scores(Result(measurements=()))
    False
    """
    tally = result.tally
    return tally is not None and tally.bins is not None and tally.positive is not None


_ROWS = (
    PageOf(
        "overview", "Overview", "what fails, what is not known, and every saved run", f"{_AUDIT} --out runs",
        lambda _: True,
    ),
    PageOf(
        "subgroups", "Subgroups", "each rate in each group, with its interval, beside a reference group that you name",
        f"{_AUDIT} --out runs",
        lambda result: bool(combinations_of(result) and headline_metrics(result)),
    ),
    PageOf(
        "compare", "Compare models",
        "for whom a candidate is better or worse than a baseline on the same rows, and who was helped or harmed",
        "evenhanded compare DATA.csv --y-true LABEL --baseline OLD --candidate NEW --sensitive race,sex --out runs",
        lambda result: bool(candidates(result)),
    ),
    PageOf(
        "errors", "Errors",
        "the combinations of features with the worst rate, found on one half of the rows and confirmed on the other",
        "evenhanded slices DATA.csv --y-true LABEL --y-pred PREDICTION --features race,sex,age --out runs",
        lambda result: searched_row(result) is not None,
    ),
    PageOf(
        "calibration", "Calibration", "whether a score of 0.3 comes true three times in ten, in each group",
        "evenhanded audit DATA.csv --y-true LABEL --y-score SCORE --threshold 0.5 --sensitive race,sex --out runs",
        holds_scores,
    ),
    PageOf(
        "thresholds", "Thresholds", "what acting from each score on is worth, for whom, with payoffs that you state",
        "evenhanded thresholds DATA.csv --y-true LABEL --y-score SCORE --sensitive race,sex "
        "--costs tp=5,fp=-1,fn=-5,tn=0 --out runs",
        has_scores,
    ),
    PageOf(
        "confusion", "Confusion", "which of several labels is taken for which, in everyone and in each group",
        f"{_AUDIT} --task multiclass --out runs",
        lambda result: bool(labels_of(result)),
    ),
    PageOf(
        "robustness", "Robustness",
        "how often and for whom answers change when something is changed that should not matter",
        "from pathlib import Path\nimport evenhanded as eh\n\n"
        'result = eh.counterfactual_flips(predict, frame, change={"sex": {"F": "M", "M": "F"}})\n'
        'eh.save_run(result, Path("runs"))',
        lambda result: bool(checks(result)),
    ),
    PageOf(
        "data", "Data", "whatever makes a test part flatter the model: copies, leaks, labels that look wrong",
        "evenhanded lint train.csv test.csv --y-true LABEL --cluster PERSON --out runs",
        is_lint,
    ),
    PageOf(
        "training", "Training", "the losses and the validation metric of a model by epoch",
        "evenhanded train DATA.csv --target LABEL --out runs",
        is_training,
    ),
    PageOf(
        "monitoring", "Over time",
        "what changed in a log since a reference: drift, error rates, traffic, actions; since when and for whom",
        "evenhanded monitor --reference BEFORE.csv --current SINCE.csv --timestamp TIME --y-pred PREDICTION "
        "--y-true LABEL --sensitive race,sex --out runs",
        is_monitoring,
    ),
    PageOf(
        "loops", "Feedback loops",
        "whether the model controls the data that it learns from next: is there a loop, how strong, what to do",
        "evenhanded monitor --loops --current DECISIONS.csv --role arm=GROUP --role exposed=SEEN --out runs",
        is_loops,
    ),
    PageOf(
        "sources", "Sources of bias", "the evidence for and against six sources that a gap may come from",
        "evenhanded sources DATA.csv --y-true LABEL --sensitive sex --features age,degree,years "
        "--audited-label AUDITED --population CENSUS.csv --out runs",
        lambda result: bool(source_verdicts(result)),
    ),
)  # fmt: skip
PAGES: Mapping[str, PageOf] = MappingProxyType({row.name: row for row in _ROWS})
FIRST = ("overview", "subgroups", "compare", "monitoring", "loops")
"""What most people open; the other pages stand under a heading of their own."""


def pages_of(result: Result) -> tuple[PageOf, ...]:
    """Return the pages that have something to show of a result, the overview apart.

    Examples
    --------
    >>> pages_of(Result(measurements=()))
    ()
    """
    return tuple(row for row in _ROWS if row.name != "overview" and row.holds(result))


def empty_sentence(page: PageOf) -> str:
    """Return what a page says of a run that has nothing for it.

    Examples
    --------
    >>> empty_sentence(PAGES["data"])[:72]
    'This run holds nothing for this page. It shows whatever makes a test par'
    """
    end = ". It is made in Python:" if "\n" in page.command else ". This command makes a run that does:"
    return safe_label(f"This run holds nothing for this page. It shows {page.shows}{end}", target="text", limit=400)
