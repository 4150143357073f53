"""A session's memory written down, with what it belongs to and a checksum."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from cellstate.artifact import strict_json
from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.runtime.phases import Phase
from cellstate.runtime.stream import AbstractStream, Answer

MARK = b"cellstate-snapshot-1\n"
DIGEST = 32  # bytes of SHA-256
_SIZE = 8  # bytes of the length of the description
_FIELDS: dict[str, tuple[type, ...]] = {
    "entity": (str,),
    "task": (str,),
    "fingerprint": (str,),
    "phase": (str,),
    "events": (int,),
    "time": (int, type(None)),
    "answer": (dict, type(None)),
}


@dataclass(frozen=True)
class Snapshot:
    """What a session remembers at one moment.

    Attributes
    ----------
    entity, task, fingerprint : str
        Whose memory it is, of which job and model.
    phase : {"new", "live", "ended"}
    events : int
        Taken in by then.
    time : int or None
        Microseconds of the last one.
    answer : dict or None
        To the last one.
    state : bytes
    """

    entity: str = field(repr=False)
    task: str
    fingerprint: str
    phase: Phase
    events: int
    time: int | None = field(repr=False)
    answer: Answer | None = field(repr=False)
    state: bytes = field(repr=False)

    @property
    def checksum(self) -> str:
        """SHA-256 of all of it, 64 hexadecimal digits."""
        return hashlib.sha256(self._content()).hexdigest()

    def to_bytes(self) -> bytes:
        """Write it: a mark, a description in JSON, the state, and a checksum of these."""
        content = self._content()
        return content + hashlib.sha256(content).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """Read what `to_bytes` wrote.

        Raises
        ------
        InputError
            It is something else, or was damaged.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            must, do = "a snapshot must be bytes", "Pass what Snapshot.to_bytes gave"
            raise ArgumentTypeError(explain("Snapshot", must, type(data).__name__, do))
        data = bytes(data)
        if not data.startswith(MARK):
            raise _damaged("a snapshot must begin with the mark of this version", "something else")
        content, digest = data[:-DIGEST], data[-DIGEST:]
        if len(data) < len(MARK) + _SIZE + DIGEST or hashlib.sha256(content).digest() != digest:
            raise _damaged("a snapshot must match its checksum", "a different content")
        begin = len(MARK) + _SIZE
        end = begin + int.from_bytes(content[len(MARK) : begin], "little")
        try:
            described = strict_json.parse(content[begin:end])
        except ValueError:
            raise _damaged("a snapshot must hold a description in JSON", "none") from None
        if end > len(content) or not _is_complete(described):
            raise _damaged("a snapshot's description must be complete", "another one")
        return cls(**cast("dict[str, Any]", described), state=content[end:])

    def check(self, entity: str, stream: AbstractStream) -> None:
        """Require that it belongs to an entity and a model.

        Raises
        ------
        InputError
            It is of others.
        """
        where = "Session.restore"
        if self.entity != entity:
            must, do = "a snapshot must be of the same entity", "Take that of this entity"
            raise InputError(explain(where, must, "that of another one", do))
        if (self.task, self.fingerprint) != (stream.task, stream.fingerprint):
            must = "a snapshot must be of the same model"
            given = f"one of another, for the job {self.task!r}"
            do = "Load the model that wrote it, or push the entity's events again"
            raise InputError(explain(where, must, given, do))
        if len(self.state) != stream.state_dtype.itemsize:
            must = f"the state must have {stream.state_dtype.itemsize} bytes"
            raise InputError(explain(where, must, str(len(self.state)), "Take another snapshot"))

    def _content(self) -> bytes:
        described = {name: getattr(self, name) for name in _FIELDS}
        text = strict_json.canonical(strict_json.plain(described, "snapshot"))
        return MARK + len(text).to_bytes(_SIZE, "little") + text + self.state


def _is_complete(described: Any) -> bool:
    if not isinstance(described, dict):
        return False
    found = cast("dict[str, Any]", described)
    return (
        set(found) == set(_FIELDS)
        and all(type(found[name]) in kinds for name, kinds in _FIELDS.items())
        and found["phase"] in get_args(Phase)
        and found["events"] >= 0
    )


def _damaged(must: str, given: str) -> InputError:
    return InputError(explain("Snapshot", must, given, "Read it again from where it was kept"))
