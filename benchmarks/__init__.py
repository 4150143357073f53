"""Measurements of Cellstate against its peers: `python -m benchmarks list` names them."""
