import json
from threading import Thread

import pytest

from audit.errors import EvidenceError, InputError
from audit.sealing.seal_files import read_attempts
from trainer.data.sealing import open_test, read_sealed_split, seal_test, sealed_split
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.learner import Learner
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
