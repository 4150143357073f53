"""What every benchmark stands on: records, clocks, processes, the README's tables."""

from benchmarks.harness.options import Options
from benchmarks.harness.process import Measured, measure
from benchmarks.harness.record import Recorder
from benchmarks.harness.timing import Timing, alternate

__all__ = ["Measured", "Options", "Recorder", "Timing", "alternate", "measure"]
