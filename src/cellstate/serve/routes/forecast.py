"""KServe's interface for time series."""

from __future__ import annotations

from cellstate.serve.http.route import Route
from cellstate.serve.http.service import Service


def routes_for(service: Service) -> list[Route]:
    """List its operations; none unless the model forecasts."""
    return []
