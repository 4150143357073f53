"""Characters per second in training and in writing, and the time to nanoGPT's loss, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.harness.options import Options
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import alternate
from benchmarks.peers import nano_gpt, torch_language
from benchmarks.text_shakespeare import read
from cellstate.data import catalogue
from cellstate.data.text.tokenizer import Tokenizer
from cellstate.nn.language import LanguageNetwork
from cellstate.tasks.text.language.fitting import FittedLanguage
from cellstate.tasks.text.language.generate import Generation, read_prompt
from cellstate.tasks.text.language.plan import Regularization, make_plan
from cellstate.tasks.text.language.sampling import Sampling
from cellstate.tasks.text.language.task import LanguageTask
from cellstate.train.optimizer import AdamW

STREAMS, STEPS, DROPOUT = 32, 64, 0.4
WRITTEN = 200  # characters of a sample
GOAL = 1.88  # nats per character: nanoGPT's README, on a processor
LOOK_EVERY = 25  # steps between two looks at the loss, whose time does not count
WINDOWS = 200  # of 64 characters, each read from nothing, as nanoGPT estimates its loss
MOST_SECONDS = 900.0
SEED = 0
NAMES = ("cellstate", "torch.nn.LSTM", "nanoGPT")


class Trainer(Protocol):
    characters: int

    def step(self) -> None: ...


def run(recorder: Recorder, options: Options) -> None:
    """Train and write in turns, then train until the loss is reached, in turns too."""
    torch.set_num_threads(options.threads)
    train, test = read(catalogue.path("tiny-shakespeare", options.data_dir))
    tokenizer = Tokenizer.train([train], kind="char")
    text, held = (tokenizer.encode(part).astype(np.int64) for part in (train, test))
    _training(recorder, options, text, tokenizer.size)
    _writing(recorder, options, tokenizer)
    _time_to_loss(recorder, options, text, held, tokenizer.size)


class CellstateTrainer:
    """What `train.fit` does in a step: streams, loss, clipping, AdamW."""

    def __init__(self, network: LanguageNetwork, text: np.ndarray, *, rate: float) -> None:
        self.network = network.train()
        self.task = LanguageTask(text, text[:0], streams=STREAMS, steps=STEPS)
        self.optimizer = AdamW(network, rate=rate, weight_decay=1e-2)
        self.rng, self.batches, self.state = np.random.default_rng(SEED), iter(()), None
        self.characters = STREAMS * STEPS

    def step(self) -> None:
        batch = next(self.batches, None)
        if batch is None:
            self.batches, self.state = self.task.train_batches(self.rng), None
            batch = next(self.batches)
        tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
        outcome = self.task.loss(self.network, tensors, self.state)
        self.optimizer.clear_gradients()
        outcome.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.optimizer.parameters, 1.0)
        self.optimizer.step()
        self.state = {n: type(s)(s.h.detach(), s.c.detach()) for n, s in outcome.state.items()}

    def logits(self, tokens_BT: torch.Tensor) -> torch.Tensor:
        return self.network(tokens_BT.t())[0].transpose(0, 1)


def _plan(vocabulary: int, size: str) -> Any:
    return make_plan(
        vocabulary=vocabulary, kind="char", size=size, hidden=None, layers=None, tie=None,
        softmax="full",
    )  # fmt: skip


def _training(recorder: Recorder, options: Options, text: np.ndarray, vocabulary: int) -> None:
    torch.manual_seed(SEED)
    plan = _plan(vocabulary, "medium")
    tensor = torch.from_numpy(text)
    plain = torch_language.CharacterLSTM(vocabulary, plan.embedding_size, plan.hidden_size, DROPOUT)
    trainers: dict[str, Trainer] = {
        "cellstate": CellstateTrainer(
            plan.build(Regularization(output_dropout=DROPOUT)), text, rate=4e-3
        ),
        "torch.nn.LSTM": torch_language.Trainer(plain, tensor, STREAMS, STEPS),
        "nanoGPT": nano_gpt.Trainer(vocabulary, tensor, SEED),
    }
    calls: dict[str, Callable[[], object]] = {name: t.step for name, t in trainers.items()}
    timing = alternate(calls, rounds=5 if options.quick else 41, seconds=120.0)
    speeds = {name: t.characters / timing.median(name) for name, t in trainers.items()}
    sizes = f"{plan.embedding_size}-{plan.hidden_size}, {STREAMS} × {STEPS}"
    _record(recorder, f"training, {sizes}", "characters_per_second", speeds)


def _writing(recorder: Recorder, options: Options, tokenizer: Any) -> None:
    torch.manual_seed(SEED)
    plan = _plan(tokenizer.size, "medium")
    network = plan.build()
    none = np.empty(0, np.uint16)
    fitted = FittedLanguage(plan, tokenizer, network.tensors(), True, none, none, {})
    plain = torch_language.CharacterLSTM(
        tokenizer.size, plan.embedding_size, plan.hidden_size, 0.0
    ).eval()
    gpt = nano_gpt.GPT(tokenizer.size).eval()
    prompt = int(tokenizer.encode("\n")[0])
    start = read_prompt(fitted, "\n")
    sampling = Sampling(tokens=WRITTEN)
    calls: dict[str, Callable[[], object]] = {
        "cellstate": lambda: Generation(fitted, start, sampling, SEED).finish(),
        "torch.nn.LSTM": lambda: plain.write(prompt, WRITTEN),
        "nanoGPT": lambda: gpt.write(torch.tensor([[prompt]]), WRITTEN),
    }
    timing = alternate(calls, rounds=3 if options.quick else 21, seconds=60.0)
    speeds = {name: WRITTEN / timing.median(name) for name in calls}
    sizes = f"{plan.embedding_size}-{plan.hidden_size}"
    _record(recorder, f"writing, {sizes}, one text", "characters_per_second", speeds)


def _time_to_loss(
    recorder: Recorder, options: Options, text: np.ndarray, held: np.ndarray, vocabulary: int
) -> None:
    """Train both in turns, a few steps each, until each has reached the loss."""
    goal = 2.6 if options.quick else GOAL
    torch.manual_seed(SEED)
    ours = CellstateTrainer(_plan(vocabulary, "small").build(Regularization()), text, rate=1e-2)
    trainers: dict[str, Any] = {
        "cellstate": ours,
        "nanoGPT": nano_gpt.Trainer(vocabulary, torch.from_numpy(text), SEED),
    }
    windows = torch.from_numpy(_windows(held))
    seconds = dict.fromkeys(trainers, 0.0)
    reached: dict[str, float] = {}
    while len(reached) < len(trainers) and max(seconds.values()) < MOST_SECONDS:
        for name, trainer in trainers.items():
            if name in reached:
                continue
            start = time.perf_counter()
            for _ in range(LOOK_EVERY):
                trainer.step()
            seconds[name] += time.perf_counter() - start
            if _loss(trainer, windows) <= goal:
                reached[name] = seconds[name]
    case = f"until {goal} nats on unseen windows"
    for name, value in reached.items():
        recorder.add(case, name, "train_seconds", value, seed=SEED)
    if len(reached) == len(trainers):
        ratio = reached["nanoGPT"] / reached["cellstate"]
        recorder.add(case, "cellstate", "times_faster_than_nanoGPT", ratio, seed=SEED)


def _windows(held: np.ndarray) -> np.ndarray:
    starts = np.random.default_rng(SEED).integers(0, len(held) - nano_gpt.BLOCK - 1, WINDOWS)
    return np.stack([held[start : start + nano_gpt.BLOCK + 1] for start in starts])


@torch.no_grad()
def _loss(trainer: Any, windows: torch.Tensor) -> float:
    odds = trainer.logits(windows[:, :-1])
    return float(F.cross_entropy(odds.flatten(0, 1), windows[:, 1:].flatten()))


def _record(recorder: Recorder, case: str, metric: str, speeds: dict[str, float]) -> None:
    for name, value in speeds.items():
        recorder.add(case, name, metric, value)
    for name in NAMES[1:]:
        ratio = speeds["cellstate"] / speeds[name]
        recorder.add(case, "cellstate", f"times_faster_than_{name}", ratio)
