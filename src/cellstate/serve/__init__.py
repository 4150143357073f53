"""A server that keeps one small state of each entity, durably, without torch."""
