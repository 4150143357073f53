"""What a server must answer, by going through every entity's whole past in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.serve.tally import ACCIDENT, JUMP, MOST


@dataclass(frozen=True)
class Past:
    """One event of an entity's log."""

    time: int
    seq: int
    x: float
    begins: bool = False


@dataclass
class Life:
    """One entity."""

    events: list[Past] = field(default_factory=list)
    seq: int = 0
    phase: str = "live"
    told: dict[str, tuple[str, Any]] = field(default_factory=dict)
    weight: float = 0.0  # of the model that gave the last answer

    @property
    def time(self) -> int:
        """The latest time that was applied."""
        return self.events[-1].time if self.events else 0


def lived(events: list[Past], weight: float) -> list[tuple[float, int, bool]]:
    """Give mean and count after each event, and whether it was taken in; others are passed by."""
    mean, count = 0.0, 0
    after = []
    for event in events:
        if event.begins:
            mean, count = 0.0, 0
        is_taken = abs(event.x - mean) <= JUMP
        if is_taken:
            mean, count = mean + weight * (event.x - mean), count + 1
        after.append((mean, count, is_taken))
    return after


@dataclass
class Oracle:
    """All entities of one tenant, with the weight that answers each."""

    weight: float = 0.25
    lives: dict[str, Life] = field(default_factory=dict)

    def push(
        self,
        entity: str,
        x: float,
        *,
        now: int,
        id: str | None = None,
        time: int | None = None,
        begins: bool = False,
        ends: bool = False,
    ) -> tuple[str, Any]:
        """Give the status and the answer that an event must get."""
        life = self.lives.get(entity) or Life()
        if id is not None and id in life.told:
            status, answer = life.told[id]
            return ("duplicate" if status == "applied" else status), answer
        exists = life.seq > 0
        if life.phase == "ended" and not begins:
            return "refused", None
        is_late = exists and time is not None and time < life.time
        if is_late and begins:
            return "refused", None
        at = max(life.time, now) if time is None else time
        event = Past(at, life.seq + 1, x, begins and exists)
        place = len(life.events)
        while place and life.events[place - 1].time > at:
            place -= 1
        if any(later.begins for later in life.events[place:]):
            return "refused", None
        events = [*life.events[:place], event, *life.events[place:]]
        was = [True] + [taken for _, _, taken in lived(life.events, self.weight)[place:]]
        after = lived(events, self.weight)
        now_taken = [taken for _, _, taken in after[place:]]
        fits = all(not before or taken for before, taken in zip(was, now_taken, strict=True))
        if abs(x) > MOST or x == ACCIDENT or not fits:
            if not exists:
                return "refused", None
            life.seq += 1
            told = ("quarantined", None)
        else:
            life.events = events
            life.seq += 1
            life.weight = self.weight
            life.phase = "ended" if ends else "live"
            mean, count, _ = after[place]
            told = ("applied", {"mean": mean, "count": count})
            self.lives[entity] = life
        if id is not None:
            life.told[id] = told
        return told

    def state(self, entity: str, weight: float | None = None) -> tuple[float, int]:
        """Give mean and count now."""
        after = lived(self.lives[entity].events, self.weight if weight is None else weight)
        return after[-1][:2]

    def forget(self, entity: str) -> bool:
        """Leave nothing."""
        return self.lives.pop(entity, None) is not None
