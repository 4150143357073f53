"""Those who want to hear of an entity's events as they are applied."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from cellstate.serve.accidents import report
from cellstate.serve.events import Outcome
from cellstate.serve.inbox import Pushed

Hear = Callable[[str, Outcome], None]


class Listeners:
    """Callbacks by tenant and entity; an entity of None hears all of a tenant's."""

    def __init__(self) -> None:
        self._hearing: dict[tuple[str, str | None], tuple[Hear, ...]] = {}
        self._change = threading.Lock()

    def add(self, tenant: str, entity: str | None, hear: Hear) -> Callable[[], None]:
        """Begin to listen; returns what ends it."""
        place = tenant, entity
        with self._change:
            self._hearing[place] = (*self._hearing.get(place, ()), hear)

        def end() -> None:
            with self._change:
                left = tuple(one for one in self._hearing.get(place, ()) if one is not hear)
                if left:
                    self._hearing[place] = left
                else:
                    self._hearing.pop(place, None)

        return end

    def tell(self, request: Pushed, outcomes: Sequence[Outcome]) -> None:
        """Tell of the events of a request that were applied."""
        if not self._hearing:
            return
        everything = self._hearing.get((request.tenant, None), ())
        for event, outcome in zip(request.events, outcomes, strict=True):
            if outcome.status != "applied":
                continue
            for hear in (*self._hearing.get((request.tenant, event.entity), ()), *everything):
                try:
                    hear(event.entity, outcome)
                except Exception as problem:  # noqa: BLE001 - logged; the server goes on
                    report("a listener failed", problem)
