"""Finding a saved run by what a person types."""

from pathlib import Path

import pandas as pd
import pytest

from audit.errors import EvidenceError
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.store import save_run
from evenhanded.runs import open_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"label": [1, 0] * 20, "flagged": [1, 1, 0, 0] * 10, "sex": ["F", "M"] * 20})
    log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    return save_run(run_audit(log), tmp_path / "runs")


def test_a_result_file_in_the_folder_of_a_run_stands_for_the_run(run: Path) -> None:
    assert open_run(str(run / "result.json"), run.parent).tally is not None


def test_a_result_file_that_was_changed_is_refused_like_its_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run / "result.json"
    file.chmod(0o644)
    file.write_text(file.read_text().replace('"level": 0.95', '"level": 0.99', 1))
    for name in (str(file), str(run)):
        with pytest.raises(EvidenceError, match="no longer the one that was saved"):
            open_run(name, run.parent)
    monkeypatch.chdir(run)
    for name in ("result.json", "."):
        with pytest.raises(EvidenceError, match="no longer the one that was saved"):
            open_run(name, run.parent)


def test_a_result_file_elsewhere_is_read_alone(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "result.json"
    copy.write_bytes((run / "result.json").read_bytes())
    assert open_run(str(copy), run.parent).tally is None
