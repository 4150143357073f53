import pytest
import torch

from cellstate.nn.language import LanguageNetwork
from cellstate.nn.text_classifier import UNKNOWN, FineTunedNetwork, TextNetwork, pooled, within

TOKENS = torch.tensor([[4, 5, 6, 7, 8], [9, 4, 0, 0, 0], [7, 0, 0, 0, 0]])
LENGTHS = torch.tensor([5, 2, 1])
PIECES = torch.tensor([[1, 2, 3], [4, 0, 0], [5, 6, 0], [7, 8, 9], [3, 1, 0], [2, 5, 0], [0, 0, 0]])
PLACES = torch.tensor([[0, 1, 2, 3, 4], [5, 0, 6, 6, 6], [3, 6, 6, 6, 6]])
NO_DROPOUT = {"word_dropout": 0.0, "embedding_dropout": 0.0, "dropout": 0.0}


def text_network(*, pieces=12, outputs=3, layers=1, **rates):
    sizes = {"width": 6, "hidden": 5, "layers": layers}
    given = {"vocabulary": 12, "pieces": pieces, "outputs": outputs}
    return TextNetwork(**given, **sizes, **(NO_DROPOUT | rates)).double()


def fine_tuned_network(**dropouts):
    encoder = LanguageNetwork(12, embedding_size=6, hidden_size=7, **dropouts)
    return FineTunedNetwork(encoder, outputs=3, width=4, dropout=0.0).double()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("pieces", [0, 12])
def test_each_text_gets_as_many_answers_as_there_are_outputs(pieces, outputs, layers):
    network = text_network(pieces=pieces, outputs=outputs, layers=layers)
    given = (PIECES, PLACES) if pieces else ()
    assert network(TOKENS, LENGTHS, *given).shape == (3, outputs)


@pytest.mark.parametrize("layers", [1, 2])
def test_padding_does_not_change_an_answer(layers):
    network = text_network(layers=layers).eval()
    together = network(TOKENS, LENGTHS, PIECES, PLACES)
    for row, length in enumerate(LENGTHS.tolist()):
        one = slice(row, row + 1)
        alone = network(TOKENS[one, :length], LENGTHS[one], PIECES, PLACES[one, :length])
        torch.testing.assert_close(together[one], alone, rtol=1e-12, atol=1e-13)


def test_padding_does_not_change_what_a_fine_tuned_network_answers():
    network = fine_tuned_network().eval()
    together = network(TOKENS, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = network(TOKENS[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-12, atol=1e-13)


def test_vectors_behind_the_end_may_be_anything():
    network = text_network().eval()
    x = network.embed(TOKENS, PIECES, PLACES)
    littered = torch.where(within(LENGTHS, x.shape[1]), x, torch.nan)
    assert torch.equal(network.answer(littered, LENGTHS), network.answer(x, LENGTHS))


def test_a_words_vector_is_its_own_and_the_mean_of_its_pieces():
    network = text_network().eval()
    x = network.embed(TOKENS, PIECES, PLACES)
    words, pieces = network.words.weight, network.pieces.weight
    torch.testing.assert_close(x[0, 0], words[4] + pieces[[1, 2, 3]].mean(0))
    torch.testing.assert_close(x[0, 1], words[5] + pieces[4])  # padding does not count
    assert not x[1, 2:].any()  # nor has it a vector


def test_words_made_unknown_in_training_keep_their_pieces():
    network = text_network(word_dropout=1.0).train()
    x = network.embed(TOKENS, PIECES, PLACES)
    unknown = torch.where(TOKENS > 0, UNKNOWN, 0)
    torch.testing.assert_close(x, network.eval().embed(unknown, PIECES, PLACES))


def test_features_are_dropped_for_all_words_of_a_text_alike():
    network = text_network(embedding_dropout=0.5).train()
    seen = []
    network.memory.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.ones(40, 5, 6, dtype=torch.float64)
    network.answer(x, torch.full((40,), 5))
    assert torch.equal(seen[0], seen[0][:, :1].expand_as(seen[0]))
    assert sorted(seen[0].unique().tolist()) == [0.0, 2.0]


@pytest.mark.parametrize("rate", ["word_dropout", "embedding_dropout", "dropout"])
def test_each_dropout_is_drawn_anew_in_training_only(rate):
    network = text_network(**{rate: 0.5})
    given = (TOKENS, LENGTHS, PIECES, PLACES)
    assert len({tuple(network.train()(*given).flatten().tolist()) for _ in range(6)}) > 1
    assert torch.equal(network.eval()(*given), network(*given))


def test_the_language_models_dropouts_are_drawn_in_training_only():
    network = fine_tuned_network(input_dropout=0.5)
    assert len({tuple(network.train()(TOKENS, LENGTHS).flatten().tolist()) for _ in range(6)}) > 1
    assert torch.equal(network.eval()(TOKENS, LENGTHS), network(TOKENS, LENGTHS))


def test_every_parameter_has_a_gradient_and_padding_none():
    network = text_network(layers=2)
    network(TOKENS, LENGTHS, PIECES, PLACES).square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in network.parameters())
    assert not network.words.weight.grad[0].any()
    assert not network.pieces.weight.grad[0].any()


def test_every_parameter_of_a_fine_tuned_network_has_a_gradient():
    network = fine_tuned_network()
    (network(TOKENS, LENGTHS) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


def test_the_slope_of_word_vectors_ends_with_the_text():
    network = text_network().eval()
    x = network.embed(TOKENS, PIECES, PLACES).detach().requires_grad_()
    network.answer(x, LENGTHS).square().sum().backward()
    lies_within = within(LENGTHS, 5).expand_as(x)
    assert bool((x.grad[lies_within] != 0).all())
    assert not x.grad[~lies_within].any()


def test_order_matters():
    network = text_network().eval()
    tokens, places = TOKENS[:1], PLACES[:1]
    there = network(tokens, LENGTHS[:1], PIECES, places)
    back = network(tokens.flip(1), LENGTHS[:1], PIECES, places.flip(1))
    assert not torch.allclose(there, back, atol=1e-4)


def test_pooling_leaves_out_what_lies_behind_the_end():
    y = torch.tensor([[[-3.0], [-1.0], [9.0]], [[-2.0], [7.0], [7.0]]])
    highest, mean = pooled(y, torch.tensor([2, 1]))
    assert highest.tolist() == [[-1.0], [-2.0]]
    assert mean.tolist() == [[-2.0], [-2.0]]
