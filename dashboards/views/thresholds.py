"""The page on thresholds: a slider, stated payoffs, what each threshold is worth by group, the price of several."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import streamlit as st

from audit.errors import InputError
from audit.measurement import Measurement, Slice
from audit.result import Result
from audit.scores.threshold_choice import choose_thresholds
from audit.scores.threshold_prices import choice_rows, chosen_for, price_rows
from audit.scores.thresholds import HEADLINES, sweep_rows
from audit.scores.utility import OUTCOMES, Payoff, utility_rows
from audit.tally import Tally
from dashboards.commands import thresholds_command
from dashboards.concentration import ordered_features
from dashboards.export import csv_text
from dashboards.figures.concentration import concentration_figure
from dashboards.figures.thresholds import MOST, alternative_text, threshold_figure
from dashboards.labels import features_label, group_label, safe_label
from dashboards.pages import has_scores
from dashboards.report.groups import combinations_of
from dashboards.subjects import subject_text
from dashboards.tables import cell_text, display_row, value_text
from dashboards.threshold_rows import (
    GAIN,
    LAW,
    UTILITY,
    best_rows,
    best_sentence,
    choice_sentence,
    curves,
    gain_sentence,
    payoffs_of,
    stored_choice,
    threshold_text,
)
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table
from dashboards.words import metric_title

_EVERYONE = "everyone"
_DEFAULTS: Mapping[str, float] = {"tp": 1.0, "fp": -1.0, "fn": -1.0, "tn": 0.0}
_MEANINGS: Mapping[str, str] = {
    "tp": "acting on a true signal",
    "fp": "acting on a false signal",
    "fn": "not acting on a true signal",
    "tn": "not acting on a false signal",
}


class Shown(NamedTuple):
    """What numbers are shown of: the digest of the run, the features of the groups, the level of the intervals.

    Examples
    --------
    >>> Shown("00", ("sex",), 0.95).features
    ('sex',)
    """

    digest: str
    features: tuple[str, ...]
    level: float


def page() -> None:
    """Draw the page."""
    st.title("Thresholds")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    tally = result.tally
    if tally is None or not has_scores(result):
        say_empty("thresholds")
        return
    st.markdown(
        "A threshold turns a score into an action: act where the score is at least that. Move it, state what each "
        "outcome is worth, and see whom it serves. Nothing here changes a model or a decision."
    )
    features, threshold = _choose(result, tally)
    level = next((row.level for row in result.measurements if row.level is not None), 0.95)
    shown = Shown(entry.digest, features, level)
    rates = _rates(shown, threshold, tally)
    _show_rates(rates, features, threshold)
    payoff = _stated(result)
    found: tuple[Measurement, ...] = ()
    priced: tuple[Measurement, ...] = ()
    if payoff is not None:
        kept = stored_choice(result, _amounts(payoff), features)
        found = _worth(shown, payoff, tally) if kept is None else (*_utility(shown, payoff, tally), *kept)
        where = choice_sentence(result, stored=kept is not None)
        _show_worth(found, features, threshold, where)
        if kept is not None:
            priced = tuple(row for row in kept if row.metric == GAIN)
        elif len(features) == 1:
            priced = _price(shown, payoff, tally)
        found = tuple(row for row in found if row.metric != GAIN)
        _show_price(priced, features)
    _show_concentration(result)
    if payoff is not None:
        _offer([*rates, *found, *priced], result, payoff, entry.run_id)


def _choose(result: Result, tally: Tally) -> tuple[tuple[str, ...], float]:
    combinations: dict[str, tuple[str, ...]] = {features_label(names): names for names in combinations_of(result)}
    combinations |= {_EVERYONE: ()}
    chosen = st.selectbox("Groups of", list(combinations), key="groups", bind="query-params")
    bins = tally.bins or 1
    used = result.provenance.given.get("threshold")
    start = round(used * bins) if isinstance(used, int | float) else bins // 2
    edges = [round(edge / bins, 6) for edge in range(bins)]
    threshold = st.select_slider(
        "Threshold: act where the score is at least",
        edges,
        value=edges[min(max(start, 0), bins - 1)],
        key="threshold",
        bind="query-params",
    )
    return combinations.get(chosen, ()), float(threshold)


def _show_rates(rows: Sequence[Measurement], features: tuple[str, ...], threshold: float) -> None:
    whom = f" by {features_label(features)}" if features else ""
    st.header(f"At {threshold_text(threshold)}")
    by_group: dict[Slice, dict[str, str]] = {}
    sizes: dict[Slice, int] = {}
    for row in rows:
        shown = display_row(row)
        cells = by_group.setdefault(row.slice, {"Group": group_label(row.slice)})
        cells[metric_title(row.metric)] = f"{shown.value} {shown.interval}".strip()
        sizes[row.slice] = max(sizes.get(row.slice, 0), row.n)
    told = "; ".join(f"{subject_text(row)}: {cell_text(row)}" for row in rows[:8])
    table = [{**cells, "n": f"{sizes[group]:,}"} for group, cells in by_group.items()]
    show_table(table, alt=f"Rates at a threshold{whom}. {told}", key="rates-table")
    st.caption("Percent [interval]; n is the largest denominator of the row. Every group is shown, however small.")


def _stated(result: Result) -> Payoff | None:
    st.header("What is it worth?")
    given = payoffs_of(result)
    columns = st.columns(4)
    values = {
        name: column.number_input(
            f"{name}: {_MEANINGS[name]}",
            value=float(given.get(name, _DEFAULTS[name])),
            step=0.5,
            key=f"pay-{name}",
            bind="query-params",
        )
        for name, column in zip(OUTCOMES, columns, strict=True)
    }
    try:
        payoff = Payoff.from_mapping(values)
    except InputError as error:
        st.warning(safe_label(str(error), target="markdown", limit=400))
        return None
    if payoff.break_even is not None:
        st.caption(
            f"Acting pays from a chance of {payoff.break_even:.3f} on. Where scores are chances, that is the threshold."
        )
    return payoff


def _show_worth(rows: Sequence[Measurement], features: tuple[str, ...], threshold: float, where: str) -> None:
    found, best = curves(rows, UTILITY), best_rows(rows)
    title = "Mean payoff by threshold" + (f" and {features_label(features)}" if features else "")
    alt = alternative_text(found, title=title, marked=threshold)
    figure = threshold_figure(found, title=title, marked=threshold, best=best)
    st.plotly_chart(figure, alt=alt, key="worth-figure", config={"displayModeBar": False})
    st.caption("The dashed line is the threshold of the slider, a diamond the one that pays most for the group.")
    if len(found) > MOST:
        st.caption(f"The picture shows {MOST} of {len(found):,} groups; the table shows all.")
    shown = [_worth_row(group, of_group, best, threshold) for group, of_group in found.items()]
    show_table(shown, alt=alt, key="worth-table")
    show_list([best_sentence(row) for row in list(best.values())[:8]])
    st.caption(safe_label(where, target="markdown", limit=400))
    st.caption(
        "The threshold is chosen on a smoothed curve, since the highest point of a bumpy one is a lucky one; beside it "
        "stand all that are not shown to be worse."
    )


def _worth_row(
    group: Slice, rows: Sequence[Measurement], best: Mapping[Slice, Measurement], threshold: float
) -> dict[str, str]:
    here = next((row for row in rows if dict(row.at)["threshold"] == threshold), None)
    chosen = best.get(group)
    shown = None if here is None else display_row(here)
    return {
        "Group": group_label(group),
        "Mean payoff here": "" if shown is None else f"{shown.value} {shown.interval}".strip(),
        "Pays most at": "" if chosen is None or chosen.value is None else threshold_text(chosen.value),
        "Not shown worse": ""
        if chosen is None or chosen.low is None or chosen.high is None
        else f"{threshold_text(chosen.low)} to {threshold_text(chosen.high)}",
        "n": "" if shown is None else shown.n,
    }


def _show_price(rows: Sequence[Measurement], features: tuple[str, ...]) -> None:
    st.header("The price of a threshold for each group")
    st.markdown(safe_label(LAW, target="markdown", limit=400))
    if not rows:
        st.caption("Choose the groups of a single feature to see it.")
        return
    show_list([gain_sentence(row) for row in rows if not row.slice])
    shown = [
        {
            "Group": group_label(row.slice),
            "Own threshold": threshold_text(float(dict(row.at)["threshold"])) if row.slice else "",
            "Gain per row": value_text(row),
            "Interval": display_row(row).interval,
            "n": f"{row.n:,}",
            "Note": safe_label(row.reason, target="text", limit=120) if row.reason else "",
        }
        for row in rows
    ]
    told = "; ".join(f"{group_label(row.slice)}: {cell_text(row)}" for row in rows[:8])
    show_table(shown, alt=f"Gain of thresholds by {features_label(features)}. {told}", key="price-table")


def _show_concentration(result: Result) -> None:
    for place, feature in enumerate(ordered_features(result.measurements)):
        title = f"Harms and benefits over {safe_label(feature, target='text', limit=60)}"
        st.header(safe_label(title, target="markdown"))
        index = [row for row in result.measurements
                 if row.metric.endswith("_concentration_index") and dict(row.at).get("feature") == feature]  # fmt: skip
        told = "; ".join(f"{subject_text(row)}: {cell_text(row)}" for row in index)
        figure = concentration_figure(result.measurements, feature, title=title)
        st.plotly_chart(figure, alt=f"{title}. {told}", key=f"concentration-{place}", config={"displayModeBar": False})
        st.caption(
            "On the dashed line, harms and benefits are spread as people are; above it they fall on the first groups "
            "of the stated order, the least powerful."
        )
        rows = [display_row(row) for row in index]
        shown = [{"What": row.name, "Value": row.value, "Interval": row.interval, "n": row.n} for row in rows]
        show_table(shown, alt=told, key=f"concentration-table-{place}")


def _offer(rows: Sequence[Measurement], result: Result, payoff: Payoff, run_id: str) -> None:
    st.header("Take it along")
    st.download_button(
        "Download these numbers (CSV)", csv_text(rows), file_name=f"{run_id}-thresholds.csv", mime="text/csv"
    )
    st.caption("The command that makes these numbers again:")
    st.code(thresholds_command(result, _amounts(payoff)), language=None, wrap_lines=True)


@st.cache_data(max_entries=256, show_spinner=False)
def _rates(shown: Shown, threshold: float, _tally: Tally) -> tuple[Measurement, ...]:
    """Return the rates at a threshold; `shown` stands for the tally, which is not hashed."""
    features, level = shown.features, shown.level
    return sweep_rows(_tally, features=features, metrics=HEADLINES, thresholds=[threshold], level=level)


def _amounts(payoff: Payoff) -> dict[str, float]:
    return dict(zip(OUTCOMES, payoff.values, strict=True))


@st.cache_data(max_entries=64, show_spinner=False)
def _utility(shown: Shown, payoff: Payoff, _tally: Tally) -> tuple[Measurement, ...]:
    return utility_rows(_tally, payoff, features=shown.features, level=shown.level)


@st.cache_data(max_entries=64, show_spinner=False)
def _worth(shown: Shown, payoff: Payoff, _tally: Tally) -> tuple[Measurement, ...]:
    features, level = shown.features, shown.level
    rows = _utility(shown, payoff, _tally)
    return (*rows, *choice_rows(_tally, choose_thresholds(_tally, payoff, features=features, level=level), level=level))


@st.cache_data(max_entries=64, show_spinner=False)
def _price(shown: Shown, payoff: Payoff, _tally: Tally) -> tuple[Measurement, ...]:
    chosen, _, _ = chosen_for(_tally, payoff, shown.features[0], level=shown.level)
    return price_rows(_tally, payoff, chosen, held_out=False, level=shown.level)


if __name__ == "__main__":
    page()
