"""A small problem that takes a category, a wave and an interaction to solve, so that a broken part shows."""

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.data.columns import Columns
from trainer.data.images import Images
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table

ADULT = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"]
ADULT += ["race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"]


def make_frame(n: int = 1500, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "angle": rng.uniform(-3, 3, n),
            "age": rng.integers(18, 80, n),
            "site": rng.choice(["north", "south", "east"], n),
            "sex": rng.choice(["f", "m"], n),
            "person": rng.integers(0, n // 3, n),
        }
    )
    sign = np.where(frame["site"] == "north", 1.0, -1.0)
    frame["ill"] = (sign * np.sin(2 * frame["angle"]) + rng.normal(0, 0.1, n) > 0).astype(int)
    return frame


@pytest.fixture(scope="session")
def columns() -> Columns:
    return Columns(y="ill", features=["angle", "age", "site"], sensitive_features=["sex"])


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return make_frame()


@pytest.fixture(scope="session")
def table(frame: pd.DataFrame, columns: Columns) -> Table:
    return Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=3))


@pytest.fixture(scope="session")
def adult() -> Table:
    folder = Path(os.environ.get("EVENHANDED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "adult"
    if not (folder / "adult.data.gz").exists():
        pytest.skip(f"no Adult data in {folder}: set EVENHANDED_DATA")
    parts = [_read_adult(folder / "adult.data.gz", skip=0), _read_adult(folder / "adult.test.gz", skip=1)]
    whole = pd.concat(parts, ignore_index=True)
    order = np.random.default_rng(0).permutation(len(parts[0]))
    split = split_given(train=order[6513:], valid=order[:6513], test=np.arange(len(parts[0]), len(whole)))
    columns = Columns(y="income", positive=">50K", features=ADULT[:-1], sensitive_features=["sex", "race"])
    return Table.from_frame(whole, columns=columns, split=split)


def _read_adult(path: Path, *, skip: int) -> pd.DataFrame:
    with gzip.open(path, "rt") as file:
        frame = pd.read_csv(file, names=ADULT, skipinitialspace=True, skiprows=skip, na_values="?")
    return frame.assign(income=frame["income"].str.rstrip("."))


@pytest.fixture(scope="session")
def make_digits() -> Callable[..., Images]:
    """Handwritten digits of 8 x 8 pixels, three quarters to train and a quarter to test; `some` keeps those digits."""

    def make(seed: int = 0, *, some: Sequence[int] = range(10), **split: object) -> Images:
        bunch = load_digits()
        rows = np.flatnonzero(np.isin(bunch.target, list(some)))
        pixels = np.round(bunch.images[rows] * (255 / 16)).astype(np.uint8)
        frame = pd.DataFrame({"digit": bunch.target[rows], "hand": np.where(rows % 2 == 0, "left", "right")})
        train, test = train_test_split(np.arange(len(rows)), test_size=0.25, stratify=frame["digit"], random_state=seed)
        parts = {"train": train, "valid": [], "test": test} | split
        columns = Columns(y="digit", sensitive_features=["hand"])
        return Images.from_arrays(pixels, frame, columns=columns, split=split_given(**parts))

    return make


class WaitedError(Exception):
    """The host waited for the device, or copied from or to it."""


# Methods that hand values to the host; some of them do nothing on a CPU that a dispatch mode could see.
_ASKING = ("cpu", "tolist", "numpy", "item", "cuda", "__bool__", "__float__", "__int__", "__index__", "__array__")
_WAITING = {"_local_scalar_dense", "nonzero", "nonzero_static", "item", "is_nonzero", "masked_select", "equal"}
_WAITING |= {"_unique2", "unique_dim", "unique_consecutive", "bincount", "repeat_interleave", "allclose"}
# What `torch.tensor(numbers)` calls: numbers of the host, which another device would have to be sent.
_WAITING |= {"lift_fresh", "lift"}


class _Watch(TorchDispatchMode):
    """Counts operations, and raises at those that wait, depend on values in their shape, or cross devices."""

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        name = func.overloadpacket._qualified_op_name.removeprefix("aten::")
        chosen = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
        masked = any(place is not None and place.dtype in (torch.bool, torch.uint8) for place in chosen)
        # A single number under a mask is filled in without asking how many rows there are.
        if name in _WAITING or (masked and (name == "index" or args[2].numel() > 1)):
            raise WaitedError(name)
        answer = func(*args, **(kwargs or {}))
        devices = {item.device for item in (*args, answer) if isinstance(item, torch.Tensor) and item.ndim}
        if name in ("_to_copy", "copy_") and len(devices) > 1:
            raise WaitedError(name)
        return answer


@contextmanager
def _never_waiting() -> Iterator[_Watch]:
    def refusing(name: str, found: Callable[..., object]) -> Callable[..., object]:
        def refuse(*args: object, **kwargs: object) -> object:
            # An optimiser asks for the device where a number is already, by its `torch.device`: no copy.
            if name != "to" or any(isinstance(value, str) for value in (*args[1:], *kwargs.values())):
                raise WaitedError(name)
            return found(*args, **kwargs)

        return refuse

    with pytest.MonkeyPatch.context() as patch:
        for name in (*_ASKING, "to"):
            patch.setattr(torch.Tensor, name, refusing(name, getattr(torch.Tensor, name)))
        for name in ("from_numpy", "as_tensor"):
            patch.setattr(torch, name, refusing(name, getattr(torch, name)))
        patch.setattr(torch.cuda, "synchronize", refusing("synchronize", torch.cuda.synchronize))
        with _Watch() as watch:
            yield watch


@pytest.fixture(scope="session")
def never_waiting() -> Callable[[], AbstractContextManager[_Watch]]:
    """Inside of ``with never_waiting()`` whatever waits for the device, or cannot be captured, raises."""
    return _never_waiting


@pytest.fixture(scope="session")
def waited() -> type[Exception]:
    """What it raises."""
    return WaitedError
