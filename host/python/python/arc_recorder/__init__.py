"""Arc Recorder: records the results of AI-agent evaluations in PostgreSQL, exactly once.

The host runs in this process, on its own threads: a sandboxed WebAssembly component validates and
extracts results, and a connection pool stores them.

    async with create_arc_api() as api:
        started = await api.start_simulation(config, scenarios)
        await api.record_batch_outcomes(started["simulation_id"], results)
        await api.complete_simulation(started["simulation_id"])

`create_sync_arc_api` returns the same calls without `await`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import ArcAPI, create_arc_api
    from .client import ArcDBClient
    from .errors import (
        AmbiguousSimulationError,
        ConfigurationError,
        ConflictError,
        DatabaseError,
        NotFoundError,
        SchemaError,
        SimulationRemovedError,
        UnavailableError,
        ValidationError,
    )
    from .sync import SyncArcAPI, SyncArcDBClient, create_sync_arc_api
    from .tables import OutcomeTable

    __version__: str

__all__ = [
    "AmbiguousSimulationError",
    "ArcAPI",
    "ArcDBClient",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "NotFoundError",
    "OutcomeTable",
    "SchemaError",
    "SimulationRemovedError",
    "SyncArcAPI",
    "SyncArcDBClient",
    "UnavailableError",
    "ValidationError",
    "__version__",
    "create_arc_api",
    "create_sync_arc_api",
]

#: The module of each name. Every pytest run on a machine that has this package imports the pytest
#: plug-in, and few of them record, so names are imported lazily.
_HOMES = {
    "ArcAPI": "api",
    "create_arc_api": "api",
    "OutcomeTable": "tables",
    "ArcDBClient": "client",
    "SyncArcAPI": "sync",
    "SyncArcDBClient": "sync",
    "create_sync_arc_api": "sync",
}


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        value = import_module("importlib.metadata").version("arc-recorder")
    elif name in __all__:
        value = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
