"""A stream with fields of every kind, whose answers repeat what it was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cellstate.errors import EventError, explain
from cellstate.runtime.stream import AbstractStream, Answer, Field, States

_KINDS: dict[str, tuple[type, ...]] = {
    "number": (float, int, type(None)),
    "integer": (int,),
    "text": (str,),
    "flag": (bool,),
}


class Recorder(AbstractStream):
    """Sums up `x`; refuses what is out of range, of the wrong kind, or unknown."""

    task: ClassVar[str] = "network"
    needs_time: ClassVar[bool] = False
    inputs = (
        Field("x", "number", "What is summed up.", unit="m", required=True),
        Field("pair", "number", "Two numbers.", size=2),
        Field("list", "integer", "Any integers.", size=-1),
        Field("note", "text", "A remark."),
        Field("on", "flag", "Whether it is on."),
        Field("place", "text", "Where it stands.", static=True),
    )
    outputs = (
        Field("sum", "number", "The sum so far."),
        Field("count", "integer", "Events so far."),
        Field("pair", "number", "The two numbers.", size=2),
        Field("list", "integer", "The integers.", size=-1),
        Field("note", "text", "The remark."),
        Field("on", "flag", "Whether it was on."),
    )
    state_dtype = np.dtype([("sum", "f8"), ("count", "i8")])
    fingerprint = "recorder"

    def __init__(self, most: float = 1e6) -> None:
        self._most = most

    def start(self, entities: Sequence[str]) -> States:
        return np.zeros(len(entities), self.state_dtype)

    def read(self, data: Mapping[str, Any]) -> dict[str, Any]:
        fields = {field.name: field for field in self.inputs}
        if not data.keys() <= fields.keys() or "x" not in data:
            raise EventError(explain("recorder", "x must be there", "other names", "Send x"))
        for name, value in data.items():
            _check(fields[name], value, self._most)
        return dict(data)

    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        after = states.copy()
        x = np.array([row["x"] or 0.0 for row in rows]) / 2  # no sum of two is infinite
        after["sum"] = 2 * np.clip(after["sum"] / 2 + x, -8e307, 8e307)
        after["count"] += 1
        answers: list[Answer | EventError] = []
        for row, state in zip(rows, after, strict=True):
            said = {"sum": None if row["x"] is None else float(state["sum"])}
            said |= {"count": int(state["count"])}
            answers.append(said | {k: row[k] for k in ("pair", "list", "note", "on") if k in row})
        return after, answers


def _check(field: Field, value: Any, most: float) -> None:
    values = value if field.size is not None and isinstance(value, list) else [value]
    is_list = isinstance(value, list) == (field.size is not None)
    fits = field.size in (None, -1) or len(values) == field.size
    for one in values:
        is_whole = field.kind == "integer" and isinstance(one, float) and one.is_integer()
        is_kind = is_whole or isinstance(one, _KINDS[field.kind])  # 1.0 is one of JSON's integers
        is_kind = is_kind and (field.kind == "flag" or not isinstance(one, bool))
        is_near = not isinstance(one, int | float) or abs(one) <= most
        if not (is_list and fits and is_kind and is_near):
            must = "a value must be of its field's kind, and in range"
            raise EventError(explain("recorder", must, "another", "See /v1/model"))
