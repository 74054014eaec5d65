"""Captured steps: their bookkeeping on a CPU with work that is repeated as it is, the graphs themselves on a GPU."""

import pytest
import torch

from trainer.data.resident import Resident
from trainer.data.streamed import Streamed
from trainer.data.target import Target
from trainer.fitting import graph
from trainer.fitting.augment import AugmentSettings
from trainer.fitting.cycle import CycleRun
from trainer.fitting.epoch import run_epoch
from trainer.fitting.graph import WARM_UP, CudaCapture, GraphSteps, fastest
from trainer.fitting.objectives import MeanLoss
from trainer.fitting.optimizer import GuardedAdamW
from trainer.fitting.stacked import StackedModels
from trainer.fitting.step import Course, Stepper
from trainer.history import Cycle, Recipe
from trainer.learner import Learner
from trainer.networks.images import CNNSettings
from trainer.networks.tabular import MLPSettings, TabularMLP

NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def stepper(device, *, models=None, dropout=0.2):
    torch.manual_seed(0)
    settings = MLPSettings(hidden=(16,), frequencies=4, dropout=dropout)
    singles = [TabularMLP(n_codes=(3,), n_numeric=2, n_classes=2, settings=settings) for _ in range(models or 1)]
    model = (singles[0] if models is None else StackedModels(singles)).to(device)
    return Stepper(
        model=model,
        target=Target(kind="classes", classes=(0, 1)),
        objective=MeanLoss(),
        optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.1, clip=1.0, models=models),
        course=Course.begin(torch.linspace(0.001, 0.02, 200, device=device)),
    )


def resident(device, n=403):
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randn(n, 2, generator=generator)
    codes = torch.randint(0, 3, (n, 1), generator=generator).to(torch.uint8)
    target = (numbers[:, 0] * (codes[:, 0].float() - 1) > 0).long()
    return Resident(inputs=(codes, numbers), target=target).to(torch.device(device))


def trained(steps, device, *, models=None, epochs=3, seed=9):
    data = resident(device)
    torch.manual_seed(seed)
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(epoch)
        orders = [torch.randperm(403, generator=generator) for _ in range(models or 1)]
        order = orders[0] if models is None else torch.stack(orders)
        run_epoch(steps, data, order.to(device), batch_size=8)
    weights = [parameter.detach().cpu() for parameter in steps.stepper.model.parameters()]
    return weights, steps.stepper.course.totals.tolist()


class Counted:
    """Captures nothing, but counts what would be captured and replayed."""

    def __init__(self):
        self.captured = self.replayed = 0

    def __call__(self, work):
        self.captured += 1

        def replay():
            self.replayed += 1
            work()

        return replay


@pytest.mark.parametrize("models", [None, 2])
def test_replayed_steps_are_the_steps(models):
    counted = Counted()
    plain = trained(stepper("cpu", models=models), "cpu", models=models)
    replayed = trained(GraphSteps(stepper("cpu", models=models), capture=counted, unroll=4), "cpu", models=models)
    assert all(torch.equal(one, other) for one, other in zip(plain[0], replayed[0], strict=True))
    assert plain[1] == replayed[1]
    # 50 whole batches an epoch; the first three are taken one by one, the last (of 3 rows) is never warm in 3 epochs.
    assert counted.captured == 2
    assert counted.replayed == (47 // 4 + 47 % 4) + 2 * (50 // 4 + 50 % 4)
    assert WARM_UP == 3


def test_an_epoch_may_begin_and_end_anywhere():
    whole, cut = stepper("cpu", dropout=0.0), GraphSteps(stepper("cpu", dropout=0.0), capture=Counted(), unroll=4)
    data, order = resident("cpu"), torch.arange(403)
    assert run_epoch(whole, data, order, batch_size=8) == 51
    stops = [
        run_epoch(cut, data, order, batch_size=8, begin=begin, end=end) for begin, end in [(0, 7), (7, 50), (50, -1)]
    ]
    assert stops == [7, 50, 51]
    for one, other in zip(whole.model.parameters(), cut.stepper.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("models", [None, 2])
@pytest.mark.parametrize("begin", [0, 49])
def test_chunks_that_are_filled_anew_need_no_new_capture(models, begin):
    """A captured step reads a chunk's own memory; a stretch of another length is captured for itself."""
    counted, weights = Counted(), []
    for source in (resident("cpu"), Streamed(resident("cpu"), device=torch.device("cpu"), rows=100)):
        plain = stepper("cpu", models=models)
        steps = GraphSteps(plain, capture=counted, unroll=4) if isinstance(source, Streamed) else plain
        torch.manual_seed(3)
        for epoch in range(3):
            orders = [torch.randperm(403, generator=torch.Generator().manual_seed(seed + epoch)) for seed in (0, 50)]
            order = orders[0] if models is None else torch.stack(orders)
            run_epoch(steps, source, order, batch_size=8, begin=begin if epoch == 0 else 0)
        weights.append(torch.cat([value.detach().flatten() for value in plain.model.parameters()]))
    assert torch.equal(*weights)
    # Four stretches of 96 rows take two chunks in turn, each captured by fours and, where warming up took three of its
    # twelve steps, singly; one of 19 rows has two whole steps, and one of three rows that is never warm in 3 epochs.
    assert counted.captured == 2 * 2 + 1


@pytest.mark.parametrize("models", [None, pytest.param(4, id="stacked")])
@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
def test_graphs_take_the_steps_that_eager_takes(device, models):
    eager = trained(stepper(device, models=models), device, models=models)
    replayed = trained(GraphSteps(stepper(device, models=models)), device, models=models)
    for one, other in zip(eager[0], replayed[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert eager[1] == pytest.approx(replayed[1], rel=1e-5)


class Frozen(Counted):
    """Repeats the work with the augmentation that it was captured with, as a graph does."""

    def __init__(self):
        super().__init__()
        self.stepper = None

    def __call__(self, work):
        augment, replay = self.stepper.augment, super().__call__(work)

        def replayed():
            now, self.stepper.augment = self.stepper.augment, augment
            replay()
            self.stepper.augment = now

        return replayed


def test_a_cycle_replays_where_the_device_captures(table, monkeypatch):
    counted, weights = Counted(), []
    for capture in (None, counted):
        monkeypatch.setattr(graph, "capture_on", lambda _, found=capture: found)
        learner = Learner(table, network=MLPSettings(hidden=(16,), frequencies=4), seed=2, device="cpu")
        learner.fit_one_cycle(2, 5e-3, batch_size=64)  # 14 batches of 64 rows and one of 4
        weights.append(learner.model_version)
    assert weights[0] == weights[1]
    # The first three of 28 are taken one by one; 11 remain of the first epoch, 14 of the second.
    assert (counted.captured, counted.replayed) == (1, 25)


def test_what_was_captured_ends_with_its_augmentation(make_digits, monkeypatch):
    settings = AugmentSettings(small_epochs=0.5, small_size=0.5)
    cycle = Cycle(epochs=2, lr=1e-2, batch_size=64, recipe=Recipe(augment=settings))
    weights, frozen = [], Frozen()
    for capture in (None, frozen):
        monkeypatch.setattr(graph, "capture_on", lambda _, found=capture: found)
        learner = Learner(make_digits(0), network=CNNSettings(widths=(4, 8)), seed=2, device="cpu")
        run = CycleRun(learner.model, learner.plan(cycle))
        frozen.stepper = run.stepper
        while not run.over:
            run.advance()
        weights.append(torch.cat([value.detach().flatten() for value in learner.model.parameters()]))
    assert torch.equal(*weights)
    assert frozen.captured == 2 * 2  # 18 steps of each size: by sixteens and singly, or singly alone


def test_who_may_not_capture_takes_steps_one_by_one(monkeypatch):
    monkeypatch.setattr(graph, "capture_on", lambda _: Counted())
    plain = stepper("cpu")
    assert isinstance(fastest(plain), GraphSteps)
    assert fastest(plain, allowed=False) is plain
    plain.optimizer.guard = "host"
    assert fastest(plain) is plain
    monkeypatch.undo()
    other = stepper("cpu")
    assert fastest(other) is other


@pytest.mark.parametrize("what", ["nothing", "the course alone"])
def test_a_replay_that_moves_nothing_is_refused_and_the_steps_are_taken(what):
    """As where a graph was captured on another device than that of the work: it is empty."""
    asked = []

    def broken(work):
        def replay():
            asked.append(work)
            if what == "the course alone":
                lost.stepper.course.step += 1
                lost.stepper.course.row += 8
                lost.stepper.course.totals[1] += 8

        return replay

    plain = trained(stepper("cpu"), "cpu")
    lost = GraphSteps(stepper("cpu"), capture=broken, unroll=1)
    with pytest.warns(RuntimeWarning, match="did not move the weights, so steps are taken one by one"):
        found = trained(lost, "cpu")
    assert lost.refused
    assert len(asked) == 1
    assert all(torch.equal(one, other) for one, other in zip(plain[0], found[0], strict=True))
    assert plain[1] == found[1]


def test_steps_that_are_rightly_skipped_are_no_reason_to_refuse():
    data = resident("cpu")
    broken = Resident(inputs=(data.inputs[0], torch.full_like(data.inputs[1], torch.nan)), target=data.target)
    steps = GraphSteps(stepper("cpu"), capture=Counted(), unroll=4)
    run_epoch(steps, broken, torch.arange(403), batch_size=8)
    assert not steps.refused
    assert steps.stepper.course.totals.tolist() == [0.0, 0.0, 51.0]


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
def test_graphs_of_a_device_share_their_memory(device):
    capture, place = CudaCapture(torch.device(device, torch.cuda.current_device())), torch.zeros(1, device=device)
    held = []
    for rounds in range(4):
        replay = capture(lambda: place.add_(torch.ones(1 << 24, device=device).mean()))
        assert place.item() == rounds, "capturing does not do the work"
        replay()
        held.append((replay, torch.cuda.memory_reserved(device)))
    assert place.item() == 4
    assert held[-1][1] == held[0][1], "64 MiB of the first serve the others"


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_graphs_of_a_device_that_is_not_the_current_one():
    with torch.cuda.device(0):
        eager, replayed = (trained(steps, "cuda:1") for steps in (stepper("cuda:1"), GraphSteps(stepper("cuda:1"))))
    for one, other in zip(eager[0], replayed[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
