"""Data larger than the device: they stay in the host's memory and pass through two chunks on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from audit.errors import InputError
from trainer.data.resident import Batch, Resident, Source

SHARE = 0.5
"""Share of the device's free memory up to which data are kept there whole."""
CHUNK_SHARE = 0.1
"""Share of it for the two chunks of all models, where the number of their rows is not given; two batches at least."""


class Streamed:
    """Data in the host's memory of which the device holds one stretch of the epoch while the next one is on its way.

    The rows of a stretch are gathered on the host, in the epoch's order, into memory that the device can read directly,
    and copied while the device trains on the stretch before. The order is that of data that lie on the device, so
    training comes to the same weights, bit by bit.

    Parameters
    ----------
    host
        The tensors, in the host's memory.
    device
        Where training runs.
    rows
        Rows of a stretch, per model; cut down to a multiple of the batch size, of which it holds at least one.
    shared
        Whether `rows` are those of all models together, who then each have their share of them.

    Raises
    ------
    InputError
        If `rows` is below 1.

    Examples
    --------
    >>> host = Resident(inputs=(torch.arange(5.0)[:, None],), target=torch.tensor([0, 1, 0, 1, 1]))
    >>> data = Streamed(host, device=torch.device("cpu"), rows=3)
    >>> for piece, places in data.pieces(torch.tensor([4, 0, 3, 1, 2]), batch_size=2):
    ...     piece.take(places).inputs[0].flatten().tolist()
    [4.0, 0.0]
    [3.0, 1.0]
    [2.0]
    """

    def __init__(self, host: Resident, *, device: torch.device, rows: int, shared: bool = False) -> None:
        if rows < 1:
            raise InputError([f"streamed_rows must be at least 1; came {rows}"])
        self.host, self.device, self.rows, self.shared = host, device, rows, shared
        self._buffers: tuple[_Buffer, _Buffer] | None = None
        self._places: dict[torch.Size, Tensor] = {}

    def holding(self, host: Resident) -> "Streamed":
        """Return the same way of passing other tensors."""
        return Streamed(host, device=self.device, rows=self.rows, shared=self.shared)

    def take(self, rows: Tensor) -> Batch:
        """Return the rows named; inputs stay on the host, to be moved as they are needed, what is small does not."""
        batch = self.host.take(rows.cpu())
        return batch._replace(
            target=batch.target.to(self.device),
            weights=None if batch.weights is None else batch.weights.to(self.device),
            groups=None if batch.groups is None else batch.groups.to(self.device),
        )

    def pieces(self, order: Tensor, batch_size: int, *, begin: int = 0) -> Iterator[tuple[Resident, Tensor]]:
        """Yield stretches of the order, each in one of two chunks that are used again and again.

        Parameters
        ----------
        order
            Shape (n,), int64, or (n_models, n): each model has its own rows.
        batch_size
            Rows per step: a chunk holds whole batches, the last one of an epoch what is left.
        begin
            The first batch that is wanted: stretches before it are not filled.
        """
        models = order.shape[:-1].numel()
        rows = self.rows // models if self.shared else self.rows
        chunk = min(max(rows // batch_size, 1) * batch_size, order.shape[-1])
        buffers = self._both(chunk * models)
        for number, part in enumerate(torch.split(order.cpu(), chunk, dim=-1)):
            buffer = buffers[number % 2]
            if (number + 1) * chunk > begin * batch_size:
                buffer.fill(self.host, part)
            try:
                yield buffer.data, self._counted(part.shape)
            finally:
                buffer.release()

    def _both(self, rows: int) -> "tuple[_Buffer, _Buffer]":
        if self._buffers is None or len(self._buffers[0].data.target) != rows:
            self._buffers = (_Buffer(self.host, rows, self.device), _Buffer(self.host, rows, self.device))
        return self._buffers

    def _counted(self, shape: torch.Size) -> Tensor:
        if shape not in self._places:
            self._places[shape] = torch.arange(shape.numel(), device=self.device).view(shape)
        return self._places[shape]


@dataclass(frozen=True, slots=True)
class _Lane:
    """The stream of copies and the two moments that copying and training wait for each other's."""

    stream: torch.cuda.Stream
    copied: torch.cuda.Event
    used: torch.cuda.Event


class _Buffer:
    """One chunk: what the device reads, and the host memory that it is copied from; on a CPU both are one."""

    def __init__(self, like: Resident, rows: int, device: torch.device) -> None:
        on_cuda = device.type == "cuda"
        self._staged = _empty(like, rows, device=torch.device("cpu"), pinned=on_cuda)
        self.data = _empty(like, rows, device=device, pinned=False) if on_cuda else self._staged
        self._device = device
        self._lane = _lane(device) if on_cuda else None
        self.release()  # this memory may have been another's, which the current stream still reads

    def fill(self, host: Resident, rows: Tensor) -> None:
        """Gather rows, and send them off; what the current stream does from here on finds them."""
        lane, n = self._lane, rows.numel()
        if lane is not None:
            lane.copied.synchronize()  # the last copy out of this memory must be over
        for source, place in zip(_by_row(host), _by_row(self._staged, like=host), strict=True):
            torch.index_select(source, 0, rows.reshape(-1), out=place[:n])
        if host.model_weights is not None and self._staged.weights is not None:
            torch.gather(host.model_weights, 1, rows, out=self._staged.weights[:n].view(rows.shape))
        if lane is None:
            return
        lane.stream.wait_event(lane.used)
        with torch.cuda.stream(lane.stream):
            for source, place in zip(_tensors(self._staged), _tensors(self.data), strict=True):
                place[:n].copy_(source[:n], non_blocking=True)
            lane.copied.record(lane.stream)
        torch.cuda.current_stream(self._device).wait_event(lane.copied)

    def release(self) -> None:
        """Mark the moment up to which the current stream reads this chunk."""
        if self._lane is not None:
            self._lane.used.record(torch.cuda.current_stream(self._device))


def placed(
    resident: Resident, *, device: torch.device, streamed_rows: int | None = None, free: int | None = None
) -> Source:
    """Return data as training takes them: on the device where they fit, else streamed to it.

    Parameters
    ----------
    resident
        The tensors, in the host's memory.
    device
        Where training runs.
    streamed_rows
        Rows of a stretch, per model: then the data are streamed in any case. None: they are where they take more than
        half of the device's free memory, in chunks that all models share; never on a CPU.
    free
        Bytes free on the device; None to ask it.

    Returns
    -------
    Resident or Streamed
        See `Source`.

    Examples
    --------
    12 bytes a row: 1,200 bytes do not lie well on a device of 2,000; a tenth of these holds two chunks of 8 rows.

    >>> data = Resident(inputs=(torch.zeros(100),), target=torch.zeros(100, dtype=torch.int64))
    >>> cpu = torch.device("cpu")
    >>> type(placed(data, device=cpu, free=2400)).__name__, placed(data, device=cpu, free=2000).rows
    ('Resident', 8)
    """
    if streamed_rows is not None:
        return Streamed(resident, device=device, rows=streamed_rows)
    if free is None:
        if device.type != "cuda":
            return resident.to(device)
        free = torch.cuda.mem_get_info(device)[0]
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(resident))
    if n_bytes <= SHARE * free:
        return resident.to(device)
    per_row = n_bytes / len(resident.target)
    return Streamed(resident, device=device, rows=max(int(CHUNK_SHARE * free / per_row / 2), 1), shared=True)


def tensors_of(source: Source) -> Resident:
    """Return all rows of a source, where they lie."""
    return source.host if isinstance(source, Streamed) else _resident(source)


def holding(source: Source, resident: Resident) -> Source:
    """Return a source of other tensors, which lie where those of `source` do."""
    return source.holding(resident) if isinstance(source, Streamed) else resident


def _resident(source: Source) -> Resident:
    if not isinstance(source, Resident):
        message = f"data must be Resident or Streamed; came {type(source).__name__}"
        raise TypeError(message)
    return source


def _tensors(data: Resident) -> list[Tensor]:
    rest = (data.target, data.weights, data.groups, data.model_weights)
    return [*data.inputs, *(tensor for tensor in rest if tensor is not None)]


def _by_row(data: Resident, *, like: Resident | None = None) -> list[Tensor]:
    """Return the tensors that are gathered by row alone; not the weights, where each model has its own."""
    weights = None if (like or data).model_weights is not None else data.weights
    return [*data.inputs, *(tensor for tensor in (data.target, weights, data.groups) if tensor is not None)]


def _empty(like: Resident, rows: int, *, device: torch.device, pinned: bool) -> Resident:
    def room(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        return torch.empty((rows, *tensor.shape[1:]), dtype=tensor.dtype, device=device, pin_memory=pinned)

    inputs = tuple(item for item in map(room, like.inputs) if item is not None)
    target = torch.empty((rows, *like.target.shape[1:]), dtype=like.target.dtype, device=device, pin_memory=pinned)
    # Each place of a chunk is one model's, so that it holds one weight, whosever it is.
    weights = like.weights if like.model_weights is None else like.model_weights[0]
    return Resident(inputs=inputs, target=target, weights=room(weights), groups=room(like.groups))


def _lane(device: torch.device) -> _Lane:
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _Lane(stream, torch.cuda.Event(), torch.cuda.Event())  # type: ignore[no-untyped-call]
