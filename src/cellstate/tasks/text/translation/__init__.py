"""Sentences of one language into another, by an encoder and a decoder with attention."""
