"""A test that is opened once: what is recorded, what is refused, what gives labels away."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from audit.errors import EvidenceError, InputError
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.sealing.seal_files import ATTEMPTS, FOR_VENDOR, KEPT_POLICY, KEPT_TEST, OPENED
from audit.sealing.seal_record import SEAL, Seal, SealedColumns
from audit.sealing.sealed import seal, status
from audit.sealing.sealed_opening import open_sealed

COLUMNS = SealedColumns(prediction_id="case", y_true="outcome", sensitive_features=("sex",))
POLICY = "schema: evenhanded/policy/1\nrequirements:\n  - {id: accurate, metric: accuracy, min: 0.6}\n"


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"case": [f"c{place:03d}" for place in range(300)], "x": rng.normal(size=300).round(6)})
    frame["sex"] = rng.choice(["F", "M", "=1+1", "<script>"], 300)
    frame["outcome"] = (np.arange(300) >= 150).astype(int)  # sorted by label, as exports are
    return frame


@pytest.fixture
def box(frame, tmp_path):
    frame.to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "policy.yaml").write_text(POLICY)
    seal(tmp_path / "test.csv", tmp_path / "policy.yaml", tmp_path / "box", columns=COLUMNS, by="Reviewer")
    return tmp_path / "box"


def send(frame, folder, name="sent.csv", **changed):
    sent = frame[["case"]].assign(**{"y_pred": (frame["x"] > 0).astype(int), **changed})
    sent.to_csv(folder / name, index=False)
    return folder / name


def test_the_result_is_that_of_an_ordinary_audit(frame, box, tmp_path):
    result = open_sealed(box, send(frame.sample(frac=1, random_state=1), tmp_path), by="Reviewer")
    joined = frame.assign(y_pred=(frame["x"] > 0).astype(int))
    log = PredictionLog.from_frame(joined, y_true="outcome", y_pred="y_pred", sensitive_features=["sex"])
    assert result.measurements == run_audit(log).measurements
    assert Result.from_json((box / "result.json").read_text()) == result
    record = result.provenance.given["sealed"]
    assert (record["opened_by"], record["rows"], record["refused_before"]) == ("Reviewer", 300, 0)
    opened = status(box).opened
    assert opened["result"] == result.digest()
    assert opened["predictions"] == record["predictions"]
    assert [each["outcome"] for each in status(box).attempts] == ["opened"]


def test_the_vendor_gets_no_label_and_no_order_of_labels(frame, box):
    given = pq.read_table(box / FOR_VENDOR).to_pandas()
    assert list(given) == ["case", "x"]
    assert set(given["case"]) == set(frame["case"])
    labels = given.merge(frame[["case", "outcome"]], on="case")["outcome"].to_numpy()
    assert abs(np.corrcoef(np.arange(300), labels)[0, 1]) < 0.2
    everything = b"".join(path.read_bytes() for path in (box / FOR_VENDOR).parent.iterdir())
    assert b"outcome" not in everything
    assert b"sex" not in everything


def test_it_opens_once_and_says_who_opened_it(frame, box, tmp_path):
    first = open_sealed(box, send(frame, tmp_path), by="First")
    before = {path: path.read_bytes() for path in (box / OPENED, box / "result.json")}
    better = send(frame, tmp_path, "better.csv", y_pred=frame["outcome"])
    with pytest.raises(EvidenceError) as error:
        open_sealed(box, better, by="Second")
    opened = status(box).opened
    assert "by First at 20" in str(error.value)
    assert opened["predictions"] in str(error.value)
    with pytest.raises(EvidenceError, match="opened before"):
        open_sealed(box, send(frame, tmp_path), by="First")  # the same predictions are no second chance either
    assert {path: path.read_bytes() for path in before} == before
    assert first.digest() == opened["result"]
    outcomes = [(each["by"], each["outcome"]) for each in status(box).attempts]
    assert outcomes == [("First", "opened"), ("Second", "refused: opened before"), ("First", "refused: opened before")]
    assert len({each["predictions"] for each in status(box).attempts}) == 2


def test_of_many_at_the_same_moment_one_wins(frame, box, tmp_path):
    files = [send(frame, tmp_path, f"s{place}.csv", y_pred=np.roll(frame["outcome"], place)) for place in range(4)]

    def attempt(path):
        try:
            return open_sealed(box, path, by=path.name)
        except EvidenceError:
            return None

    with ThreadPoolExecutor(4) as pool:
        results = [result for result in pool.map(attempt, files) if result is not None]
    assert len(results) == 1
    assert status(box).opened["result"] == results[0].digest()
    assert Result.from_json((box / "result.json").read_text()) == results[0]


def test_wrong_predictions_are_listed_and_leave_it_closed(frame, box, tmp_path):
    sent = send(frame, tmp_path)
    rows = pd.read_csv(sent)
    bad = pd.concat([rows.iloc[:290], rows.iloc[:3], pd.DataFrame({"case": ["<b>", None], "y_pred": [1, 1]})])
    bad.loc[bad["case"] == "c005", "y_pred"] = np.nan
    bad.to_csv(sent, index=False)
    with pytest.raises(InputError) as error:
        open_sealed(box, sent, by="Reviewer")
    text = str(error.value)
    assert "1 rows of the predictions have no id" in text
    assert "ids stand twice in the predictions: 'c000', 'c001', 'c002'" in text
    assert "10 rows have no prediction: 'c290', 'c291', 'c292', 'c293', 'c294' and 5 more" in text
    assert "1 ids are not in the test: '<b>'" in text
    assert "1 predictions are empty" in text
    assert status(box).opened is None
    assert [each["outcome"] for each in status(box).attempts] == ["refused: 5 problems with the predictions"]
    sent.write_text(send(frame, tmp_path).read_text().replace("y_pred", "prediction"))
    with pytest.raises(InputError, match="'y_pred' is missing"):
        open_sealed(box, sent, by="Reviewer")
    result = open_sealed(box, send(frame, tmp_path), by="Reviewer")
    assert result.provenance.given["sealed"]["refused_before"] == 2


@pytest.mark.parametrize("part", ["labels", "groups", "features", "policy", "vendor", "gone", "seal"])
def test_any_change_is_seen(frame, box, tmp_path, part):
    noted = status(box).seal.digest()
    changed = pq.read_table(box / KEPT_TEST).to_pandas()
    if part == "labels":
        changed.loc[3, "outcome"] = "1"
    elif part == "groups":
        changed.loc[3, "sex"] = "X"
    elif part == "features":
        changed.loc[3, "x"] = 0.5
    changed.to_parquet(box / KEPT_TEST)
    if part == "policy":
        (box / KEPT_POLICY).write_text(POLICY.replace("0.6", "0.5"))
    elif part == "vendor":
        pq.write_table(pq.read_table(box / FOR_VENDOR).slice(1), box / FOR_VENDOR)
    elif part == "gone":
        (box / KEPT_TEST).unlink()
    elif part == "seal":
        (box / SEAL).write_text((box / SEAL).read_text().replace("Reviewer", "Vendor"))
    with pytest.raises(EvidenceError, match="no longer what was sealed"):
        open_sealed(box, send(frame, tmp_path), by="Reviewer", expect=noted)
    assert status(box).opened is None
    assert status(box).attempts[-1]["outcome"] == "refused: changed since it was sealed"
    assert bool(status(box).changes) == (part != "seal")


@pytest.mark.parametrize("left", [(ATTEMPTS, "result.json"), (ATTEMPTS,), ("result.json",)])
def test_removing_the_record_of_the_opening_closes_nothing(frame, box, tmp_path, left):
    open_sealed(box, send(frame, tmp_path), by="First")
    for name in {OPENED, ATTEMPTS, "result.json"} - set(left):
        (box / name).unlink()
    found = status(box)
    assert found.opened is not None
    assert found.opened.get("by") == ("First" if ATTEMPTS in left else None)
    assert [change for change in found.changes if "opened.json is missing, though the test was opened" in change]
    with pytest.raises(EvidenceError, match=r"opened\.json is missing, though the test was opened"):
        open_sealed(box, send(frame, tmp_path), by="Second")
    assert not (box / OPENED).exists()


def test_an_edited_seal_is_seen_by_its_digest_and_by_the_opening(frame, box, tmp_path):
    noted, text = status(box).seal.digest(), (box / SEAL).read_text()
    edited = text.replace('"positive": null', '"positive": "0"')
    assert edited != text
    (box / SEAL).write_text(edited)
    assert status(box).changes == ()  # nothing here to compare it with
    (change,) = status(box, expect=noted).changes
    assert f"not {noted}" in change
    (box / SEAL).write_text(text)
    assert status(box, expect=noted).changes == ()
    open_sealed(box, send(frame, tmp_path), by="First", expect=noted)
    assert status(box, expect=noted).changes == ()
    (box / SEAL).write_text(edited)
    (change,) = status(box).changes
    assert f"opened.json says {noted}" in change


def test_an_edited_result_is_seen(frame, box, tmp_path):
    open_sealed(box, send(frame, tmp_path), by="First")
    text = (box / "result.json").read_text()
    (box / "result.json").write_text(text.replace("First", "Other"))
    assert "result.json has the digest" in status(box).changes[0]
    (box / "result.json").write_text("{")
    assert "result.json is broken" in status(box).changes[0]


def test_rewriting_the_same_values_is_no_change(box):
    pq.read_table(box / KEPT_TEST).to_pandas().sample(frac=1, random_state=0).to_parquet(box / KEPT_TEST, index=False)
    assert status(box).changes == ()


def test_scores_are_cut_where_it_was_sealed(frame, tmp_path):
    frame.to_parquet(tmp_path / "test.parquet")
    (tmp_path / "policy.yaml").write_text(POLICY)
    columns = SealedColumns(
        prediction_id="case", y_true="outcome", sensitive_features=("sex",), features=("x", "sex"), threshold=0.7
    )
    seal(tmp_path / "test.parquet", tmp_path / "policy.yaml", tmp_path / "box", columns=columns, by="R")
    assert pq.read_table(tmp_path / "box" / FOR_VENDOR).column_names == ["case", "x", "sex"]
    score = 1 / (1 + np.exp(-frame["x"]))
    frame[["case"]].assign(y_score=score).to_parquet(tmp_path / "sent.parquet")
    result = open_sealed(tmp_path / "box", tmp_path / "sent.parquet", by="R")
    assert result.find("selection_rate").value == pytest.approx((score >= 0.7).mean())
    assert result.find("roc_auc").value is not None


def test_wrong_scores_do_not_use_the_test_up(frame, tmp_path):
    frame.to_parquet(tmp_path / "test.parquet")
    (tmp_path / "policy.yaml").write_text(POLICY)
    columns = SealedColumns(prediction_id="case", y_true="outcome", threshold=0.7)
    seal(tmp_path / "test.parquet", tmp_path / "policy.yaml", tmp_path / "box", columns=columns, by="R")
    frame[["case"]].assign(y_score=2.0).to_parquet(tmp_path / "sent.parquet")
    with pytest.raises(InputError, match="must lie in"):
        open_sealed(tmp_path / "box", tmp_path / "sent.parquet", by="R")
    assert status(tmp_path / "box").opened is None


def test_what_cannot_be_sealed_is_listed_and_nothing_is_written(frame, tmp_path):
    test, policy, box = tmp_path / "test.csv", tmp_path / "policy.yaml", tmp_path / "box"
    frame.to_csv(test, index=False)
    with pytest.raises(InputError) as error:
        seal(test, policy, tmp_path, columns=COLUMNS, by=" ")
    assert len(error.value.violations) == 3
    policy.write_text(POLICY)
    with pytest.raises(InputError) as error:
        seal(test, policy, box, columns=SealedColumns(prediction_id="id", y_true="y", features=("y",)), by="R")
    assert "'id' is missing" in str(error.value)
    assert "the vendor would get them" in str(error.value)
    with pytest.raises(InputError, match="plays another part"):
        seal(test, policy, box, columns=SealedColumns(prediction_id="outcome", y_true="outcome"), by="R")
    frame.assign(case="same").to_csv(test, index=False)
    with pytest.raises(InputError, match="ids stand twice"):
        seal(test, policy, box, columns=COLUMNS, by="R")
    frame.assign(outcome=np.where(frame["outcome"] == 1, "yes", "no")).to_csv(test, index=False)
    with pytest.raises(InputError, match="positive"):
        seal(test, policy, box, columns=COLUMNS, by="R")
    frame.iloc[:0].to_csv(test, index=False)
    with pytest.raises(InputError, match="nothing to seal"):
        seal(test, policy, box, columns=COLUMNS, by="R")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.yaml", "test.csv"]


def test_broken_records_are_evidence_errors(frame, box, tmp_path):
    with pytest.raises(InputError, match="no sealed test"):
        status(tmp_path)
    sent = send(frame, tmp_path)
    text = (box / SEAL).read_text()
    (box / SEAL).write_text("{")
    with pytest.raises(EvidenceError, match="no seal"):
        open_sealed(box, sent, by="R")
    (box / SEAL).write_text(text.replace("seal/1", "seal/9"))
    with pytest.raises(EvidenceError, match="seal/9"):
        status(box)
    (box / SEAL).write_text(text)
    (box / OPENED).write_text("{")
    with pytest.raises(EvidenceError, match="no longer known"):
        open_sealed(box, sent, by="R")
    (box / OPENED).unlink()
    (box / ATTEMPTS).write_text("not JSON\n")
    with pytest.raises(EvidenceError, match="written by something else"):
        status(box)


def test_the_files_are_plain(box):
    files = {path.relative_to(box).as_posix() for path in Path(box).rglob("*") if path.is_file()}
    assert files == {"seal.json", "keep/test.parquet", "keep/policy.yaml", "vendor/unlabelled.parquet"}
    assert json.loads((box / SEAL).read_text())["schema"] == "evenhanded/seal/1"
    assert Seal.from_json((box / SEAL).read_text()).rows == 300
