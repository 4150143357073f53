"""A whole server in the process of a test."""

from __future__ import annotations

import os
from dataclasses import replace

from cellstate.runtime.stream import AbstractStream
from cellstate.serve.client import Client
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.settings import Settings


class TestClient:
    """A server on a free port of loopback with a store that is gone afterwards, and its client.

    It is the server that `cellstate serve` runs, with all that lies between a socket and the
    store, so what works here works there.

    Parameters
    ----------
    model : path or AbstractStream
        A model folder, or the stream of a model.
    settings : Settings, optional
        Of the engine.
    http : HttpSettings, optional
        Of the interface; host and port stay as they are here.
    store : str
        Where to keep entities: a path, or ``memory:``.

    Examples
    --------
    >>> with TestClient("model/") as client:  # doctest: +SKIP
    ...     client.push("sensor-1", {"value": 20.5})["status"]
    'applied'
    """

    __test__ = False  # pytest: it is no test itself

    def __init__(
        self,
        model: str | os.PathLike[str] | AbstractStream,
        settings: Settings | None = None,
        http: HttpSettings | None = None,
        *,
        store: str = "memory:",
    ) -> None:
        self._model = model
        self._settings = settings
        self._http = replace(http or HttpSettings(), host="127.0.0.1", port=0)
        self._store = store

    def __enter__(self) -> Client:
        """Start the server; gives a client, whose `url` other clients can use."""
        from cellstate.serve.app import build_app
        from cellstate.serve.engine import Engine
        from cellstate.serve.http.server import Server
        from cellstate.serve.stores import open_store
        from cellstate.tasks.streams import load_stream

        model = self._model
        stream = model if isinstance(model, AbstractStream) else load_stream(model)
        engine = Engine(stream, open_store(self._store), self._settings, load=load_stream)
        self._server = Server(build_app(engine, self._http))
        self._client = Client(self._server.start())
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.stop()
