"""What the constructor of an LSTM layer accepts."""

from __future__ import annotations

import math
from typing import cast

from cellstate.errors import ArgumentTypeError, InputError, explain
from cellstate.nn.initial import ForgetBias
from cellstate.ops.variant import DroppedAt, Variant, check_variant


def check_sizes(
    input_size: int, hidden_size: int, num_layers: int, proj_size: int, where: str = "LSTM"
) -> None:
    """Require sizes that make a layer."""
    sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
    for name, size in (sizes | {"proj_size": proj_size}).items():
        if not isinstance(size, int) or isinstance(size, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentTypeError(
                explain(
                    where,
                    f"{name} must be an integer",
                    f"{size!r} of type {type(size).__name__}",
                    "Convert it with int()",
                )
            )
    for name, size in sizes.items():
        if size <= 0:
            raise InputError(
                explain(where, f"{name} must be greater than zero", str(size), "Use at least 1")
            )
    if not 0 <= proj_size < hidden_size:
        raise InputError(
            explain(
                where,
                f"proj_size must be smaller than hidden_size={hidden_size}, or 0 for none",
                str(proj_size),
                "A projection makes the output smaller; to make it larger, add a linear layer",
            )
        )


def check_flags(where: str = "LSTM", /, **flags: object) -> None:
    """Require booleans, where a number given by position would go unnoticed."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ArgumentTypeError(
                explain(
                    where,
                    f"{name} must be True or False",
                    repr(value),
                    f"Check the order of the arguments, or write {name}=…",
                )
            )


def check_forget_bias(forget_bias: object, chrono_max_steps: object, *, bias: bool) -> ForgetBias:
    """Require a number, or ``"chrono"`` with its longest dependency.

    Raises
    ------
    InputError, ArgumentTypeError
        It is neither, the layer has no bias, or only one of the two arguments for chrono is given.
    """
    if forget_bias is not None and not bias:
        raise InputError(
            explain(
                "LSTM",
                "forget_bias needs a layer with a bias",
                f"bias=False and forget_bias={forget_bias!r}",
                "Build the layer with bias=True or leave forget_bias out",
            )
        )
    if (forget_bias == "chrono") != (chrono_max_steps is not None):
        raise InputError(
            explain(
                "LSTM",
                "forget_bias='chrono' and chrono_max_steps must be given together",
                f"forget_bias={forget_bias!r} and chrono_max_steps={chrono_max_steps!r}",
                "Set chrono_max_steps to the longest dependency to bridge, in steps",
            )
        )
    if forget_bias == "chrono":
        if not isinstance(chrono_max_steps, int) or chrono_max_steps < 2:
            raise InputError(
                explain(
                    "LSTM",
                    "chrono_max_steps must be an integer of at least 2",
                    repr(chrono_max_steps),
                    "Set it to the longest dependency to bridge, in steps",
                )
            )
        return "chrono"
    number = isinstance(forget_bias, int | float) and not isinstance(forget_bias, bool)
    if forget_bias is not None and not (number and math.isfinite(cast("float", forget_bias))):
        raise ArgumentTypeError(
            explain(
                "LSTM",
                "forget_bias must be a finite number, 'chrono' or None",
                repr(forget_bias),
                "Use 1.0 to remember from the start",
            )
        )
    return cast("ForgetBias", forget_bias)


def make_variant(
    *,
    peephole: bool,
    coupled: bool,
    layer_norm: bool,
    hard_sigmoid: bool,
    cell_clip: float | None,
    recurrent_dropout: float,
    recurrent_dropout_at: DroppedAt,
    zoneout: float | tuple[float, float],
) -> Variant:
    """Describe the cells that a layer is asked for.

    Raises
    ------
    InputError, ArgumentTypeError
        An argument is out of range or of the wrong type.
    """
    check_flags(
        peephole=peephole, coupled=coupled, layer_norm=layer_norm, hard_sigmoid=hard_sigmoid
    )
    rates = zoneout if isinstance(zoneout, tuple) else (zoneout, zoneout)
    if len(rates) != 2:
        raise ArgumentTypeError(
            explain(
                "LSTM",
                "zoneout must be one share, or a pair for c and h",
                repr(zoneout),
                "Use zoneout=0.1, or zoneout=(0.5, 0.05)",
            )
        )
    variant = Variant(
        peephole,
        coupled,
        layer_norm,
        hard_sigmoid,
        cell_clip,
        recurrent_dropout,
        recurrent_dropout_at,
        *rates,
    )
    return check_variant("LSTM", variant)
