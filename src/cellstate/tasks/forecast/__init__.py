"""Forecasting: many series in one network, with intervals, baselines and a memory."""
