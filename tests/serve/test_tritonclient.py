"""A client that others wrote, unchanged, against a live server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.serve.live import Live

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it makes of the packages that it stands on is its own
    triton = pytest.importorskip("tritonclient.http", reason="needs tritonclient[http]")


@pytest.fixture
def client(live: Live) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{live.port}") as made:
        yield made


def given(name: str, values: Any, datatype: str, *, binary: bool) -> Any:
    array = np.array(values)
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_it_sees_the_server_and_the_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("model")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["sequence", "binary_tensor_data"]
    metadata = client.get_model_metadata("model")
    assert metadata["inputs"][0] == {"name": "x", "datatype": "FP64", "shape": [1]}


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("id", [7, "sensor-7"], ids=["number", "text"])
def test_a_sequence_keeps_its_state_from_start_to_end(client: Any, binary: bool, id: Any) -> None:
    name = f"{id}{int(binary)}"
    sequence = int(name) if isinstance(id, int) else name
    sums: list[float] = []
    for step in range(3):
        inputs = [
            given("x", [step + 0.5], "FP64", binary=binary),
            given("pair", np.array([[1, 2]], np.float32), "FP32", binary=binary),
            given("note", np.array([b"seen"], np.object_), "BYTES", binary=binary),
        ]
        result = client.infer(
            "model",
            inputs,
            request_id=f"r-{step}",
            sequence_id=sequence,
            sequence_start=step == 0,
            sequence_end=step == 2,
            outputs=None if binary else [triton.InferRequestedOutput("sum", binary_data=False)],
        )
        sums.append(float(result.as_numpy("sum")[0]))
        assert result.get_response()["id"] == f"r-{step}"
        if binary:
            assert result.as_numpy("count").tolist() == [step + 1]
            assert result.as_numpy("pair").tolist() == [[1, 2]]
            assert result.as_numpy("note").tolist() == [b"seen"]
    assert sums == [0.5, 2.0, 4.5]
    with pytest.raises(triton.InferenceServerException, match="must be live"):
        client.infer("model", [given("x", [1.0], "FP64", binary=binary)], sequence_id=sequence)


def test_its_errors_say_what_to_do(client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="sequence_id"):
        client.infer("model", [given("x", [1.0], "FP64", binary=True)])
    with pytest.raises(triton.InferenceServerException, match="in range"):
        client.infer("model", [given("x", [1e9], "FP64", binary=True)], sequence_id=9)


def test_a_time_and_an_event_id_travel_as_parameters(client: Any) -> None:
    results = [
        client.infer(
            "model",
            [given("x", [x], "FP64", binary=True)],
            sequence_id="timed",
            parameters={"time": 12.5, "event_id": "a"},
        )
        for x in (1.0, 2.0)
    ]
    assert [float(one.as_numpy("sum")[0]) for one in results] == [1.0, 1.0]
