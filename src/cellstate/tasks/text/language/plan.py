"""What network a language model gets and how it is trained, decided from the text's size."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cellstate.errors import InputError, explain
from cellstate.tasks.arguments import check_choice, check_whole

if TYPE_CHECKING:
    import numpy as np

    from cellstate.nn.language import LanguageNetwork

FINE = ("char", "byte")
"""Kinds of tokens of which there are few: each is seen often, and needs few features."""
FINE_SIZES = {"small": (32, 192, 1), "medium": (64, 512, 1), "large": (64, 768, 2)}
COARSE_SIZES = {"small": (128, 192, 1), "medium": (256, 512, 2), "large": (400, 1152, 3)}
"""Features of a token, units and layers."""
LARGE = 20_000
"""Tokens of a vocabulary from which the softmax is adaptive by default."""
CUTOFFS = (2_000, 10_000)
MANY = 20_000_000
"""Characters or bytes from which a text is read too seldom to be learned by heart."""

FEWEST_STEPS, MOST_STREAMS = 100, 32
"""Fewest calls of an epoch that parallel streams should leave, and most streams."""
UPDATES = {"small": 3000, "medium": 7000, "large": 15_000}
FEWEST_EPOCHS, MOST_EPOCHS = 3, 40


def _require(name: str, value: Any, must: str, *, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value < most):
        do = "Use 0 for none"
        raise InputError(explain("Regularization", f"{name} must be {must}", repr(value), do))


@dataclass(frozen=True)
class Regularization:
    """What keeps a language model from learning its text by heart; None leaves it to the job.

    Shares are in 0 … 1.

    Parameters
    ----------
    embedding_dropout : float, optional
        Share of the vocabulary dropped in each call, whole words.
    input_dropout : float, optional
        Share of features dropped behind the embedding.
    hidden_dropout : float, optional
        Share dropped between the layers.
    output_dropout : float, optional
        Share dropped behind the last layer.
    weight_drop : float, optional
        Share of recurrent weights dropped in each call.
    locked : bool, optional
        Drop the same features at every step of a call (variational dropout).
    alpha : float, optional
        Weight of the activations' mean square in the loss.
    beta : float, optional
        Weight of the mean square of their changes from step to step.
    """

    embedding_dropout: float | None = None
    input_dropout: float | None = None
    hidden_dropout: float | None = None
    output_dropout: float | None = None
    weight_drop: float | None = None
    locked: bool | None = None
    alpha: float | None = None
    beta: float | None = None

    def __post_init__(self) -> None:
        for name in ("embedding_dropout", "input_dropout", "hidden_dropout", "output_dropout",
                     "weight_drop"):  # fmt: skip
            _require(name, getattr(self, name), "a number of at least 0 and below 1", most=1.0)
        for name in ("alpha", "beta"):
            _require(name, getattr(self, name), "a number of at least 0", most=float("inf"))

    def filled(self, default: Regularization) -> Regularization:
        """Take `default` wherever this says None.

        Examples
        --------
        >>> Regularization(weight_drop=0.2).filled(AWD).weight_drop
        0.2
        """
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(default, **said)


NONE = Regularization(0.0, 0.0, 0.0, 0.0, 0.0, locked=False, alpha=0.0, beta=0.0)
# Merity et al. 2018, section 5, for words; their weight drop and embedding dropout included.
AWD = Regularization(0.1, 0.4, 0.25, 0.4, 0.5, locked=True, alpha=2.0, beta=1.0)


@dataclass(frozen=True)
class LanguagePlan:
    """The network, apart from its weights.

    Attributes
    ----------
    vocabulary, embedding_size, hidden_size, num_layers : int
    tie : bool
    cutoffs : tuple of int
        Of the adaptive softmax, empty for a full one.
    """

    vocabulary: int
    embedding_size: int
    hidden_size: int
    num_layers: int
    tie: bool
    cutoffs: tuple[int, ...]

    def build(
        self, regularization: Regularization | None = None, ranks: np.ndarray | None = None
    ) -> LanguageNetwork:
        """Make the network; without regularisation it is for use alone."""
        from cellstate.nn.language import LanguageNetwork

        options = asdict((regularization or NONE).filled(NONE))
        order = None if ranks is None else [int(rank) for rank in ranks]
        return LanguageNetwork(
            **asdict(self), **options, ranks=order if self.cutoffs else None, forget_bias=1.0
        )

    @property
    def width(self) -> int:
        """Units of the last layer."""
        return self.embedding_size if self.tie else self.hidden_size


def make_plan(
    *,
    vocabulary: int,
    kind: str,
    size: str,
    hidden: int | None,
    layers: int | None,
    tie: bool | None,
    softmax: str,
) -> LanguagePlan:
    """Choose the network; arguments that are not None win over the size.

    Raises
    ------
    InputError
        A choice is unknown, out of range, or does not go with another.

    Examples
    --------
    >>> chosen = {"hidden": None, "layers": None, "tie": None, "softmax": "auto"}
    >>> make_plan(vocabulary=65, kind="char", size="medium", **chosen).hidden_size
    512
    >>> make_plan(vocabulary=50_000, kind="word", size="small", **chosen).cutoffs
    (2000, 10000)
    """
    where = "LanguageModel"
    sizes = FINE_SIZES if kind in FINE else COARSE_SIZES
    check_choice(where, "size", size, sizes)
    check_choice(where, "softmax", softmax, ("auto", "full", "adaptive"))
    for name, value in (("hidden", hidden), ("layers", layers)):
        if value is not None:
            check_whole(where, name, value)
    embedding, units, stacked = sizes[size]
    cutoffs: tuple[int, ...] = ()
    if softmax == "adaptive" or (softmax == "auto" and vocabulary >= LARGE and not tie):
        cutoffs = tuple(cut for cut in CUTOFFS if cut < vocabulary) or (vocabulary // 2,)
    if cutoffs and tie:
        must = "an adaptive softmax has narrower weights for rare tokens, which cannot be tied"
        do = "Leave tie out, or take softmax='full'"
        raise InputError(explain(where, must, "tie=True with softmax='adaptive'", do))
    tied = (kind not in FINE and not cutoffs) if tie is None else bool(tie)
    return LanguagePlan(vocabulary, embedding, hidden or units, layers or stacked, tied, cutoffs)


def default_regularization(kind: str, size: str, tokens: int) -> Regularization:
    """Choose how hard the network is kept from learning the text by heart.

    Most words are rare in most texts, hence the whole recipe of AWD-LSTM for them. Characters are
    seen often; what they need grows with the network and with how often the text is read.
    """
    if kind not in FINE:
        return AWD
    if tokens >= MANY or size == "small":
        return replace(NONE, hidden_dropout=0.1, output_dropout=0.1)
    return replace(NONE, hidden_dropout=0.3, output_dropout=0.4, weight_drop=0.1)


def training_defaults(tokens: int, context: int, kind: str, size: str) -> dict[str, Any]:
    """Choose streams, epochs, rate and averaging for a number of training tokens.

    Examples
    --------
    >>> training_defaults(1_000_000, 64, "char", "medium")["batch_size"]
    32
    >>> training_defaults(300, 64, "char", "medium")["batch_size"]
    1
    """
    streams = max(1, min(MOST_STREAMS, tokens // (FEWEST_STEPS * context)))
    per_epoch = max(1, tokens // (streams * context))
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(UPDATES[size] / per_epoch)))
    steps = epochs * per_epoch
    rate = {"small": 6e-3, "medium": 4e-3, "large": 2e-3}[size]
    return {
        "batch_size": streams,
        "epochs": epochs,
        "learning_rate": rate if kind in FINE else rate / 2,
        "schedule": "one_cycle",
        "weight_decay": 1e-2,
        "clip_norm": 1.0,
        # The average looks back over a twentieth of the run.
        "average": min(0.998, max(0.9, 1.0 - 20.0 / steps)),
        "patience": 0,
    }
