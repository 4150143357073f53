"""`cellstate serve MODEL`: one durable memory of each entity, over HTTP."""

from __future__ import annotations

import gc
import json as json_text
import logging
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cellstate.cli import screen
from cellstate.cli.commands import single
from cellstate.cli.models import Model
from cellstate.errors import CellstateError, InputError, explain

if TYPE_CHECKING:
    from cellstate.runtime.stream import AbstractStream, Field
    from cellstate.serve.engine import Engine

SUMMARY = "Keep a memory of each entity, and answer its events over HTTP."
EXAMPLE = "cellstate serve model/ --store state.db"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20}
_log = logging.getLogger("cellstate.serve")


def _option(flag: str, group: str, metavar: str, text: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=text, rich_help_panel=group, show_default=False)


Weights = Literal["float32", "bf16", "int8"]
_STORE = "A file; postgresql://…; or memory: for none.  [default: state.db]"
Store = Annotated[str, _option("--store", "Memory", "STORE", _STORE)]
Ttl = Annotated[
    str | None,
    _option("--ttl", "Memory", "TIME", "Forget entities without events for 12h, 90d, …"),
]
History = Annotated[
    int | None,
    _option("--history", "Memory", "N", "Events of an entity to keep.  [default: all]"),
]
Late = Annotated[
    int,
    _option("--late", "Memory", "N", "Events a late one may come behind.  [default: 2000]"),
]
Entities = Annotated[
    int | None, _option("--entities", "Memory", "N", "Entities that a tenant may have.")
]
Host = Annotated[
    str, _option("--host", "Network", "ADDRESS", "Where to listen.  [default: 127.0.0.1]")
]
Port = Annotated[int, _option("--port", "Network", "N", "0: a free one.  [default: 8000]")]
AllowHost = Annotated[
    list[str] | None,
    _option("--allow-host", "Network", "NAME", "A name by which it may be called."),
]
TlsCert = Annotated[Path | None, _option("--tls-cert", "Network", "FILE", "PEM certificate.")]
TlsKey = Annotated[Path | None, _option("--tls-key", "Network", "FILE", "PEM key.")]
Keys = Annotated[Path | None, _option("--keys", "Access", "FILE", "Ask for one of these keys.")]
Rate = Annotated[
    float | None, _option("--rate", "Access", "N", "Events a second that a tenant may send.")
]
MaxBody = Annotated[
    str, _option("--max-body", "Access", "SIZE", "Largest request: 512k, 8m.  [default: 8m]")
]
AuditLog = Annotated[Path | None, _option("--audit-log", "Access", "FILE", "Record who did what.")]
Name = Annotated[
    str | None, _option("--name", "Model", "NAME", "What to call it.  [default: the folder's]")
]
WeightsOption = Annotated[
    str, _option("--weights", "Model", "KIND", "float32, bf16 or int8.  [default: float32]")
]
Next = Annotated[
    Path | None, _option("--next", "Model", "MODEL", "Load the next version beside it.")
]
Models = Annotated[
    Path | None,
    _option("--models", "Model", "FOLDER", "Where next versions may be loaded from."),
]
Address = Annotated[
    str | None,
    _option("--address", "Several processes", "URL", "At which others reach this one."),
]
Share = Annotated[
    str | None,
    _option("--share", "Several processes", "N/M", "The n-th of m on one store."),
]
Lease = Annotated[
    str,
    _option(
        "--lease",
        "Several processes",
        "TIME",
        "Silence after which another takes over.  [default: 10s]",
    ),
]


def build() -> Any:
    """Build the command."""
    return single(_run, SUMMARY, EXAMPLE)


def _run(
    model: Model,
    store: Store = "state.db",
    ttl: Ttl = None,
    history: History = None,
    late: Late = 2_000,
    entities: Entities = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    allow_host: AllowHost = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    keys: Keys = None,
    rate: Rate = None,
    max_body: MaxBody = "8m",
    audit_log: AuditLog = None,
    name: Name = None,
    weights: WeightsOption = "float32",
    next: Next = None,
    models: Models = None,
    address: Address = None,
    share: Share = None,
    lease: Lease = "10s",
) -> None:
    from cellstate.extras import require
    from cellstate.serve.engine import Engine
    from cellstate.serve.http.settings import HttpSettings
    from cellstate.serve.security import check_listening
    from cellstate.serve.settings import Settings
    from cellstate.serve.stores import open_store
    from cellstate.tasks.streams import load_stream

    http = HttpSettings(
        host=host,
        port=_port(port),
        model=name or model.resolve().name,
        allowed_hosts=tuple(allow_host or ()),
        keys=keys,
        models=models or (next.resolve().parent if next is not None else None),
        tls_certificate=tls_cert,
        tls_key=tls_key,
        audit_log=audit_log,
        max_body=_size(max_body),
        rate=_rate(rate),
    )
    check_listening(http)
    settings = Settings(
        max_replay=_count(late, "--late") or 0,
        keep_events=_count(history, "--history"),
        ttl_s=None if ttl is None else _seconds(ttl, "--ttl"),
        entities_per_tenant=_count(entities, "--entities"),
    )
    place, lease_s = _share(share), _seconds(lease, "--lease")
    for file, flag in ((tls_cert, "--tls-cert"), (tls_key, "--tls-key")):
        if file is not None and not file.is_file():
            raise _bad(f"{flag} must be a file", repr(str(file)), "Check the path")
    if weights not in ("float32", "bf16", "int8"):
        raise _bad("--weights must be float32, bf16 or int8", repr(weights), "Choose one")
    require("uvicorn", extra="serve")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stream = load_stream(model, weights=weights)

    def load(folder: str) -> AbstractStream:
        return load_stream(folder, weights=weights)

    if next is not None:
        load(str(next))  # a folder that cannot be loaded is no reason to start
    opened = open_store(store)
    try:
        engine = Engine(
            stream,
            opened,
            settings,
            folder=str(model.resolve()),
            load=load,
            address=address or "",
            share=place,
            lease_s=lease_s,
        )
    except CellstateError:
        opened.close()
        raise
    try:
        _serve(engine, http, model, store, next)
    finally:
        engine.stop(0)


def _serve(engine: Engine, http: Any, model: Path, store: str, next: Path | None) -> None:
    from cellstate.serve.app import build_app
    from cellstate.serve.http.server import Server
    from cellstate.serve.security import is_loopback

    def tell(url: str) -> None:
        memory = "memory that ends with it" if store == "memory:" else _without_password(store)
        screen.say(f"Serving {model} ({engine.stream.task}) at {url}, entities in {memory}.")
        screen.say(f"Try: {first_event(url, engine.stream, has_keys=http.keys is not None)}")
        sys.stdout.flush()
        if next is not None:
            _offer(engine, next)

    app = build_app(engine, http)
    # Events make many objects of short life and no cycles: looking for those after each 700 of them
    # takes a third of the server's time, and never needs to look at what was loaded.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    # The writer and the loop hand Python's lock to each other many times for each event; the first
    # to want it waits this long at most.
    sys.setswitchinterval(0.0005)
    if not is_loopback(http.host) and http.tls_certificate is None:
        _log.warning("keys and data travel in the clear; add --tls-cert, or put a proxy before it")
    try:
        Server(app, on_ready=tell).run()
    finally:
        gc.unfreeze()


def first_event(url: str, stream: AbstractStream, *, has_keys: bool) -> str:
    """Write the command that sends a first event."""
    event: dict[str, Any] = {}
    if stream.needs_time:
        event["time"] = "2024-05-01T12:00:00Z"
    event["data"] = {field.name: _example(field) for field in stream.inputs if field.required}
    if not event["data"] and stream.inputs:
        field = stream.inputs[0]
        event["data"] = {field.name: _example(field)}
    words = ["curl", f"{url}/v1/entities/first/events", "-H", "content-type: application/json"]
    if has_keys:
        words += ["-H", "authorization: Bearer KEY"]
    return shlex.join([*words, "-d", json_text.dumps(event, ensure_ascii=False)])


def _example(field: Field) -> Any:
    value = {"number": 1.0, "integer": 1, "text": "a", "flag": True}[field.kind]
    return value if field.size is None else [value] * max(field.size, 1)


def _offer(engine: Engine, folder: Path) -> None:
    """Load the next version beside the present one, while events are being answered."""
    import threading

    def offer() -> None:
        try:
            engine.offer(str(folder.resolve()))
        except CellstateError as problem:
            _log.error("the next version was not taken: %s", problem)

    threading.Thread(target=offer, name="cellstate-next", daemon=True).start()


def _count(number: int | None, flag: str) -> int | None:
    if number is None or number >= 1:
        return number
    raise _bad(f"{flag} must be at least 1", str(number), "Give a count")


def _port(port: int) -> int:
    if 0 <= port < 1 << 16:
        return port
    raise _bad("--port must be from 0 to 65535", str(port), "Choose another")


def _rate(rate: float | None) -> float | None:
    if rate is None or 0 < rate < 1e9:
        return rate
    raise _bad("--rate must be above 0", str(rate), "Leave it out for no limit")


def _seconds(text: str, flag: str) -> float:
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if match and int(match[1]):
        return float(int(match[1]) * _SECONDS[match[2]])
    raise _bad(f"{flag} must be a number with s, m, h or d", repr(text), "Write 90s or 30d, say")


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([km]?)", text.lower())
    if match and 1 <= int(match[1]) * _SIZES[match[2]] <= 1 << 30:
        return int(match[1]) * _SIZES[match[2]]
    raise _bad("--max-body must be a size up to 1024m", repr(text), "Write 512k or 8m")


def _share(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 1
    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if match and 1 <= int(match[1]) <= int(match[2]):
        return int(match[1]) - 1, int(match[2])
    raise _bad("--share must be N/M with N from 1 to M", repr(text), "Write 2/3, say")


def _without_password(store: str) -> str:
    return re.sub(r"(//[^:/@]*):[^@]*@", r"\1@", store)


def _bad(must: str, given: str, do: str) -> InputError:
    return InputError(explain("serve", must, given, do))
