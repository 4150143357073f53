"""What may happen to an entity when: one table, for sessions and for the server."""

from __future__ import annotations

from typing import Literal

from cellstate.errors import EventError, explain

Phase = Literal["new", "live", "ended"]
Transition = Literal["push", "begin", "end", "restore"]

TABLE: dict[Phase, dict[Transition, tuple[Phase, ...]]] = {
    "new": {"push": ("live",), "begin": ("new",), "restore": ("new", "live", "ended")},
    "live": {
        "push": ("live",),
        "begin": ("new",),
        "end": ("ended",),
        "restore": ("new", "live", "ended"),
    },
    "ended": {"begin": ("new",), "restore": ("new", "live", "ended")},
}
"""Phase -> what is legal in it -> the phases that it may lead to. `begin` makes the state anew,
`restore` leads to the phase of the snapshot."""


def move(phase: Phase, transition: Transition, to: Phase | None = None) -> Phase:
    """Give the phase that a transition leads to.

    Parameters
    ----------
    phase : {"new", "live", "ended"}
        Of the entity by now.
    transition : {"push", "begin", "end", "restore"}
    to : {"new", "live", "ended"}, optional
        Where it leads, if it may lead to several.

    Raises
    ------
    EventError
        The transition is illegal; the message says what is legal.

    Examples
    --------
    >>> move("new", "push")
    'live'
    >>> move("live", "end")
    'ended'
    >>> move("ended", "push")
    Traceback (most recent call last):
    cellstate.errors.EventError: entity: one that is ended can begin, restore; got push. Begin anew.
    """
    legal = TABLE[phase]
    ways = legal.get(transition, ())
    if not ways or (to is not None and to not in ways):
        must = f"one that is {phase} can {', '.join(legal)}"
        advice = {
            "new": "Push an event first",
            "live": "Push, end or begin anew",
            "ended": "Begin anew",
        }
        raise EventError(explain("entity", must, transition, advice[phase]))
    return ways[0] if to is None else to
