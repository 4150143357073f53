"""A change of model under way: rebuild, compare in shadow, flip entity by entity, or go back.

rebuild ──► shadow ──flip──► flipping ──► flipped ──finish──► the next model alone
▲           ▲                │            │
│           └──── returning ◄┴─roll back──┘
offer; cancel ends `rebuild` and `shadow` with the present model alone
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from cellstate.errors import InputError, explain
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.catching_up import CatchingUp
from cellstate.serve.memory import Memory, Working
from cellstate.serve.ownership import Ownership
from cellstate.serve.settings import Settings
from cellstate.serve.shadow import Shadow
from cellstate.serve.stores.store import AbstractStore, StateRow, Version, Work
from cellstate.serve.turn import Models

SLICE_S = 0.01  # of the writer's time between two batches
AT_ONCE = 128  # entities

AFTER = {"returning": "rebuild", "rebuild": "shadow", "flipping": "flipped"}
LEGAL = {
    "flip": ("shadow",),
    "roll back": ("flipping", "flipped"),
    "finish": ("flipped",),
    "cancel": ("rebuild", "shadow"),
}


class Rollout:
    """Two versions of the model side by side, `old` and `new`.

    Every entity keeps a state of both, and every event steps both. Sweeps over the entities bring
    them to where a phase wants them: states of `new` built from the log, or answers from a version.

    Attributes
    ----------
    phase : {"returning", "rebuild", "shadow", "flipping", "flipped"}
    old, new : Version
    models : Models
        In force now.
    """

    def __init__(
        self,
        store: AbstractStore,
        memory: Memory,
        settings: Settings,
        ownership: Ownership,
        versions: Sequence[Version],
        streams: dict[int, AbstractStream],
        phase: str,
    ) -> None:
        self._store, self._memory, self._settings = store, memory, settings
        self._ownership, self._streams = ownership, streams
        self.old, self.new = versions
        self.shadow = Shadow()
        self._refused = 0
        self.phase = phase
        self._begin_sweep()

    @property
    def models(self) -> Models:
        """The versions in force, and whose answers new entities get."""
        newest = self.new if self.phase in ("flipping", "flipped") else self.old
        return Models(self._streams, newest.number, self.shadow)

    def roles(self, *, is_new: bool) -> list[Version]:
        """Give the versions, the new or the old one as current: new entities get its answers."""
        old, new = ("retired", "current") if is_new else ("current", "next")
        return [self.old._replace(role=old), self.new._replace(role=new)]

    @property
    def is_sweeping(self) -> bool:
        """Whether there is work to do between batches."""
        return self.phase not in ("shadow", "flipped")

    def require(self, step: str) -> None:
        """Hold a step to the phases in which it is legal.

        Raises
        ------
        InputError
            It is not legal now.
        """
        if self.phase not in LEGAL[step]:
            must = f"{step} is possible in the phases {' and '.join(LEGAL[step])}"
            do = "Wait for the sweep over the entities" if self.is_sweeping else "See the phases"
            raise InputError(explain("serve", must, f"the phase {self.phase}", do))

    def flip(self) -> None:
        """Give entities the answers of the new version, one after the other."""
        self.require("flip")
        self.phase = "flipping"
        self._begin_sweep()

    def roll_back(self) -> None:
        """Give them the answers of the old one again."""
        self.require("roll back")
        self.phase = "returning"
        self._begin_sweep()

    def restart(self) -> None:
        """Begin the sweep anew: something was not written, or another process went ahead."""
        if self.is_sweeping:
            self._begin_sweep()

    def note(self, rewound: set[int]) -> None:
        """Take note of entities whose past has changed."""
        if rewound and self._catching is not None:
            self._catching.restart(rewound)

    def is_everyone(self, version: int) -> bool:
        """Whether every entity of the store, of every process, gets a version's answers."""
        after = 0
        while found := self._store.entities(after=after, limit=5_000):
            if any(one.version != version for one in found):
                return False
            after = found[-1].key
        return True

    def report(self) -> dict[str, Any]:
        """Tell how far it is, JSON-ready."""
        return {
            "phase": self.phase,
            "current": _told(self.old),
            "next": _told(self.new),
            "entities_done": self._done,
            "entities": self._total,
            "events_refused_by_next": self._refused,
            "shadow": self.shadow.report(),
        }

    def advance(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Work for a moment on the sweep."""
        end = clock() + SLICE_S
        while self.is_sweeping and clock() < end:
            if self._catching is None:
                self._next_group()
            elif self._catching.advance():
                self._settle(self._catching)
                self._catching = None

    def _begin_sweep(self) -> None:
        self._after = self._done = 0
        self._total = self._store.count()
        self._catching: CatchingUp | None = None

    def _next_group(self) -> None:
        """Look at the next entities: turn those that are up to date, and build what is not."""
        listed = self._store.entities(after=self._after, limit=AT_ONCE)
        if not listed:
            self.phase = AFTER[self.phase]
            self.restart()
            return
        self._after = listed[-1].key
        self._done += len(listed)
        own = [one for one in listed if self._ownership.has(one.tenant, one.name)]
        found = self._memory.fetch([(one.tenant, one.name) for one in own])
        behind: list[Working] = []
        ready: list[Working] = []
        for held in found.values():
            if held is not None:
                one = Working.of(held)
                (ready if one.is_in(self._wanted) else behind).append(one)
        self._turn(ready, Work())
        if behind:
            self._catching = CatchingUp(
                self._store,
                self._streams[self._wanted],
                self._wanted,
                [one.entity for one in behind],
                self._settings.snapshot_every,
            )

    @property
    def _wanted(self) -> int:
        """The version that entities are brought to."""
        return self.old.number if self.phase == "returning" else self.new.number

    def _settle(self, caught: CatchingUp) -> None:
        """Write down states that have reached the end of their logs."""
        self._refused += caught.refused
        names = [(one.entity.tenant, one.entity.name) for one in caught.readers]
        found = self._memory.fetch(names)
        work = Work()
        turned: list[Working] = []
        for reader, held in zip(caught.readers, found.values(), strict=True):
            if held is None or held.entity.key != reader.entity.key:
                continue  # forgotten meanwhile
            one = Working.of(held)
            state = StateRow(one.entity.key, self._wanted, one.entity.seq, reader.state)
            one.states[self._wanted] = state
            work.states.append(state)
            turned.append(one)
        keys = {one.entity.key for one in turned}
        work.snapshots = [kept for kept in caught.snapshots if kept.key in keys]
        self._turn(turned, work)

    def _turn(self, group: Sequence[Working], work: Work) -> None:
        """Commit new states, and the version that answers where the phase says so."""
        for one in group:
            if self.phase != "rebuild" and one.entity.version != self._wanted:
                one.entity.version = self._wanted
                work.entities.append(one.entity)
        if work.entities or work.states:
            self._store.commit(work)
            for one in group:
                self._memory.refresh((one.entity.tenant, one.entity.name), one.held())


def _told(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "folder": version.folder,
        "fingerprint": version.fingerprint,
    }
