import subprocess
import sys

import trainer

QUIET_IMPORT = """
import random, sys
import numpy, torch
before = torch.get_rng_state(), numpy.random.get_state()[1].copy(), random.getstate()
import trainer
assert torch.equal(before[0], torch.get_rng_state())
assert (before[1] == numpy.random.get_state()[1]).all()
assert before[2] == random.getstate()
assert not torch.are_deterministic_algorithms_enabled()
assert "torch._inductor" not in sys.modules
"""

WITHOUT_TORCH = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else found(name, *rest)
try:
    import trainer
except ImportError as error:
    print(error)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_importing_changes_nothing():
    assert run(QUIET_IMPORT).stdout == ""


def test_a_missing_extra_is_one_sentence():
    expected = "Training a model needs torch, which is not installed: pip install 'evenhanded[train]'\n"
    assert run(WITHOUT_TORCH).stdout == expected


def test_every_public_name_is_there_and_documented():
    assert [name for name in trainer.__all__ if not getattr(trainer, name).__doc__] == []
