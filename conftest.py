"""What pytest leaves aside where a package is missing that no extra for development brings."""

from importlib.util import find_spec

# Its tests run in an environment of their own; a doctest cannot be skipped before its import.
collect_ignore = [] if find_spec("sktime") else ["src/cellstate/tasks/forecast/sktime_adapter.py"]
