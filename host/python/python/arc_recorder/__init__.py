"""Arc Recorder: records the results of AI-agent evaluations in PostgreSQL, exactly once.

The host runs in this process, on threads of its own: results are validated and extracted in its
sandboxed WebAssembly component, and stored through a pool of connections.

    async with create_arc_api() as api:
        started = await api.start_simulation(config, scenarios)
        await api.record_batch_outcomes(started["simulation_id"], results)
        await api.complete_simulation(started["simulation_id"])

`create_sync_arc_api` gives the same calls without `await`.
"""

from __future__ import annotations

from importlib.metadata import version

from .api import ArcAPI, create_arc_api
from .client import ArcDBClient
from .errors import (
    ConfigurationError,
    ConflictError,
    DatabaseError,
    NotFoundError,
    SchemaError,
    UnavailableError,
    ValidationError,
)
from .sync import SyncArcAPI, SyncArcDBClient, create_sync_arc_api

__version__ = version("arc-recorder")

__all__ = [
    "ArcAPI",
    "ArcDBClient",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "NotFoundError",
    "SchemaError",
    "SyncArcAPI",
    "SyncArcDBClient",
    "UnavailableError",
    "ValidationError",
    "__version__",
    "create_arc_api",
    "create_sync_arc_api",
]
