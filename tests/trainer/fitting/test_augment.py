import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import stats

from audit.errors import InputError
from trainer.data.resident import Batch
from trainer.fitting.augment import Augmentation, AugmentSettings, augmentations
from trainer.history import Cycle, Recipe, read_cycle
from trainer.learner import Learner, Saving
from trainer.networks.images import CNNSettings

SMALL = CNNSettings(widths=(4, 4))
ALL = AugmentSettings(shift=1, flip=True, crop=0.5, mixup=0.4, small_epochs=0.5, small_size=0.5)


def batch_of(pixels):
    lead = pixels.shape[:-3]
    target = torch.arange(lead[-1]).expand(lead).contiguous()
    return Batch(inputs=(pixels,), target=target, weights=None, groups=None)


def seeded_draw(settings, pixels, *, seed=0, small=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Augmentation(settings=settings, small=small)(batch_of(pixels))


def dot(n, side=7):
    """One bright pixel in the middle of each image."""
    pixels = torch.zeros(n, 1, side, side, dtype=torch.uint8)
    pixels[:, :, side // 2, side // 2] = 255
    return pixels


def test_shifts_are_uniform_over_all_places():
    moved = seeded_draw(AugmentSettings(shift=2), dot(5000)).inputs[0]
    places = moved.flatten(1).long().argmax(dim=1)
    rows, columns = places // 7 - 3, places % 7 - 3
    assert moved.dtype == torch.uint8
    assert (moved.flatten(1).sum(dim=1) == 255).all()
    counts = np.histogram2d(rows, columns, bins=np.arange(-2, 4) - 0.5)[0]
    assert counts.sum() == 5000
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_half_of_the_images_are_flipped():
    left = torch.zeros(4000, 1, 2, 2, dtype=torch.uint8)
    left[..., 0] = 9
    flipped = seeded_draw(AugmentSettings(flip=True), left).inputs[0][:, 0, 0, 1] == 9
    assert stats.binomtest(int(flipped.sum()), 4000).pvalue > 1e-3


def test_crops_keep_the_area_drawn_within_the_image():
    ramp = torch.stack([torch.arange(32.0).expand(32, 32), torch.arange(32.0).expand(32, 32).mT]).expand(
        4000, 2, 32, 32
    )
    found = seeded_draw(AugmentSettings(crop=0.25), ramp).inputs[0]
    # The slope of a ramp is the share of the side that is kept; border pixels are clamped, so read it inside.
    across = (found[:, 0, 16, 24] - found[:, 0, 16, 8]).double() / 16
    down = (found[:, 1, 24, 16] - found[:, 1, 8, 16]).double() / 16
    area, ratio = (across * down).numpy(), (across / down).numpy()
    assert stats.kstest(area, stats.uniform(0.25, 0.75).cdf).pvalue > 1e-3
    assert 3 / 4 - 1e-3 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 4 / 3 + 1e-3
    assert found.min() >= 0
    assert found.max() <= 31
    assert abs(found[:, 0, 16, 16].mean().item() - 15.6) < 0.5  # crops lie around the middle, not to one side


def test_shares_of_mixup_are_beta_folded_at_one_half():
    own = seeded_draw(AugmentSettings(mixup=0.4), torch.zeros(5000, 1, 1, 1)).mixed[1].double().numpy()
    beta = stats.beta(0.4, 0.4)
    assert stats.kstest(own, lambda share: beta.cdf(share) - beta.cdf(1 - share)).pvalue > 1e-3


def test_the_same_seed_draws_the_same_and_another_does_not():
    pixels = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    first, again, other = (seeded_draw(ALL, pixels, seed=seed).inputs[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("small", [False, True])
def test_several_models_draw_each_their_own(small):
    pixels = torch.randint(0, 256, (1, 20, 3, 8, 8), dtype=torch.uint8).expand(3, 20, 3, 8, 8)
    batch = seeded_draw(ALL, pixels, small=small)
    side = 4 if small else 8
    assert batch.inputs[0].shape == (3, 20, 3, side, side)
    assert batch.mixed[0].shape == batch.mixed[1].shape == (3, 20)
    assert not torch.equal(batch.inputs[0][0], batch.inputs[0][1])


@pytest.mark.parametrize("small", [False, True])
def test_nothing_in_it_waits_for_the_host(small, never_waiting):
    augmentation, batch = Augmentation(settings=ALL, small=small), batch_of(torch.zeros(6, 1, 8, 8, dtype=torch.uint8))
    augmentation(batch)  # makes what is made once
    with never_waiting() as watch:
        augmentation(batch)
    assert watch.operations > 20


def test_small_images_come_in_the_first_share_of_the_epochs():
    assert [item.small for item in augmentations(ALL, epochs=5)] == [True, True, False, False, False]
    assert not any(item.small for item in augmentations(replace(ALL, small_size=1.0), epochs=4))
    assert all(item.small for item in augmentations(replace(ALL, small_epochs=1.0), epochs=4))
    same = augmentations(ALL, epochs=4)
    assert same[0] is same[1]


def test_settings_come_back_from_json():
    cycle = Cycle(epochs=2, lr=0.1, batch_size=8, recipe=Recipe(augment=ALL))
    assert read_cycle(json.loads(json.dumps(asdict(cycle)))) == cycle


def test_all_settings_out_of_range_are_listed():
    with pytest.raises(InputError) as caught:
        AugmentSettings(shift=-1, crop=1.5, mixup=-0.1, small_epochs=2.0, small_size=0.0)
    assert len(caught.value.violations) == 5


def test_a_table_cannot_be_augmented(table):
    with pytest.raises(InputError, match=r"augment changes images; the first input here has the shape \(\d+, \d+\)"):
        Learner(table, device="cpu").fit_one_cycle(1, recipe=Recipe(augment=AugmentSettings(shift=1)))


@pytest.mark.parametrize("models", [None, 2])
def test_training_is_repeatable_and_resumes_bit_for_bit(make_digits, tmp_path, models):
    digits, recipe = make_digits(some=range(3)), Recipe(augment=ALL)

    def learner():
        return Learner(digits, network=SMALL, models=models, seed=3, device="cpu")

    whole, again = learner(), learner()
    for one in (whole, again):
        one.fit_one_cycle(2, 1e-2, batch_size=64, recipe=recipe)
    assert again.model_version == whole.model_version

    stopped = learner()

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.fit_one_cycle(2, 1e-2, batch_size=64, recipe=recipe, saving=Saving(tmp_path, every=2), on_epoch=stop)
    resumed = Learner.load(tmp_path, data=digits, device="cpu")
    resumed.resume()
    assert resumed.model_version == whole.model_version
    plain = learner()
    plain.fit_one_cycle(2, 1e-2, batch_size=64)
    assert plain.model_version != whole.model_version


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("small", [False, True])
def test_on_cuda_it_can_be_captured_and_replays_draw_anew(small):
    augmentation = Augmentation(settings=ALL, small=small)
    batch = batch_of(torch.randint(0, 256, (16, 3, 8, 8), dtype=torch.uint8, device="cuda"))
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        augmentation(batch)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = augmentation(batch).inputs[0]
    drawn = []
    for seed in (1, 1, 2):
        torch.cuda.manual_seed(seed)
        graph.replay()
        drawn.append(found.clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch.cuda.manual_seed(1)
    torch.testing.assert_close(augmentation(batch).inputs[0], drawn[0])
