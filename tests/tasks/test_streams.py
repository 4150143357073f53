"""Streams by the job's name, and what is said where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from cellstate import artifact, network
from cellstate.errors import ArtifactError, InputError
from cellstate.tasks.streams import STREAMS, load_stream, stream_class, stream_of

LAYERS = (network.LSTM("body", 1, 2),)


@pytest.mark.parametrize("task", STREAMS)
def test_a_class_is_where_it_is_said_to_be(task):
    assert stream_class(task).task == task


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("classify", "got 'classify': it reads whole sequences, in both directions. Use"),
        ("outcome", "it answers once"),
        ("sing", "got 'sing': it is not known"),
    ],
)
def test_a_job_that_reads_no_events_is_refused_with_the_reason(task, message):
    with pytest.raises(InputError, match=message):
        stream_class(task)
    with pytest.raises(InputError, match="one of the jobs 'network', 'forecast'"):
        stream_of(artifact.Manifest(task), {})


@pytest.mark.parametrize(
    ("described", "tensors", "error"),
    [
        ({}, {}, ArtifactError),
        ({"layers": [{"kind": "lstm"}]}, {}, InputError),
        ({"layers": 5}, {}, ArtifactError),
        ({"layers": network.to_json(LAYERS)}, {}, InputError),
        ({"layers": network.to_json(LAYERS)}, {"body.weight_ih_l0": np.ones((1, 1))}, InputError),
    ],
)
def test_an_incomplete_model_is_refused(described, tensors, error):
    with pytest.raises(error):
        stream_of(artifact.Manifest("network", network=described), tensors)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="a model must be a folder"):
        load_stream(tmp_path / "nothing")
