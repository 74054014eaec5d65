"""Two audits as a person reads them: what fails stands first, the page is short, and its figures are true."""

import contextlib
import gzip
import html
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from statsmodels.stats.proportion import proportion_confint

from evenhanded.cli import run

RACES = ("White", "Black", "American Indian", "Alaska Native", "American Indian, tribe not said", "Asian",
         "Pacific Islander", "Other race", "Two or more")  # fmt: skip
EDGES, AGES = (25, 45, 65), ("<25", "25-45", "45-65", ">=65")
ADULT = ("age", "workclass", "weight", "education", "education_num", "marital_status", "occupation", "relationship",
         "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income")  # fmt: skip
DOCUMENT = (Path(__file__).parents[2] / "docs" / "readings.md").read_text(encoding="utf-8")
(POLICY,) = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
(COMMAND,) = re.findall(r"^```sh\n(evenhanded audit .*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
LIMITS = {"missed-sex": 0.05, "missed-race": 0.10, "alarms-age": 0.05}
LONGEST_FIRST_SCREEN = 600
"""Words: about two minutes."""


class Reading(NamedTuple):
    frame: pd.DataFrame
    rows: list[dict[str, Any]]
    first: str
    page: str


def visible(page: str) -> str:
    """Return what a person sees of a page, a line for each block."""
    text = re.sub(r"<(style|svg).*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</(p|li|h\d|tr|caption)>", "\n", text)))


def read(frame: pd.DataFrame, folder: Path) -> Reading:
    """Audit predictions through the command line and return what the page and the JSON say."""
    frame.to_parquet(folder / "scored.parquet")
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    with contextlib.chdir(folder):
        assert run(shlex.split(COMMAND.replace("\\\n", " "), comments=True)[1:]) == 1
    page = visible((folder / "r.html").read_text(encoding="utf-8"))
    rows = json.loads((folder / "r.json").read_text(encoding="utf-8"))["measurements"]
    first, _, _ = page.partition("Group by group")
    return Reading(frame.assign(age=pd.cut(frame["age"], [-np.inf, *EDGES, np.inf], right=False, labels=AGES)),
                   rows, first, page)  # fmt: skip


def scored(train: pd.DataFrame, test: pd.DataFrame, codes: list[str], numbers: list[str]) -> pd.DataFrame:
    """Return the test rows with what a logistic regression, which sees neither race nor sex, says of them."""
    one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=20)
    seen = make_column_transformer((one_hot, codes), (StandardScaler(), numbers))
    model = make_pipeline(seen, LogisticRegression(tol=1e-3, max_iter=300))
    scores = model.fit(train, train["y"]).predict_proba(test)[:, 1]
    return test[["y", "race", "sex", "age"]].assign(s=scores.round(6), p=(scores.round(6) >= 0.5).astype(int))


@pytest.fixture(scope="module")
def acs(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """ACS PUMS 2018, income over 50,000 dollars (Ding et al. 2021): fitted on 20,000 rows, audited on 332,900."""
    files = [data_folder / "acs_income" / f"acs_income_2018_{part}.parquet" for part in ("validation", "test")]
    if missing := [str(path) for path in files if not path.is_file()]:
        pytest.skip(f"missing: {missing}")
    train, test = (named_acs(pd.read_parquet(path)) for path in files)
    frame = scored(train.sample(20_000, random_state=0), test, ["COW", "MAR", "RELP", "OCCP"], ["SCHL", "WKHP", "age"])
    return read(frame, tmp_path_factory.mktemp("acs"))


def named_acs(frame: pd.DataFrame) -> pd.DataFrame:
    race = frame["RAC1P"].astype(int).map(dict(enumerate(RACES)))
    sex = frame["SEX"].map({1: "Male", 2: "Female"})
    return frame.assign(race=race, sex=sex, age=frame["AGEP"], y=frame["PINCP"].astype(int))


@pytest.fixture(scope="module")
def adult(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """Census income of 1994 (Becker and Kohavi 1996): fitted on the published train part, audited on the test part."""
    files = [data_folder / "adult" / f"adult.{part}.gz" for part in ("data", "test")]
    if missing := [str(path) for path in files if not path.is_file()]:
        pytest.skip(f"missing: {missing}")
    train, test = (named_adult(path, skip) for path, skip in zip(files, (0, 1), strict=True))
    codes = ["workclass", "marital_status", "occupation", "relationship", "native_country"]
    numbers = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    return read(scored(train, test, codes, numbers), tmp_path_factory.mktemp("adult"))


def named_adult(path: Path, skip: int) -> pd.DataFrame:
    with gzip.open(path, "rt") as stream:
        frame = pd.read_csv(stream, names=list(ADULT), skiprows=skip, skipinitialspace=True)
    return frame.assign(y=frame["income"].str.startswith(">").astype(int))


@pytest.fixture(scope="module", params=["acs", "adult"])
def reading(request: pytest.FixtureRequest) -> Reading:
    return request.getfixturevalue(request.param)


def test_the_data_are_the_published_ones(acs, adult):
    assert len(acs.frame) == 332_900
    assert (acs.frame["race"].nunique(), acs.frame["sex"].nunique(), acs.frame["age"].nunique()) == (9, 2, 4)
    assert len(adult.frame) == 16_281
    assert adult.frame["y"].sum() == 3_846, "adult.names: 23.62 % of the test part"


def test_what_fails_stands_first_and_the_first_screen_is_short(reading):
    assert reading.first.split("In short")[1].split()[:2] == ["✕", "fails"]
    verdicts = re.findall(r"[✕◇✓]\s+(fails|not shown|holds)", reading.first.split("what fails first")[1])
    assert verdicts == sorted(verdicts, key=["fails", "not shown", "holds"].index)
    assert len(verdicts) == 4
    assert verdicts[0] == "fails"
    assert reading.first.index("where the policy asks for") < reading.first.index("Requirements, what fails first")
    for title in ("What no requirement speaks of", "What is not known", "Who decides"):
        assert reading.first.index("Requirements, what fails first") < reading.first.index(title)
    assert len(reading.first.split()) <= LONGEST_FIRST_SCREEN
    assert len(reading.page.split()) <= 9_000


NUMBER = r"[−+]?\d[\d,]*(?:\.\d+)?"


def test_what_the_document_quotes_stands_on_the_page(reading):
    """Word for word; numbers to within a point or three percent, as libraries fit a little differently."""
    title = "ACS income" if len(reading.frame) == 332_900 else "Adult"
    section = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    quotes = re.findall(r"^> (.*)$", section, re.MULTILINE)
    assert len(quotes) >= 5
    lines = {re.sub(NUMBER, "#", " ".join(line.split())): " ".join(line.split()) for line in reading.first.splitlines()}
    for quote in quotes:
        assert re.sub(NUMBER, "#", quote) in lines, quote
        said = lines[re.sub(NUMBER, "#", quote)]
        for ours, theirs in zip(re.findall(NUMBER, quote), re.findall(NUMBER, said), strict=True):
            one, two = (float(text.replace("−", "-").replace(",", "")) for text in (ours, theirs))
            assert one == pytest.approx(two, abs=1, rel=0.03), (quote, said)


def test_every_published_figure_names_a_test_that_exists():
    rows = [line.split("|")[1:-1] for line in DOCUMENT.split("## Published figures")[1].splitlines() if "::" in line]
    assert [row[0].strip() for row in rows if row[0].strip()] == [f"G{number}" for number in range(1, 8)]
    for file, name in (found for row in rows for found in re.findall(r"`([\w/.]+)::(\w+)`", row[2])):
        text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{file}::{name}"


def rates(frame: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return the successes and the trials of each rate, by scikit-learn."""
    tn, fp, fn, tp = (int(n) for n in confusion_matrix(frame["y"], frame["p"], labels=[0, 1]).ravel())
    return {
        "selection_rate": (tp + fp, len(frame)),
        "false_positive_rate": (fp, fp + tn),
        "false_negative_rate": (fn, fn + tp),
        "precision": (tp, tp + fp),
        "accuracy": (tp + tn, len(frame)),
    }


def sums(counts: list[dict[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    return {metric: tuple(np.sum([each[metric] for each in counts], axis=0).tolist()) for metric in counts[0]}


def plain(rows: list[dict[str, Any]], metric: str) -> dict[tuple[tuple[str, str], ...], dict[str, Any]]:
    named = (row for row in rows if row["metric"] == metric and row["against"] is None and not row["at"])
    return {tuple(sorted(row["slice"].items())): row for row in named}


@pytest.mark.parametrize("features", [[], ["race"], ["sex"], ["age"], ["race", "sex"], ["age", "race", "sex"]])
def test_every_rate_and_its_interval_by_scikit_learn_and_statsmodels(reading, features):
    groups = reading.frame.groupby(features, observed=True) if features else [((), reading.frame)]
    checked = 0
    for values, frame in groups:
        key = tuple(sorted(zip(features, values if isinstance(values, tuple) else (values,), strict=True)))
        for metric, (x, n) in rates(frame).items():
            row = plain(reading.rows, metric)[key]
            assert row["n"] == n, (key, metric)
            if n:
                expected = own_interval(x, n, alpha=0.05)
                assert (row["value"], row["low"], row["high"]) == pytest.approx(expected, abs=1e-9), (key, metric)
            else:
                assert row["value"] is None
            checked += 1
    assert checked >= 5


def difference(one: tuple[int, int], two: tuple[int, int], *, pairs: int) -> tuple[float, float]:
    """Return the interval of a difference of two rates, simultaneous over some pairs.

    Agresti and Caffo (2000); of fewer than twenty events among several pairs the wider of it and Newcombe's (1998).
    """
    (x1, n1), (x2, n2) = ((x + 1, n + 2) for x, n in (one, two))
    middle, spread = x1 / n1 - x2 / n2, np.sqrt(x1 / n1 * (1 - x1 / n1) / n1 + x2 / n2 * (1 - x2 / n2) / n2)
    half = norm.isf(0.025 / pairs) * spread
    low, high = middle - half, middle + half
    if pairs > 1 and min(min(x, n - x) for x, n in (one, two)) < 20:
        (rate1, low1, high1), (rate2, low2, high2) = (
            own_interval(*counts, alpha=0.05 / pairs) for counts in (one, two)
        )
        low = min(low, rate1 - rate2 - np.hypot(rate1 - low1, high2 - rate2))
        high = max(high, rate1 - rate2 + np.hypot(high1 - rate1, rate2 - low2))
    return max(low, -1), min(high, 1)


def own_interval(x: int, n: int, *, alpha: float) -> tuple[float, float, float]:
    return (x / n, *proportion_confint(x, n, alpha=alpha, method="beta" if min(x, n - x) < 10 else "wilson"))


@pytest.mark.parametrize("feature", ["race", "sex", "age"])
def test_every_difference_from_the_rest(reading, feature):
    groups = {value: rates(frame) for value, frame in reading.frame.groupby(feature, observed=True)}
    for value, counts in groups.items():
        rest = sums([others for other, others in groups.items() if other != value])
        for metric, own in counts.items():
            (row,) = (row for row in reading.rows if row["metric"] == f"{metric}_difference"
                      and row["slice"] == {feature: value} and row["against"] == {"kind": "rest"})  # fmt: skip
            if own[1] == 0:
                assert row["value"] is None
                continue
            others = rest[metric]
            assert row["value"] == pytest.approx(own[0] / own[1] - others[0] / others[1])
            bounds = difference(own, others, pairs=len(groups))
            assert (row["low"], row["high"]) == pytest.approx(bounds, abs=1e-9), (metric, value, row)


@pytest.mark.parametrize(
    ("name", "feature", "metric"),
    [
        ("missed-sex", "sex", "false_negative_rate"),
        ("missed-race", "race", "false_negative_rate"),
        ("alarms-age", "age", "false_positive_rate"),
    ],
)
def test_what_the_first_screen_says_of_a_requirement(reading, name, feature, metric):
    found = {str(value): rates(frame)[metric] for value, frame in reading.frame.groupby(feature, observed=True)}
    enough = {value: counts for value, counts in found.items() if counts[1] >= 30}
    order = sorted(enough, key=lambda value: enough[value][0] / enough[value][1])
    best, worst = (enough[order[place]] for place in (0, -1))
    size = worst[0] / worst[1] - best[0] / best[1]
    pairs = [(one, two) for place, one in enumerate(order) for two in order[place + 1 :]]
    low = max(difference(enough[two], enough[one], pairs=len(pairs))[0] for one, two in pairs)
    high = max(difference(enough[two], enough[one], pairs=1)[1] for one, two in pairs)
    said = re.search(rf"{name}\s+[✕◇✓]\s+(fails|not shown|holds)\s+\|?\s+.*?: between (.*?) and (.*?)\s+"
                     rf"([\d.]+) points \s*\[([−\d.]+), ([\d.]+)\]\s*,\s+n = ([\d,]+)", reading.first)  # fmt: skip
    assert said is not None
    assert (said[2], said[3]) == (order[-1], order[0])
    assert float(said[4]) == pytest.approx(100 * size, abs=0.051)
    numbers = [float(text.replace("−", "-")) for text in said.group(5, 6)]
    assert numbers == pytest.approx([100 * low, 100 * high], abs=0.051)
    assert int(said[7].replace(",", "")) == min(n for _, n in enough.values())
    limit = LIMITS[name]
    assert re.search(rf"id: {name},.* max: {limit:.2f}}}", POLICY)
    few = len(enough) < len(found)
    assert said[1] == ("fails" if low > limit else "holds" if high <= limit and not few else "not shown")
    if low > limit:
        assert f"That is {100 * worst[0] / worst[1]:.1f} % against {100 * best[0] / best[1]:.1f} %." in reading.first


def test_what_no_requirement_speaks_of_is_the_largest_left(reading):
    lines = re.findall(r"(\S[^\n]*?): (\w+) = (.+?) lies ([\d.]+) points (above|below) the rest", reading.first)
    assert len(lines) >= 2
    spoken = {("False negative rate", "sex"), ("False negative rate", "race"), ("False positive rate", "age")}
    assert not spoken & {(metric, feature) for metric, feature, *_ in lines}
    for title, feature, value, size, side in lines:
        metric = title.lower().replace(" ", "_")
        own = rates(reading.frame[reading.frame[feature] == value])[metric]
        others = rates(reading.frame[reading.frame[feature] != value])[metric]
        gap = own[0] / own[1] - others[0] / others[1]
        assert float(size) == pytest.approx(100 * abs(gap), abs=0.051)
        assert side == ("above" if gap > 0 else "below")


def test_the_scores(reading):
    for features in ([], ["sex"]):
        for values, frame in reading.frame.groupby(features, observed=True) if features else [((), reading.frame)]:
            key = tuple(zip(features, values, strict=True))
            auc, area = plain(reading.rows, "roc_auc")[key], roc_auc_score(frame["y"], frame["s"])
            assert auc["value"] == pytest.approx(area, abs=5e-4)
            assert auc["low"] <= area <= auc["high"]
            promised = frame["s"].mean() - frame["y"].mean()
            assert plain(reading.rows, "calibration_in_the_large")[key]["value"] == pytest.approx(promised, abs=1e-6)
    for sex, frame in reading.frame.groupby("sex"):
        pattern = r": All in all.*?most in ([\d.]+) to ([\d.]+): promised ([\d.]+) %, came true ([\d.]+) %"
        said = re.search(sex + pattern, reading.page)
        if said is None:
            continue
        came, promise = calibration_curve(frame["y"], frame["s"], n_bins=10)
        place = int(np.argmin(np.abs(promise - float(said[3]) / 100)))
        assert float(said[1]) <= promise[place] <= float(said[2])
        assert (float(said[3]), float(said[4])) == pytest.approx((100 * promise[place], 100 * came[place]), abs=0.06)
