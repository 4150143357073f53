"""How the server listens, and what it lets in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HttpSettings:
    """Bounds of the HTTP interface; safe as they are for a server on loopback.

    Attributes
    ----------
    host : str
        Address to listen at.
    port : int
        0 takes a free one.
    model : str
        The model's name in the Open Inference Protocol.
    allowed_hosts : tuple of str
        Names in the header Host by which the server may be called, besides those of loopback where
        it listens there, and IP addresses where it does not.
    keys : Path or None
        File of keys. None: no key is asked for, which is allowed on loopback only.
    models : Path or None
        Folder in which the next version of the model may lie; None: it cannot be offered over HTTP.
    tls_certificate, tls_key : Path or None
        PEM files.
    audit_log : Path or None
        File to which each change and each look at an entity is appended.
    max_body : int
        Bytes of one request.
    max_events : int
        Events of one request.
    rate : float or None
        Events and other calls that a tenant may make in a second, on average.
    max_connections : int
    max_sockets : int
        WebSockets and live streams of one tenant.
    header_s, body_s : float
        Seconds in which a request's head and its body must have come.
    idle_s : float
        Seconds after which a connection without a request is closed.
    socket_idle_s : float
        Seconds after which a WebSocket that neither sends nor subscribes is closed.
    drain_s : float
        Seconds that a stop waits for what is under way.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: str = "model"
    allowed_hosts: tuple[str, ...] = ()
    keys: Path | None = None
    models: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    audit_log: Path | None = None
    max_body: int = 8 << 20
    max_events: int = 10_000
    rate: float | None = None
    max_connections: int = 1_000
    max_sockets: int = 200
    header_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 75.0
    socket_idle_s: float = 300.0
    drain_s: float = 10.0
