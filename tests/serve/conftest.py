"""A server that tests share where they need no settings of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.live import Live, serving


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Serve a recorder; tests of one module use entities of their own."""
    with serving() as server:
        yield server
