"""From an address to an application: sockets, signals, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any

from cellstate.errors import InputError, explain
from cellstate.extras import require
from cellstate.serve.http.connections import protocol_for, sweep
from cellstate.serve.http.service import Service
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.security import check_listening

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 1024


class Server:
    """An application at an address.

    Parameters
    ----------
    app : fastapi.FastAPI
        From `build_app`.
    on_ready : callable, optional
        Called with the server's URL once it takes calls.

    Raises
    ------
    InputError
        It must not listen there without keys, or cannot.
    MissingExtraError
        uvicorn is not installed.
    """

    def __init__(self, app: Any, on_ready: Callable[[str], None] | None = None) -> None:
        self.service: Service = app.state.service
        settings = self.service.settings
        check_listening(settings)
        self._uvicorn = _uvicorn_for(app, self.service, on_ready)
        self._socket = _listen(settings)
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until a signal comes; a second one does not wait for what is under way.

        Raises
        ------
        CellstateError
            The engine could not start.
        """
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        try:
            self._uvicorn.run(sockets=[self._socket])
        except SystemExit:
            if self.service.failure is None:
                raise
        finally:
            self._socket.close()
        if self.service.failure is not None:
            raise self.service.failure

    def start(self) -> str:
        """Serve in a thread of its own; returns the URL once it takes calls."""
        self._thread = threading.Thread(target=self.run, name="cellstate-server", daemon=True)
        self._thread.start()
        if not self._uvicorn.is_up.wait(30) or self.service.failure is not None:
            must, given = "the server must start within 30 s", "one that did not"
            raise self.service.failure or InputError(explain("serve", must, given, "See the log"))
        return self._uvicorn.url

    def stop(self) -> None:
        """Answer what is under way, and end what `start` began."""
        self._uvicorn.end()
        if self._thread is not None:
            self._thread.join(self.service.settings.drain_s + 5)


def _listen(settings: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as problem:
        listening.close()
        must = f"it must be possible to listen at {settings.host} port {settings.port}"
        given = getattr(problem, "strerror", None) or str(problem)
        raise InputError(explain("serve", must, given, "Choose another --host or --port")) from None
    return listening


def _url(settings: HttpSettings, listening: socket.socket) -> str:
    scheme = "https" if settings.tls_certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"


def _uvicorn_for(app: Any, service: Service, on_ready: Callable[[str], None] | None) -> Any:
    """Make the server that does the work, with an end of its own."""
    uvicorn: Any = require("uvicorn", extra="serve")
    settings = service.settings

    class Server(uvicorn.Server):
        """Ends what lasts before it stops listening, and a signal is no failure."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.is_up = threading.Event()
            self.url = ""
            self._loop: asyncio.AbstractEventLoop | None = None
            self._ending: asyncio.Task[None] | None = None
            self._sweeping: asyncio.Task[None] | None = None

        async def startup(self, sockets: Any = None) -> None:
            self._loop = asyncio.get_running_loop()
            try:
                await super().startup(sockets=sockets)
            except BaseException:
                self.is_up.set()
                raise
            self._sweeping = self._loop.create_task(sweep(self.server_state.connections))
            self.url = _url(settings, sockets[0])
            self.is_up.set()
            if on_ready is not None:
                on_ready(self.url)

        async def shutdown(self, sockets: Any = None) -> None:
            await super().shutdown(sockets=sockets)
            if self._sweeping is not None:
                self._sweeping.cancel()

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._hear)
            try:
                yield
            finally:
                for number in _SIGNALS:
                    loop.remove_signal_handler(number)

        def end(self) -> None:
            """End it in good order, from another thread."""
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended already
                    self._loop.call_soon_threadsafe(self._hear)

        def _hear(self) -> None:
            if self._ending is not None:
                self.should_exit = self.force_exit = True
                return
            self._ending = asyncio.get_running_loop().create_task(self._end())

        async def _end(self) -> None:
            await service.drain()
            self.should_exit = True

    config = uvicorn.Config(
        app.state.gate,
        loop="uvloop" if _has_uvloop() else "asyncio",
        http=protocol_for(settings),
        ws="websockets-sansio",
        ws_max_size=settings.max_body,
        ws_per_message_deflate=False,  # a few bytes could become many
        lifespan="on",
        log_config=None,
        access_log=False,  # paths name entities
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(settings.idle_s),
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    return Server(config)


def _has_uvloop() -> bool:
    from importlib.util import find_spec

    return find_spec("uvloop") is not None
