import re
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from audit.inference.turns import Turn
from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Result
from audit.store import save_run
from dashboards import launch
from dashboards.figures.training import training_figure
from dashboards.report.render import render_report
from dashboards.report.training_part import sections
from dashboards.tables import display_row
from dashboards.training import epochs_of, lead_sentences, metric_of, turn_in
from dashboards.training_settings import setting_rows
from trainer.evidence.turn import turn_rows
from trainer.history import EpochRow


@pytest.fixture
def result(nasty):
    return nasty["training"]


def grown(result, n):
    return replace(result, measurements=tuple(replace(row, n=n) for row in result.measurements))


def test_a_turn_beyond_chance_advises_a_fresh_run_and_one_within_it_nothing(result):
    said = lead_sentences(grown(result, 4000))
    assert said[1].startswith("The accuracy on the validation rows turned after epoch 2 of 3: make a fresh run of 2")
    assert lead_sentences(result) == (  # sqrt(.8 * .2 / 40) = .063, more than the .05 that it fell
        "The accuracy on the validation rows after the last of 3 epochs is 75.0 % [65.0, 85.0] on 40 rows.",
        "1 step was left out because the gradient was not finite: lower the learning rate.",
    )


def run_of(values, losses, *, n=4000, metric="valid_accuracy", given=None, reason=None):
    """Return a training with these values and losses by epoch."""
    rows = []
    for epoch, (value, loss) in enumerate(zip(values, losses, strict=True), start=1):
        at = (("round", epoch),)
        rows += [
            Measurement(metric="train_loss", at=at, value=0.5, n=9, method="mean"),
            Measurement(metric="valid_loss", at=at, value=loss, n=n, method="mean"),
            Measurement(metric=metric, at=at, value=value, n=n, method="mean", reason=reason),
        ]
    return Result(measurements=tuple(rows), provenance=Provenance(given=given or {}))


def test_the_best_of_an_error_is_the_lowest_and_no_turn_is_claimed_without_a_standard_error():
    found = run_of((3.0, 2.0, 2.5), (3.0, 2.0, 2.5), metric="valid_mean_absolute_error")
    assert turn_in(found) == Turn("unknown", 2, 2, 3, None)
    assert metric_of(found) == "valid_mean_absolute_error"
    assert len(lead_sentences(found)) == 1


def test_the_page_follows_the_rule_of_health():
    values, losses = (0.41, 0.62, 0.52, 0.48), (2.27, 2.18, 2.09, 2.07)
    history = [
        EpochRow(epoch=place, train_loss=0.5, valid_loss=loss, metric="accuracy", valid_value=value, samples_per_s=1.0,
                 skipped_steps=0)
        for place, (value, loss) in enumerate(zip(values, losses, strict=True), 1)
    ]  # fmt: skip
    (_, advice) = lead_sentences(run_of(values, losses, n=360))
    (best, lowest) = turn_rows(history, n=360)
    assert "train longer, or at a larger learning rate" in advice
    assert advice.partition(" was best")[2] == best.reading.partition(" was best")[2]
    assert lowest.reading == "The validation loss was lowest in the last epoch: it did not turn."


@pytest.mark.parametrize(
    ("cycles", "kind", "epochs"),
    [([6], "turned", 6), ([3, 3], "last", 3), ([4, 5], "last", 2), ([9, 6], "turned", 6)],
)
def test_only_the_last_cycle_is_judged(cycles, kind, epochs):
    values, losses = (0.6, 0.95, 0.6, 0.7, 0.7, 0.9), (0.5, 0.2, 0.3, 0.3, 0.3, 0.25)
    turn = turn_in(run_of(values, losses, given={"cycles": [{"epochs": number} for number in cycles]}))
    assert (turn.kind, turn.epochs) == (kind, epochs)


def test_rows_of_clusters_claim_no_turn():
    found = run_of((0.6, 0.9, 0.6), (0.5, 0.2, 0.3), reason="rows of one 'person' are not independent")
    assert turn_in(found).kind == "unknown"


def test_the_accuracy_of_several_models_is_told_as_a_mean_beside_that_of_all_together():
    found = run_of((0.7, 0.7839), (0.5, 0.4), n=480, given={"seeds": [0, 1, 2]})
    assert "as the mean of 3 single models, on 480 rows; how they do together" in lead_sentences(found)[0]
    row = Measurement(metric="valid_ensemble_accuracy", at=(("round", 2),), value=0.79, low=0.75, high=0.82, n=480,
                      level=0.95, method="wilson")  # fmt: skip
    said = lead_sentences(replace(found, measurements=(*found.measurements, row)))[0]
    assert said.endswith("78.4 % as the mean of 3 single models, on 480 rows; together, as they predict, they reach "
                         "79.0 % [75.0, 82.0].")  # fmt: skip


def test_one_epoch_is_told_and_not_drawn():
    found = run_of((0.7,), (0.5,))
    (said,) = lead_sentences(found)
    assert said == "The accuracy on the validation rows after its only epoch is 70.0 % on 4,000 rows."
    (section,) = sections(found)
    assert section.pictures == ()
    assert training_figure({"loss": epochs_of(found, "train_loss")}, title="Loss").layout.xaxis.tickvals == (1,)


@pytest.mark.parametrize("epochs", [12, 13, 400])
def test_epochs_are_named_from_the_first_and_never_the_one_before_it(epochs):
    found = run_of([0.7] * epochs, [0.5] * epochs)
    axis = training_figure({"loss": epochs_of(found, "train_loss")}, title="Loss").layout.xaxis
    assert axis.range[0] < 1 < epochs < axis.range[1]
    assert (axis.tickvals[0], axis.tickvals[-1] <= epochs, len(axis.tickvals) <= 13) == (1, True, True)
    svg = sections(found)[0].pictures[0].svg
    named = re.findall(r">(\d+)</text>", svg)
    assert named == [str(tick) for tick in axis.tickvals]


def test_rows_of_the_parts_stand_in_their_order():
    found = run_of((0.7,), (0.5,), given={"rows": {"test": 3, "train": 1000, "valid": 2}})
    assert dict(setting_rows(found))["rows"] == "train 1,000, valid 2, test 3"


def test_a_leak_is_told_on_page_and_report_in_harmless_words():
    leak = {"column": "<b>\x1b", "kind": "tells the label", "rows": 90, "note": "alone removes all errors"}
    found = run_of((0.7, 0.8), (0.5, 0.4), given={"leaks": [leak]})
    assert lead_sentences(found)[1] == "A leak? “<b>\ufffd” tells the label, 90 rows: alone removes all errors"
    page = render_report(found, title="x")
    assert "A leak? “&lt;b&gt;\ufffd” tells the label" in page
    assert "No error rate of any group was measured here" in page


def test_what_models_have_of_their_own_is_told():
    for given, said in (
        ({}, None),
        (
            {"resample": "bootstrap", "row_weights": "ab"},
            "a sample of its own, drawn from the train rows with replacement",
        ),
        ({"row_weights": "ab"}, "weighed otherwise in each model (row_weights)"),
    ):
        rows = dict(setting_rows(run_of((0.7, 0.8), (0.5, 0.4), given={"seeds": [3, 4], **given})))
        assert rows.get("rows of each model") == said


def test_settings_are_readable_and_hostile_names_harmless():
    recipe = {"weight_decay": 0.05, "clip": 1.0, "objective": {"kind": "group_dro", "groups": ["<i>"]}}
    recipe["augment"] = {"flip": True, "mixup": 0.0}
    cycle = {"epochs": 2, "lr": 0.002, "batch_size": 64, "recipe": recipe}
    found = run_of((0.7, 0.8), (0.5, 0.4), given={"cycles": [cycle, cycle], "seeds": [3]})
    rows = dict(setting_rows(found))
    assert rows["models"] == "1, with the seed 3"
    assert rows["cycle 2, minimised"] == "the loss of the worst-off groups (group DRO), of groups by <i>"
    assert rows["cycle 1, images are changed by"] == "flip True"
    (section,) = sections(found)
    assert "• cycle 1, largest learning rate: 0.002" in section.text
    assert [picture.title for picture in section.pictures] == [
        "Loss by epoch",
        "Accuracy on the validation rows by epoch",
    ]
    assert all(picture.svg.startswith("<svg") for picture in section.pictures)
    assert section.pictures[1].sentence == "Accuracy on the validation rows: 70.0 % after epoch 1, 80.0 % after 2."
    assert "&lt;i&gt;" in render_report(found, title="x")


def test_without_validation_rows_nothing_is_claimed():
    row = Measurement(metric="train_loss", at=(("round", 1),), value=0.5, n=9, method="x")
    assert lead_sentences(Result(measurements=[row]))[0].startswith("There were no validation rows")


def test_the_figure_holds_the_numbers_and_their_intervals(result):
    rows = epochs_of(result, "valid_accuracy")
    figure = training_figure({"accuracy": rows}, title="x", share=True)
    assert figure.data[0].y == (0.7, 0.8, 0.75)
    assert figure.data[0].error_y.array == pytest.approx((0.1, 0.1, 0.1))
    losses = training_figure({name: epochs_of(result, name) for name in ("train_loss", "valid_loss")}, title="x")
    assert losses.data[0].line.dash != losses.data[1].line.dash
    assert losses.data[0].error_y.array is None


def test_the_report_says_it(result):
    (section,) = sections(result)
    assert "75.0 % [65.0, 85.0] on 40 rows" in section.text
    assert section.pictures[1].sentence.endswith("The bars are intervals at 95 %, each for its epoch alone.")
    assert [row.metric for row in section.measurements] == ["train_loss", "valid_loss", "valid_accuracy"]


def test_the_page_shows_it(result, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(result, tmp_path)
    app = AppTest.from_file(str(Path(launch.__file__).with_name("app.py")), default_timeout=60)
    app.run()
    app.switch_page("views/training.py").run()
    assert not app.exception, app.exception
    assert any("after the last of 3 epochs is 75" in element.value for element in app.markdown)
    assert "75.0 %" in str(app.dataframe[0].value.to_dict())


def test_of_equal_epochs_the_last_is_best_so_that_nothing_is_advised():
    rows = [
        Measurement(metric="valid_accuracy", at=(("round", epoch),), value=value, n=300, method="x")
        for epoch, value in enumerate((0.8, 0.82, 0.82), start=1)
    ]
    assert len(lead_sentences(Result(measurements=rows))) == 1


def test_steps_are_counted(result):
    assert display_row(epochs_of(result, "skipped_steps")[1]).value == "1"
