import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.images import ImageSpec
from trainer.data.target import Target
from trainer.fitting.stacked import StackedModels
from trainer.networks.images import CNNSettings, FieldMeans, Normalize
from trainer.networks.registry import build_network, network_record, read_network
from trainer.networks.resnet import ResNetSettings

NETWORKS = [CNNSettings(widths=(4, 8, 8)), ResNetSettings(widths=(8, 16), blocks=1, groups=2)]


def spec(size=(16, 16), channels=3):
    target = Target(kind="classes", classes=(0, 1, 2))
    scale = {"mean": (100.0,) * channels, "std": (50.0,) * channels}
    return ImageSpec(columns=Columns(y="y"), target=target, layout="nchw", size=size, channels=channels, **scale)


def pixels(*shape):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def lively(settings, *, size=(16, 16)):
    """A network in which nothing is zero, so that every layer shows in the output."""
    network = build_network(spec(size), settings, seed=1).eval()
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("settings", NETWORKS, ids=lambda item: item.architecture)
def test_an_answer_does_not_depend_on_the_rest_of_the_batch(settings):
    network, some = lively(settings), pixels(32, 3, 16, 16)
    with torch.inference_mode():
        together = network(some)
        alone = torch.cat([network(image[None]) for image in some])
        reversed_order = network(some.flip(0)).flip(0)
    assert together.std(dim=0).min() > 1e-3
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(reversed_order, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", NETWORKS, ids=lambda item: item.architecture)
def test_bytes_and_floats_of_the_same_pixels_get_the_same_answer(settings):
    network, some = lively(settings), pixels(4, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(network(some), network(some.float()))


@pytest.mark.parametrize("settings", NETWORKS, ids=lambda item: item.architecture)
def test_stacked_networks_answer_as_each_does(settings):
    singles = [build_network(spec(), settings, seed=seed).eval() for seed in (1, 2)]
    some = pixels(2, 5, 3, 16, 16)
    with torch.inference_mode():
        stacked = StackedModels(singles).eval()(some)
        for place, single in enumerate(singles):
            torch.testing.assert_close(stacked[place], single(some[place]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", NETWORKS, ids=lambda item: item.architecture)
def test_every_parameter_learns_also_at_half_the_size(settings):
    network = lively(settings).train()
    for side in (16, 8):
        network.zero_grad()
        network(pixels(4, 3, side, side)).square().sum().backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("settings", [*NETWORKS, CNNSettings(), ResNetSettings()])
def test_settings_come_back_from_a_record(settings):
    assert read_network(network_record(settings)) == settings


@pytest.mark.parametrize("settings", [CNNSettings(widths=(4,) * 4), ResNetSettings(widths=(16,) * 4)])
def test_images_of_the_least_size_are_taken_and_smaller_ones_refused(settings):
    least = settings.least_size
    assert build_network(spec((least, least)), settings, seed=0)(pixels(1, 3, least, least)).shape == (1, 3)
    with pytest.raises(InputError, match=f"at least {least} x {least} pixels; came {least} x {least - 1}"):
        build_network(spec((least, least - 1)), settings, seed=0)


def test_field_means_equal_adaptive_pooling_and_leave_out_what_is_over():
    maps = torch.rand(2, 3, 8, 6)
    torch.testing.assert_close(FieldMeans(2)(maps), nn.AdaptiveAvgPool2d(2)(maps).flatten(1))
    assert torch.equal(FieldMeans(2)(maps[..., :7, :]), FieldMeans(2)(maps[..., :6, :]))


def test_maps_smaller_than_the_grid_are_refused():
    with pytest.raises(InputError, match="too small for the network, maps of 1 x 4: raise small_size"):
        FieldMeans(2)(torch.zeros(1, 3, 1, 4))


def test_normalised_train_pixels_have_mean_0_and_deviation_1():
    some = pixels(200, 3, 4, 4)
    mean, std = some.double().mean(dim=(0, 2, 3)), some.double().std(dim=(0, 2, 3), correction=0)
    normalised = Normalize(mean=mean.tolist(), std=std.tolist())(some)
    assert normalised.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert normalised.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_new_residual_network_is_its_stem_and_shortcuts():
    network = build_network(spec(), ResNetSettings(widths=(8,), blocks=2, groups=2), seed=0).eval()
    some = pixels(2, 3, 16, 16)
    with torch.inference_mode():
        stem = network.stem(network.normalize(some))
        torch.testing.assert_close(network.stages(stem), stem)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CNNSettings(widths=()), "at least one convolution"),
        (lambda: CNNSettings(dropout=1.0), "dropout is a share"),
        (lambda: ResNetSettings(blocks=0), "blocks must be at least 1; came 0"),
        (lambda: ResNetSettings(widths=(12,)), "multiples of groups=8"),
    ],
)
def test_settings_that_make_no_network_are_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
