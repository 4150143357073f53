"""The network of a language model: its chain, its state, its losses and its dropout."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellstate import runtime
from cellstate.errors import InputError
from cellstate.nn import Chain
from cellstate.nn.language import LanguageNetwork

SIZES = {"embedding_size": 6, "hidden_size": 16, "num_layers": 2}


def make(vocabulary: int = 13, *, seed: int = 0, **options) -> LanguageNetwork:
    torch.manual_seed(seed)
    return LanguageNetwork(vocabulary, **{**SIZES, **options})


def tokens(steps: int = 9, rows: int = 3, vocabulary: int = 13) -> torch.Tensor:
    return torch.randint(vocabulary, (steps, rows), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tie", [False, True])
def test_description_network_and_runtime_give_the_same_numbers(tie):
    net = make(tie=tie).eval()
    x_TB = tokens()
    with torch.no_grad():
        expected, state = net(x_TB)
    chain = Chain(net.layers)
    chain.load_tensors(net.tensors())
    with torch.no_grad():
        torch.testing.assert_close(chain.eval()(x_TB)[0], expected)
    said, after = runtime.Chain(net.layers, net.tensors()).sequence(x_TB.numpy())
    np.testing.assert_allclose(said, expected.numpy(), atol=2e-6)
    for name, (h, c) in state.items():
        np.testing.assert_allclose(after[name].h, h.numpy(), atol=2e-6)
        np.testing.assert_allclose(after[name].c, c.numpy(), atol=2e-6)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 5), max_size=5), cutoffs=st.sampled_from([(), (4, 8)]))
def test_any_split_with_carried_state_equals_one_call(cuts, cutoffs):
    net = make(cutoffs=cutoffs).eval()
    x_TB = tokens(17)
    with torch.no_grad():
        expected, final = net(x_TB)
        parts, state, start = [], None, 0
        for length in [*cuts, 17]:
            part = x_TB[start : start + length]
            if len(part):
                odds, state = net(part, state)
                parts.append(odds)
            start += length
    torch.testing.assert_close(torch.cat(parts), expected)
    torch.testing.assert_close(state["memory_1"].c, final["memory_1"].c)


def test_tied_weights_are_one_parameter_and_the_last_layer_has_their_width():
    net = make(tie=True)
    assert net.output.weight is net.embedding.weight
    assert net.layers[-2].hidden_size == SIZES["embedding_size"]
    assert len([n for n, _ in net.named_parameters() if "output" in n]) == 1  # the bias


def test_adaptive_softmax_is_a_distribution_in_the_order_of_tokens():
    ranks = torch.randperm(13, generator=torch.Generator().manual_seed(2)).tolist()
    net = make(cutoffs=(4, 8), ranks=ranks).eval()
    x_TB, y_TB = tokens(), tokens(vocabulary=5)
    with torch.no_grad():
        log_p, _ = net(x_TB)
        loss = net.loss(x_TB, y_TB)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(9, 3))
    picked = log_p.gather(-1, y_TB[..., None])
    torch.testing.assert_close(-picked.mean(), loss.nats)


def test_adaptive_softmax_says_that_it_is_no_chain():
    with pytest.raises(InputError, match=r"needs a full softmax; got an adaptive one .*\(4, 8\)"):
        _ = make(cutoffs=(4, 8)).layers


def test_fresh_network_is_about_as_unsure_as_a_uniform_guess():
    x_TB = tokens(40)
    for tie in (False, True):
        loss = make(tie=tie).eval().loss(x_TB[:-1], x_TB[1:])
        assert abs(float(loss.nats.detach()) - math.log(13)) < 0.2


def test_activation_regularisers_are_what_their_formula_says():
    x_TB, y_TB = tokens(), tokens()
    net = make(alpha=2.0, beta=1.5).train()
    said, loss = net.hidden(x_TB), net.loss(x_TB, y_TB)
    steps = said.raw[1:] - said.raw[:-1]
    extra = 2.0 * said.dropped.pow(2).mean() + 1.5 * steps.pow(2).mean()
    torch.testing.assert_close(loss.total - loss.nats, extra)
    assert net.loss(x_TB[:1], y_TB[:1]).total.isfinite()  # no step to the next one
    net.eval()
    quiet = net.loss(x_TB, y_TB)
    assert quiet.total is quiet.nats


def test_locked_dropout_holds_one_mask_over_time_and_the_other_draws_anew():
    for locked in (True, False):
        net = make(output_dropout=0.5, locked=locked).train()
        said = net.hidden(tokens(30))
        zero_TBH = said.dropped == 0
        same = bool((zero_TBH == zero_TBH[:1]).all())
        assert same == locked
        assert 0.2 < float(zero_TBH.float().mean()) < 0.8


def test_embedding_dropout_drops_whole_words_wherever_they_stand():
    net = make(embedding_dropout=0.5).train()
    x_TB = tokens(50)
    torch.manual_seed(5)
    seen: list[torch.Tensor] = []
    net.get_submodule("memory_0").register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    net.hidden(x_TB)
    dropped = (seen[0] == 0).all(-1)
    kinds = {int(word): set(dropped[x_TB == word].tolist()) for word in x_TB.unique()}
    assert all(len(kind) == 1 for kind in kinds.values())
    assert {True} in kinds.values()
    assert {False} in kinds.values()


def test_dropout_is_for_training_alone():
    rates = {f"{where}_dropout": 0.5 for where in ("embedding", "input", "hidden", "output")}
    net = make(**rates, weight_drop=0.5)
    x_TB = tokens()
    assert not torch.equal(net.train()(x_TB)[0], net(x_TB)[0])
    torch.testing.assert_close(net.eval()(x_TB)[0], make()(x_TB)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": 0}, "vocabulary must be a whole number of at least 1; got 0"),
        ({"num_layers": 0}, "num_layers must be a whole number of at least 1; got 0"),
        ({"output_dropout": 1.5}, "1.5"),
        ({"cutoffs": (8, 4)}, r"cutoffs must rise .* got \(8, 4\)"),
        ({"cutoffs": (13,)}, "below the vocabulary's 13"),
        ({"cutoffs": (2, 4, 8)}, r"too few for 3 narrowing clusters; got \(2, 4, 8\)"),
        ({"cutoffs": (4,), "tie": True}, "cannot be tied; got tie=True with cutoffs"),
    ],
)
def test_bad_options_are_refused_in_three_sentences(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)
