"""The network of a language model: tokens in, the odds of the next token out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, embedding

from cellstate import network
from cellstate.errors import InputError, explain
from cellstate.nn.lstm import LSTM
from cellstate.ops.checks import check_rate
from cellstate.ops.problem import LSTMState

State = dict[str, LSTMState]

EMBEDDING, OUTPUT = "embedding", "output"
DIVISOR = 4.0
"""How many times narrower each further cluster of an adaptive softmax is."""


class Hidden(NamedTuple):
    """What the memory says, before the odds.

    Attributes
    ----------
    raw : Tensor
        Output (T, B, H) of the last LSTM layer.
    dropped : Tensor
        The same after dropout, as the output layer takes it.
    state : dict of str to LSTMState
        State of each layer after the last step.
    """

    raw: Tensor
    dropped: Tensor
    state: State


class LanguageLoss(NamedTuple):
    """What a stretch of text costs.

    Attributes
    ----------
    nats : Tensor
        Mean cross-entropy of a token.
    total : Tensor
        That, and in training the regularisers: what is minimised.
    state : dict of str to LSTMState
    """

    nats: Tensor
    total: Tensor
    state: State


class LanguageNetwork(nn.Module):
    r"""An embedding, LSTM layers and an output layer, regularised as the AWD-LSTM is.

    Each layer is a module of its own, named as in `layers`, so that the state dict holds the
    tensors of a chain. With an adaptive softmax the network is no chain.

    In training the loss of a stretch is

    .. math:: \ell = -\overline{\log p(x_{t+1})} + \alpha\,\overline{\tilde h_t^2}
              + \beta\,\overline{(h_{t+1} - h_t)^2}

    with :math:`h` the output of the last layer and :math:`\tilde h` the same after dropout:
    activation regularisation and temporal activation regularisation.

    Parameters
    ----------
    vocabulary : int
        Tokens V that are told apart.
    embedding_size : int
        Features E of a token.
    hidden_size : int
        Units H of each LSTM layer; the last one has E units where `tie` is set.
    num_layers : int
        LSTM layers L on top of each other.
    tie : bool
        Use the embedding's weights for the output layer too.
    embedding_dropout : float
        Share of the vocabulary whose embeddings are zeroed in a call of training: whole words.
    input_dropout, hidden_dropout, output_dropout : float
        Share of features zeroed in training behind the embedding, between and behind the layers.
    weight_drop : float
        Share of the recurrent weights dropped in training, one mask for each call.
    locked : bool
        Draw one mask of features for all steps of a call (variational dropout) instead of one
        for each step.
    alpha, beta : float
        Weights of the two activation regularisers.
    forget_bias : float, optional
        The forget gates' bias at the start of training.
    cutoffs : sequence of int
        Ranks at which the clusters of an adaptive softmax begin; empty for a full softmax.
    ranks : sequence of int, optional
        The rank of each token by frequency, 0 for the most frequent one; by default their order.
        For an adaptive softmax.

    Raises
    ------
    InputError
        A size or share is out of range, the cutoffs do not rise, or weights are to be tied to an
        adaptive softmax.

    Examples
    --------
    >>> net = LanguageNetwork(11, embedding_size=4, hidden_size=8, num_layers=2)
    >>> tokens_TB = torch.arange(10).view(5, 2)
    >>> logits_TBV, state = net(tokens_TB)
    >>> logits_TBV.shape, list(state)
    (torch.Size([5, 2, 11]), ['memory_0', 'memory_1'])

    References
    ----------
    S. Merity, N. Keskar, R. Socher, "Regularizing and optimizing LSTM language models", ICLR 2018.

    E. Grave et al., "Efficient softmax approximation for GPUs", ICML 2017 (adaptive softmax).
    """

    ranks: Tensor

    def __init__(
        self,
        vocabulary: int,
        *,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        tie: bool = False,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        output_dropout: float = 0.0,
        weight_drop: float = 0.0,
        locked: bool = True,
        alpha: float = 0.0,
        beta: float = 0.0,
        forget_bias: float | None = None,
        cutoffs: Sequence[int] = (),
        ranks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        sizes = {"vocabulary": vocabulary, "embedding_size": embedding_size}
        _check_sizes(**sizes, hidden_size=hidden_size, num_layers=num_layers)
        self.vocabulary, self.tie, self.locked = vocabulary, tie, locked
        self.embedding_dropout = check_rate("LanguageNetwork", embedding_dropout)
        self.input_dropout = check_rate("LanguageNetwork", input_dropout)
        self.hidden_dropout = check_rate("LanguageNetwork", hidden_dropout)
        self.output_dropout = check_rate("LanguageNetwork", output_dropout)
        self.alpha, self.beta = alpha, beta
        self.embedding = nn.Embedding(vocabulary, embedding_size)
        widths = [hidden_size] * num_layers
        if tie:
            widths[-1] = embedding_size
        self._memories = tuple(f"memory_{k}" for k in range(num_layers))
        for name, before, width in zip(
            self._memories, [embedding_size, *widths], widths, strict=False
        ):
            layer = LSTM(before, width, weight_drop=weight_drop, forget_bias=forget_bias)
            self.add_module(name, layer)
        self.cutoffs = _checked_cutoffs(cutoffs, vocabulary, widths[-1], tie)
        self.output: nn.Linear | nn.AdaptiveLogSoftmaxWithLoss
        if self.cutoffs:
            self.output = nn.AdaptiveLogSoftmaxWithLoss(
                widths[-1], vocabulary, list(self.cutoffs), DIVISOR, head_bias=True
            )
            order = range(vocabulary) if ranks is None else ranks
            self.register_buffer("ranks", torch.tensor(list(order), dtype=torch.int64))
        else:
            self.output = nn.Linear(widths[-1], vocabulary)
        self._fill(widths[-1])

    def _fill(self, width: int) -> None:
        """Start with even odds; tied weights must suit both their uses."""
        if self.tie:
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            assert isinstance(self.output, nn.Linear)
            self.output.weight = self.embedding.weight
        if isinstance(self.output, nn.Linear):
            nn.init.zeros_(self.output.bias)

    @property
    def layers(self) -> tuple[network.Layer, ...]:
        """The network as a chain of layer descriptions.

        Raises
        ------
        InputError
            The softmax is adaptive.
        """
        if not isinstance(self.output, nn.Linear):
            raise InputError(
                explain(
                    "LanguageNetwork",
                    "a chain of layers needs a full softmax",
                    f"an adaptive one with cutoffs {self.cutoffs}",
                    "Build the network without cutoffs, or use it through torch",
                )
            )
        memories = (self._memory(name) for name in self._memories)
        return (
            network.Embedding(EMBEDDING, self.vocabulary, self.embedding.embedding_dim),
            *(
                network.LSTM(name, memory.input_size, memory.hidden_size)
                for name, memory in zip(self._memories, memories, strict=True)
            ),
            network.Linear(OUTPUT, self.output.in_features, self.vocabulary),
        )

    def hidden(self, tokens_TB: Tensor, state: Mapping[str, LSTMState] | None = None) -> Hidden:
        """Run the memory over a stretch of text.

        Parameters
        ----------
        tokens_TB : Tensor
            Integers (T, B).
        state : mapping of str to LSTMState, optional
            State of each layer by name, each (1, B, H); zero where it is missing.
        """
        return self.remembered(self.embedded(tokens_TB), state)

    def remembered(self, x_TBE: Tensor, state: Mapping[str, LSTMState] | None = None) -> Hidden:
        """Run the memory over embedded tokens (T, B, E), as `hidden` does."""
        given = state or {}
        after: State = {}
        raw = dropped = self._dropped(x_TBE, self.input_dropout)
        last = len(self._memories) - 1
        for k, name in enumerate(self._memories):
            raw, after[name] = self._memory(name)(dropped, given.get(name))
            dropped = self._dropped(raw, self.output_dropout if k == last else self.hidden_dropout)
        return Hidden(raw, dropped, after)

    def forward(
        self, tokens_TB: Tensor, state: Mapping[str, LSTMState] | None = None
    ) -> tuple[Tensor, State]:
        """Give the odds of every next token.

        Parameters
        ----------
        tokens_TB, state
            As for `hidden`.

        Returns
        -------
        logits_TBV : Tensor
            Log odds up to a constant; log probabilities where the softmax is adaptive.
        state : dict of str to LSTMState
            State after the last step.
        """
        said = self.hidden(tokens_TB, state)
        return self.log_odds(said.dropped), said.state

    def log_odds(self, hidden_TBH: Tensor) -> Tensor:
        """Give the odds of every token from the memory's output, as `forward` does."""
        if isinstance(self.output, nn.Linear):
            return self.output(hidden_TBH)
        flat = self.output.log_prob(hidden_TBH.flatten(0, -2))
        return flat[:, self.ranks].view(*hidden_TBH.shape[:-1], self.vocabulary)

    def loss(
        self,
        tokens_TB: Tensor,
        targets_TB: Tensor,
        state: Mapping[str, LSTMState] | None = None,
    ) -> LanguageLoss:
        """Compare the odds with the tokens that came next.

        Parameters
        ----------
        tokens_TB, targets_TB : Tensor
            Integers (T, B); a target is the token after the one at its place.
        state : mapping of str to LSTMState, optional
            As for `hidden`.
        """
        said = self.hidden(tokens_TB, state)
        wanted = targets_TB.flatten()
        flat = said.dropped.flatten(0, 1)
        if isinstance(self.output, nn.Linear):
            nats = cross_entropy(self.output(flat).float(), wanted)
        else:
            nats = -self.output(flat, self.ranks[wanted]).output.mean()
        total = nats
        if self.training and self.alpha:
            total = total + self.alpha * said.dropped.square().mean()
        if self.training and self.beta and len(tokens_TB) > 1:
            total = total + self.beta * said.raw.diff(dim=0).square().mean()
        return LanguageLoss(nats, total, said.state)

    def tensors(self) -> dict[str, np.ndarray]:
        """Copy the parameters out by their names; tied weights come under both of theirs."""
        return {
            name: np.array(value.detach().cpu().numpy(), order="C")
            for name, value in self.state_dict().items()
        }

    def _memory(self, name: str) -> LSTM:
        module = self.get_submodule(name)
        assert isinstance(module, LSTM)
        return module

    def embedded(self, tokens_TB: Tensor) -> Tensor:
        """Embed tokens of any shape, in training without those that embedding dropout hits."""
        x_TBE = embedding(tokens_TB, self.embedding.weight)
        if not (self.training and self.embedding_dropout):
            return x_TBE
        words = dropout(x_TBE.new_ones(self.vocabulary), self.embedding_dropout)
        return x_TBE * words[tokens_TB].unsqueeze(-1)

    def _dropped(self, x_TBF: Tensor, share: float) -> Tensor:
        if not (self.training and share):
            return x_TBF
        if not self.locked:
            return dropout(x_TBF, share)
        return x_TBF * dropout(x_TBF.new_ones(x_TBF.shape[1:]), share)


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        if isinstance(value, bool) or value < 1:
            must = f"{name} must be a whole number of at least 1"
            raise InputError(explain("LanguageNetwork", must, repr(value), "Give 1 or more"))


def _checked_cutoffs(
    cutoffs: Sequence[int], vocabulary: int, width: int, tie: bool
) -> tuple[int, ...]:
    given = tuple(int(cutoff) for cutoff in cutoffs)
    if given and tie:
        must = "an adaptive softmax has narrower weights for rare tokens, which cannot be tied"
        do = "Build the network with tie=False, or without cutoffs"
        raise InputError(explain("LanguageNetwork", must, "tie=True with cutoffs", do))
    if list(given) != sorted(set(given)) or (given and not 0 < given[0] <= given[-1] < vocabulary):
        must = f"cutoffs must rise from above 0 to below the vocabulary's {vocabulary}"
        raise InputError(explain("LanguageNetwork", must, str(given), "For example (2000, 10000)"))
    if width < DIVISOR ** len(given):
        must = f"a memory of {width} units has too few for {len(given)} narrowing clusters"
        raise InputError(explain("LanguageNetwork", must, str(given), "Give fewer cutoffs"))
    return given
