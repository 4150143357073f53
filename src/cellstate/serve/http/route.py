"""An address: what answers there, who may call it, and how it is described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cellstate.serve.http.call import Call, Reply, StreamReply

if TYPE_CHECKING:
    from cellstate.serve.http.service import Service

Handler = Callable[["Service", Call], Awaitable[Reply | StreamReply]]
Schemas = Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """One operation.

    Attributes
    ----------
    method, path : str
        Names in braces become `Call.params`.
    handle : callable
    role : str
        What a caller must be, see `keys.ROLES`; empty: no key is needed.
    summary : str
    about : str
    query : mapping of str to dict
        JSON schemas of what the query string may hold.
    body : mapping of str to dict
        JSON schema by media type.
    answers : mapping of int to dict
        By status: schema by media type; an empty mapping for no body.
    problems : tuple of int
        Further statuses, besides those that come with the role and the body.
    action : str
        What the audit log calls it; empty where it is not recorded.
    is_protocol : bool
        Whether it belongs to the Open Inference Protocol, whose errors are plain texts.
    """

    method: str
    path: str
    handle: Handler
    role: str
    summary: str
    about: str = ""
    query: Mapping[str, Schemas] = field(default_factory=dict)
    body: Mapping[str, Schemas] = field(default_factory=dict)
    answers: Mapping[int, Mapping[str, Schemas]] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    action: str = ""
    is_protocol: bool = False
