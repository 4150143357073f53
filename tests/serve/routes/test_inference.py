"""The Open Inference Protocol: tensors in JSON and in binary, sequences, and what is refused."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellstate.runtime.stream import Field
from cellstate.serve.http.problem import Problem
from cellstate.serve.http.tensors import DTYPES, TensorReader, write
from tests.serve.live import Live, Told

PATH = "/v2/models/model/infer"


def tensor(
    name: str, datatype: str, *values: Any, shape: Any = None, **rest: Any
) -> dict[str, Any]:
    document = {"name": name, "datatype": datatype, "shape": shape or [1, len(values)]}
    return {**document, **({"data": list(values)} if values else {}), **rest}


def x(value: float) -> dict[str, Any]:
    return tensor("x", "FP64", value, shape=[1])


def infer(live: Live, sequence: Any, *inputs: Any, **rest: Any) -> Told:
    parameters = {"sequence_id": sequence, **rest.pop("parameters", {})}
    return live.call("POST", PATH, {"inputs": list(inputs), "parameters": parameters, **rest})


def outputs(told: Told) -> dict[str, Any]:
    return {one["name"]: one["data"] for one in told.json["outputs"]}


def test_the_server_and_the_model_describe_themselves(live: Live) -> None:
    server = live.call("GET", "/v2").json
    assert server["extensions"] == ["sequence", "binary_tensor_data"]
    model = live.call("GET", "/v2/models/model").json
    assert {one["name"]: (one["datatype"], one["shape"]) for one in model["inputs"]} == {
        "x": ("FP64", [1]),
        "pair": ("FP64", [1, 2]),
        "list": ("INT64", [1, -1]),
        "note": ("BYTES", [1]),
        "on": ("BOOL", [1]),
        "place": ("BYTES", [1]),
    }
    for path in ("health/live", "health/ready", "models/model/ready"):
        assert live.call("GET", f"/v2/{path}").status == 200


def test_a_sequence_is_an_entity(live: Live) -> None:
    first = infer(live, 17, x(1.5), id="mine")
    assert first.status == 200
    assert outputs(first) == {"sum": [1.5], "count": [1]}
    answer = first.json
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "model", "1")
    assert answer["parameters"] == {"sequence_id": 17, "status": "applied", "seq": 1, "late": False}
    assert outputs(infer(live, 17, x(1)))["sum"] == [2.5]
    assert live.call("GET", "/v1/entities/17/state").json["events"] == 2


def test_a_sequence_starts_and_ends(live: Live) -> None:
    infer(live, "seq-1", x(1), parameters={"sequence_start": True})
    assert outputs(infer(live, "seq-1", x(1), parameters={"sequence_end": True}))["sum"] == [2]
    assert infer(live, "seq-1", x(1)).status == 409
    begun = infer(live, "seq-1", x(5), parameters={"sequence_start": True, "sequence_end": True})
    assert outputs(begun) == {"sum": [5], "count": [1]}


def test_the_largest_sequence_id_is_a_name_too(live: Live) -> None:
    assert infer(live, (1 << 64) - 1, x(1)).status == 200
    assert live.call("GET", "/v1/entities/18446744073709551615/state").status == 200


def test_tensors_of_every_kind_come_back(live: Live) -> None:
    told = infer(
        live,
        "kinds",
        tensor("x", "FP32", 1.5, shape=[1]),
        tensor("pair", "FP64", 1, None),
        tensor("list", "INT16", 1, 2, 3),
        tensor("note", "BYTES", "ä", shape=[1, 1]),
        tensor("on", "BOOL", True, shape=[1]),
    )
    assert {one["name"]: (one["shape"], one["data"]) for one in told.json["outputs"]} == {
        "sum": ([1], [1.5]),
        "count": ([1], [1]),
        "pair": ([1, 2], [1, None]),
        "list": ([1, 3], [1, 2, 3]),
        "note": ([1], ["ä"]),
        "on": ([1], [True]),
    }


def test_nested_data_is_read_row_by_row(live: Live) -> None:
    nested = {"name": "pair", "datatype": "FP64", "shape": [1, 2], "data": [[1.5, 2.5]]}
    assert outputs(infer(live, "nested", x(1), nested))["pair"] == [1.5, 2.5]


@pytest.mark.parametrize("where", ["tensor", "text", "parameter"])
def test_an_event_says_when_it_happened(live: Live, where: str) -> None:
    name = f"time-{where}"
    if where == "parameter":
        infer(live, name, x(1), parameters={"time": 12.5})
    elif where == "text":
        infer(live, name, x(1), tensor("time", "BYTES", "1970-01-01T00:00:12.5Z", shape=[1]))
    else:
        infer(live, name, x(1), tensor("time", "FP64", 12.5, shape=[1]))
    assert live.call("GET", f"/v1/entities/{name}/state").json["time"] == 12.5


def test_an_event_id_gives_the_first_answer_again(live: Live) -> None:
    first, again = (infer(live, "again", x(v), parameters={"event_id": "a"}) for v in (1, 2))
    assert outputs(first) == outputs(again)
    assert again.json["parameters"]["status"] == "duplicate"
    assert infer(live, "again", x(1), id="a").json["parameters"]["seq"] == 2  # `id` is no event's


def test_some_outputs_may_be_asked_for(live: Live) -> None:
    told = infer(live, "asked", x(1), outputs=[{"name": "count"}])
    assert [one["name"] for one in told.json["outputs"]] == ["count"]


def binary(live: Live, document: dict[str, Any], *parts: bytes, length: Any = None) -> Told:
    head = json.dumps(document).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)) if length is None else str(length),
    }
    return live.call("POST", PATH, body=head + b"".join(parts), headers=headers)


def sized(name: str, datatype: str, shape: list[int], size: Any) -> dict[str, Any]:
    parameters = {"binary_data_size": size}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}


def test_binary_tensors_go_both_ways(live: Live) -> None:
    note = "ä".encode()
    parts = [
        struct.pack("<f", 1.5),
        struct.pack("<2d", 2.5, -1),
        struct.pack("<3h", 1, 2, 3),
        struct.pack("<I", len(note)) + note,
        b"\x01",
    ]
    document = {
        "parameters": {"sequence_id": "binary", "binary_data_output": True},
        "inputs": [
            sized("x", "FP32", [1], 4),
            sized("pair", "FP64", [1, 2], 16),
            sized("list", "INT16", [3], 6),
            sized("note", "BYTES", [1], 4 + len(note)),
            sized("on", "BOOL", [1], 1),
        ],
    }
    told = binary(live, document, *parts)
    assert told.status == 200
    length = int(told.headers["inference-header-content-length"])
    head, rest = json.loads(told.body[:length]), told.body[length:]
    found: dict[str, bytes] = {}
    for one in head["outputs"]:
        assert "data" not in one
        size = one["parameters"]["binary_data_size"]
        found[one["name"]], rest = rest[:size], rest[size:]
    assert rest == b""
    assert struct.unpack("<d", found["sum"]) == (1.5,)
    assert struct.unpack("<q", found["count"]) == (1,)
    assert struct.unpack("<2d", found["pair"]) == (2.5, -1)
    assert struct.unpack("<3q", found["list"]) == (1, 2, 3)
    assert found["note"] == struct.pack("<I", 2) + note
    assert found["on"] == b"\x01"


def test_one_output_in_binary_and_one_in_json(live: Live) -> None:
    wanted = [{"name": "sum", "parameters": {"binary_data": True}}, {"name": "count"}]
    told = infer(live, "half", x(1), outputs=wanted)
    length = int(told.headers["inference-header-content-length"])
    head = json.loads(told.body[:length])
    assert head["outputs"][1]["data"] == [1]
    assert struct.unpack("<d", told.body[length:]) == (1,)


S = {"sequence_id": "bad"}
BAD: dict[str, Any] = {
    "a list": [],
    "no inputs": {"parameters": S},
    "inputs that are none": {"parameters": S, "inputs": 1},
    "no sequence": {"inputs": [x(1)]},
    "sequence 0": {"inputs": [x(1)], "parameters": {"sequence_id": 0}},
    "an empty sequence": {"inputs": [x(1)], "parameters": {"sequence_id": ""}},
    "a negative sequence": {"inputs": [x(1)], "parameters": {"sequence_id": -1}},
    "a flag as sequence": {"inputs": [x(1)], "parameters": {"sequence_id": True}},
    "a bad sequence": {"inputs": [x(1)], "parameters": {"sequence_id": "a/b"}},
    "parameters that are none": {"inputs": [x(1)], "parameters": []},
    "start as a number": {"inputs": [x(1)], "parameters": {**S, "sequence_start": 1}},
    "an unknown input": {"inputs": [tensor("y", "FP64", 1)], "parameters": S},
    "an input twice": {"inputs": [x(1), x(2)], "parameters": S},
    "an input that is none": {"inputs": [1], "parameters": S},
    "a name that is none": {"inputs": [{**x(1), "name": 1}], "parameters": S},
    "another type": {"inputs": [tensor("x", "BOOL", True)], "parameters": S},
    "an unknown type": {"inputs": [tensor("x", "FP65", 1)], "parameters": S},
    "a type that is none": {"inputs": [{**x(1), "datatype": []}], "parameters": S},
    "an output whose name is none": {"inputs": [x(1)], "parameters": S, "outputs": [{"name": []}]},
    "no type": {"inputs": [{"name": "x", "shape": [1], "data": [1]}], "parameters": S},
    "no shape": {"inputs": [{"name": "x", "datatype": "FP64", "data": [1]}], "parameters": S},
    "a negative shape": {"inputs": [{**x(1), "shape": [-1]}], "parameters": S},
    "a huge shape": {"inputs": [{**x(1), "shape": [1 << 40]}], "parameters": S},
    "a product of shapes": {"inputs": [{**x(1), "shape": [1 << 20] * 8}], "parameters": S},
    "too many values": {"inputs": [tensor("x", "FP64", 1, 2)], "parameters": S},
    "too few values": {"inputs": [{**x(1), "data": []}], "parameters": S},
    "data that is none": {"inputs": [{**x(1), "data": 1}], "parameters": S},
    "no data": {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1]}], "parameters": S},
    "text as a number": {"inputs": [{**x(1), "data": ["1"]}], "parameters": S},
    "a number as text": {"inputs": [x(1), tensor("note", "BYTES", 1)], "parameters": S},
    "out of the type's range": {"inputs": [x(1), tensor("list", "INT8", 300)], "parameters": S},
    "a fraction": {"inputs": [x(1), tensor("list", "INT8", 1.5)], "parameters": S},
    "a missing integer": {"inputs": [x(1), tensor("list", "INT8", None)], "parameters": S},
    "shared memory": {
        "inputs": [{**x(1), "parameters": {"shared_memory_region": "a"}}],
        "parameters": S,
    },
    "outputs that are none": {"inputs": [x(1)], "parameters": S, "outputs": 1},
    "an unknown output": {"inputs": [x(1)], "parameters": S, "outputs": [{"name": "z"}]},
    "classes": {
        "inputs": [x(1)],
        "parameters": S,
        "outputs": [{"name": "sum", "parameters": {"classification": 1}}],
    },
    "a time without a zone": {"inputs": [x(1)], "parameters": {**S, "time": "2024-05-01T12:00"}},
    "a bad event id": {"inputs": [x(1)], "parameters": {**S, "event_id": ""}},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_refused_in_the_protocol_s_words(live: Live, name: str) -> None:
    told = live.call("POST", PATH, BAD[name])
    assert told.status == 400
    assert isinstance(told.json["error"], str)
    assert live.call("GET", "/v1/entities/bad/state").status == 404


BAD_BINARY: dict[str, tuple[dict[str, Any], bytes]] = {
    "too short": (sized("x", "FP64", [1], 8), b"\0" * 7),
    "too long": (sized("x", "FP64", [1], 8), b"\0" * 9),
    "another size": (sized("x", "FP64", [1], 4), b"\0" * 4),
    "a negative size": (sized("x", "FP64", [1], -1), b""),
    "a size that is none": (sized("x", "FP64", [1], "8"), b"\0" * 8),
    "NaN": (sized("x", "FP64", [1], 8), struct.pack("<d", float("nan"))),
    "infinite": (sized("x", "FP32", [1], 4), struct.pack("<f", float("-inf"))),
    "text without its end": (sized("place", "BYTES", [1], 5), struct.pack("<I", 99) + b"a"),
    "text without its length": (sized("place", "BYTES", [1], 2), b"ab"),
    "two texts": (sized("place", "BYTES", [1], 8), b"\0" * 8),
    "text that is not UTF-8": (sized("place", "BYTES", [1], 5), struct.pack("<I", 1) + b"\xff"),
}


@pytest.mark.parametrize("name", BAD_BINARY)
def test_bad_bytes_are_refused(live: Live, name: str) -> None:
    given, data = BAD_BINARY[name]
    told = binary(live, {"parameters": S, "inputs": [given]}, data)
    assert told.status == 400
    assert live.call("GET", "/v1/entities/bad/state").status == 404


@pytest.mark.parametrize("length", [0, 1, 10**9, "-1", "x", "1e2", "9" * 40])
def test_a_bad_length_of_the_head_is_refused(live: Live, length: Any) -> None:
    document = {"parameters": S, "inputs": [sized("x", "FP64", [1], 8)]}
    assert binary(live, document, b"\0" * 8, length=length).status == 400


def test_another_model_is_not_found(live: Live) -> None:
    for method, path in (
        ("GET", "/v2/models/other"),
        ("GET", "/v2/models/other/ready"),
        ("POST", "/v2/models/other/infer"),
    ):
        told = live.call(method, path, body=b"{}" if method == "POST" else None)
        assert told.status == 404
        assert isinstance(told.json["error"], str)


def test_what_the_model_refuses_is_told_as_text(live: Live) -> None:
    told = infer(live, "refused", x(1e9))
    assert told.status == 422
    assert "in range" in told.json["error"]


KINDS = {"FP64": "number", "INT64": "integer", "BOOL": "flag", "BYTES": "text"}
VALUES = {
    "FP64": st.floats(allow_nan=False, allow_infinity=False),
    "INT64": st.integers(-(1 << 63), (1 << 63) - 1),
    "BOOL": st.booleans(),
    "BYTES": st.text(st.characters(codec="utf-8"), max_size=5),
}


@settings(suppress_health_check=[HealthCheck.too_slow])  # its first text takes long
@given(st.sampled_from(sorted(KINDS)).flatmap(lambda d: st.tuples(st.just(d), st.lists(VALUES[d]))))
def test_what_is_written_in_binary_is_read_back(case: tuple[str, list[Any]]) -> None:
    datatype, values = case
    field = Field("f", KINDS[datatype], "A value.", size=-1)  # type: ignore[arg-type]
    written = write(field, values, is_binary=True)
    assert written is not None
    reader = TensorReader(written[1])
    assert reader.read(written[0], field.kind, -1) == values
    reader.end()


@given(st.binary(max_size=40), st.sampled_from([*DTYPES, "BYTES"]), st.integers(0, 5))
def test_any_bytes_are_read_or_refused(data: bytes, datatype: str, count: int) -> None:
    for kind in ("number", "integer", "flag", "text"):
        with suppress(Problem):
            values = TensorReader(data).read(sized("f", datatype, [count], len(data)), kind, -1)
            assert len(values) == count


def test_a_missing_number_is_nan_in_binary_and_others_are_left_out() -> None:
    number, integer = Field("f", "number", "", size=2), Field("g", "integer", "")
    written = write(number, [None, 1.0], is_binary=True)
    assert written is not None
    np.testing.assert_equal(np.frombuffer(written[1]), [np.nan, 1.0])
    assert write(integer, None, is_binary=False) is None
