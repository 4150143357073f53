import pytest
import torch

from cellstate.errors import InputError, ShapeError
from cellstate.nn.attention import KINDS, Attention

B, T, S, Q, M = 3, 4, 5, 6, 7


def given(kind, features=M):
    torch.manual_seed(0)
    look = Attention(Q, features, kind=kind).double()
    query = torch.randn(B, T, Q, dtype=torch.float64)
    memory = torch.randn(B, S, features, dtype=torch.float64)
    mask = torch.arange(S) < torch.tensor([[5], [1], [3]])
    return look, query, memory, mask


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_context_are_those_of_the_equations(kind):
    look, query, memory, mask = given(kind, Q if kind == "dot" else M)
    context, weights = look(query, memory, look.keys(memory), mask)
    for b in range(B):
        steps = int(mask[b].sum())
        for t in range(T):
            scores = []
            for s in range(steps):
                if kind == "dot":
                    scores.append(query[b, t] @ memory[b, s])
                elif kind == "general":
                    scores.append(query[b, t] @ (look.of_memory.weight @ memory[b, s]))
                else:
                    inner = look.of_memory.weight @ memory[b, s] + look.of_query(query[b, t])
                    scores.append(look.score.weight[0] @ inner.tanh())
            expected = torch.stack(scores).exp()
            expected = expected / expected.sum()
            torch.testing.assert_close(weights[b, t, :steps], expected)
            torch.testing.assert_close(context[b, t], expected @ memory[b, :steps])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_masked_has_no_weight_and_no_influence(kind):
    look, query, memory, mask = given(kind, Q if kind == "dot" else M)
    context, weights = look(query, memory, look.keys(memory), mask)
    assert bool((weights[~mask[:, None].expand_as(weights)] == 0).all())
    changed = torch.where(mask[..., None], memory, 99.0)
    again, _ = look(query, changed, look.keys(changed), mask)
    assert torch.equal(context, again)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind):
    look, query, memory, mask = given(kind, Q if kind == "dot" else M)
    query.requires_grad_()
    memory.requires_grad_()

    def run(query, memory):
        return look(query, memory, look.keys(memory), mask)[0]

    assert torch.autograd.gradcheck(run, (query, memory))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Attention(4, 4, kind="doc"), InputError, "got 'doc'. Did you mean 'dot'"),
        (lambda: Attention(4, 5, kind="dot"), InputError, "of the memory's 5 features; got 4"),
        (lambda: Attention(4, 5, units=3), InputError, "units must be at least 1, and belongs"),
        (lambda: Attention(4, 5, kind="additive", units=0), InputError, "got units=0"),
        (
            lambda: Attention(4, 5)(torch.ones(2, 1, 4), torch.ones(3, 2, 5), torch.ones(3, 2, 4)),
            ShapeError,
            "queries must be .batch=3, time, 4.; got .2, 1, 4.",
        ),
    ],
)
def test_bad_calls_are_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()
