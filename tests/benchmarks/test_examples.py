import doctest
import importlib

import pytest

MODULES = (
    "benchmarks.harness.process",
    "benchmarks.harness.record",
    "benchmarks.harness.surroundings",
    "benchmarks.harness.timing",
    "benchmarks.protocols",
    "benchmarks.serving.disk",
    "benchmarks.serving.traffic",
    "benchmarks.serving.trend",
    "benchmarks.serving.wire",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_harness_are_true(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted
    assert not results.failed
