"""Events that are known by their id alone, so that any process can send one again."""

from __future__ import annotations

import random
import zlib

import numpy as np

from cellstate import network
from cellstate.runtime.network_stream import NetworkStream
from cellstate.serve.events import Incoming

ENTITIES, INPUTS, HIDDEN, OUTPUTS = 40, 3, 8, 2
START, GAP = 1_700_000_000_000_000, 1000  # microseconds
LATE, POISONED, BEGINS = 0.08, 0.02, 0.01  # shares of the events


def make_stream(seed: int = 0) -> NetworkStream:
    """Make a small network with drawn weights."""
    layers = (network.LSTM("body", INPUTS, HIDDEN), network.Linear("head", HIDDEN, OUTPUTS))
    rng = np.random.default_rng(seed)
    shapes = {
        "body.weight_ih_l0": (4 * HIDDEN, INPUTS),
        "body.weight_hh_l0": (4 * HIDDEN, HIDDEN),
        "body.bias_ih_l0": (4 * HIDDEN,),
        "body.bias_hh_l0": (4 * HIDDEN,),
        "head.weight": (OUTPUTS, HIDDEN),
        "head.bias": (OUTPUTS,),
    }
    drawn = {name: rng.uniform(-0.5, 0.5, shape) for name, shape in shapes.items()}
    return NetworkStream(layers, {name: value.astype("f4") for name, value in drawn.items()})


def event_of(id: str) -> Incoming:
    """Make the event of an id, which ends in its number in time.

    Examples
    --------
    >>> event_of("run-0-7") == event_of("run-0-7")
    True
    """
    chance = random.Random(zlib.crc32(id.encode()))
    time = START + GAP * int(id.rsplit("-", 1)[1])
    if chance.random() < LATE:
        time -= chance.randint(0, 60 * GAP)
    x = [round(chance.gauss(0, 1), 4) for _ in range(INPUTS)]
    if chance.random() < POISONED:
        x[0] = 1e9
    begins = chance.random() < BEGINS
    return Incoming(f"pump-{chance.randrange(ENTITIES)}", {"x": x}, id, time, begins=begins)
