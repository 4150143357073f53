"""Several libraries at the same jobs, each in a process of its own.

Cellstate runs in its own environment, the others in the peers', which `make bench-peers-env`
makes. A job is a JSON file; see `job.py`.
"""
