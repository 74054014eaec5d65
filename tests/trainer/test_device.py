import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.device import deterministic_kernels, resolve_device, seeded

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cpu:1", ""])
def test_unknown_devices_are_refused(name):
    with pytest.raises(InputError, match="device must be"):
        resolve_device(name)


def test_an_absent_device_is_refused():
    with pytest.raises(InputError, match="is not there; torch sees"):
        resolve_device("cuda:99")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_auto_is_the_cpu_without_cuda():
    assert resolve_device("auto") == CPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_auto_is_cuda_where_there_is_one():
    assert resolve_device("auto").type == "cuda"


def test_seeded_gives_generators_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(1, device=CPU):
        torch.rand(3)
        raise ZeroDivisionError
    assert torch.equal(before, torch.get_rng_state())


def test_seeded_leaves_numpy_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with seeded(1, device=CPU):
        torch.rand(3)
    assert (before == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_the_deterministic_setting_of_the_process_is_restored(mode):
    original = torch.get_deterministic_debug_mode()
    try:
        torch.set_deterministic_debug_mode(mode)
        with pytest.raises(ZeroDivisionError), deterministic_kernels(device=CPU, enabled=True):
            assert torch.get_deterministic_debug_mode() == 2
            raise ZeroDivisionError
        assert torch.get_deterministic_debug_mode() == mode
        assert torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.set_deterministic_debug_mode(original)


def test_determinism_on_cuda_names_the_variable_it_needs(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with (
        pytest.raises(InputError, match="CUBLAS_WORKSPACE_CONFIG=:4096:8"),
        deterministic_kernels(device=torch.device("cuda", 0), enabled=True),
    ):
        pass
