"""Text as numbers: files to texts, texts to tokens, tokens to batches. Needs no torch."""
