"""Counts of calls and how long they took, as Prometheus reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cellstate.extras import require

if TYPE_CHECKING:
    from cellstate.serve.engine import Engine

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Meter:
    """Plain numbers, so that counting costs a call less than a microsecond."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()  # by address and status
        self._times: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def count(self, address: str, status: int, seconds: float) -> None:
        """Count a call that was answered."""
        self.calls[address, status] += 1
        times = self._times.get(address)
        if times is None:
            times = self._times[address] = [0] * (len(BOUNDS_S) + 1)
        times[bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds[address] += seconds  # type: ignore[assignment]

    def families(self) -> Iterator[Any]:
        """Give the counts in the Prometheus client's form."""
        core: Any = require("prometheus_client.core", extra="serve")
        calls = core.CounterMetricFamily(
            "cellstate_http_requests", "Calls by address and status.", labels=["address", "status"]
        )
        for (address, status), count in list(self.calls.items()):
            calls.add_metric([address, str(status)], count)
        yield calls
        seconds = core.HistogramMetricFamily(
            "cellstate_http_request_seconds", "Time to an answer.", labels=["address"]
        )
        for address, times in list(self._times.items()):
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), times, strict=True):
                total += count
                buckets.append((bound, total))
            seconds.add_metric([address], buckets, self._seconds[address])
        yield seconds


class EngineMeter:
    """The engine's counters, read when they are asked for.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def families(self) -> Iterator[Any]:
        """Give the counts in the Prometheus client's form."""
        core: Any = require("prometheus_client.core", extra="serve")
        counts = self._engine.statistics
        events = core.CounterMetricFamily(
            "cellstate_events", "Events by what became of them.", labels=["status"]
        )
        for status, count in counts.events.items():
            events.add_metric([status], count)
        yield events
        for name, about, value in (
            ("late_events", "Applied events that came late.", counts.late),
            ("steps", "Steps of the model.", counts.steps),
            ("commits", "Commits of events.", counts.batches),
            ("commit_seconds", "Seconds in commits.", counts.commit_s),
            ("work_seconds", "Seconds in what comes before a commit.", counts.work_s),
            ("failed_commits", "Commits that failed.", counts.failures),
            ("created_entities", "Entities that began.", counts.created),
            ("forgotten_entities", "Entities that were forgotten.", counts.forgotten),
            ("expired_entities", "Those forgotten for lack of events.", counts.expired),
        ):
            yield core.CounterMetricFamily(f"cellstate_{name}", about, value=value)
        for name, about, value in (
            ("waiting_events", "Events that wait.", self._engine.depth),
            ("cached_entities", "Entities whose state is in memory.", self._engine.cached),
            ("ready", "Whether events are being taken.", int(self._engine.is_ready)),
        ):
            yield core.GaugeMetricFamily(f"cellstate_{name}", about, value=value)
