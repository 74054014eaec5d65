"""What the demo's report says beside the audit: every number in it stands in the result."""

from collections.abc import Mapping, Sequence

from audit.measurement import Measurement
from audit.result import Result
from dashboards.report.section import Section

OWN = "triage model"


def sections(
    result: Result,
    *,
    comparison: Sequence[Measurement],
    leak: Sequence[Measurement],
    proxies: Sequence[Measurement],
    naive: Sequence[Measurement],
) -> tuple[Section, ...]:
    """Return the extra sections of the demo's report."""
    return (
        Section(title="What this is", text=_WHAT),
        Section(
            title="Is the model worth it? Simple alternatives",
            text=verdict_on(comparison),
            measurements=tuple(comparison),
        ),
        Section(title="Use of care is a proxy for need", text=_PROXY, measurements=_by_price(result)),
        Section(title="What a careless split would have claimed", text=_leak_text(leak), measurements=tuple(leak)),
        Section(
            title="Years of one person are not independent", text=_CLUSTERS, measurements=(*_own_rates(result), *naive)
        ),
        Section(title="How well the inputs give the groups away", text=_INPUTS, measurements=tuple(proxies)),
    )


def verdict_on(comparison: Sequence[Measurement]) -> str:
    """Say plainly which model ranks people best and which finds most, and whether that is shown.

    Examples
    --------
    >>> rows = [Measurement(metric=metric, at=(("model_version", name),), value=value, low=value - 0.02,
    ...                     high=value + 0.02, n=500, level=0.95, method="delong")
    ...         for metric in ("roc_auc", "true_positive_rate", "selection_rate")
    ...         for name, value in (("triage model", 0.64), ("gradient boosting", 0.66))]
    >>> verdict_on(rows).split(";")[0]
    'Ranking people (AUC): gradient boosting wins, 0.660 against 0.640 of the triage model'
    """
    rows = {(row.metric, dict(row.at)["model_version"]): row for row in comparison if row.value is not None}
    auc, found = (_winner(rows, metric) for metric in ("roc_auc", "true_positive_rate"))
    calls = {name: row for (metric, name), row in rows.items() if metric == "selection_rate"}
    return (
        f"Ranking people (AUC): {auc}. Finding high users: {found}; the share called is "
        + ", ".join(f"{row.value:.3f} ({name})" for name, row in calls.items())
        + ". All were scored on the same rows, so overlapping intervals neither show nor rule out a difference; only a "
        "paired comparison would. Where a simple model does as well, it is the one to use: it can be explained."
    )


def _winner(rows: Mapping[tuple[str, str | int | float], Measurement], metric: str) -> str:
    mine = rows[metric, OWN]
    others = {name: row for (measured, name), row in rows.items() if measured == metric and name != OWN}
    best = max(others, key=lambda name: others[name].value or 0.0)
    own, rival = mine.value or 0.0, others[best].value or 0.0
    apart = (others[best].low or 0) > (mine.high or 1) or (mine.low or 0) > (others[best].high or 1)
    sure = "the intervals do not overlap" if apart else "the intervals overlap"
    if rival == own:
        return f"{best} and the triage model do alike, {own:.3f}"
    if rival > own:
        return f"{best} wins, {rival:.3f} against {own:.3f} of the triage model; {sure}"
    return f"the triage model wins, {own:.3f} against {rival:.3f} of {best}; {sure}"


def _by_price(result: Result) -> tuple[Measurement, ...]:
    wanted = ("prevalence", "selection_rate", "false_negative_rate")
    return tuple(
        row
        for metric in wanted
        for row in result.measurements
        if row.metric == metric
        and row.against is None
        and not row.at
        and [name for name, _ in row.slice] == ["coinsurance"]
    )


def _own_rates(result: Result) -> tuple[Measurement, ...]:
    return tuple(result.find(metric) for metric in ("false_positive_rate", "false_negative_rate"))


def _leak_text(leak: Sequence[Measurement]) -> str:
    honest, careless = (row.value or 0.0 for row in leak)
    return (
        f"The table holds several years of most people, with the same covariates every year. Split at random by "
        f"rows, a person's other years stand in the train part, and the model is asked what it has already seen: it "
        f"then claims an AUC of {careless:.3f}. Split by person, as new people will come, it is {honest:.3f}. The "
        f"difference is no skill. Everything else on this page uses the split by person."
    )


_WHAT = (
    "A demonstration on public data, not a system in use. 20,190 person-years of the RAND Health Insurance Experiment "
    "(1974-82, public domain). The model predicts who makes at least five outpatient visits in a year, about a fifth, "
    "from chronic diseases and the terms of the insurance plan; it calls the fifth with the highest scores.\n\n"
    "Physical limitation, self-rated health and the share of the price that a person pays are not inputs; they are "
    "logged so that errors can be compared. In some rows physical limitation was imputed; these rows are a group of "
    "their own.\n\n"
    "The data has no person id. Consecutive rows with identical covariates are taken for one person (5,294 of them): "
    "a reconstruction, which may split or join people. The numbers of the alternatives, of the careless split and of "
    "the groups given away come from counts that are not kept with the run; the seed makes them again."
)
_PROXY = (
    "The label counts visits, not illness. People who pay more of the price make fewer visits at the same need, so a "
    "model that learns visits learns to overlook those who could not afford to come (measurement bias). The table "
    "shows the share of high users, the share called and the share of high users missed, by the share of the price "
    "paid. Read it with its intervals: in a part of this size the share of high users need not fall with the price. "
    "Equal error rates on this label would not show equal care for equal need; a measure of need would."
)
_CLUSTERS = (
    "All intervals here are cluster-robust: a person's years count as one cluster. Taken for independent, the same "
    "years would give the intervals of the lower rows, too narrow and too sure."
)
_INPUTS = (
    "How well a model tells each group from the rest by the inputs alone (AUC; 0.5 is not at all, 1 is perfectly). "
    "Leaving a sensitive column out does not hide it where the inputs give it away: the terms of the plan all but "
    "spell out the price that a person pays."
)
