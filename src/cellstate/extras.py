"""Optional dependencies: the only place that explains that one is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from cellstate.errors import MissingExtraError, explain


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module : str
        Import name, for example ``"torch"``.
    extra : str
        The extra of this package that installs it.

    Raises
    ------
    MissingExtraError
        The module is not installed.

    Examples
    --------
    >>> require("json", extra="train").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            explain(
                "cellstate",
                f"this needs the package {module.split('.')[0]!r}",
                "an environment without it",
                f"Install it with: pip install 'cellstate[{extra}]'",
            )
        ) from missing
