from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from audit.measurement import Measurement
from audit.result import Result
from audit.store import save_run
from dashboards import launch
from dashboards.figures.training import training_figure
from dashboards.report.training_part import sections
from dashboards.tables import display_row
from dashboards.training import best_epoch, epochs_of, lead_sentences, metric_of


@pytest.fixture
def result(nasty):
    return nasty["training"]


def test_the_best_epoch_is_named_and_early_stopping_is_not_advised(result):
    assert lead_sentences(result) == (
        "The accuracy on the validation rows after the last of 3 epochs is 75.0 % on 40 rows.",
        "It was best after epoch 2 (80.0 %): a fresh run of 2 epochs may do better than this one stopped early.",
        "1 step was left out because the gradient was not finite: lower the learning rate.",
    )


def test_the_best_of_an_error_is_the_lowest():
    rows = [
        Measurement(metric="valid_mean_absolute_error", at=(("round", epoch),), value=value, n=9, method="x")
        for epoch, value in enumerate((3.0, 2.0, 2.5), start=1)
    ]
    assert dict(best_epoch(rows).at)["round"] == 2
    assert metric_of(Result(measurements=rows)) == "valid_mean_absolute_error"


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
    assert "best after epoch 2" in section.text
    assert [row.metric for row in section.measurements] == ["train_loss", "valid_loss", "valid_accuracy"]


def test_the_page_shows_it(result, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(result, tmp_path)
    app = AppTest.from_file(str(Path(launch.__file__).with_name("app.py")), default_timeout=60)
    app.run()
    app.switch_page("views/training.py").run()
    assert not app.exception, app.exception
    assert any("best after epoch 2" in element.value for element in app.markdown)
    assert "75.0 %" in str(app.dataframe[0].value.to_dict())


def test_of_equal_epochs_the_last_is_best_so_that_nothing_is_advised():
    rows = [
        Measurement(metric="valid_accuracy", at=(("round", epoch),), value=value, n=300, method="x")
        for epoch, value in enumerate((0.8, 0.82, 0.82), start=1)
    ]
    assert len(lead_sentences(Result(measurements=rows))) == 1


def test_steps_are_counted(result):
    assert display_row(epochs_of(result, "skipped_steps")[1]).value == "1"
