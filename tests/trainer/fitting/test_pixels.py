import numpy as np
import pytest
import torch

from trainer.data.resident import Batch
from trainer.fitting.pixels import cropped, flipped, mixed, shifted, shrunk


def pixels(*shape):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def by_hand(image, down, right):
    """Pad with zeros all around, then cut out."""
    padded = np.pad(image, ((0, 0), (9, 9), (9, 9)))
    _, high, wide = image.shape
    return padded[:, 9 - down : 9 - down + high, 9 - right : 9 - right + wide]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_shift_moves_the_content_and_fills_with_zeros(channels):
    some = pixels(6, channels, 5, 7)
    shifts = torch.tensor([[0, 0], [1, 0], [0, -2], [-3, 4], [5, 0], [8, 8]])
    moved = shifted(some, shifts)
    assert moved.dtype == torch.uint8
    for image, result, (down, right) in zip(some.numpy(), moved.numpy(), shifts.tolist(), strict=True):
        assert (result == by_hand(image, down, right)).all()


def test_content_away_from_the_border_survives_a_shift_and_its_return():
    some = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    some[:, :, 2:6, 2:6] = pixels(4, 1, 4, 4)
    shifts = torch.tensor([[2, 2], [-2, 1], [0, 0], [1, -2]])
    assert torch.equal(shifted(shifted(some, shifts), -shifts), some)


def test_a_flip_is_its_own_inverse_and_touches_only_those_named():
    some, which = pixels(5, 3, 4, 6), torch.tensor([True, False, True, True, False])
    once = flipped(some, which)
    assert torch.equal(once[1], some[1])
    assert torch.equal(once[0], some[0].flip(-1))
    assert torch.equal(flipped(once, which), some)


def test_a_crop_of_full_size_is_the_image():
    some = pixels(4, 3, 9, 7)
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(4, 4)
    torch.testing.assert_close(cropped(some, whole), some.float(), rtol=0, atol=1e-3)


def test_a_crop_of_whole_pixels_stretches_a_ramp_in_its_place():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    stretched = cropped(ramp, torch.tensor([[0.5, 0.25, 0.5, 0.5]]))  # columns 2 to 6, edges at 1.5 and 5.5
    expected = 2.0 + (torch.arange(8.0) + 0.5) / 8 * 4 - 0.5
    torch.testing.assert_close(stretched, expected.expand(1, 1, 8, 8))
    torch.testing.assert_close(cropped(ramp.mT, torch.tensor([[0.25, 0.5, 0.5, 0.5]])), stretched.mT)


def test_shrinking_takes_means():
    some = pixels(2, 3, 6, 4)
    expected = some.float().reshape(2, 3, 3, 2, 2, 2).mean(dim=(3, 5))
    torch.testing.assert_close(shrunk(some, share=0.5), expected)
    assert shrunk(some, share=0.01).shape == (2, 3, 1, 1)
    assert torch.equal(shrunk(some, share=1.0), some.float())


@pytest.mark.parametrize("models", [None, 2])
def test_mixing_blends_pixels_targets_and_shares_alike(models):
    lead = () if models is None else (models,)
    some, target = pixels(*lead, 5, 3, 4, 4), torch.arange(5).expand(*lead, 5)
    shares = torch.rand(*lead, 5, generator=torch.Generator().manual_seed(1))
    batch = mixed(Batch(inputs=(some,), target=target, weights=None, groups=None), shares)
    other, own = batch.mixed
    assert (own >= 0.5).all()
    assert torch.equal(batch.target, target)
    assert other.tolist() == torch.tensor([4, 0, 1, 2, 3]).expand(*lead, 5).tolist()
    images = some.float().view(-1, 5, 3, 4, 4)
    for model, rows in enumerate(images):
        for row in range(5):
            share = own.view(-1, 5)[model, row]
            expected = share * rows[row] + (1 - share) * rows[row - 1]
            torch.testing.assert_close(batch.inputs[0].view(-1, 5, 3, 4, 4)[model, row], expected)


def test_several_labels_per_row_are_mixed_by_row():
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    batch = mixed(Batch(inputs=(pixels(3, 1, 2, 2),), target=target, weights=None, groups=None), torch.rand(3))
    assert torch.equal(batch.mixed[0], target[[2, 0, 1]])


def test_a_batch_of_one_is_mixed_with_itself():
    some = pixels(1, 1, 2, 2)
    batch = mixed(Batch(inputs=(some,), target=torch.tensor([3]), weights=None, groups=None), torch.tensor([0.3]))
    torch.testing.assert_close(batch.inputs[0], some.float())
    assert batch.mixed[0].tolist() == [3]
