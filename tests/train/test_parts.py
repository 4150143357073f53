import io
import math

import pytest
import torch
from rich.console import Console

from cellstate.train import TrainConfig, fit
from cellstate.train.device import autocast, choose_device, choose_precision
from cellstate.train.optimizer import AdamW
from cellstate.train.pace import Pace
from cellstate.train.progress import ProgressBar
from cellstate.train.schedule import rate_factor
from cellstate.train.watch import Watch
from cellstate.train.weights import Average
from tests.train.problems import Line, network, weights


def test_adamw_equals_torchs_bit_for_bit():
    ours, theirs = network(), network()
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, lr=0.03, fused=True)
    optimizer = AdamW(ours, rate=0.03, weight_decay=0.1)
    x = torch.linspace(-1, 1, 16)[:, None]
    for _ in range(5):
        for model, method in ((ours, optimizer), (theirs, reference)):
            model.zero_grad()
            (model(x) - x.sin()).square().mean().backward()
            method.step()
    assert torch.equal(weights(ours), weights(theirs))


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_rates_stay_between_nothing_and_the_highest(schedule):
    factors = [rate_factor(schedule, done / 100) for done in range(-5, 130)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert max(factors) == 1.0


def test_one_cycle_rises_then_falls():
    factors = [rate_factor("one_cycle", done / 100) for done in range(101)]
    peak = factors.index(1.0)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def feed(watch, losses):
    found = []
    for loss in losses:
        watch.add(torch.tensor(loss), torch.tensor(1.0))
        found.append(watch.read())
    return found


@pytest.mark.parametrize("level", [-5.0, 0.0, 1e-6, 0.7, 300.0])
def test_losses_that_wander_are_no_explosion(level):
    noise = [level + 0.1 * abs(level) * math.sin(k) for k in range(20)]
    assert feed(Watch(1), noise + [value * 3 for value in noise]) == [None] * 40


@pytest.mark.parametrize("level", [-5.0, 0.0, 1e-6, 0.7, 300.0])
def test_losses_that_leave_their_range_are_an_explosion(level):
    found = feed(Watch(1), [level] * 20 + [1e5] * 3)
    assert found[:22] == [None] * 22
    assert "exploded" in found[22]


def test_a_watch_reads_many_losses_at_once():
    watch = Watch(3)
    for loss in (1.0, 2.0, 6.0):
        assert not watch.is_due
        watch.add(torch.tensor(loss), torch.tensor(1.0))
    assert watch.is_due
    assert watch.read() is None
    assert (watch.latest, watch.mean_since_row()) == (6.0, 3.0)


def test_the_average_follows_the_weights():
    value = torch.zeros(1)
    average = Average([value], 0.9)
    value.fill_(1.0)
    for _ in range(300):
        average.update([value])
    assert average.means[0].item() == pytest.approx(1.0, abs=1e-6)
    with average.swapped_in([value]):
        assert value.item() == average.means[0].item()
    assert value.item() == 1.0


def test_the_average_of_a_few_steps_forgets_the_start():
    value = torch.zeros(1)
    average = Average([value], 0.999)
    value.fill_(1.0)
    for _ in range(20):
        average.update([value])
    assert average.means[0].item() > 0.95


def test_a_plan_is_shortened_to_what_fits():
    pace = Pace(steps=1000, valid_every=10, valid_batches=1)
    assert pace.seconds_left(0) is None
    pace.begin_steps()
    for _ in range(12):
        pace.step_done()
    pace.shorten(12, 0.0)
    assert pace.steps == 13


def test_the_bar_shows_loss_rate_and_time_left(monkeypatch):
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=120)
    monkeypatch.setattr("rich.console.Console", lambda **options: terminal)
    with ProgressBar(True, 100) as bar:
        assert bar.is_due(math.inf)
        bar.show(
            step=40, steps=100, epoch=2, loss=0.5, valid_loss=0.25, rate=1e-3, seconds_left=3725.0
        )
    shown = stream.getvalue()
    for part in ("epoch 2", "loss 0.5", "validation 0.25", "rate 1.0e-03", "1 h 02 min left"):
        assert part in shown


def test_a_bar_that_was_asked_for_appears_during_training(capfd):
    fit(network(), Line(), TrainConfig(epochs=30, progress=True), seed=0)
    out, err = capfd.readouterr()
    assert out == ""
    assert "training" in err or err == "\n"


def test_the_cpu_computes_in_float32_unless_told_otherwise():
    cpu = choose_device("cpu")
    assert choose_precision("auto", cpu) == "float32"
    with autocast(cpu, "bfloat16"):
        product = torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2))
    assert product.dtype == torch.bfloat16


def test_training_in_bfloat16_learns_and_keeps_float32_weights():
    model = network()
    config = TrainConfig(epochs=30, learning_rate=0.05, precision="bfloat16", device="cpu")
    record = fit(model, Line(), config, seed=0)
    assert record.precision == "bfloat16"
    assert weights(model).dtype == torch.float32
    assert record.best_loss < record.history[0].valid_loss / 2
