"""Stores: one protocol, SQLite for one process and PostgreSQL for several."""
