"""A language model as one would write it with torch alone: `torch.nn.LSTM` and a loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CharacterLSTM(nn.Module):
    def __init__(self, vocabulary: int, embedding: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(
        self, tokens_TB: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y, state = self.lstm(self.embedding(tokens_TB), state)
        return self.output(self.dropout(y)), state

    @torch.no_grad()
    def write(self, token: int, count: int) -> list[int]:
        """Draw `count` characters, the state carried along."""
        written, state = [], None
        now = torch.tensor([[token]])
        for _ in range(count):
            odds, state = self(now, state)
            now = torch.multinomial(F.softmax(odds[-1], dim=-1), 1)
            written.append(int(now))
        return written


class Trainer:
    """Parallel streams with carried state, AdamW, clipped gradients: one step at a time."""

    def __init__(self, model: CharacterLSTM, text: Tensor, streams: int, steps: int) -> None:
        self.model, self.steps = model, steps
        length = (len(text) - 1) // streams
        self.now = text[: streams * length].view(streams, length).t().contiguous()
        self.next = text[1 : streams * length + 1].view(streams, length).t().contiguous()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, fused=True)
        self.place, self.state = 0, None
        self.characters = streams * steps

    def step(self) -> None:
        if self.place + self.steps > len(self.now):
            self.place, self.state = 0, None
        part = slice(self.place, self.place + self.steps)
        odds, state = self.model(self.now[part], self.state)
        loss = F.cross_entropy(odds.flatten(0, 1), self.next[part].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.state = (state[0].detach(), state[1].detach())
        self.place += self.steps
