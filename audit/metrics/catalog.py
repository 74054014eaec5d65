"""The catalog of metrics. Adding one = one function on counts, one row here, one test case."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from audit.metrics import calibration, confusion, ranking
from audit.metrics.metric import Metric, MetricFunction

_POWERS = "Powers 2011, Evaluation: from precision, recall and F-measure to ROC, arXiv:2010.16061"
_HARDT = "Hardt, Price & Srebro 2016, Equality of opportunity in supervised learning, arXiv:1610.02413"
_CHOULDECHOVA = "Chouldechova 2017, Fair prediction with disparate impact, doi:10.1089/big.2016.0047"
_DEEKS = "Deeks & Altman 2004, Diagnostic tests 4: likelihood ratios, doi:10.1136/bmj.329.7458.168"
_MATTHEWS = "Matthews 1975, doi:10.1016/0005-2795(75)90109-9"
_BRODERSEN = "Brodersen et al. 2010, The balanced accuracy and its posterior distribution, doi:10.1109/ICPR.2010.764"
_DELONG = "DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595"

_BUCKLEY = "Buckley & Voorhees 2000, Evaluating evaluation measure stability, doi:10.1145/345508.345543"
_BRIER = "Brier 1950, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78, 1-3"
_STEYERBERG = "Steyerberg et al. 2010, Assessing the performance of prediction models, doi:10.1097/EDE.0b013e3181c30fb2"
_COX = "Cox 1958, Two further applications of a model for binary regression, doi:10.1093/biomet/45.3-4.562"
_CALSTER = "Van Calster et al. 2016, A calibration hierarchy for risk models, doi:10.1016/j.jclinepi.2015.12.005"
_NAEINI = "Naeini, Cooper & Hauskrecht 2015, Obtaining well calibrated probabilities, doi:10.1609/aaai.v29i1.9602"

_UNIT = (0.0, 1.0)
_ANY = (float("-inf"), float("inf"))
_TIED = "scores share too few bins to rank by; pass score_max, so that they fill [0, 1]"
_WEIGHTLESS = "all weights are 0 in slice"
_PARTED = "no overlap of the scores of positives and negatives in slice: no finite slope fits best"


def _row(
    function: MetricFunction,
    needs: str,
    better: Literal["higher", "lower", "neither"],
    source: str,
    limits: tuple[float, float] = _UNIT,
    unclear: str | None = None,
) -> Metric:
    name = function.__name__
    return Metric(
        name=name, function=function, needs=needs, range=limits, better=better, source=source, unclear=unclear
    )


_ROWS = (
    _row(confusion.selection_rate, "rows", "neither", _CHOULDECHOVA),
    _row(confusion.prevalence, "labels", "neither", _POWERS),
    _row(confusion.accuracy, "labels", "higher", _POWERS),
    _row(confusion.true_positive_rate, "positive labels", "higher", _HARDT),
    _row(confusion.false_positive_rate, "negative labels", "lower", _HARDT),
    _row(confusion.true_negative_rate, "negative labels", "higher", _POWERS),
    _row(confusion.false_negative_rate, "positive labels", "lower", _CHOULDECHOVA),
    _row(confusion.precision, "labelled positive predictions", "higher", _CHOULDECHOVA),
    _row(confusion.false_discovery_rate, "labelled positive predictions", "lower", _POWERS),
    _row(confusion.false_omission_rate, "labelled negative predictions", "lower", _POWERS),
    _row(confusion.negative_predictive_value, "labelled negative predictions", "higher", _POWERS),
    _row(confusion.balanced_accuracy, "positive or no negative labels", "higher", _BRODERSEN),
    _row(confusion.f1, "positive labels or predictions", "higher", _POWERS),
    _row(confusion.matthews_corrcoef, "second label or no second prediction", "higher", _MATTHEWS, (-1.0, 1.0)),
    _row(
        confusion.positive_likelihood_ratio,
        "positive labels or no false positives",
        "higher",
        _DEEKS,
        (0.0, float("inf")),
    ),
    _row(
        confusion.negative_likelihood_ratio,
        "positive labels or no true negatives",
        "lower",
        _DEEKS,
        (0.0, float("inf")),
    ),
    _row(ranking.roc_auc, "positive or no negative labels", "higher", _DELONG, unclear=_TIED),
    _row(ranking.average_precision, "positive labels", "higher", _BUCKLEY, unclear=_TIED),
    _row(calibration.brier_score, "labels", "lower", _BRIER, unclear=_WEIGHTLESS),
    _row(calibration.calibration_in_the_large, "labels", "neither", _STEYERBERG, (-1.0, 1.0), _WEIGHTLESS),
    _row(calibration.calibration_intercept, "positive or no negative labels", "neither", _CALSTER, _ANY, _WEIGHTLESS),
    _row(calibration.calibration_slope, "positive or no negative labels", "neither", _COX, _ANY, _PARTED),
    _row(calibration.expected_calibration_error, "labels", "lower", _NAEINI, unclear=_WEIGHTLESS),
    _row(calibration.maximum_calibration_error, "labels", "lower", _NAEINI, unclear=_WEIGHTLESS),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ROWS})
"""Every metric by name. `count`, the number of rows, is no metric of the catalog: it has no interval and no gap."""
