"""One training under way: steps, validations, roll-backs, and the best weights at the end."""

from __future__ import annotations

import math
import operator
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch

from cellstate.errors import TrainingError, explain
from cellstate.train import asgd, device, resume
from cellstate.train.checkpoint import CheckpointFile
from cellstate.train.config import TrainConfig
from cellstate.train.good_state import GoodState
from cellstate.train.pace import Pace
from cellstate.train.progress import ProgressBar
from cellstate.train.record import Event, Row, TrainRecord, versions
from cellstate.train.schedule import rate_factor
from cellstate.train.task import Batch, Task
from cellstate.train.warning import TrainingWarning
from cellstate.train.watch import Watch
from cellstate.train.weights import AbstractAverage, Average, Snapshot, tensors_of

ROLL_BACKS = 3
"""Times a training may go back to its last good state before it gives up."""
GOOD_EVERY = 200
"""Steps after which the present state is remembered as good, validations aside."""
READ_EVERY = 32
"""Steps between two looks at the losses where looking means waiting for the device."""


@dataclass
class Standing:
    """Where a training stands; all of it goes into a checkpoint."""

    epoch: int = 0  # epochs completed
    step: int = 0
    rate_scale: float = 1.0  # halved by every roll-back
    roll_backs: int = 0
    stale: int = 0  # validations since the best
    done: float = 0.0  # share of the schedule that lies behind


class Training:
    """One call of `fit`."""

    def __init__(
        self,
        model: torch.nn.Module,
        task: Task,
        config: TrainConfig,
        seed: int,
        where: torch.device,
    ) -> None:
        self.model = model
        self.task = task
        self.config = config  # with no field left to the job, see `LOOP_DEFAULTS`
        self.device = where
        self.precision = device.choose_precision(config.precision or "auto", where)
        self.optimizer = asgd.make_optimizer(model, config)
        self.weights = tensors_of(model)
        self.average: AbstractAverage | None = None
        if config.optimizer == "nt_asgd":
            self.average = asgd.NonMonotoneAverage(self.weights)
        elif config.average:
            self.average = Average(self.weights, config.average)
        self.best: Snapshot | None = None
        self.good = GoodState(self.weights, self.optimizer, self.average)
        self.watch = Watch(1 if where.type == "cpu" else READ_EVERY)
        self.rng = np.random.default_rng(seed)
        self.standing = Standing()
        self.record = TrainRecord(
            seed=seed,
            device=str(where),
            precision=self.precision,
            parameters=sum(p.numel() for p in self.optimizer.parameters),
            versions=versions(),
        )
        epoch_steps = task.steps_per_epoch()
        valid_every = config.valid_every or epoch_steps
        self.planned_steps = (config.epochs or 1) * epoch_steps
        self.pace = Pace(
            steps=self.planned_steps,
            valid_every=valid_every,
            valid_batches=operator.length_hint(task.valid_batches(), max(1, epoch_steps // 5)),
        )
        self.bar = ProgressBar(config.progress, self.planned_steps)

    def run(self) -> None:
        """Train, and leave the best weights in the model."""
        journal = resume.journal(self)
        try:
            with self.bar:
                self._epochs(journal)
        except KeyboardInterrupt:
            if not self.record.history:
                raise
            self.record.stopped = "interrupted"
            self.note("interrupted", "Ctrl-C: the best weights so far are kept.", warn=True)
        if self.best is not None:
            self.best.restore(self.weights)
        self.model.eval()
        self.optimizer.clear_gradients()
        self.record.seconds = self.pace.elapsed()
        if journal and self.record.stopped != "interrupted":
            journal.remove()

    def _epochs(self, journal: CheckpointFile | None) -> None:
        at = self.standing
        epochs = self.config.epochs or 1
        while at.epoch < epochs and not self._is_over():
            at.epoch += 1
            before = at.step
            state: Any = None
            self.model.train()
            self.pace.begin_steps()
            for batch in self.task.train_batches(self.rng):
                state = self._step(batch, state)
                if self.config.valid_every and at.step % self.config.valid_every == 0:
                    self._validate()
                if self._is_over():
                    break
            if at.step == before:
                must = "train_batches must yield at least one batch an epoch"
                raise TrainingError(explain("train", must, "none", "Give the task more rows"))
            last = at.epoch == epochs or self._is_over()
            if at.step != self._last_row_step() and (last or not self.config.valid_every):
                self._validate()
            if journal and journal.is_due:
                journal.write(resume.capture(self))

    def _step(self, batch: Batch, state: Any) -> Any:
        """Move the weights by one batch; give the state for the next one."""
        at = self.standing
        at.done = max(at.done, at.step / max(1, self.pace.steps))
        self.optimizer.rate = self._rate()
        tensors = device.to_device(batch, self.device)
        with device.autocast(self.device, self.precision):
            outcome = self.task.loss(self.model, tensors, state)
        self.optimizer.clear_gradients()
        outcome.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            self.optimizer.parameters, self.config.clip_norm or math.inf
        )
        self.optimizer.step()
        if self.average:
            self.average.update(self.weights)
        at.step += 1
        self.watch.add(outcome.loss, norm)
        state = _cut(outcome.state)
        remember = at.step % GOOD_EVERY == 0
        trouble = self.watch.read() if remember or self.watch.is_due else None
        if trouble:
            self._roll_back(trouble)
            state = None
        elif remember:
            self.good.take()
        self._keep_time(self.pace.step_done())
        return state

    def _keep_time(self, now: float) -> None:
        """Foretell the end, keep within the time limit, and redraw the bar."""
        at = self.standing
        if self.record.predicted_seconds is None and self.pace.is_known:
            left = self.pace.seconds_left(at.step) or 0.0
            self.record.predicted_seconds = self.pace.elapsed(now) + left
            self._fit_into_limit()
        if self.bar.is_due(now):
            history = self.record.history
            self.bar.show(
                step=at.step,
                steps=self.pace.steps,
                epoch=at.epoch,
                loss=self.watch.latest,
                valid_loss=history[-1].valid_loss if history else None,
                rate=self._rate(),
                seconds_left=self.pace.seconds_left(at.step),
            )

    def _fit_into_limit(self) -> None:
        limit = self.config.time_limit_s
        if limit is not None:
            self.pace.shorten(self.standing.step, limit - self.pace.elapsed())

    def _is_over(self) -> bool:
        """Whether training ends here; the record says why."""
        at, limit = self.standing, self.config.time_limit_s
        if self.config.patience and at.stale >= self.config.patience:
            self.record.stopped = "early"
            return True
        if limit is None or (at.step < self.pace.steps and self.pace.elapsed() < limit):
            return False
        if at.step < self.planned_steps and self.record.stopped != "time_limit":
            self.record.stopped = "time_limit"
            self.note("time_limit", f"Stopped after {limit:g} s, before the planned end.")
        return True

    def _validate(self) -> None:
        """Add a row to the history; keep the weights if they are the best so far."""
        at = self.standing
        trouble = self.watch.read()
        loss = None if trouble else self._valid_loss()
        if loss is not None and not math.isfinite(loss):
            trouble = f"the validation loss became {loss}"
        if trouble:
            self._roll_back(trouble)
            return
        self.good.take()
        row = Row(
            epoch=at.epoch,
            step=at.step,
            train_loss=self.watch.mean_since_row(),
            valid_loss=loss,
            learning_rate=self._rate(),
            seconds=self.pace.elapsed(),
        )
        self.record.history.append(row)
        if self.average:
            said = self.average.hear([r.valid_loss for r in self.record.history])
            if said:
                self.note("averaging", said)
        at.stale += 1
        settling = row.step < (self.config.settle or 0.0) * self.planned_steps
        best = self.record.best_loss
        if settling or loss is None or best is None or loss < best:
            self._remember(row)
            if settling:  # the next validation replaces it, whatever it says
                self.record.best_loss = None
        self._fit_into_limit()
        self.pace.begin_steps()

    @torch.no_grad()
    def _valid_loss(self) -> float | None:
        """Mean validation loss of the weights that would be kept; None without a split."""
        start = time.perf_counter()
        losses: list[torch.Tensor] = []
        weights: list[torch.Tensor] = []
        state: Any = None
        self.model.eval()
        with self._kept_weights():
            for batch in self.task.valid_batches():
                tensors = device.to_device(batch, self.device)
                with device.autocast(self.device, self.precision):
                    outcome = self.task.loss(self.model, tensors, state)
                state = outcome.state
                losses.append(outcome.loss.float())
                weights.append(torch.as_tensor(outcome.weight, dtype=torch.float32))
        self.model.train()
        if not losses:
            return None
        # Only now wait for the device; sums are exact enough in float64, which not all have.
        shares = torch.stack([weight.cpu() for weight in weights]).double()
        loss = torch.stack(losses).cpu().double()
        self.pace.validation_took(time.perf_counter() - start)
        return float((loss * shares).sum() / shares.sum()) if float(shares.sum()) > 0 else None

    def _kept_weights(self) -> AbstractContextManager[None]:
        return self.average.swapped_in(self.weights) if self.average else nullcontext()

    def _remember(self, row: Row) -> None:
        """Take the present weights (or their average) as the best."""
        weights = self.average.means if self.average else self.weights
        if self.best is None:
            self.best = Snapshot(weights)
        else:
            self.best.take(weights)
        self.record.best_step, self.record.best_epoch = row.step, row.epoch
        self.record.best_loss = row.valid_loss
        self.standing.stale = 0

    def _roll_back(self, trouble: str) -> None:
        """Return to the last good state at half the rate, or give up."""
        at = self.standing
        self.good.restore()
        self.watch.forget()
        if at.roll_backs == ROLL_BACKS:
            raise TrainingError(
                explain(
                    "train",
                    "the loss must stay finite and near its first values",
                    f"a training in which {trouble} at step {at.step}, "
                    f"after {ROLL_BACKS} roll-backs",
                    f"Lower learning_rate (now {self.config.learning_rate:g}) or look for "
                    "extreme values in the data; the model is in its last good state",
                )
            )
        at.roll_backs += 1
        at.rate_scale /= 2.0
        message = (
            f"At step {at.step} {trouble}: went back to the last good state and halved the "
            f"learning rate ({at.roll_backs} of {ROLL_BACKS} times)."
        )
        self.note("roll_back", message, warn=True)

    def _rate(self) -> float:
        at = self.standing
        factor = rate_factor(self.config.schedule or "constant", at.done)
        return (self.config.learning_rate or 0.0) * factor * at.rate_scale

    def note(self, kind: str, message: str, *, warn: bool = False) -> None:
        """Record an event, and warn of it where it deserves a look."""
        self.record.events.append(Event(kind, self.standing.step, message))
        if warn:
            warnings.warn(f"train: {message}", TrainingWarning, stacklevel=5)

    def _last_row_step(self) -> int:
        return self.record.history[-1].step if self.record.history else -1


def _cut(state: Any) -> Any:
    """Cut the gradient of a state of nested tuples, lists and dictionaries."""
    if isinstance(state, torch.Tensor):
        return state.detach()
    if isinstance(state, dict):
        named = cast("dict[Any, Any]", state)
        return {name: _cut(part) for name, part in named.items()}
    if isinstance(state, list | tuple):
        parts = cast("list[Any] | tuple[Any, ...]", state)
        cut = [_cut(part) for part in parts]
        return type(parts)(*cut) if hasattr(parts, "_fields") else type(parts)(cut)
    return state
