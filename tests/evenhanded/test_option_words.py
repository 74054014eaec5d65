"""Errors of the command line name its options, not the parameters of Python."""

import pandas as pd
import pytest

from evenhanded.option_words import in_options


@pytest.fixture
def folder(tmp_path):
    frame = pd.DataFrame(
        {"true": ["yes", "no"] * 50, "said": [1, 0] * 50, "score": [9, 2] * 50, "sex": ["F", "M"] * 50}
    )
    frame.to_csv(tmp_path / "scored.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--y-true", "said"), "no predictions: --y-pred, or --y-score with --threshold"),
        (("--y-true", "said", "--y-score", "score", "--threshold", "5"), "--score-max 10 --threshold 0.5"),
        (("--y-true", "said", "--y-score", "score", "--threshold", "0.5"), "--score-max 10 --threshold 0.5"),
        (
            ("--y-true", "true", "--y-pred", "said"),
            "write both alike, or --y-score with --threshold if they are scores",
        ),
        (("--y-true", "true", "--y-pred", "true2"), "(y_pred) is missing"),
    ],
)
def test_an_error_says_which_option_mends_it(call, folder, arguments, said):
    assert said in call("audit", "scored.csv", *arguments, "--sensitive", "sex", cwd=folder, code=2).stderr


def test_labels_that_are_words_need_a_positive_one(call, folder):
    scores = ("--y-score", "score", "--score-max", "10", "--threshold", "0.5")
    done = call("audit", "scored.csv", "--y-true", "true", *scores, "--sensitive", "sex", cwd=folder, code=2)
    assert "(--positive LABEL)" in done.stderr


def test_one_table_is_split_by_an_option(call, folder):
    done = call("lint", "scored.csv", "--y-true", "said", cwd=folder, code=2)
    assert "one table and --split part=test" in done.stderr


def test_columns_of_the_data_keep_their_names():
    text = "column 'y_true' (y_true) is missing; the data has 'y_pred'; y_score.csv does not exist"
    assert in_options(text) == text


def test_a_misspelled_command_and_option_are_guessed(call, folder):
    assert "Did you mean 'audit'?" in call("adit", "scored.csv", cwd=folder, code=2).stderr
    assert "Did you mean" not in call("zzz", cwd=folder, code=2).stderr
    (folder / "audit.yaml").write_text("sensitve: sex\n")
    done = call("audit", "scored.csv", "-c", "audit.yaml", cwd=folder, code=2)
    assert "unknown option 'sensitve'; did you mean 'sensitive'?" in done.stderr


def test_help_says_that_folders_are_read_with_their_sub_folders(call, tmp_path):
    assert "sub-folders" in call("audit", "--help", cwd=tmp_path, code=0).stdout
