"""Free memory goes back to the system, now and then."""

import ctypes
from pathlib import Path

import pytest

from cellstate.serve.trimming import EVERY_S, Trimming

PIECES, BYTES = 20_000, 4_000

pytestmark = pytest.mark.skipif(
    getattr(ctypes.CDLL(None), "malloc_trim", None) is None, reason="the C library cannot trim"
)


def anonymous_megabytes() -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    (words,) = (line.split() for line in lines if line.startswith("RssAnon:"))
    return int(words[1]) / 1024


def test_what_lies_free_between_pieces_goes_back_when_it_is_due():
    now = [0.0]
    trimming = Trimming(clock=lambda: now[0])
    pieces = [bytearray(BYTES) for _ in range(PIECES)]
    kept = pieces[::40]
    del pieces
    before = anonymous_megabytes()
    trimming.tend()
    assert anonymous_megabytes() > before - 10
    now[0] = EVERY_S
    trimming.tend()
    assert anonymous_megabytes() < before - 40
    assert len(kept) == PIECES // 40
