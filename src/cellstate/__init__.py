"""LSTM networks end to end: the layer, the jobs, the memory that lasts."""

__version__: str


def __getattr__(name: str) -> str:
    # The version is looked up when asked for: importlib.metadata takes longer than the command's
    # whole help.
    if name != "__version__":
        raise AttributeError(f"module 'cellstate' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cellstate")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0.0.0+source"
