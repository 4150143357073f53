"""Fair clocks: several callables take turns, and the figure is a ratio of medians."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.harness.record import Recorder
from benchmarks.harness.remote import Remote
from cellstate.errors import InputError, explain

SHORTEST_SAMPLE = 1e-3  # seconds; below, the clock itself is felt
AWAKENING = 0.03  # seconds of calls after a pause


@dataclass(frozen=True)
class Timing:
    """Seconds per call, by name, in the order in which they were taken."""

    samples: Mapping[str, tuple[float, ...]]

    def median(self, name: str) -> float:
        """The median of seconds per call."""
        return statistics.median(self.samples[name])

    def times_faster(self, name: str, than: str) -> float:
        """How many times faster one is than another: the ratio of their medians."""
        return self.median(than) / self.median(name)

    def record(
        self,
        recorder: Recorder,
        case: str,
        ours: str = "cellstate",
        versions: Mapping[str, str] | None = None,
    ) -> None:
        """Add each median, and how many times faster ours is than each other.

        `versions` names what was measured for those that live in another environment.
        """
        elsewhere = versions or {}
        for name, samples in self.samples.items():
            recorder.add(
                case,
                name,
                "seconds_per_call",
                self.median(name),
                seconds=sum(samples),
                versions=elsewhere.get(name),
            )
        for name in self.samples:
            if name != ours and ours in self.samples:
                faster = self.times_faster(ours, than=name)
                recorder.add(case, ours, f"times_faster_than_{name}", faster)


def alternate(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 21,
    warm_ups: int = 2,
    seconds: float = 30.0,
    pause: float = 0.0,
) -> Timing:
    """Time callables in turns, so that what slows the machine down slows all of them.

    Each round calls every one of them, in an order of its own, so that none always follows the
    same other one. A call that is too short for the clock is repeated within its sample. Garbage is
    not collected meanwhile.

    Parameters
    ----------
    calls : mapping of str to callable
        What to time; each does the same work on the same input. A `Remote` is timed by the clock
        of its own process.
    rounds : int, default 21
        How many samples of each to take.
    warm_ups : int, default 2
        How many calls of each go before.
    seconds : float, default 30.0
        Stop early after this long, but not before three rounds.
    pause : float, default 0.0
        Wait so many seconds before each sample, then call without the clock until all threads are
        awake: thread pools spin for some milliseconds after their work, and would take cores from
        whoever comes next; waking takes milliseconds too.

    Raises
    ------
    InputError
        There is nothing to time, or fewer than three rounds are asked for.

    Examples
    --------
    >>> timing = alternate({"a": lambda: None, "b": lambda: None}, rounds=3)
    >>> len(timing.samples["a"])
    3
    """
    if not calls or rounds < 3:
        raise InputError(
            explain(
                "alternate",
                "there must be something to time and at least 3 rounds",
                f"{len(calls)} callables and {rounds} rounds",
                "Give callables by name and rounds=3 or more",
            )
        )
    for _ in range(warm_ups):
        for call in calls.values():
            call()
    repeats = {name: _repeats(call) for name, call in calls.items()}
    names = list(calls)
    samples: dict[str, list[float]] = {name: [] for name in names}
    order = random.Random(0)
    stop = time.perf_counter() + seconds
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name in order.sample(names, len(names)):
                if pause:
                    time.sleep(pause)
                    _awaken(calls[name])
                samples[name].append(_sample(calls[name], repeats[name]))
            if turn >= 2 and time.perf_counter() > stop:
                break
    finally:
        if collecting:
            gc.enable()
    return Timing({name: tuple(taken) for name, taken in samples.items()})


def _awaken(call: Callable[[], object]) -> None:
    stop = time.perf_counter() + AWAKENING
    while time.perf_counter() < stop:
        call()


def _sample(call: Callable[[], object], repeats: int) -> float:
    if isinstance(call, Remote):
        return call.sample(repeats)
    start = time.perf_counter_ns()
    for _ in range(repeats):
        call()
    return (time.perf_counter_ns() - start) * 1e-9 / repeats


def _repeats(call: Callable[[], object]) -> int:
    """How often to call within one sample, so that the clock is not felt."""
    repeats = 1
    while repeats < 2**20 and _sample(call, repeats) * repeats < SHORTEST_SAMPLE:
        repeats *= 2
    return repeats
