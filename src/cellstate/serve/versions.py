"""The versions of the model that the store has states of, and the change from one to the next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from cellstate.errors import CellstateError, InputError, explain
from cellstate.runtime.stream import AbstractStream
from cellstate.serve.memory import Memory
from cellstate.serve.ownership import Ownership
from cellstate.serve.rollout import Rollout
from cellstate.serve.settings import Settings
from cellstate.serve.stores.store import AbstractStore, Version
from cellstate.serve.turn import Models

_log = logging.getLogger("cellstate.serve")


class Versions:
    """One version of the model, or two while a change is under way.

    The store's list of versions is what every process on it follows, and what a process that
    starts again goes on from.

    Parameters
    ----------
    store, memory, settings, ownership
    stream : AbstractStream
        The model that is served.
    folder : str
        Where it was loaded from.
    load : callable, optional
        Loads others.

    Raises
    ------
    InputError
        The store was made with another model, or one of its versions cannot be found.
    """

    def __init__(
        self,
        store: AbstractStore,
        memory: Memory,
        settings: Settings,
        ownership: Ownership,
        stream: AbstractStream,
        *,
        folder: str = "",
        load: Callable[[str], AbstractStream] | None = None,
    ) -> None:
        self._store, self._memory, self._settings = store, memory, settings
        self._ownership, self._load = ownership, load
        self._due = 0.0
        self._rollout: Rollout | None = None
        known = store.versions()
        if not known:
            known = [Version(1, stream.fingerprint, folder, "current")]
            store.set_versions(known)
        if stream.fingerprint not in [one.fingerprint for one in known]:
            must = "the store must have been made with the model that is served"
            made = next(one.folder for one in known if one.role == "current")
            do = "Serve that one, with --next and the new model to change over"
            given = f"one made with another, loaded from {made!r}"
            raise InputError(explain("serve", must, given, do))
        self._streams = {
            one.number: stream if one.fingerprint == stream.fingerprint else self._find(one)
            for one in known
        }
        self._adopt(known)

    @property
    def models(self) -> Models:
        """The versions in force."""
        return self._alone if self._rollout is None else self._rollout.models

    @property
    def is_busy(self) -> bool:
        """Whether there is work to do between batches."""
        return self._rollout is not None and self._rollout.is_sweeping

    def load(self, folder: str) -> AbstractStream:
        """Load a model.

        Raises
        ------
        InputError
            This process was not told how.
        ArtifactError
            The folder cannot be loaded.
        """
        if self._load is None:
            must, given = "the server must be able to load models", "one that was made without"
            raise InputError(explain("serve", must, given, "Pass load=… to the engine"))
        return self._load(folder)

    def offer(self, stream: AbstractStream, folder: str) -> dict[str, Any]:
        """Take a next version beside the present one."""
        if self._rollout is not None:
            if self._rollout.new.fingerprint == stream.fingerprint:
                return self.report()
            must, given = "one change of model must be finished first", "another model"
            raise InputError(explain("serve", must, given, "Finish it, or cancel it"))
        (present,) = self._known
        if stream.fingerprint == present.fingerprint:
            must, given = "the next model must be another one", "the model that is served"
            raise InputError(explain("serve", must, given, "Name the folder of the new model"))
        number = present.number + 1
        known = [present, Version(number, stream.fingerprint, folder, "next")]
        self._store.set_versions(known)
        self._streams[number] = stream
        self._adopt(known, "rebuild")
        return self.report()

    def change(self, step: str) -> dict[str, Any]:
        """Take a step: "flip", "roll back", "finish" or "cancel"."""
        rollout = self._rollout
        if rollout is None:
            must, given = "a change of model must be under way", "none"
            raise InputError(explain("serve", must, given, "Offer the next model first"))
        rollout.require(step)
        if step in ("flip", "roll back"):
            known = rollout.roles(is_new=step == "flip")
            self._store.set_versions(known)
            self._known = known
            if step == "flip":
                rollout.flip()
            else:
                rollout.roll_back()
            return self.report()
        left = rollout.new if step == "finish" else rollout.old
        if not rollout.is_everyone(left.number):
            must, given = "every entity must have turned", "some that have not"
            raise InputError(explain("serve", must, given, "Try again in a moment"))
        known = [left._replace(role="current")]
        self._store.set_versions(known)
        self._adopt(known)
        return self.report()

    def report(self) -> dict[str, Any]:
        """Tell how far a change is, JSON-ready."""
        if self._rollout is not None:
            return self._rollout.report()
        (present,) = self._known
        told = {"version": present.number, "folder": present.folder}
        return {"phase": "none", "current": told | {"fingerprint": present.fingerprint}}

    def tend(self) -> None:
        """Work for a moment on the change, and see what other processes have decided."""
        if self._rollout is not None:
            self._rollout.advance()
        if self._store.shards > 1 and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._ownership.lease_s / 3
            self._follow(self._store.versions())

    def note(self, rewound: set[int]) -> None:
        """Take note of entities whose past has changed."""
        if self._rollout is not None:
            self._rollout.note(rewound)

    def restart(self) -> None:
        """Take note that something may not have been written."""
        if self._rollout is not None:
            self._rollout.restart()

    def _find(self, version: Version) -> AbstractStream:
        must = f"version {version.number} of the model must be at hand: entities have its state"
        do = f"Put its folder back to {version.folder!r}"
        try:
            stream = self.load(version.folder)
        except (CellstateError, OSError) as problem:
            raise InputError(
                explain("serve", must, "a folder that cannot be read", do)
            ) from problem
        if stream.fingerprint != version.fingerprint:
            raise InputError(explain("serve", must, "another model in its folder", do))
        return stream

    def _adopt(self, known: list[Version], phase: str = "returning") -> None:
        """Take over a list of versions; two of them begin in a phase, unless the new one is on."""
        self._known = known
        self._memory.clear()
        kept = {one.number for one in known}
        self._streams = {n: stream for n, stream in self._streams.items() if n in kept}
        if len(known) == 1:
            self._rollout = None
            self._alone = Models(self._streams, known[0].number)
            return
        self._rollout = Rollout(
            self._store,
            self._memory,
            self._settings,
            self._ownership,
            known,
            self._streams,
            "flipping" if known[1].role == "current" else phase,
        )

    def _follow(self, known: list[Version]) -> None:
        """Do what another process has decided."""
        rollout = self._rollout
        if known == self._known or not known:
            return
        numbers = [one.number for one in known]
        if rollout is not None and numbers == [rollout.old.number, rollout.new.number]:
            is_flipped = known[1].role == "current"
            if is_flipped and rollout.phase == "shadow":
                rollout.flip()
            elif not is_flipped and rollout.phase in ("flipping", "flipped"):
                rollout.roll_back()
            else:
                return  # once this process has come as far
            self._known = known
            return
        for one in known:
            if one.number not in self._streams:
                _log.info("another process offers version %d of the model", one.number)
                self._streams[one.number] = self._find(one)
        self._adopt(known)
