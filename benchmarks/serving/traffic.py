"""Which events are sent when: everything is decided, and encoded, before the first is sent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.serving.wire import frame, http_request

INPUTS = 8  # of the model that is served
MODEL = "model"  # its name in the Open Inference Protocol
INFER = f"/v2/models/{MODEL}/infer"
READINGS = 1024  # different readings; an event costs the same whatever it says
Form = Literal["events", "websocket", "inference"]


@dataclass(frozen=True)
class Traffic:
    """Events that come whatever the answers do.

    Attributes
    ----------
    form : {"events", "websocket", "inference"}
        Events over HTTP or a WebSocket, or requests of the Open Inference Protocol, which name a
        sequence; one whose sequence is new begins it.
    rate : float
        Events offered in a second.
    seconds : float
        How long the measured part lasts.
    size : int
        Events in a request; 1 goes to the entity's own address. 1 unless the form is "events".
    entities : int
        They take part at random, each as often as any other.
    first : int
        Number of the first entity.
    each_once : bool
        Instead, every entity has one turn, one after the other; there is no warm-up, and `seconds`
        is not read.
    warm_up : float
        Seconds before the measured part, at the same rate.
    grace : float
        Seconds that answers may take after the last request was due.
    seed : int
        Of arrivals, entities, and of the ids of events.
    """

    form: Form
    rate: float
    seconds: float
    size: int = 1
    entities: int = 1
    first: int = 0
    each_once: bool = False
    warm_up: float = 1.0
    grace: float = 3.0
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give the form that a generator reads."""
        return asdict(self)


def arrivals(traffic: Traffic) -> np.ndarray:
    """Give the seconds at which requests are due: a Poisson process, or evenly for `each_once`.

    Examples
    --------
    >>> due = arrivals(Traffic("events", rate=100.0, seconds=2.0))
    >>> bool(200 < len(due) < 400 and due[-1] < 3.0)
    True
    """
    if traffic.each_once:
        return np.arange(-(-traffic.entities // traffic.size)) * (traffic.size / traffic.rate)
    rng = np.random.default_rng(traffic.seed)
    whole = traffic.warm_up + traffic.seconds
    expected = traffic.rate / traffic.size * whole
    gaps = rng.exponential(traffic.size / traffic.rate, int(expected + 6 * np.sqrt(expected) + 10))
    due = np.cumsum(gaps)
    return due[due < whole]


def encoded(traffic: Traffic, host: str) -> tuple[np.ndarray, list[bytes]]:
    """Give when each request is due, and its bytes on the wire."""
    due = arrivals(traffic)
    rng = np.random.default_rng((traffic.seed, 1))
    count = len(due) * traffic.size
    if traffic.each_once:
        names = traffic.first + np.arange(count) % traffic.entities
    else:
        names = traffic.first + rng.integers(traffic.entities, size=count)
    readings = _readings(rng)
    if traffic.form == "inference":
        begins = str(traffic.each_once).lower()
        return due, [
            http_request(INFER, _inference(name, readings[k % READINGS], begins), host)
            for k, name in enumerate(names.tolist())
        ]
    salt = f"{traffic.seed:x}"
    events = [
        (name, f'"id":"{salt}-{k}","data":{{"x":{readings[k % READINGS]}}}')
        for k, name in enumerate(names.tolist())
    ]
    if traffic.form == "websocket":
        return due, [
            frame(f'{{"ref":{k},"entity":"sensor-{name}",{words}}}'.encode())
            for k, (name, words) in enumerate(events)
        ]
    if traffic.size == 1:
        return due, [
            http_request(f"/v1/entities/sensor-{name}/events", f"{{{words}}}".encode(), host)
            for name, words in events
        ]
    whole = [f'{{"entity":"sensor-{name}",{words}}}' for name, words in events]
    bodies = (",".join(whole[k : k + traffic.size]) for k in range(0, count, traffic.size))
    return due, [
        http_request("/v1/events", f'{{"events":[{body}]}}'.encode(), host) for body in bodies
    ]


def _inference(name: int, reading: str, begins: str) -> bytes:
    return (
        f'{{"parameters":{{"sequence_id":{name + 1},"sequence_start":{begins},'
        f'"sequence_end":false}},"inputs":[{{"name":"x","shape":[1,{INPUTS}],'
        f'"datatype":"FP32","data":{reading}}}]}}'
    ).encode()


def _readings(rng: np.random.Generator) -> list[str]:
    values = rng.normal(size=(READINGS, INPUTS)).round(3)
    return [f"[{','.join(f'{v:g}' for v in row)}]" for row in values.tolist()]
