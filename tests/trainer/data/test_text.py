import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.encoders import encode
from trainer.data.spec import encoded_tensors
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table
from trainer.data.text import FIRST_WORD, MAX_LENGTH, TextEncoder, fit_text, text_codes
from trainer.fitting.epoch import outputs_of
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)
HOSTILE = ["<script>alert(1)</script>", "=1+1", "a\nb\tc", "\u202eabc\u202c", "🙂", "", "   ", "e\u0301 é", "x" * 5000]


def noted(n=600, *, seed=0):
    rng = np.random.default_rng(seed)
    filler = rng.choice(["the", "patient", "came", "today", "again", "early"], (n, 6))
    ill = rng.random(n) < 0.5
    told = np.where(ill, rng.choice(["pain", "fever"], n), rng.choice(["fine", "well"], n))
    texts = [
        " ".join([*words[: 1 + row % 6], word]) for row, (words, word) in enumerate(zip(filler, told, strict=True))
    ]
    return pd.DataFrame({"note": texts, "age": rng.integers(18, 80, n), "ill": ill.astype(int)})


@pytest.fixture(scope="module")
def learner():
    frame = noted()
    table = Table.from_frame(frame, columns=Columns(y="ill", text=["note"]), split=split_rows(len(frame), seed=1))
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(6, 1e-2, batch_size=32)
    return learner


def test_it_learns_from_words(learner):
    assert learner.validate("test").accuracy > 0.97


@given(st.lists(st.text(max_size=30), min_size=1, max_size=20), st.integers(1, 3))
def test_the_vocabulary_agrees_with_scikit_learn(texts, min_count):
    ours = fit_text(pd.Series(texts, dtype=object, name="note"), min_count=min_count)
    theirs = CountVectorizer(token_pattern=r"\w+", min_df=min_count, lowercase=False)  # noqa: S106 - a pattern of words
    folded = [unicodedata.normalize("NFKC", text).casefold() for text in texts]
    try:
        expected = set(theirs.fit(folded).vocabulary_)
    except ValueError:  # no word is left
        expected = set()
    assert set(ours.vocabulary) == expected


def test_words_of_valid_and_test_rows_are_not_known(learner):
    frame = noted()
    split = learner.data.split
    changed = frame.copy()
    changed.loc[split.test, "note"] = "utterly different words in all of these rows and many more of them"
    other = Table.from_frame(changed, columns=learner.spec.columns, split=split)
    assert other.spec == learner.spec
    assert other.encoded.unseen == {"note": len(split.test)}


def test_padding_length_never_changes_an_output(learner):
    frame = noted(60, seed=5)
    (text,) = learner.spec.encoder.text
    plain = outputs_of(learner.model, encoded_tensors(encode(frame, encoder=learner.spec.encoder)))
    for longer in (text.length + 1, text.length + 50):
        wide = replace(learner.spec.encoder, text=(replace(text, length=longer),))
        inputs = encoded_tensors(encode(frame, encoder=wide))
        assert inputs[2].shape == (60, longer)
        learner.model.lengths, kept = [longer], learner.model.lengths
        padded = outputs_of(learner.model, inputs)
        learner.model.lengths = kept
        assert torch.equal(padded, plain)


def test_batch_size_and_row_order_never_change_an_output(learner):
    frame = noted(97, seed=6)
    plain = learner.predict_proba(frame)
    order = np.random.default_rng(0).permutation(97)
    assert learner.predict_proba(frame.iloc[order]) == pytest.approx(plain[order], abs=1e-6)
    one_by_one = np.concatenate([learner.predict_proba(frame.iloc[[row]]) for row in range(97)])
    assert one_by_one == pytest.approx(plain, abs=1e-6)
    in_sevens = outputs_of(learner.model, learner.inputs(frame), batch_size=7)
    assert in_sevens.softmax(1).numpy() == pytest.approx(plain, abs=1e-6)
    shuffled = frame.sample(frac=1.0, random_state=3)
    again = Table.from_frame(frame, columns=learner.spec.columns, split=split_given(train=range(90), valid=[], test=[]))
    moved = Table.from_frame(
        shuffled,
        columns=learner.spec.columns,
        split=split_given(train=np.flatnonzero(shuffled.index < 90), valid=[], test=[]),
    )
    assert moved.spec == again.spec


def test_order_of_words_changes_nothing_and_one_more_word_does(learner):
    answers = learner.predict_proba(pd.DataFrame({"note": ["pain today", "today PAIN.", "pain"], "age": [40] * 3}))
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)
    assert answers[0] != pytest.approx(answers[2], abs=1e-4)


def test_hostile_empty_and_missing_texts_get_an_answer(learner):
    frame = pd.DataFrame({"note": [*HOSTILE, None], "age": 40})
    encoded = encode(frame, encoder=learner.spec.encoder)
    assert np.isfinite(learner.predict_proba(frame)).all()
    assert encoded.missing == {"note": 4}  # an emoji, "", blanks, none
    assert encoded.unseen["note"] == len(HOSTILE) - 3


def test_unknown_words_share_one_code_and_long_texts_are_cut():
    encoder = fit_text(pd.Series(["a b", "a " * 1000, "c"], name="note"), min_count=1)
    assert encoder.length == MAX_LENGTH
    found = text_codes(pd.Series(["zebra yak a"]), TextEncoder(column="note", vocabulary=("a",), length=2))
    assert found.codes.tolist() == [[1, 1]]
    assert FIRST_WORD == 2


def test_two_text_columns_and_several_models(learner):
    frame = noted(200).assign(other=noted(200, seed=9)["note"])
    columns = Columns(y="ill", text=["note", "other"])
    table = Table.from_frame(frame, columns=columns, split=split_rows(200, seed=1))
    assert table.encoded.tokens.shape[1] == sum(length for _, length in table.spec.encoder.texts)

    def fitted(**options):
        plain = MLPSettings(hidden=(16,), frequencies=4, periodic=4, dropout=0.0)  # each model draws other masks
        made = Learner(table, network=plain, device="cpu", **options)
        made.fit_one_cycle(1, 1e-2, batch_size=32)
        return made

    both = fitted(models=2, seed=3)
    assert both.predict_each("test")[0].shape == (40, 2)
    for place, seed in enumerate((3, 4)):
        assert fitted(seed=seed).predict_proba("test") == pytest.approx(both.predict_each("test")[place], abs=1e-4)
    assert learner.predict_each("test").shape[0] == 1


def test_columns_that_are_no_text_are_all_named():
    frame = pd.DataFrame(
        {
            "number": range(6),
            "flag": [True, False] * 3,
            "mixed": ["a", 1, "b", None, "c", "d"],
            "list": [["a"], ["b"]] * 3,
            "once": ["p", "q", "r", "s", "t", "u"],
            "gone": [None] * 4 + ["a", "b"],
            "y": [0, 1] * 3,
        }
    )
    columns = Columns(y="y", text=["number", "flag", "mixed", "list", "once", "gone"])
    with pytest.raises(InputError) as caught:
        Table.from_frame(frame, columns=columns, split=split_given(train=range(4), valid=[4], test=[5]))
    for expected in (
        "text feature 'number' holds int64; expected text",
        "text feature 'flag' holds bool; expected text",
        "text feature 'mixed' holds 1, which is no text",
        "text feature 'list' holds ['a'], which is no text",
        "text feature 'once' has no word that stands in 2 train rows: lower min_count",
        "feature 'gone' has no value in any train row",
    ):
        assert expected in str(caught.value)
    with pytest.raises(InputError, match="min_count is a number of train rows, at least 1; came 0"):
        Columns(y="y", text=["once"], min_count=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_words_on_a_gpu_are_read_as_on_a_cpu(learner, tmp_path):
    learner.save(tmp_path)
    frame = noted(200, seed=7)
    on_gpu = Learner.load(tmp_path, device="cuda")
    assert on_gpu.predict_proba(frame) == pytest.approx(learner.predict_proba(frame), abs=1e-4)
    trained = Learner(learner.data, network=SMALL, device="cuda")
    trained.fit_one_cycle(6, 1e-2, batch_size=32)
    assert trained.validate("test").accuracy > 0.97
