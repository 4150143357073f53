"""A transformer of characters in plain torch: nanoGPT's setting for a processor.

Block 64, batch 12, 4 layers, 4 heads, width 128, no dropout; AdamW, warm-up and cosine as in its
``config/train_shakespeare_char.py`` and README (A. Karpathy, github.com/karpathy/nanoGPT). It
writes as nanoGPT does: each token runs the whole block again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK, BATCH, LAYERS, HEADS, WIDTH = 64, 12, 4, 4, 128
STEPS, WARM_UP, RATE, LAST_RATE = 2000, 100, 1e-3, 1e-4


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.outward = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        B, T, _ = x.shape
        q, k, v = (
            part.view(B, T, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in self.inward(x).split(WIDTH, dim=2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.outward(y.transpose(1, 2).reshape(B, T, WIDTH))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = (nn.LayerNorm(WIDTH, bias=False) for _ in range(2))
        self.attention = Attention()
        self.inner = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH, bias=False),
            nn.GELU(),
            nn.Linear(4 * WIDTH, WIDTH, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        return x + self.inner(self.norm_2(x))


class GPT(nn.Module):
    """Odds of the next character, (B, T) to (B, T, V), T at most `BLOCK`."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.tokens.weight = self.head.weight
        for name, p in self.named_parameters():
            if p.ndim == 2:
                inner = name.endswith(("outward.weight", "inner.2.weight"))
                nn.init.normal_(p, 0.0, 0.02 / math.sqrt(2 * LAYERS) if inner else 0.02)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        places = torch.arange(tokens_BT.shape[1])
        x = self.tokens(tokens_BT) + self.places(places)
        return self.head(self.norm(self.layers(x)))

    @torch.no_grad()
    def write(self, tokens_1T: Tensor, count: int) -> Tensor:
        """Draw `count` more characters, the whole block anew for each."""
        for _ in range(count):
            odds = self(tokens_1T[:, -BLOCK:])[:, -1]
            drawn = torch.multinomial(F.softmax(odds, dim=-1), 1)
            tokens_1T = torch.cat([tokens_1T, drawn], dim=1)
        return tokens_1T


class Trainer:
    """nanoGPT's own recipe, one step at a time."""

    def __init__(self, vocabulary: int, text: Tensor, seed: int) -> None:
        torch.manual_seed(seed)
        self.model, self.text, self.step_number = GPT(vocabulary), text, 0
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        vectors = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": 0.1},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
        self.characters = BATCH * BLOCK  # of a step

    def step(self) -> None:
        starts = torch.randint(len(self.text) - BLOCK, (BATCH,))
        x = torch.stack([self.text[s : s + BLOCK] for s in starts])
        y = torch.stack([self.text[s + 1 : s + BLOCK + 1] for s in starts])
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.step_number)
        loss = F.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step_number += 1

    def logits(self, tokens_BT: Tensor) -> Tensor:
        return self.model(tokens_BT)


def rate(step: int) -> float:
    """Rise over the first steps, then half a cosine wave down."""
    if step < WARM_UP:
        return RATE * (step + 1) / (WARM_UP + 1)
    share = min(1.0, (step - WARM_UP) / (STEPS - WARM_UP))
    return LAST_RATE + 0.5 * (1.0 + math.cos(math.pi * share)) * (RATE - LAST_RATE)
