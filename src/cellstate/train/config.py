"""How to train: every setting optional, so that a job can decide what the user leaves open."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from cellstate.errors import InputError, did_you_mean, explain

SCHEDULES = ("one_cycle", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
OPTIMIZERS = ("adamw", "nt_asgd")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training; None leaves the choice to the job.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training data, at least 1.
    batch_size : int, optional
        Rows in a batch, at least 1.
    learning_rate : float, optional
        Highest step size, above 0; usually 1e-4 to 1e-2 for AdamW, 5 to 30 for NT-ASGD.
    schedule : {"one_cycle", "cosine", "constant"}, optional
        How the rate moves over the run: up and down again, down, or not at all.
    weight_decay : float, optional
        Decay of the weights, at least 0; AdamW spares biases.
    clip_norm : float, optional
        Longest gradient that is applied, as the norm over all parameters, above 0;
        ``math.inf`` does not clip.
    patience : int, optional
        Validations without improvement before training stops, at least 0; 0 never stops early.
    settle : float, optional
        Share of the planned steps, in [0, 1), before which validation neither chooses weights nor
        stops training. On a small validation split an early low is often luck.
    valid_every : int, optional
        Steps between two validations, at least 0; 0 validates at the end of every epoch.
    average : float, optional
        Decay per step of a moving average of the weights, in [0, 1). Where it is above 0, the
        averaged weights are validated and kept instead of the raw ones.
    precision : {"auto", "float32", "bfloat16"}, optional
        "auto" computes in bfloat16 where a CUDA device supports it and in float32 elsewhere.
    device : str, optional
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", "mps".
    time_limit_s : float, optional
        Seconds after which training stops with the best weights so far, above 0. The schedule
        is shortened to fit, so results under a limit depend on the machine's speed.
    sanity : bool, optional
        Whether to check the first batch, and that it can be overfitted, before training.
    progress : bool, optional
        Whether to show a progress bar; None shows it on a terminal only.
    checkpoint : path, optional
        File that holds an unfinished training. It is written at the ends of epochs, taken up
        where it exists, and removed when training ends by itself.
    optimizer : {"adamw", "nt_asgd"}, optional
        What moves the weights. "nt_asgd" is plain gradient descent that averages its weights from
        the moment when validation no longer gets better, the recipe of AWD-LSTM language models;
        it has a moving average of its own, so `average` must be 0 or left out.

    Raises
    ------
    InputError
        A value is of the wrong type or out of range.

    Examples
    --------
    >>> TrainConfig(epochs=5).filled(epochs=20, learning_rate=1e-3).epochs
    5
    >>> TrainConfig(schedule="cosin")
    Traceback (most recent call last):
    ...
    cellstate.errors.InputError: TrainConfig: schedule must be 'one_cycle', 'cosine' or \
'constant'; got 'cosin'. Did you mean 'cosine'?
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    patience: int | None = None
    settle: float | None = None
    valid_every: int | None = None
    average: float | None = None
    precision: str | None = None
    device: str | None = None
    time_limit_s: float | None = None
    sanity: bool | None = None
    progress: bool | None = None
    checkpoint: str | Path | None = None
    optimizer: str | None = None

    def __post_init__(self) -> None:
        _whole(self, "epochs", at_least=1)
        _whole(self, "batch_size", at_least=1)
        _whole(self, "patience", at_least=0)
        _whole(self, "valid_every", at_least=0)
        _number(self, "learning_rate", above=0.0)
        _number(self, "weight_decay", at_least=0.0)
        _number(self, "clip_norm", above=0.0, infinite=True)
        _number(self, "settle", at_least=0.0, below=1.0)
        _number(self, "average", at_least=0.0, below=1.0)
        _number(self, "time_limit_s", above=0.0)
        _choice(self, "schedule", SCHEDULES)
        _choice(self, "precision", PRECISIONS)
        _choice(self, "optimizer", OPTIMIZERS)
        if self.optimizer == "nt_asgd" and self.average:
            do = "Leave average out, or take optimizer='adamw'"
            raise _fail("average", "0 or left out with optimizer='nt_asgd'", self.average, do)
        _kind(self, "device", (str,), "a device name such as 'cpu', or None")
        _kind(self, "sanity", (bool,), "True, False or None")
        _kind(self, "progress", (bool,), "True, False or None")
        _kind(self, "checkpoint", (str, Path), "a path or None")

    def __repr__(self) -> str:
        shown = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"TrainConfig({', '.join(f'{k}={v!r}' for k, v in shown if v is not None)})"

    def filled(self, **defaults: Any) -> TrainConfig:
        """Take `defaults` wherever this configuration says None.

        Examples
        --------
        >>> TrainConfig(patience=3).filled(patience=8, epochs=40)
        TrainConfig(epochs=40, patience=3)
        """
        if unknown := set(defaults) - {f.name for f in fields(self)}:
            raise TypeError(f"TrainConfig has no field {sorted(unknown)}")
        return replace(
            self, **{name: v for name, v in defaults.items() if getattr(self, name) is None}
        )


LOOP_DEFAULTS: dict[str, Any] = {
    "epochs": 20,
    "batch_size": 64,
    "learning_rate": 2e-3,
    "schedule": "one_cycle",
    "weight_decay": 1e-2,
    "clip_norm": 1.0,
    "patience": 0,
    "settle": 0.0,
    "valid_every": 0,
    "average": 0.0,
    "precision": "auto",
    "device": "auto",
    "sanity": True,
    "optimizer": "adamw",
}
"""What the loop takes where neither the user nor the job has decided."""

NT_ASGD_DEFAULTS: dict[str, Any] = {
    "learning_rate": 10.0,
    "schedule": "constant",
    "weight_decay": 1.2e-6,
    "clip_norm": 0.25,
    "average": 0.0,
}
"""What it takes instead for that optimizer, whose step is the gradient itself."""


def _fail(name: str, must: str, given: Any, do: str) -> InputError:
    return InputError(explain("TrainConfig", f"{name} must be {must}", repr(given), do))


def _kind(config: TrainConfig, name: str, kinds: tuple[type, ...], must: str) -> None:
    value: object = getattr(config, name)
    if value is not None and not isinstance(value, kinds):
        raise _fail(name, must, value, "Leave it out to let the job decide")


def _choice(config: TrainConfig, name: str, choices: tuple[str, ...]) -> None:
    value: object = getattr(config, name)
    if value is not None and value not in choices:
        must = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
        raise _fail(name, must, value, did_you_mean(str(value), choices))


def _whole(config: TrainConfig, name: str, *, at_least: int) -> None:
    value: object = getattr(config, name)
    if value is None:
        return
    # NumPy integers come from searches over settings, so `int` alone would be too narrow.
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < at_least:
        do = f"Give {at_least} or more, or leave it out to let the job decide"
        raise _fail(name, f"a whole number of at least {at_least}", value, do)


def _number(
    config: TrainConfig,
    name: str,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    infinite: bool = False,
) -> None:
    value: object = getattr(config, name)
    if value is None:
        return
    if not isinstance(value, bool) and isinstance(value, Real):
        number = float(value)
        if above < number < below and number >= at_least:
            return
        if infinite and number == math.inf:
            return
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("above", above), ("of at least", at_least), ("below", below))
        if math.isfinite(bound)
    ]
    must = "a number " + " and ".join(bounds)
    raise _fail(name, must, value, "Give such a number or leave it out to let the job decide")
