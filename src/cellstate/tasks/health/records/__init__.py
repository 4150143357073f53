"""Health records: visits as sequences, what is foretold of them, baselines, attributions."""
