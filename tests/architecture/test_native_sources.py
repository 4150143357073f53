"""The core in csrc knows neither Python nor torch, and its kernels only C headers."""

import re

import pytest

from tests.architecture.sources import CSRC, NATIVE, shown

BINDINGS = {"bindings.cpp", "arrays.h"}  # and what includes them
# Compiled once per instruction set: an inline function of the C++ library compiled here might be
# the copy that a CPU without those instructions runs.
PER_INSTRUCTION_SET = [
    "kernels.cpp",
    "forward.h",
    "backward.h",
    "norm.h",
    "product.h",
    "accumulate.h",
    "sums.h",
    "variants.h",
    "noise.h",
    "vector_math.h",
    "simd.h",
    "lstm.h",
]
C_HEADERS = {"stddef.h", "stdint.h", "string.h", "immintrin.h", "arm_neon.h"}


def includes(path):
    return set(re.findall(r'^\s*#include\s+[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", NATIVE, ids=shown)
def test_only_the_bindings_include_python(path):
    foreign = {name for name in includes(path) if re.match(r"Python|nanobind|torch|ATen|c10", name)}
    assert not foreign or path.name in BINDINGS


@pytest.mark.parametrize("name", PER_INSTRUCTION_SET)
def test_per_instruction_set_sources_include_c_headers_only(name):
    own = {path.name for path in NATIVE}
    assert includes(CSRC / name) <= C_HEADERS | own
    assert includes(CSRC / name) & own <= set(PER_INSTRUCTION_SET)
