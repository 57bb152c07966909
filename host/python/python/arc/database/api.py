"""The recorder, under the guide's name."""

from arc_recorder.api import ArcAPI, create_arc_api
from arc_recorder.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseError,
    NotFoundError,
    SchemaError,
    UnavailableError,
    ValidationError,
)

__all__ = [
    "ArcAPI",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "NotFoundError",
    "SchemaError",
    "UnavailableError",
    "ValidationError",
    "create_arc_api",
]
