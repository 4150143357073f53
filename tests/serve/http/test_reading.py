"""Bodies as JSON values: what is refused, and that nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellstate.serve.http.problem import Problem
from cellstate.serve.http.reading import DEPTH, check_keys, read, read_quickly

REFUSED = {
    "empty": b"",
    "not JSON": b"{'a': 1}",
    "two documents": b"1 2",
    "trailing comma": b"[1,]",
    "comment": b"[1] // one",
    "not UTF-8": b'"\xff"',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "beyond float64": b'{"a": 1e400}',
    "far below float64": b'{"a": -1e400}',
    "a number of 400 digits": b"1" * 400,
    "a leading zero": b"01",
    "half of a surrogate pair": rb'"\ud800"',
    "a control character": b'"\x01"',
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, once escaped": rb'{"a": 1, "\u0061": 2}',
    "a key twice, deep": b'{"a": [{"b": 1, "b": 2}]}',
    "a key twice beside an escaped colon": rb'{"a": "\u003a", "b": 1, "b": 2}',
    "one level too many": b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
    "a thousand levels": b"[" * 1000 + b"]" * 1000,
    "a hundred thousand levels": b"[" * 100_000 + b"]" * 100_000,
    "open objects": b'{"a":' * 100_000,
}
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("name", REFUSED)
def test_documents_with_loopholes_are_refused(name: str) -> None:
    with pytest.raises(Problem) as problem:
        read(REFUSED[name])
    assert problem.value.status == 400
    assert problem.value.code == "malformed"


def test_the_message_says_where_and_not_what() -> None:
    with pytest.raises(Problem) as problem:
        read(b'{"patient": Smith}')
    assert "at byte 12" in str(problem.value)
    assert "Smith" not in str(problem.value)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS, st.booleans())
def test_every_other_document_is_read_as_it_is(document: Any, is_ascii: bool) -> None:
    assert read(json.dumps(document, ensure_ascii=is_ascii).encode()) == document


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(TEXT, st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 9))
def test_a_key_that_occurs_twice_is_always_found(document: dict[str, int], value: int) -> None:
    pairs = [*document.items(), (next(iter(document)), value)]
    body = ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs)
    with pytest.raises(Problem):
        read(f"{{{body}}}".encode())


def test_colons_in_text_cost_no_second_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("cellstate.serve.http.reading.strict_json.parse", fail)
    assert read(b'{"a:b": "c:d:e", "f": [":", {"g": ":"}]}')["a:b"] == "c:d:e"
    check_keys(b'{"a": ":"}', 2)


def test_brackets_in_text_are_no_levels() -> None:
    assert read(b'["[[[[[[[[[[[[[[[[[[[[[[[["]') == ["[" * 24]


def test_quick_reading_leaves_keys_to_the_caller() -> None:
    assert read_quickly(b'{"a": 1, "a": 2}') == {"a": 2}
