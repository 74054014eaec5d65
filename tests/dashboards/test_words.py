import pytest

from audit.metrics.catalog import METRICS
from dashboards.words import base_metric, direction_sentence, metric_sentence, metric_title, unit_of


@pytest.mark.parametrize("metric", [*METRICS, "count"])
def test_every_metric_of_the_catalog_is_explained(metric):
    sentence = metric_sentence(metric, "yes")
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert metric_title(metric)[0].isupper()
    assert base_metric(metric) == (metric, "")


@pytest.mark.parametrize("metric", METRICS)
def test_units_fit_the_range(metric):
    low, high = METRICS[metric].range
    if unit_of(metric) == "share":
        assert (low, high) == (0.0, 1.0)
    if (low, high) == (0.0, float("inf")):
        assert unit_of(metric) == "ratio"


def test_titles_are_unique():
    assert len({metric_title(name) for name in METRICS}) == len(METRICS)


def test_a_label_is_quoted_and_never_read_as_a_template():
    assert (
        metric_sentence("selection_rate", "{positive} {{7*7}}")
        == "Of all rows, the share predicted “{positive} {{7*7}}”."
    )
    assert "positive" in metric_sentence("selection_rate", None)


def test_directions_are_those_of_the_catalog():
    for name, metric in METRICS.items():
        expected = {"higher": "Higher", "lower": "Lower", "neither": "Neither"}[metric.better]
        assert direction_sentence(name).startswith(expected)
    assert direction_sentence("unknown") == ""


def test_comparisons():
    assert metric_title("false_negative_rate_group_max") == "Highest group: false negative rate"
    assert metric_title("equalized_odds_difference").startswith("Difference in true or false positive rate")
    assert unit_of("demographic_parity_ratio") == "ratio"
    assert unit_of("equalized_odds_difference") == "points"
