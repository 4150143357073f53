"""The baseline of language models: counts of short sequences, smoothed after Kneser and Ney."""

from __future__ import annotations

import numpy as np

MOST_DISCOUNTS = 3  # for counts of one, two, and three or more


class NGrams:
    r"""Interpolated Kneser–Ney with modified discounts, of the token and the n − 1 before it.

    .. math:: p_k(w \mid h) = \frac{\max(c(hw) - D(c), 0)}{c(h\,\cdot)}
              + \lambda(h)\,p_{k-1}(w \mid h'), \qquad p_0 = 1/V

    where below the highest order :math:`c(hw)` counts the different tokens that precede
    :math:`hw` instead of its occurrences, and :math:`\lambda(h)` is the mass that discounting
    freed.

    Parameters
    ----------
    tokens : np.ndarray
        (N,) token numbers below `vocabulary`.
    order : int
        n, at least 1.
    vocabulary : int
        Tokens V that are told apart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> text = np.tile([1, 2, 3], 50)
    >>> model = NGrams(text, order=3, vocabulary=4)
    >>> bool(np.exp(model.log_probabilities(text[:30]))[3:].min() > 0.95)
    True

    References
    ----------
    S. Chen, J. Goodman, "An empirical study of smoothing techniques for language modeling",
    Computer Speech & Language 13, 1999.
    """

    def __init__(self, tokens: np.ndarray, *, order: int, vocabulary: int) -> None:
        tokens = np.asarray(tokens, dtype=np.int64)
        self.order, self.vocabulary = order, vocabulary
        self._levels: list[_Level] = []
        keys: list[np.ndarray] = []  # of each order, one for each distinct sequence
        counts: list[np.ndarray] = []
        last: list[np.ndarray] = []  # the number of each sequence without its first token
        # Sequences of k tokens ending at each place are numbered from those of k - 1.
        ends = np.zeros(len(tokens), dtype=np.int64)
        for k in range(1, order + 1):
            if len(tokens) < k:
                break
            before, shorter = (ends[:-1], ends[1:]) if k > 1 else (ends, ends)
            found, first, ends, count = np.unique(
                before * vocabulary + tokens[k - 1 :],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            keys.append(found)
            counts.append(count)
            last.append(shorter[first])
        for k in range(len(keys)):
            count = counts[k]
            if k + 1 < len(keys):
                # How many different tokens precede it; the text's first sequence has none.
                count = np.bincount(last[k + 1], minlength=len(count))
            self._levels.append(_Level(keys[k], count, vocabulary))

    def log_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Give log p of each token of a text after those before it: (N,) float64, nats."""
        tokens = np.asarray(tokens, dtype=np.int64)
        p = np.full(len(tokens), 1.0 / self.vocabulary)
        ends = np.zeros(len(tokens), dtype=np.int64)  # numbers of the contexts, -1 if unseen
        for k, level in enumerate(self._levels):
            # The sequence that ends one place before; of no tokens at all there is but one.
            context = np.concatenate([[-1], ends[:-1]]) if k else ends
            numbers = level.find(context, tokens)
            p = level.interpolated(context, numbers, p)
            ends = numbers
        return np.log(p)


class _Level:
    """Sequences of one length: where each is found, its count, and what its context gives away."""

    def __init__(self, keys: np.ndarray, counts: np.ndarray, vocabulary: int) -> None:
        self.keys, self.vocabulary = keys, vocabulary
        contexts = keys // vocabulary
        number = int(contexts.max()) + 1 if len(keys) else 0
        discounts = _discounts(counts)
        taken = np.minimum(discounts[np.minimum(counts, MOST_DISCOUNTS)], counts)
        self.kept = counts - taken
        self.total = np.bincount(contexts, weights=counts, minlength=number)
        self.freed = np.bincount(contexts, weights=taken, minlength=number)

    def find(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Give the number of each sequence, -1 for one that was never seen."""
        wanted = contexts * self.vocabulary + tokens
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((contexts >= 0) & (self.keys[place] == wanted), place, -1)

    def interpolated(
        self, contexts: np.ndarray, numbers: np.ndarray, lower: np.ndarray
    ) -> np.ndarray:
        """Mix what this length says with what the shorter ones said."""
        inside = (contexts >= 0) & (contexts < len(self.total))
        at = np.where(inside, contexts, 0)
        total = np.where(inside, self.total[at], 0.0)
        known = total > 0
        safe = np.where(known, total, 1.0)
        kept = np.where(numbers >= 0, self.kept[np.maximum(numbers, 0)], 0.0)
        return np.where(known, (kept + self.freed[at] * lower) / safe, lower)


def _discounts(counts: np.ndarray) -> np.ndarray:
    """Estimate what to take from counts of 0, 1, 2, and 3 or more; half where too few are seen."""
    n1, n2, n3, n4 = (int((counts == k).sum()) for k in (1, 2, 3, 4))
    if not n1 or not n2 or not n3:
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    given = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.array([0.0, *np.clip(given, 0.1, [0.95, 1.9, 2.85])])
