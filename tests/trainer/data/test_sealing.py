import json
from dataclasses import replace
from threading import Thread

import numpy as np
import pandas as pd
import pytest

from audit.errors import EvidenceError, InputError
from audit.sealing.seal_files import read_attempts
from trainer.data.columns import Columns
from trainer.data.images import Images
from trainer.data.ratings import Ratings
from trainer.data.sealing import open_test, read_sealed_split, seal_test, sealed_split
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.images import CNNSettings
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(8,), frequencies=4, periodic=4)
BY = "A. Reviewer"


@pytest.fixture
def box(tmp_path):
    return tmp_path / "runs" / "sealed"


@pytest.fixture
def learner(table, box):
    learner = Learner(seal_test(table, box, by=BY), network=SMALL, device="cpu")
    learner.fit_one_cycle(1, batch_size=256)
    return learner


def test_test_rows_are_refused_everywhere_until_they_are_opened(learner, box):
    asked = (learner.validate, learner.predict, learner.predict_proba, learner.predict_log, learner.data.part)
    for ask in asked:
        with pytest.raises(InputError, match=r"test rows are sealed in .*sealed: open them, once, with open_test"):
            ask("test")
    assert learner.validate("valid").n == 300
    record = open_test(learner, by=BY, purpose="release 1")
    for ask in asked:
        ask("test")
    assert learner.validate("test").n == 300
    assert json.loads((box / "opened.json").read_text()) == record
    assert record["model_version"] == learner.model_version
    assert (record["by"], record["purpose"], record["split"]) == (BY, "release 1", learner.data.split.digest)


def test_it_is_opened_once_and_every_attempt_is_recorded(learner, box):
    open_test(learner, by=BY)
    learner.fit_one_cycle(1, batch_size=256)
    with pytest.raises(
        EvidenceError, match=r"were opened before: by A\. Reviewer at .*rows that were seen test nothing"
    ):
        open_test(learner, by="B. Other")
    assert [(each["by"], each["outcome"]) for each in read_attempts(box)] == [
        (BY, "opened"),
        ("B. Other", "refused: opened before"),
    ]
    (box / "opened.json").unlink()  # the attempts still tell of it
    with pytest.raises(EvidenceError, match="were opened before"):
        open_test(learner, by=BY)


def test_of_two_at_the_same_moment_one_wins(learner, box):
    outcomes = []

    def attempt():
        try:
            outcomes.append(open_test(learner, by=BY)["by"])
        except EvidenceError:
            outcomes.append("refused")

    threads = [Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [BY, "refused", "refused", "refused"]


def test_a_model_of_sealed_data_takes_no_table_without_the_seal(frame, columns, table, learner, box, tmp_path):
    learner.save(tmp_path / "model")
    for unsealed in (table, Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=3))):
        with pytest.raises(InputError, match="the split of the data is"):
            Learner.load(tmp_path / "model", data=unsealed, device="cpu")
    again = Table.from_frame(frame, columns=columns, split=sealed_split(split_rows(len(frame), seed=3), box))
    loaded = Learner.load(tmp_path / "model", data=again, device="cpu")
    with pytest.raises(InputError, match="test rows are sealed"):
        loaded.validate("test")
    open_test(loaded, by=BY)
    assert loaded.validate("test").n == 300


def test_the_digest_of_a_split_is_that_of_its_rows_and_its_seal(table, box):
    sealed = seal_test(table, box, by=BY).split
    assert table.split.digest == table.split.positions == sealed.positions != sealed.digest
    other = seal_test(table, box.parent / "other", by="B. Other").split
    assert other.digest != sealed.digest
    with pytest.raises(InputError, match="sealed by seal_test or sealed_split"):
        replace(table.split, sealed=box)


def images(pixels):
    frame = pd.DataFrame({"y": [0, 1] * 30, "hand": ["left", "right"] * 30})
    columns = Columns(y="y", sensitive_features=["hand"])
    return Images.from_arrays(pixels, frame, columns=columns, split=split_rows(60, seed=1))


def test_changed_pixels_of_test_rows_are_not_opened(box):
    data = images(np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8))
    sealed = seal_test(data, box, by=BY)
    learner = Learner(sealed, network=CNNSettings(widths=(4, 4)), device="cpu")
    notes = {row.name: (row.n, row.note) for row in sealed.card() if row.role == "split"}
    assert notes["test"][0] == 12
    assert notes["test"][1].endswith(f"; sealed in {box}")
    place = int(sealed.split.test[0])
    kept = sealed.resident.inputs[0][place].clone()
    sealed.resident.inputs[0][place] = 0
    with pytest.raises(EvidenceError, match="the test rows hold other values"):
        open_test(learner, by=BY)
    sealed.resident.inputs[0][place] = kept
    assert open_test(learner, by=BY)["rows"] == 12


@pytest.mark.parametrize("which", ["input", "label"])
def test_changed_tensors_of_test_rows_are_not_opened(table, box, which):
    inputs = tuple(tensor.clone() for tensor in table.resident.inputs)
    resident = replace(table.resident, inputs=inputs, target=table.resident.target.clone())
    sealed = seal_test(replace(table, resident=resident), box, by=BY)
    row = int(sealed.split.test[0])
    changed = resident.inputs[1] if which == "input" else resident.target
    changed[row] = 1 - changed[row]
    with pytest.raises(EvidenceError, match="what the model is given of the test rows is not what these rows hold"):
        open_test(Learner(sealed, network=SMALL, device="cpu"), by=BY)


def test_sealed_ratings_are_opened(box):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"u": rng.integers(0, 9, 80), "i": rng.integers(0, 9, 80), "r": rng.uniform(1, 5, 80)})
    columns = Columns(y="r", task="number", range=(0, 5.5))
    data = Ratings.from_frame(frame, columns=columns, user="u", item="i", split=split_rows(80, seed=1))
    learner = Learner(seal_test(data, box, by=BY), device="cpu")
    with pytest.raises(InputError, match="test rows are sealed"):
        learner.predict("test")
    open_test(learner, by=BY)
    assert len(learner.predict("test")) == 16


def test_a_split_made_again_is_put_under_its_seal(frame, columns, learner, box):
    again = sealed_split(split_rows(len(frame), seed=3), box)
    table = Table.from_frame(frame, columns=columns, split=again)
    with pytest.raises(InputError, match="sealed"):
        Learner(table, network=SMALL, device="cpu").validate("test")
    with pytest.raises(EvidenceError, match="use the split that was sealed"):
        sealed_split(split_rows(len(frame), seed=4), box)
    notes = {row.name: row.note for row in table.card()}
    assert notes["test"].endswith(f"; sealed in {box}")
    assert "sealed" not in notes["valid"]


def test_changed_test_rows_are_not_opened(frame, columns, table, box):
    seal_test(table, box, by=BY)
    changed = frame.copy()
    changed.loc[table.split.test[0], "ill"] = 1 - changed.loc[table.split.test[0], "ill"]
    other = Table.from_frame(changed, columns=columns, split=sealed_split(table.split, box))
    with pytest.raises(EvidenceError, match="does not seal these data: the test rows hold other values"):
        open_test(Learner(other, network=SMALL, device="cpu"), by=BY)
    assert read_attempts(box)[0]["outcome"] == "refused: changed since it was sealed"


def test_what_cannot_be_sealed_or_opened_is_named(table, frame, columns, box):
    with pytest.raises(InputError, match="by is empty"):
        seal_test(table, box, by=" ")
    sealed = seal_test(table, box, by=BY)
    with pytest.raises(InputError) as caught:
        seal_test(sealed, box, by=BY)
    assert len(caught.value.violations) == 2
    nothing = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), test=0))
    with pytest.raises(InputError, match="no test rows"):
        seal_test(nothing, box.parent / "other", by=BY)
    with pytest.raises(InputError, match="are not sealed: seal them first"):
        open_test(Learner(table, network=SMALL, device="cpu"), by=BY)
    with pytest.raises(InputError, match="by is empty; say who opens"):
        open_test(Learner(sealed, network=SMALL, device="cpu"), by="")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "evenhanded/seal/1"}'])
def test_a_broken_seal_is_evidence_that_is_gone(table, box, text):
    seal_test(table, box, by=BY)
    (box / "seal.json").write_text(text)
    with pytest.raises(EvidenceError, match=r"seal\.json"):
        read_sealed_split(box)


def test_a_card_reads_nothing_of_sealed_test_rows_until_they_are_opened(frame, tmp_path):
    split = split_rows(len(frame), seed=3)
    hidden = frame.assign(site=frame["site"], person=np.arange(len(frame)))
    copied = hidden.copy()
    copied.loc[split.test, ["angle", "site"]] = hidden.loc[split.train[: len(split.test)], ["angle", "site"]].to_numpy()
    copied.loc[split.test[0], ["site", "angle"]] = ["<script>", np.nan]
    columns = Columns(y="ill", features=["angle", "site"], sensitive_features=["sex"], cluster="person")
    cards = []
    for place, rows in enumerate((hidden, copied)):
        table = Table.from_frame(rows, columns=columns, split=split)
        sealed = seal_test(table, tmp_path / f"box {place}", by=BY)
        cards.append([replace(row, note="") for row in sealed.card()])
        rests = [row for row in table.card() if row.role == "leak" or row.unseen or row.missing]
        assert [row.name for row in rests] == ([] if place == 0 else ["angle", "site", "test"])
    assert cards[0] == cards[1]
    assert {row.name: row.n for row in cards[0]}["test"] == len(split.test)
    learner = Learner(sealed, network=SMALL, device="cpu")
    open_test(learner, by=BY)
    assert [row.name for row in sealed.card() if row.role == "leak"] == ["test"]


def test_a_card_of_images_compares_no_sealed_ones(box):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8)
    split = split_rows(60, seed=1)
    pixels[split.test] = pixels[split.train[: len(split.test)]]
    data = images(pixels)
    assert [row.name for row in data.card() if row.role == "leak"] == ["test"]
    assert not [row.name for row in seal_test(data, box, by=BY).card() if row.role == "leak"]


def test_a_learner_opens_its_own_test(table, box):
    learner = Learner(seal_test(table, box, by=BY), network=SMALL, device="cpu")
    learner.fit_one_cycle(1)
    for ask in (lambda: learner.abstain(0.5, part="test"), lambda: learner.conformal(0.2, part="test")):
        with pytest.raises(InputError, match="the test rows are sealed in"):
            ask()
    assert learner.open_test(by=BY)["by"] == BY
    assert learner.abstain(0.5, part="test").n == len(table.split.test)
