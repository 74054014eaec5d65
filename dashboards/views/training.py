"""The page on training: losses and the validation metric by epoch, and with which settings."""

import streamlit as st

from audit.measurement import Measurement, canonical_json
from audit.result import Result
from dashboards.export import csv_text
from dashboards.figures.training import training_figure
from dashboards.labels import safe_label, slice_label
from dashboards.tables import display_row
from dashboards.training import LOSSES, epoch_of, epochs_of, is_training, lead_sentences, metric_of, models_of
from dashboards.training_settings import setting_rows
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table
from dashboards.words import metric_sentence, metric_title


def page() -> None:
    """Draw the page."""
    st.title("Training")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    st.markdown(
        "A model is trained by passing through the train rows several times; after each pass (an epoch) it is asked "
        "about validation rows that it does not learn from. A validation loss that rises while the train loss falls "
        "shows that the model learns its train rows by heart."
    )
    if not is_training(result):
        say_empty("training")
        return
    show_list(lead_sentences(result))
    _pictures(result)
    _table(result)
    _weights(result)
    _settings(result)
    _offer(result, file_name=f"{entry.run_id}-training.csv")


def _pictures(result: Result) -> None:
    left, right = st.columns(2)
    losses = {metric_title(name): epochs_of(result, name) for name in LOSSES}
    with left:
        figure = training_figure(losses, title="Loss by epoch")
        st.plotly_chart(figure, alt=_alt(losses), key="training-losses", config={"displayModeBar": False})
    name = metric_of(result)
    if name is None:
        return
    values = {metric_title(name): epochs_of(result, name)}
    with right:
        figure = training_figure(values, title=f"{metric_title(name)} by epoch", share="accuracy" in name)
        st.plotly_chart(figure, alt=_alt(values), key="training-metric", config={"displayModeBar": False})
        st.caption(safe_label(f"{metric_sentence(name, None)} {_bars(result, name)}", target="markdown", limit=600))


def _bars(result: Result, name: str) -> str:
    """Return what the bars of a picture are, or why there are none."""
    if models_of(result) > 1:
        return f"The line is the mean of what each of {models_of(result)} models reaches alone, so it has no interval."
    row = epochs_of(result, name)[-1]
    if row.low is None or row.level is None:
        return f"There is no interval: {row.reason}." if row.reason else ""
    return f"The bars are intervals at {100 * row.level:g} %, each for its epoch alone."


def _weights(result: Result) -> None:
    """Show how much each group weighed in the last epoch, where training weighed groups as it went."""
    rows = epochs_of(result, "group_weight")
    if not rows:
        return
    last = epoch_of(rows[-1])
    st.header("Weights of groups")
    st.markdown(
        "Training gave more weight to groups with a larger loss; the train loss above is the loss so weighted, the "
        f"validation loss is the plain mean. After epoch {last}:"
    )
    cells = [
        {"Group": slice_label(row.slice), "Weight": display_row(row).value, "Train rows": f"{row.n:,}"}
        for row in rows
        if epoch_of(row) == last
    ]
    show_table(cells, alt="the weight of each group in the last epoch", key="training-weights")


def _alt(series: dict[str, tuple[Measurement, ...]]) -> str:
    """Return what a picture shows, in words: where each line begins and ends."""
    said = []
    for name, rows in series.items():
        known = [row for row in rows if row.value is not None]
        if known:
            ends = [display_row(row).value for row in (known[0], known[-1])]
            said.append(f"{name}: {ends[0]} after epoch {epoch_of(known[0])}, {ends[1]} after {epoch_of(known[-1])}")
    return safe_label("; ".join(said) or "nothing was measured", target="text", limit=400)


def _table(result: Result) -> None:
    metric = metric_of(result)
    together = "" if metric is None else metric.replace("valid_", "valid_ensemble_", 1)
    shown = [metric, together if epochs_of(result, together) else None]
    names = [*LOSSES, *filter(None, shown), "skipped_steps"]
    columns = {name: {epoch_of(row): display_row(row) for row in epochs_of(result, name)} for name in names}
    cells = [
        {"Epoch": str(epoch)} | {metric_title(name): _cell(columns[name].get(epoch)) for name in names}
        for epoch in columns["train_loss"]
    ]
    show_table(cells, alt="losses and the validation metric of every epoch", key="training-table")


def _settings(result: Result) -> None:
    rows = setting_rows(result)
    if rows:
        st.header("How it was trained")
        cells = [{"Setting": name, "Value": value} for name, value in rows]
        show_table(cells, alt="the settings of this training", key="training-settings")


def _cell(shown: object) -> str:
    value, interval = getattr(shown, "value", ""), getattr(shown, "interval", "")
    return f"{value} {interval}".strip()


def _offer(result: Result, *, file_name: str) -> None:
    st.header("Take it along")
    st.download_button("Download these numbers (CSV)", csv_text(result.measurements), file_name=file_name)
    st.caption("The model was trained with these settings; the same seed, data, device and versions give it again:")
    st.code(
        safe_label(canonical_json(dict(result.provenance.given)), target="text", limit=4000),
        language=None,
        wrap_lines=True,
    )


if __name__ == "__main__":
    page()
