import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from audit.errors import InputError
from audit.paired.paired_changes import paired_change_rows
from audit.result import Result
from audit.stress import perturbations as disturb
from audit.stress.robustness import Subjects, run_robustness


def row_of(result, metric, kind=None, at=None, **where):
    return next(
        r
        for r in result.measurements
        if r.metric == metric
        and dict(r.slice) == where
        and (r.against["kind"] if r.against else None) == kind
        and (at is None or dict(r.at).get("feature") == at)
    )


def pictures(n=240, seed=0):
    """Bright or dark pictures; those of the group "low" have little contrast."""
    random = np.random.default_rng(seed)
    group = random.choice(["low", "high"], n)
    y = random.integers(0, 2, n)
    strength = np.where(group == "low", 0.1, 0.6)
    images = 0.5 + strength[:, None, None] * (y - 0.5)[:, None, None] * np.ones((n, 8, 8))
    return images, y, group


def brightness(images):
    return (images.mean(axis=(1, 2)) > 0.5).astype(int)


def test_noise_hurts_the_group_of_little_contrast():
    images, y, group = pictures()
    result = run_robustness(
        brightness, images, {"noise": lambda rows: disturb.pixel_noise(rows, scale=0.8, random_state=1)},
        Subjects(y, {"contrast": group}), random_state=1,
    )  # fmt: skip
    noisy = brightness(disturb.pixel_noise(images, scale=0.8, random_state=1))
    for name in ("low", "high"):
        inside = group == name
        row = row_of(result, "perturbation_error_increase", contrast=name)
        assert row.value == pytest.approx(
            np.mean(noisy[inside] != y[inside]) - np.mean(brightness(images)[inside] != y[inside])
        )
        assert row_of(result, "perturbation_flip_rate", contrast=name).value == pytest.approx(
            np.mean(noisy != brightness(images), where=inside)
        )
    assert row_of(result, "perturbation_error_increase", contrast="low").low > 0.1
    gap = row_of(result, "perturbation_error_increase_difference", "groups")
    assert gap.low > 0
    assert gap.reason == "between low and high"
    assert result.provenance.seed == 1
    assert Result.from_json(result.to_json()) == result


def test_several_perturbations_and_no_effect():
    images, y, group = pictures()
    result = run_robustness(
        brightness, images,
        {"crop": lambda rows: disturb.crop(rows, share=0.5), "blur": lambda rows: disturb.blur(rows, sigma=1.0)},
        Subjects(y, {"contrast": group}),
    )  # fmt: skip
    for name in ("crop", "blur"):
        row = row_of(result, "perturbation_error_increase", at=name)
        assert row.value == 0
        assert row.low < 0 < row.high < 0.02


def test_scores_words_and_clusters():
    frame = pd.DataFrame({"x": np.linspace(0, 1, 200), "who": np.arange(200) // 4})
    y = np.where(frame["x"] > 0.5, "yes", "no")
    found = run_robustness(
        lambda rows: rows["x"], frame, {"unit": lambda rows: disturb.unit_error(rows, column="x", factor=0.5)},
        Subjects(y, {"half": np.where(frame["x"] > 0.5, "upper", "lower")}, frame["who"]), threshold=0.5,
        positive="yes",
    )  # fmt: skip
    assert row_of(found, "perturbation_error_increase", half="upper").value > 0.9
    assert row_of(found, "perturbation_error_increase").method.endswith("cluster-robust")
    assert row_of(found, "perturbation_score_change").value == pytest.approx(frame["x"].mean() / 2)
    words = run_robustness(
        lambda rows: np.where(rows["x"] > 0.5, "yes", "no"), frame, {"none": lambda rows: rows}, Subjects(y, {})
    )
    assert row_of(words, "perturbation_flip_rate").value == 0


def test_coverage_of_error_increases():
    random, covered, repeats, truth = np.random.default_rng(3), 0, 800, 0.06
    for _ in range(repeats):
        draws = random.random(150)
        rows = paired_change_rows("increase", draws < 0.08, draws > 0.98, {})
        row = next(iter(rows))
        covered += row.low <= truth <= row.high
    assert covered / repeats >= 0.94


def test_the_largest_gap_of_equal_groups_reaches_0():
    random, covered, repeats = np.random.default_rng(4), 0, 150
    for _ in range(repeats):
        draws = random.random(300)
        *_, row = paired_change_rows("increase", draws < 0.1, draws > 0.95, {"g": np.repeat([*"abc"], 100)})
        covered += row.low <= 0 <= row.high
    assert covered / repeats >= 0.93


def test_what_changes_its_argument_changes_nothing_here():
    def more(x):
        x += 1
        return x

    def model(x):
        x *= 10
        return (x[:, 0] > 35).astype(int)

    rows = np.arange(8.0)[:, None]
    subjects = Subjects([0] * 4 + [1] * 4, {"sex": ["F", "M"] * 4})
    found = run_robustness(model, rows, {"one": more, "same": lambda x: x}, subjects)
    assert row_of(found, "perturbation_flip_rate", at="one").value == 1 / 8
    assert row_of(found, "perturbation_flip_rate", at="same").value == 0
    assert rows[:, 0].tolist() == list(range(8))


def test_what_raises_is_named():
    images, y, group = pictures(20)
    subjects = Subjects(y, {"contrast": group})
    with pytest.raises(InputError, match="predict failed on 20 rows of a ndarray: ZeroDivisionError"):
        run_robustness(lambda _: 1 / 0, images, {"same": lambda x: x}, subjects)
    with pytest.raises(InputError, match="perturbation 'wide' failed on 20 rows of a ndarray: InputError: share must"):
        run_robustness(brightness, images, {"wide": lambda x: disturb.crop(x, share=2)}, subjects)
    with pytest.raises(InputError, match="perturbation 'none' returned 0 rows for 20"):
        run_robustness(brightness, images, {"none": lambda _: None}, subjects)
    with pytest.raises(InputError, match="20 fractions, such as"):
        run_robustness(lambda x: x.mean(axis=(1, 2)) + 0.001, images, {"same": lambda x: x}, subjects)


def test_bad_input():
    images, y, group = pictures(20)
    subjects = Subjects(y, {"contrast": group})
    with pytest.raises(InputError, match="no perturbation is named"):
        run_robustness(brightness, images, {}, subjects)
    with pytest.raises(InputError, match="perturbation 'half' returned 10 rows for 20"):
        run_robustness(brightness, images, {"half": lambda rows: rows[:10]}, subjects)
    with pytest.raises(InputError, match="y_true has 3 labels for 20 rows"):
        run_robustness(brightness, images, {"same": lambda rows: rows}, Subjects([1, 0, 1], {}))
    with pytest.raises(InputError, match="y_true is missing in 20 rows"):
        run_robustness(brightness, images, {"same": lambda rows: rows}, Subjects([None] * 20, {}))
    with pytest.raises(InputError, match="with scores, name the positive label"):
        run_robustness(brightness, images, {"same": lambda rows: rows}, Subjects(["a"] * 20, {}), threshold=0.5)


# --- the perturbations themselves -----------------------------------------------------------------------------------


def test_blur_is_the_gaussian_filter_of_scipy():
    images = np.random.default_rng(0).random((3, 12, 9))
    theirs = np.stack([gaussian_filter(image, 1.5, mode="nearest", truncate=5 / 1.5) for image in images])
    assert disturb.blur(images, sigma=1.5) == pytest.approx(theirs, abs=2e-4)
    assert disturb.blur(images, sigma=0) == pytest.approx(images)
    colour = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3)).astype(np.uint8)
    assert disturb.blur(colour, sigma=1.0).dtype == np.uint8
    assert disturb.blur(colour, sigma=1.0)[..., 0] == pytest.approx(disturb.blur(colour[..., 0], sigma=1.0))


def test_crop_keeps_the_middle_and_the_size():
    images = np.arange(100.0).reshape(1, 10, 10)
    cropped = disturb.crop(images, share=0.4)
    assert cropped.shape == images.shape
    assert set(np.unique(cropped)) == set(images[0, 3:7, 3:7].ravel())
    assert np.array_equal(disturb.crop(images, share=1.0), images)


def test_noise_and_missing_cells_are_of_the_stated_size():
    frame = pd.DataFrame({"a": np.random.default_rng(0).normal(5, 3, 20_000), "b": ["x"] * 20_000})
    noisy = disturb.noise(frame, columns=["a"], scale=0.5, random_state=1)
    assert (noisy["a"] - frame["a"]).std() == pytest.approx(1.5, rel=0.03)
    assert noisy["b"].equals(frame["b"])
    holes = disturb.missing_cells(frame, columns=["a", "b"], share=0.2, random_state=1)
    assert holes.isna().mean().tolist() == pytest.approx([0.2, 0.2], abs=0.01)
    assert not frame.isna().any(axis=None)
    assert disturb.noise(frame, columns=["a"], scale=0.5, random_state=1).equals(noisy)
    wrong = disturb.unit_error(frame, column="a", factor=100, share=0.3, random_state=1)
    assert ((wrong["a"] / frame["a"]) > 50).mean() == pytest.approx(0.3, abs=0.02)
    snow = disturb.pixel_noise(np.full((2, 50, 50), 250, np.uint8), scale=20)
    assert snow.max() == 255


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f: disturb.missing_cells(f, columns=["z"], share=2), "'z' is missing"),
        (lambda f: disturb.noise(f, columns=["b"], scale=1), "'b' holds .*; expected numbers"),
        (lambda f: disturb.noise(f, columns=["c"], scale=1), "'c' holds bool; expected numbers"),
        (lambda f: disturb.noise(f, columns=["a"], scale=np.nan), r"scale must lie in \[0, inf\]; got nan"),
        (lambda f: disturb.unit_error(f, column="a", factor=2, share=-1), r"share must lie in \[0, 1\]; got -1"),
        (lambda _: disturb.crop(np.zeros((2, 2)), share=0.5), r"expected pictures .* got \(2, 2\)"),
        (lambda _: disturb.crop(np.zeros((2, 2, 2)), share=0), "share must lie in"),
        (lambda _: disturb.blur(np.zeros((0, 2, 2)), sigma=-1), "expected pictures"),
        (lambda _: disturb.pixel_noise(np.zeros((1, 2, 2)), scale=-1), "scale must lie in"),
    ],
)
def test_bad_perturbations(call, text):
    with pytest.raises(InputError, match=text):
        call(pd.DataFrame({"a": [1.0], "b": ["x"], "c": [True]}))


def test_the_largest_gap_of_error_increases_says_which_groups_took_part():
    worse, better = np.arange(40) % 5 == 0, np.arange(40) % 9 == 1
    groups = {"g": [*"abcd"] * 9 + [None] * 4}
    *_, row = paired_change_rows("increase", worse, better, groups)
    assert row.against == {"kind": "groups", "features": ["g"], "among": [["a"], ["b"], ["c"], ["d"]]}
    assert row.n == 9
