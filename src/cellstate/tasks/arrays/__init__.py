"""Sequences as arrays: classes and numbers from whole sequences, the scikit-learn way."""
