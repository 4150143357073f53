r"""How a cell may depart from the plain one; each departure is one field, and they combine.

With a the gates before activation (W [x, h] + b), c and h the state before the step, c' and h'
after it, m masks of zeros and ones:

.. math::

    a_i &\leftarrow a_i + w_{ci} c, \quad a_f \leftarrow a_f + w_{cf} c, \quad
        a_o \leftarrow a_o + w_{co} c'  & \text{peephole [1]_}          \tag{7} \\
    i &= 1 - f                          & \text{coupled [2]_}           \tag{8} \\
    a &= \alpha_h N(W_h h) + \alpha_x N(W_x x) + b, \quad
        h' = o \tanh(\alpha_c N(c') + \beta_c) & \text{layer norm [3]_} \tag{9} \\
    \sigma(a) &= \min(\max(a / 6 + 1/2, 0), 1) & \text{hard sigmoid [4]_} \tag{10} \\
    c' &= \min(\max(f c + i g, -k), k)  & \text{cell clip [5]_}         \tag{11} \\
    h &\leftarrow m h / (1 - p) \text{ in } W_h h & \text{dropout, hidden [6]_} \tag{12} \\
    g &\leftarrow m g / (1 - p) \text{ in } (5) & \text{dropout, candidate [7]_} \tag{13} \\
    c' &\leftarrow m c + (1 - m) c', \quad h' \leftarrow m h + (1 - m) h'
                                        & \text{zoneout [8]_}           \tag{14}

with :math:`N(v) = (v - \bar v) / \sqrt{\overline{(v - \bar v)^2} + \epsilon}` over all 4H (or 3H)
sums and over all H cells. A mask of (12) and (13) holds for the whole sequence; those of (14) are
drawn at each step, and where nothing is drawn, in evaluation, m is its expectation. h' in (14)
comes from c' of (5), which zoneout has not touched.

.. [1] Gers, Schmidhuber: Recurrent nets that time and count. IJCNN 2000.
.. [2] Greff et al.: LSTM: a search space odyssey. IEEE TNNLS 28(10), 2017.
.. [3] Ba, Kiros, Hinton: Layer normalization. arXiv:1607.06450, 2016, equations 20 to 22.
.. [4] Courbariaux, Bengio, David: BinaryConnect. NeurIPS 2015, with the slope of torch's own.
.. [5] Sak, Senior, Beaufays: Long short-term memory based recurrent neural network architectures
   for large vocabulary speech recognition. arXiv:1402.1128, 2014.
.. [6] Gal, Ghahramani: A theoretically grounded application of dropout in recurrent neural
   networks. NeurIPS 2016.
.. [7] Semeniuta, Severyn, Barth: Recurrent dropout without memory loss. COLING 2016.
.. [8] Krueger et al.: Zoneout: regularizing RNNs by randomly preserving hidden activations.
   ICLR 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from cellstate.errors import InputError, did_you_mean, explain

DroppedAt = Literal["hidden", "candidate"]


@dataclass(frozen=True, slots=True)
class Variant:
    """Which departures a cell makes, in the equations of this module's head.

    Parameters
    ----------
    peephole : bool
        Gates see the cell state, each unit its own (7).
    coupled : bool
        The input gate is what the forget gate leaves (8); weights then stack f, g, o alone.
    layer_norm : bool
        Sums and cell states are normalised (9).
    hard_sigmoid : bool
        Gates are piecewise linear (10).
    cell_clip : float, optional
        Largest absolute value k of a cell state (11).
    recurrent_dropout : float
        Share p of the recurrent connection that is dropped in training, in 0 … 1.
    dropped_at : {"hidden", "candidate"}
        Where: of h as the gates see it (12), or of the candidate g (13).
    zoneout_c, zoneout_h : float
        Share of cells and outputs that keep their value in a step, in 0 … 1 (14).
    """

    peephole: bool = False
    coupled: bool = False
    layer_norm: bool = False
    hard_sigmoid: bool = False
    cell_clip: float | None = None
    recurrent_dropout: float = 0.0
    dropped_at: DroppedAt = "hidden"
    zoneout_c: float = 0.0
    zoneout_h: float = 0.0

    @property
    def gates(self) -> int:
        """How many gates have weights."""
        return 3 if self.coupled else 4

    @property
    def peepholes(self) -> int:
        """How many gates look at the cell state."""
        return 0 if not self.peephole else 2 if self.coupled else 3

    @property
    def draws(self) -> bool:
        """Whether training draws masks."""
        return bool(self.recurrent_dropout or self.zoneout_c or self.zoneout_h)

    def __str__(self) -> str:
        values = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        return ", ".join(f"{name}={value!r}" for name, value, default in values if value != default)


PLAIN = Variant()


def check_variant(where: str, variant: Variant) -> Variant:
    """Require shares in 0 … 1, a positive bound and a known place.

    Raises
    ------
    InputError
        A field is out of range.

    Examples
    --------
    >>> check_variant("lstm", Variant(zoneout_c=0.1)).gates
    4
    >>> check_variant("lstm", Variant(cell_clip=-1.0))
    Traceback (most recent call last):
        ...
    cellstate.errors.InputError: lstm: cell_clip must be greater than zero, or None; got -1.0. ...
    """
    for name in ("recurrent_dropout", "zoneout_c", "zoneout_h"):
        check_share(where, name, getattr(variant, name))
    clip = variant.cell_clip
    number = isinstance(clip, int | float) and not isinstance(clip, bool)
    if clip is not None and not (number and 0 < clip < float("inf")):
        do = "Use a bound such as 10.0, or leave it out"
        must = "cell_clip must be greater than zero, or None"
        raise InputError(explain(where, must, repr(clip), do))
    places = ("hidden", "candidate")
    if variant.dropped_at not in places:
        must = "the place of recurrent dropout must be 'hidden' or 'candidate'"
        do = did_you_mean(str(variant.dropped_at), places)
        raise InputError(explain(where, must, repr(variant.dropped_at), do))
    return variant


def check_share(where: str, name: str, rate: object) -> float:
    """Require a share in 0 … 1 that leaves something."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
        do = "Use the share that is to be left out, such as 0.1, or 0 for none"
        raise InputError(explain(where, f"{name} must be in 0 … 1, 1 excluded", repr(rate), do))
    return float(rate)
