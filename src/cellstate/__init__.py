"""LSTM networks end to end: the layer, the jobs, the memory that lasts."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cellstate")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0+source"
