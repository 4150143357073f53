"""Find names in sentences: train on tagged ones, from a CoNLL file or from the few below.

python examples/tag.py [train.conll test.conll]
"""

import random
import sys

from cellstate import SequenceTagger, TrainConfig
from cellstate.data.text.reading import read_conll

NAMES = {
    "Disease": ["asthma", "breast cancer", "ataxia telangiectasia", "gout", "deficiency of C5"],
    "Drug": ["aspirin", "valproic acid", "methotrexate"],
}
NOTES = [
    "The patient has {Disease} .",
    "No sign of {Disease} or {Disease} .",
    "Was given {Drug} against {Disease} .",
    "{Drug} was stopped on day 3 .",
    "Slept well .",
]
draw = random.Random(0)


def note() -> tuple[list[str], list[str]]:
    """Make one sentence of a clinical note, with its BIO tags."""
    words: list[str] = []
    tags: list[str] = []
    for word in draw.choice(NOTES).split():
        kind = word.strip("{}")
        name = draw.choice(NAMES[kind]).split() if kind in NAMES else [word]
        words += name
        tags += [f"{'I' if k else 'B'}-{kind}" if kind in NAMES else "O" for k in range(len(name))]
    return words, tags


def notes(count: int) -> tuple[list[list[str]], list[list[str]]]:
    """Make sentences and their tags."""
    made = [note() for _ in range(count)]
    return [words for words, _ in made], [tags for _, tags in made]


train, test = map(read_conll, sys.argv[1:3]) if len(sys.argv) > 2 else (notes(150), notes(50))

settings = None if len(sys.argv) > 2 else TrainConfig(epochs=10)
tagger = SequenceTagger(size="small", random_state=0, train=settings).fit(*train)
print(tagger.evaluate(*test))
for words, found in zip(test[0][:5], tagger.entities(test[0][:5]), strict=True):
    print(" ".join(words), "→", [(entity.type, entity.text) for entity in found])
