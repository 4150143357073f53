"""Parts of a model that learn at their own pace: slower, or only later in the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from cellstate.errors import InputError, explain


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a factor of the learning rate and a time at which they thaw.

    Falling factors from the head down to the embedding are the discriminative rates, rising times
    the gradual unfreezing of J. Howard and S. Ruder, "Universal language model fine-tuning for text
    classification", ACL 2018.

    Parameters
    ----------
    prefixes : tuple of str
        Where the parameters' names begin, as whole parts between dots: ``"encoder"`` takes
        ``"encoder.weight"`` but not ``"encoders.weight"``.
    rate_factor : float
        What the learning rate is multiplied by, above 0.
    frozen_share : float
        Share of the run, in [0, 1), before which the parameters stay as they are; no gradient is
        computed for them until then.

    Raises
    ------
    InputError
        A value is out of range.

    Examples
    --------
    >>> ParameterGroup(("encoder",), rate_factor=0.4, frozen_share=0.2).holds("encoder.weight")
    True
    """

    prefixes: tuple[str, ...]
    rate_factor: float = 1.0
    frozen_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate_factor < float("inf"):
            _refuse("rate_factor must be above 0", self.rate_factor, "Freeze with frozen_share")
        if not 0.0 <= self.frozen_share < 1.0:
            must = "frozen_share must be in [0, 1)"
            _refuse(must, self.frozen_share, "Set requires_grad to False to freeze for good")

    def holds(self, name: str) -> bool:
        """Whether a parameter of this name belongs to the group."""
        return any(name == part or name.startswith(f"{part}.") for part in self.prefixes)


REST = ParameterGroup(())
"""Parameters that no group names: at the full rate from the first step."""


def divided(
    model: nn.Module, groups: Sequence[ParameterGroup]
) -> list[tuple[ParameterGroup, list[nn.Parameter]]]:
    """Give each group its trainable parameters, and the rest last; the first group that fits wins.

    Raises
    ------
    InputError
        A group names no parameter, or nothing would be trained at the first step.

    Examples
    --------
    >>> model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    >>> slow = ParameterGroup(("encoder",), rate_factor=0.1)
    >>> [(group.rate_factor, len(parameters)) for group, parameters in divided(model, [slow])]
    [(0.1, 2), (1.0, 2)]
    """
    parts: list[tuple[ParameterGroup, list[nn.Parameter]]] = [(g, []) for g in (*groups, REST)]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            place = next((k for k, group in enumerate(groups) if group.holds(name)), len(groups))
            parts[place][1].append(parameter)
    for group, parameters in parts[:-1]:
        if not parameters:
            tops = sorted({name.split(".")[0] for name, _ in model.named_parameters()})
            do = f"The model's parts are {', '.join(tops)}"
            _refuse("a group must name trainable parameters", group.prefixes, do)
    parts = [part for part in parts if part[1]]
    if parts and all(group.frozen_share > 0.0 for group, _ in parts):
        shares = tuple(group.frozen_share for group, _ in parts)
        do = "Leave one group at frozen_share=0"
        _refuse("some parameters must learn from the first step", shares, do)
    return parts


def thaw(parts: Sequence[tuple[ParameterGroup, list[nn.Parameter]]], done: float) -> None:
    """Let those parameters learn whose time has come after the share `done` of the run."""
    for group, parameters in parts:
        if group.frozen_share > 0.0:
            for parameter in parameters:
                parameter.requires_grad_(done >= group.frozen_share)


def _refuse(must: str, given: object, do: str) -> None:
    raise InputError(explain("ParameterGroup", must, repr(given), do))
