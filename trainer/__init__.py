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
from trainer.data.images import Images
from trainer.data.ratings import Ratings
from trainer.data.sealing import open_test, seal_test, sealed_split
from trainer.data.splits import Split, split_given, split_groups, split_rows, split_time
from trainer.data.table import Table
from trainer.evidence.abstain import AbstainBand
from trainer.evidence.conformal import Conformal
from trainer.evidence.energy import Energy, emission
from trainer.evidence.prices import prices
from trainer.evidence.roof import Roof
from trainer.evidence.temperature import Calibration
from trainer.evidence.turn import HealthRow
from trainer.fitting.augment import AugmentSettings
from trainer.fitting.epoch import Evaluation
from trainer.fitting.heads import replace_head
from trainer.fitting.layers import LayerSettings, freeze, layer_groups, unfreeze
from trainer.fitting.lr_find import LrSweep
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.fitting.twice import train_twice
from trainer.history import EpochRow, Recipe
from trainer.learner import Learner
from trainer.networks.images import CNNSettings, Normalize
from trainer.networks.ratings import DotSettings, RatingsNetSettings
from trainer.networks.resnet import ResNetSettings
from trainer.networks.tabular import MLPSettings
from trainer.predict import label_texts

__all__ = [
    "AbstainBand",
    "AugmentSettings",
    "CNNSettings",
    "Calibration",
    "CardRow",
    "CheckpointError",
    "Columns",
    "Conformal",
    "DotSettings",
    "Energy",
    "EpochRow",
    "Evaluation",
    "HealthRow",
    "Images",
    "LayerSettings",
    "Learner",
    "LrSweep",
    "MLPSettings",
    "Normalize",
    "ObjectiveSettings",
    "Ratings",
    "RatingsNetSettings",
    "Recipe",
    "ResNetSettings",
    "Roof",
    "Split",
    "Table",
    "emission",
    "encode",
    "freeze",
    "label_texts",
    "layer_groups",
    "open_test",
    "prices",
    "replace_head",
    "seal_test",
    "sealed_split",
    "split_given",
    "split_groups",
    "split_rows",
    "split_time",
    "train_twice",
    "unfreeze",
]
