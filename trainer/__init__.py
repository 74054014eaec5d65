"""A fast, reproducible trainer for tables, and its predictions as an audit reads them. The only home of torch.

Examples
--------
>>> import pandas as pd
>>> frame = pd.DataFrame({"visits": range(300), "site": ["a", "b", "c"] * 100, "sex": ["f", "m"] * 150})
>>> frame["ill"] = (frame["visits"] > 150) & (frame["site"] != "c")
>>> columns = Columns(y="ill", sensitive_features=["sex"])
>>> table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=7))
>>> learner = Learner(table, network=MLPSettings(hidden=(16,)), seed=7, device="cpu")
>>> history = learner.fit_one_cycle(5, batch_size=32)
>>> learner.predict_log("test").sensitive_features
('sex',)
"""
# ruff: noqa: E402 - the check of the extra has to come before the imports that need it

from audit.extras import require

require("Training a model", modules=("torch", "safetensors"), extra="train")

from trainer.checkpoint import CheckpointError
from trainer.data.card import CardRow
from trainer.data.columns import Columns
from trainer.data.encoders import encode
from trainer.data.splits import Split, split_given, split_groups, split_rows
from trainer.data.table import Table
from trainer.fitting.epoch import Evaluation
from trainer.history import EpochRow
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

__all__ = [
    "CardRow",
    "CheckpointError",
    "Columns",
    "EpochRow",
    "Evaluation",
    "Learner",
    "MLPSettings",
    "Split",
    "Table",
    "encode",
    "split_given",
    "split_groups",
    "split_rows",
]
