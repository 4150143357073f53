"""The layer alone: a drop-in for torch.nn.LSTM that takes lengths and shows its gates."""

import torch

from cellstate.nn import LSTM

torch.manual_seed(0)
theirs = torch.nn.LSTM(input_size=8, hidden_size=16, num_layers=2, bidirectional=True)
ours = LSTM(input_size=8, hidden_size=16, num_layers=2, bidirectional=True)
ours.load_state_dict(theirs.state_dict())

x = torch.randn(20, 3, 8)  # (time, batch, input)
y_theirs, _ = theirs(x)
y_ours, _ = ours(x)
print("largest difference to torch:", float((y_theirs - y_ours).detach().abs().max()))

# Ragged batches without packing: outputs beyond a length are zero.
lengths = torch.tensor([20, 7, 0])
y, (h, c), trace = ours(x, lengths=lengths, trace=True)
print("outputs beyond a length:", float(y[7:, 1].detach().abs().sum()))
print("forget gates", tuple(trace.f.shape), "mean", round(float(trace.f.detach().mean()), 3))
