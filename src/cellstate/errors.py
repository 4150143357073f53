"""Every exception that Cellstate raises on purpose, and the one form of its messages.

The tree, with the built-in exceptions that each class also is::

    CellstateError
    ├── InputError (ValueError)            what the caller gave cannot be used
    │   ├── ShapeError (RuntimeError)      an array of the wrong shape, dtype or device
    │   ├── ArgumentTypeError (TypeError)  an argument of the wrong type
    │   ├── FrameError                     a data frame or file whose content cannot be used
    │   └── EventError                     an event that a stream cannot take in
    ├── NotFittedError (AttributeError)    a method that needs `fit` was called before it
    ├── ArtifactError (OSError)            a model folder cannot be read or written
    ├── DownloadError (OSError)            a data set could not be fetched or verified
    ├── MissingExtraError (ImportError)    an optional dependency is not installed
    ├── StoreError (OSError)               the states of entities cannot be read or written
    │   └── FencedError                    another process owns them by now
    ├── BusyError                          more work waits than the server takes
    │   └── DrainingError                  it takes no more, for it is about to stop
    ├── ServerError (OSError)              a server cannot be reached, or cannot answer
    ├── ExportError (RuntimeError)         an exported graph gives other numbers
    └── TrainingError (RuntimeError)       training cannot go on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CellstateError(Exception):
    """Any error that Cellstate raises on purpose."""


class InputError(CellstateError, ValueError):
    """What the caller gave cannot be used."""


class ShapeError(InputError, RuntimeError):
    """An array has the wrong shape, dtype or device."""


class ArgumentTypeError(InputError, TypeError):
    """An argument has the wrong type."""


class FrameError(InputError):
    """A data frame or file has content that cannot be used."""


class EventError(InputError):
    """An event that a stream cannot take in; the state stays as it was."""


class NotFittedError(CellstateError, ValueError, AttributeError):
    """A method that needs `fit` was called before it."""


class ArtifactError(CellstateError, OSError):
    """A model folder cannot be read or written."""


class DownloadError(CellstateError, OSError):
    """A data set could not be fetched or verified."""


class MissingExtraError(CellstateError, ImportError):
    """An optional dependency is not installed."""


class StoreError(CellstateError, OSError):
    """The states of entities cannot be read or written."""


class FencedError(StoreError):
    """Another process owns these entities by now; this one must not write any more."""


class BusyError(CellstateError):
    """More work waits than the server takes.

    Attributes
    ----------
    retry_after_s : float
        Seconds after which it is worth trying again.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DrainingError(BusyError):
    """The server takes no more work, for it is about to stop."""


class ServerError(CellstateError, OSError):
    """A server cannot be reached, or cannot answer."""


class ExportError(CellstateError, RuntimeError):
    """An exported graph gives other numbers than what it was made from."""


class TrainingError(CellstateError, RuntimeError):
    """Training cannot go on."""


def explain(where: str, must: str, given: str, do: str) -> str:
    """Compose a message: what must hold, what was given, what to do.

    Examples
    --------
    >>> explain("LSTM", "x must have 3 axes", "2", "Add the batch axis")
    'LSTM: x must have 3 axes; got 2. Add the batch axis.'
    """
    end = "" if do.endswith(("?", ".")) else "."
    return f"{where}: {must}; got {given}. {do}{end}"


def quoted(value: object, most: int = 60) -> str:
    """Quote what was given, without its middle where it is long.

    Examples
    --------
    >>> quoted("ab"), quoted("a long sentence of many words", 22)
    ("'ab'", "'a long s … ny words'")
    """
    text = repr(value)
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half].rstrip()} … {text[-half:].lstrip()}"


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Offer the nearest valid choice, or list them all.

    Examples
    --------
    >>> did_you_mean("msee", ["mse", "mae"])
    "Did you mean 'mse'?"
    >>> did_you_mean("huber", ["mse", "mae"])
    "Choose from 'mse', 'mae'."
    """
    options = list(choices)
    near = difflib.get_close_matches(name, options, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Choose from {', '.join(map(repr, options))}."
