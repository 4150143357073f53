"""Raw inputs to typed NumPy arrays: frames, panels, windows, public data sets. Needs no torch."""
