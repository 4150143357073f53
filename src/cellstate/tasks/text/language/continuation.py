"""Where a generation stands, as a file: the memory, what was written, the odds of what is next."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellstate import artifact
from cellstate.errors import ArtifactError, InputError, explain
from cellstate.tasks.text.language.reader import State

FORMAT = "cellstate-continuation-1"
REMEMBERED = 4096
"""Tokens that penalties and repeated sequences are judged by."""


@dataclass(frozen=True)
class Continuation:
    """All that the next token depends on, apart from the model.

    Attributes
    ----------
    model : str
        The digest of the model's weights.
    state : dict
        By layer: h and c, each (1, 1, H).
    log_p : np.ndarray
        (V,) log probabilities of the next token.
    history : tuple of int
        The last tokens read and written.
    """

    model: str
    state: State
    log_p: np.ndarray
    history: tuple[int, ...]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as one safetensors file, all of it or nothing.

        Raises
        ------
        ArtifactError
            The file cannot be written.
        """
        from safetensors.numpy import save

        tensors = {"log_p": self.log_p, "history": np.array(self.history, dtype=np.int64)}
        for name, (h, c) in self.state.items():
            tensors |= {f"{name}.h": np.ascontiguousarray(h), f"{name}.c": np.ascontiguousarray(c)}
        header = {"format": FORMAT, "model": self.model, "layers": json.dumps(list(self.state))}
        try:
            artifact.write_file(Path(path), save(tensors, metadata=header))
        except OSError as problem:
            must, do = "the state's file must be writable", "Choose another place"
            reason = problem.strerror or str(problem)
            raise ArtifactError(explain(str(path), must, reason, do)) from problem

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Continuation:
        """Read a file that `save` wrote.

        Raises
        ------
        ArtifactError
            It is missing, damaged or something else.
        """
        from safetensors import SafetensorError, safe_open

        where = str(path)
        if not Path(path).is_file():
            do = "Write one with --save-state, or check the path"
            raise ArtifactError(explain(where, "the state must be a file", "no file there", do))
        opened: Any = safe_open
        try:
            with opened(where, framework="np") as file:
                header = file.metadata() or {}
                if header.get("format") != FORMAT:
                    raise ValueError(f"the form {header.get('format')!r}")
                layers = json.loads(header["layers"])
                state = {n: (file.get_tensor(f"{n}.h"), file.get_tensor(f"{n}.c")) for n in layers}
                history = tuple(int(token) for token in file.get_tensor("history"))
                return cls(header["model"], state, file.get_tensor("log_p"), history)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as problem:
            must = f"the state must be a file of the form {FORMAT}"
            do = "Write it again with --save-state"
            raise ArtifactError(explain(where, must, str(problem), do)) from problem

    def check_model(self, where: str, digest: str) -> None:
        """Refuse a state of another model.

        Raises
        ------
        InputError
            The model's weights are others.
        """
        if self.model != digest:
            must = "the state must come from the model that goes on from it"
            do = "Load the model that wrote it, or begin from a prompt"
            raise InputError(explain(where, must, "one of another model", do))
