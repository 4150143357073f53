"""`cellstate serve`: what it refuses before it serves, and what it tells."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cellstate.cli import serve
from cellstate.serve.http.settings import HttpSettings
from cellstate.serve.settings import Settings
from tests.serve.counter import write_counter
from tests.serve.recorder import Recorder
from tests.serve.tally import Tally


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_counter(tmp_path / "counter")


@pytest.fixture
def served(monkeypatch):
    """Take the place of serving; gives what would have been served."""
    calls = []

    def take(engine, http, *rest):
        calls.append((engine, http, *rest))

    monkeypatch.setattr(serve, "_serve", take)
    monkeypatch.setattr(serve.logging, "basicConfig", lambda **_: None)
    return calls


BAD = {
    "elsewhere without keys": (("--host", "0.0.0.0"), "must ask for keys"),
    "half of TLS": (("--tls-cert", "a.pem"), "TLS needs a certificate and its key"),
    "no files of TLS": (("--tls-cert", "a", "--tls-key", "b"), "--tls-cert must be a file"),
    "no keys": (("--keys", "none.json"), "cellstate keys new FILE"),
    "a port": (("--port", "70000"), "--port must be from 0 to 65535"),
    "a time without a unit": (("--ttl", "90"), "--ttl must be a number with s, m, h or d"),
    "no time": (("--ttl", "0s"), "Write 90s or 30d, say."),
    "a lease": (("--lease", "10"), "--lease must be a number with s, m, h or d"),
    "a size": (("--max-body", "1g"), "Write 512k or 8m."),
    "no size": (("--max-body", "0"), "Write 512k or 8m."),
    "no history": (("--history", "0"), "--history must be at least 1"),
    "no late ones": (("--late", "-1"), "--late must be at least 1"),
    "no entities": (("--entities", "0"), "--entities must be at least 1"),
    "no rate": (("--rate", "0"), "--rate must be above 0"),
    "weights": (("--weights", "fp4"), "--weights must be float32, bf16 or int8"),
    "a share": (("--share", "3/2"), "Write 2/3, say."),
    "no share": (("--share", "0/2"), "Write 2/3, say."),
    "a next that is none": (("--next", "none"), "none"),
    "a store": (("--store", "redis://localhost"), "redis"),
    "a place": (("--store", "no/where/state.db"), "folder must be writable"),
    "an audit log": (("--audit-log", "no/where.jsonl"), "the audit log must be writable"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_explained(cellstate, model, monkeypatch, name):
    monkeypatch.chdir(model.parent)
    options, message = BAD[name]
    words = ("--store", "memory:", *options) if "--store" not in options else options
    result = cellstate("serve", model, "--port", "0", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_model_that_is_none_is_explained(cellstate, tmp_path):
    result = cellstate("serve", tmp_path / "none", "--store", "memory:")
    assert (result.code, result.out) == (2, "")
    assert str(tmp_path / "none") in result.err


def test_a_port_that_is_taken_is_explained(cellstate, model):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = cellstate("serve", model, "--store", "memory:", "--port", port)
    assert (result.code, result.out) == (2, "")
    assert "Address already in use. Choose another --host or --port." in result.err


def test_options_become_settings(cellstate, model, served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    token = cellstate("keys", "new", "keys.json").out
    options = (
        "--store memory: --ttl 12h --history 5 --late 9 --entities 3 --host 0.0.0.0 --port 0"
        " --allow-host a.example --allow-host b.example --keys keys.json --rate 10.5"
        " --max-body 512k --audit-log audit.jsonl --name ward --models . --lease 2m"
    )
    result = cellstate("serve", model, *options.split())
    assert (result.code, result.err) == (0, "")
    assert token
    engine, http, *_ = served[0]
    assert engine.settings == Settings(
        max_replay=9, keep_events=5, ttl_s=43_200.0, entities_per_tenant=3
    )
    assert engine.ownership.lease_s == 120.0
    assert http == HttpSettings(
        host="0.0.0.0",
        port=0,
        model="ward",
        allowed_hosts=("a.example", "b.example"),
        keys=Path("keys.json"),
        models=Path(),
        audit_log=Path("audit.jsonl"),
        max_body=512 << 10,
        rate=10.5,
    )


def test_defaults_are_safe(cellstate, model, served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cellstate("serve", model).code == 0
    engine, http, *_ = served[0]
    assert http == HttpSettings(model="counter")
    assert engine.settings == Settings()
    assert (tmp_path / "state.db").exists()


@pytest.mark.parametrize("stream", [Recorder(), Tally(needs_time=True)])
def test_the_first_event_can_be_sent_as_it_is_shown(stream):
    words = shlex.split(serve.first_event("http://127.0.0.1:8000", stream, has_keys=True))
    event = json.loads(words[-1])
    stream.read(event["data"])
    assert ("time" in event) == stream.needs_time
    assert "authorization: Bearer KEY" in words


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("postgresql://me:secret@db/x", "postgresql://me@db/x"),
        ("postgresql://db/x", "postgresql://db/x"),
        ("state.db", "state.db"),
    ],
)
def test_a_password_is_not_shown(store, shown):
    assert serve._without_password(store) == shown


def test_the_help_needs_nothing_heavy():
    code = (
        "import atexit, sys; from cellstate.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main(sys.argv[1:])"
    )
    for words in (("serve", "--help"), ("keys", "--help"), ("keys", "new", "--help")):
        process = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        loaded = set(process.stderr.split())
        assert not loaded & {"torch", "numpy", "fastapi", "starlette", "uvicorn", "apsw", "rich"}
