"""What a trained model is to those who step it event by event: sessions and the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cellstate.errors import EventError

States = NDArray[np.void]
"""(B,) records of `AbstractStream.state_dtype`: one for each entity, of a fixed number of bytes."""

Answer = dict[str, Any]
"""JSON-ready values by the names of `AbstractStream.outputs`."""


@dataclass(frozen=True)
class Field:
    """One value that an event brings or an answer gives.

    Attributes
    ----------
    name : str
    kind : {"number", "integer", "text", "flag"}
        Of the value, or of each of them.
    about : str
        What it is, in one sentence for the API's description.
    unit : str
        Empty where it has none.
    size : int or None
        None for one value; else the length of a list of them, -1 for any length.
    required : bool
        Whether an event must bring it, without a null. A number that need not be there may be
        null: it is missing.
    static : bool
        Whether it belongs to the entity: only its first event may bring it.
    """

    name: str
    kind: Literal["number", "integer", "text", "flag"]
    about: str
    unit: str = ""
    size: int | None = None
    required: bool = False
    static: bool = False


class AbstractStream(ABC):
    """A trained model that reads events and keeps one small state of each entity.

    Rows of a call are independent: an entity gets the same bits alone and beside any others, and a
    state that was written down and read again goes on with the same bits. Nothing here is random,
    and nothing looks at a clock.

    Attributes
    ----------
    task : str
        The job's name in `TASKS`; "network" for a bare chain of layers.
    inputs, outputs : tuple of Field
        What an event's data may hold and what an answer holds.
    needs_time : bool
        Whether each event must say when it happened. Where it need not, events without a time
        count in the order in which they come.
    state_dtype : numpy.dtype
        Of one entity's state.
    fingerprint : str
        Of everything that decides an answer: equal fingerprints, equal answers.
    """

    task: ClassVar[str]
    needs_time: ClassVar[bool]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    state_dtype: np.dtype[np.void]
    fingerprint: str

    @abstractmethod
    def start(self, entities: Sequence[str]) -> States:
        """Make the state before an entity's first event.

        Parameters
        ----------
        entities : sequence of str
            Names: a forecaster goes on where training left a series that it knows.

        Returns
        -------
        numpy.ndarray
            (B,) records.
        """

    @abstractmethod
    def read(self, data: Mapping[str, Any]) -> Any:
        """Hold an event's data to what can be true of any entity, and bring it into `step`'s form.

        Raises
        ------
        EventError
            A name is unknown, a value is of the wrong kind, not finite, or far out of range.
        """

    @abstractmethod
    def step(
        self, states: States, rows: Sequence[Any], times: NDArray[np.int64]
    ) -> tuple[States, list[Answer | EventError]]:
        """Let each of B entities take in one event.

        Parameters
        ----------
        states : numpy.ndarray
            (B,) records, left as they are.
        rows : sequence
            B events as `read` gave them.
        times : numpy.ndarray
            (B,) int64 microseconds, since 1970 in UTC or on the entity's own clock; never before
            the entity's last event.

        Returns
        -------
        states : numpy.ndarray
            (B,) records after the events; unchanged where an event was refused.
        answers : list
            For each row its answer, or why it was refused: what only the state can tell, such as a
            time that does not fit the grid.
        """
