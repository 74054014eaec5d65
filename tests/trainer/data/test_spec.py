import json

import numpy as np
import pandas as pd
import pytest

from trainer.data.columns import Columns
from trainer.data.spec import TableSpec, columns_record
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)


def rich(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(18, 80, n)),
            "site": rng.choice(["north", "süd", "=1+1"], n),
            "size": rng.choice(["s", "m", "l"], n),
            "seen": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 9000, n), unit="h"),
            "told": [None if row % 9 == 0 else f"2025-{1 + row % 12:02}-0{1 + row % 9}" for row in range(n)],
            "note": rng.choice(["pain in chest", "all well", "", "<script>"], n),
            "level": rng.normal(size=n),
            "kind": rng.choice(["a", "b", "c"], n),
            "cat": rng.integers(0, 2, n),
            "dog": rng.integers(0, 2, n),
        }
    )
    return frame.assign(tags=["" if row % 3 == 0 else "x|y" if row % 3 == 1 else "y" for row in range(n)])


FEATURES = {
    "features": ["age", "site", "size", "seen", "told", "note"],
    "ordered": {"size": ["s", "m", "l"]},
    "dates": ["told"],
    "text": ["note"],
}
TASKS = {
    "classes": Columns(y="kind", **FEATURES),
    "labels": Columns(labels=["cat", "dog"], **FEATURES),
    "sets": Columns(y="tags", task="labels", **FEATURES),
    "number": Columns(y="level", task="number", **FEATURES),
    "ranged": Columns(y="level", task="number", loss="log", range=(-9, 9.5), **FEATURES),
}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("models", [None, 2])
def test_every_way_of_reading_survives_a_checkpoint(name, models, tmp_path):
    frame = rich()
    table = Table.from_frame(frame, columns=TASKS[name], split=split_rows(len(frame), seed=1))
    learner = Learner(table, network=SMALL, device="cpu", models=models)
    learner.fit_one_cycle(1, batch_size=64)
    learner.save(tmp_path)
    loaded = Learner.load(tmp_path, device="cpu")
    assert loaded.spec == learner.spec
    assert loaded.model_version == learner.model_version
    rows = table.part("test").reset_index(drop=True)
    assert (loaded.predict_proba(rows) == learner.predict_proba("test")).all()
    assert (loaded.predict(rows) == learner.predict("test")).all()
    again = Learner.load(tmp_path, device="cpu", data=table)
    assert again.validate("test") == learner.validate("test")


@pytest.mark.parametrize("name", TASKS)
def test_a_record_is_json_and_reads_back(name):
    frame = rich()
    spec = Table.from_frame(frame, columns=TASKS[name], split=split_rows(len(frame), seed=1)).spec
    written = json.loads(json.dumps(spec.record(), allow_nan=False))
    assert TableSpec.read(written) == spec
    assert TableSpec.read(written).record() == spec.record()


def test_a_table_without_the_later_options_has_the_record_it_always_had():
    frame = rich()
    table = Table.from_frame(
        frame, columns=Columns(y="kind", features=["level", "site"]), split=split_rows(len(frame), seed=1)
    )
    record = table.spec.record()
    first = "y features categorical sensitive_features sample_weight cluster prediction_id positive"
    assert list(record["columns"]) == first.split()
    assert list(record["encoder"]) == ["numeric", "category"]
    assert columns_record(Columns(y="kind", text=["note"]))["text"] == ("note",)
