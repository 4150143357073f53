"""What every job's estimator is: scikit-learn's manners, and one way to and from disk."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import typing
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cellstate.errors import ArtifactError, InputError, NotFittedError, did_you_mean, explain

if TYPE_CHECKING:
    import numpy as np

    from cellstate.artifact import Manifest
    from cellstate.runtime.session import Session
    from cellstate.tasks.sections import Story


class AbstractEstimator(ABC):
    """A job: arguments stored untouched, fitted attributes ending in an underscore.

    A subclass sets `task` (its name in `TASKS`) and `reads` (what its files hold, the name of a
    form in `cli.inputs`) and gives `fit`, `predict`, `evaluate`, `story`,
    and its fitted parts as plain data (`_fitted_parts`, `_restore`).
    """

    task: ClassVar[str]
    reads: ClassVar[str]

    @classmethod
    def parameter_names(cls) -> list[str]:
        """List the constructor's arguments in order."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments as given; `deep` is accepted for scikit-learn."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Replace arguments.

        Raises
        ------
        InputError
            There is no such argument.
        """
        names = self.parameter_names()
        for name, value in params.items():
            if name not in names:
                raise InputError(
                    explain(
                        f"{type(self).__name__}.set_params",
                        "each name must be an argument of the constructor",
                        repr(name),
                        did_you_mean(name, names),
                    )
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    @abstractmethod
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Score against truth, beside the baselines, and say who won."""

    @abstractmethod
    def story(self, *args: Any, **kwargs: Any) -> Story:
        """Tell what the fit has to show, for the page and the terminal; scored as by `evaluate`."""

    @abstractmethod
    def _fitted_parts(
        self,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return network, encoders, decoding, record (JSON-ready) and tensors."""

    @abstractmethod
    def _restore(self, manifest: Manifest, tensors: dict[str, np.ndarray]) -> None:
        """Take the fitted parts back."""

    @abstractmethod
    def _is_fitted(self) -> bool:
        """Say whether `fit` has been called."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a model folder, all of it or nothing.

        Raises
        ------
        NotFittedError
            `fit` was not called.
        ArtifactError
            The folder cannot be written.
        """
        from cellstate import artifact

        self._require_fitted("save")
        network, encoders, decoding, record, tensors = self._fitted_parts()
        manifest = artifact.Manifest(
            task=self.task,
            arguments={name: to_plain(value) for name, value in self.get_params().items()},
            network=network,
            encoders=encoders,
            decoding=decoding,
            record=record,
        )
        artifact.save(folder, manifest, tensors)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Load a fitted estimator from a model folder.

        Raises
        ------
        ArtifactError
            The folder is missing, damaged, from a newer version or of another job.
        """
        from cellstate import artifact

        return cls.from_artifact(*artifact.load(folder))

    @classmethod
    def from_artifact(cls, manifest: Manifest, tensors: dict[str, np.ndarray]) -> Self:
        """Build the fitted estimator from the parts of a model folder."""
        where = f"{cls.__name__}.load"
        if manifest.task != cls.task:
            raise ArtifactError(
                explain(
                    where,
                    f"the model must be of the job {cls.task!r}",
                    repr(manifest.task),
                    "Load it with cellstate.load, which finds the class",
                )
            )
        try:
            hints = typing.get_type_hints(cls.__init__)
            arguments = {
                name: from_plain(value, hints.get(name))
                for name, value in manifest.arguments.items()
            }
            estimator = cls(**arguments)
            estimator._restore(manifest, tensors)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as problem:
            raise ArtifactError(
                explain(
                    where,
                    "the model must be complete and consistent",
                    f"{type(problem).__name__}: {problem}",
                    "Fit and save it again, or restore the folder from a copy",
                )
            ) from problem
        return estimator

    def session(self, entity: str) -> Session:
        """Follow one entity, event by event, at a cost that does not grow with its past.

        Sessions of one model each hold their own copy of its networks; of a model folder,
        `cellstate.tasks.streams.load_stream` gives one that many may share, without torch.

        Parameters
        ----------
        entity : str
            Name of a patient, a sensor, a machine.

        Raises
        ------
        InputError
            The job does not read events; the message says why.
        NotFittedError
            `fit` was not called.
        """
        from cellstate.runtime.session import Session
        from cellstate.tasks.streams import stream_class

        kind = stream_class(self.task)
        self._require_fitted("session")
        return Session(kind.of(self), entity)

    def _require_fitted(self, method: str) -> None:
        if not self._is_fitted():
            name = type(self).__name__
            raise NotFittedError(
                explain(
                    f"{name}.{method}", "the estimator must be fitted", "an unfitted one",
                    "Call fit first, or load a model folder",
                )
            )  # fmt: skip


def to_plain(value: Any) -> Any:
    """Turn an argument into JSON-ready data: dataclasses to dictionaries, tuples to lists.

    Examples
    --------
    >>> to_plain((1, "a"))
    [1, 'a']
    """
    if isinstance(value, type):
        return value.__name__
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)  # of NumPy's scalars
    plain = value if item is None else item()
    return str(plain) if plain in (math.inf, -math.inf) else plain  # JSON has no infinity


def from_plain(value: Any, hint: Any) -> Any:
    """Undo `to_plain`, guided by the argument's annotation.

    Examples
    --------
    >>> from_plain([1, 2], tuple[int, ...]), from_plain("inf", float | None)
    ((1, 2), inf)
    """
    if value in ("inf", "-inf") and float in (hint, *typing.get_args(hint)):
        return float(value)
    if isinstance(value, dict):
        for kind in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(kind) and isinstance(kind, type):
                hints = typing.get_type_hints(kind)
                return kind(**{name: from_plain(v, hints[name]) for name, v in value.items()})
    if isinstance(value, list):
        wanted = (hint, *typing.get_args(hint))
        if any(kind is tuple or typing.get_origin(kind) is tuple for kind in wanted):
            return tuple(from_plain(item, None) for item in value)
    return value
