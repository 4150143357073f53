"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Status = Literal["applied", "duplicate", "quarantined", "refused", "failed"]


@dataclass(slots=True)
class Incoming:
    """One event for one entity, checked in its form but not against any state.

    Attributes
    ----------
    entity : str
    data : dict
        JSON values, as sent.
    id : str or None
        The same id again gives the first answer again.
    time : int or None
        Microseconds; None for "now", after all that was before.
    begins : bool
        Make the entity's state anew first.
    ends : bool
        No event may follow that does not begin anew.
    """

    entity: str
    data: dict[str, Any]
    id: str | None = None
    time: int | None = None
    begins: bool = False
    ends: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of an event; committed and flushed if `status` is not "refused" or "failed".

    Attributes
    ----------
    status : str
        "applied"; "duplicate", whose answer is the one given first; "quarantined", kept apart from
        the state; "refused", not kept at all; "failed", outcome unknown: send it again with its id.
    seq, time, version : int
        Arrival number, microseconds, model.
    late : bool
        Whether events after it had been answered already.
    answer : bytes
        JSON of the answer; empty unless applied or a duplicate of such.
    reason : str
        Why not, in one sentence that names no value.
    code : int
        HTTP status that says the same: 200, 404, 409, 422, 429, 503.
    """

    status: Status
    seq: int = 0
    time: int = 0
    version: int = 0
    late: bool = False
    answer: bytes = b""
    reason: str = ""
    code: int = 200


@dataclass(slots=True, eq=False)
class Job:
    """One event on its way to an outcome; `name` is its tenant and entity."""

    name: tuple[str, str]
    event: Incoming
    outcome: Outcome | None = None
    twin: Job | None = None  # the event before it in the batch with the same id
    is_settled: bool = False  # whether the outcome is committed, or needs no commit

    @property
    def is_kept(self) -> bool:
        """Whether its id must not be used again."""
        return self.outcome is not None and self.outcome.status != "refused"

    def again(self) -> Outcome:
        """Give its outcome to another event of the same id."""
        assert self.outcome is not None, "an event before it without an outcome"
        applied = self.outcome.status == "applied"
        return replace(self.outcome, status="duplicate") if applied else self.outcome
