"""What can be done to the pixels of a batch of images, given what was drawn: pure functions of tensors."""

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.resident import Batch


def shifted(pixels: Tensor, shifts: Tensor) -> Tensor:
    """Return each image moved by whole pixels, with zeros where nothing was.

    Parameters
    ----------
    pixels
        Shape (n, channels, h, w).
    shifts
        Shape (n, 2), int64: rows downwards and columns to the right.

    Examples
    --------
    >>> shifted(torch.tensor([[[[1, 2], [3, 4]]]]), torch.tensor([[0, 1]])).tolist()
    [[[[0, 1], [0, 3]]]]
    """
    n, channels, high, wide = pixels.shape
    rows = torch.arange(high, device=pixels.device) - shifts[:, :1]
    columns = torch.arange(wide, device=pixels.device) - shifts[:, 1:]
    inside = ((rows >= 0) & (rows < high))[:, None, :, None] & ((columns >= 0) & (columns < wide))[:, None, None, :]
    by_row = rows.clamp(0, high - 1)[:, None, :, None].expand(n, channels, high, wide)
    by_column = columns.clamp(0, wide - 1)[:, None, None, :].expand(n, channels, high, wide)
    return pixels.gather(2, by_row).gather(3, by_column) * inside


def flipped(pixels: Tensor, which: Tensor) -> Tensor:
    """Return the images with those named, shape (n,), boolean, mirrored left to right.

    Examples
    --------
    >>> flipped(torch.tensor([[[[1, 2]]], [[[3, 4]]]]), torch.tensor([True, False])).flatten().tolist()
    [2, 1, 3, 4]
    """
    return torch.where(which[:, None, None, None], pixels.flip(-1), pixels)


def cropped(pixels: Tensor, boxes: Tensor) -> Tensor:
    """Return a box of each image stretched to the whole size, in float32, bilinear.

    Parameters
    ----------
    pixels
        Shape (n, channels, h, w).
    boxes
        Shape (n, 4): top, left, height and width as shares of the image.

    Examples
    --------
    The right half of two pixels is the second pixel twice.

    >>> cropped(torch.tensor([[[[0, 8]]]]), torch.tensor([[0.0, 0.5, 1.0, 0.5]])).tolist()
    [[[[6.0, 8.0]]]]
    """
    _, _, high, wide = pixels.shape
    top, left, height, width = boxes.unbind(1)
    down = _centres(high, device=pixels.device) * height[:, None] + (2 * top + height - 1)[:, None]
    across = _centres(wide, device=pixels.device) * width[:, None] + (2 * left + width - 1)[:, None]
    grid = torch.stack([across[:, None, :].expand(-1, high, wide), down[:, :, None].expand(-1, high, wide)], dim=-1)
    return functional.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)


def shrunk(pixels: Tensor, *, share: float) -> Tensor:
    """Return the images at a share of their sides, in float32, each pixel the mean of those it covers.

    Examples
    --------
    >>> shrunk(torch.tensor([[[[1, 2], [3, 6]]]]), share=0.5).tolist()
    [[[[3.0]]]]
    """
    size = [max(round(side * share), 1) for side in pixels.shape[-2:]]
    return functional.interpolate(pixels.float(), size=size, mode="area")


def mixed(batch: Batch, shares: Tensor) -> Batch:
    """Return the batch with each image blended with the one before it, and the targets and shares of both.

    A batch is in random order, so the one before is a random other. The larger share is the row's own, so that weight
    and group remain those of the image that shows more; a batch of one row is blended with itself.

    Parameters
    ----------
    batch
        Pixels of shape (n, channels, h, w), or (n_models, n, channels, h, w).
    shares
        Shape (n,) or (n_models, n), in [0, 1].

    Examples
    --------
    >>> pixels = torch.tensor([0.0, 100.0]).view(2, 1, 1, 1)
    >>> batch = Batch(inputs=(pixels,), target=torch.tensor([0, 1]), weights=None, groups=None)
    >>> blend = mixed(batch, torch.tensor([0.25, 0.75]))
    >>> blend.inputs[0].flatten().tolist(), blend.mixed[0].tolist(), blend.mixed[1].tolist()
    ([25.0, 75.0], [1, 0], [0.75, 0.75])
    """
    pixels, own = batch.inputs[0].float(), torch.maximum(shares, 1.0 - shares)
    rows, scale = pixels.ndim - 4, own[..., None, None, None]
    blended = scale * pixels + (1.0 - scale) * pixels.roll(1, dims=rows)
    return batch._replace(inputs=(blended, *batch.inputs[1:]), mixed=(batch.target.roll(1, dims=rows), own))


def _centres(number: int, *, device: torch.device) -> Tensor:
    """Return the centres of so many pixels on the scale from -1 to 1."""
    return (2.0 * torch.arange(number, device=device) + 1.0) / number - 1.0
