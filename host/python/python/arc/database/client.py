"""The database, under the guide's name."""

from arc_recorder.client import ArcDBClient
from arc_recorder.errors import DatabaseError

__all__ = ["ArcDBClient", "DatabaseError"]
