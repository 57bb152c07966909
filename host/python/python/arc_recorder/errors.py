"""The exceptions, by who can fix the cause and whether a retry can succeed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from .types import Violation

__all__ = [
    "AmbiguousSimulationError",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "NotFoundError",
    "SchemaError",
    "SimulationRemovedError",
    "UnavailableError",
    "ValidationError",
]


class DatabaseError(Exception):
    """Recording or reading failed. Every error of this package is one of these."""

    #: Whether a retry of the same call can succeed without any other change.
    retryable: bool = False
    #: What to do about it, if the message does not show it. `str(error)` appends it to the message.
    hint: Optional[str] = None

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.hint is None else f"{message}; {self.hint}"


class ValidationError(DatabaseError):
    """An argument or a result is not valid; a retry fails with the same error."""

    #: All violations, each with a path (a JSON Pointer), a code for programs, and a message.
    violations: list[Violation]

    def __init__(self, message: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = list(violations)

    def __reduce__(
        self,
    ) -> tuple[type[ValidationError], tuple[str, list[Violation]], dict[str, Any]]:
        # Keeps the violations and the hint when the error is pickled, as in multiprocessing.
        return type(self), (message_of(self), self.violations), self.__dict__


class NotFoundError(DatabaseError):
    """The simulation or the format does not exist."""


class ConflictError(DatabaseError):
    """The simulation exists, but in another state or with another plan."""


class SimulationRemovedError(DatabaseError):
    """The simulation was removed, and nothing can be recorded in it any more."""


class AmbiguousSimulationError(DatabaseError):
    """Several simulations have this name, or an id that begins like this. The message lists them."""


class ConfigurationError(DatabaseError):
    """A setting is missing or wrong, or the recorder was closed."""


class UnavailableError(DatabaseError):
    """The database is unavailable or overloaded; a retry can succeed, and stores nothing twice."""

    retryable = True


class SchemaError(DatabaseError):
    """The schema in the database is not one that this version can work with."""


_KINDS: dict[str, type[DatabaseError]] = {
    kind.__name__: kind
    for kind in (
        AmbiguousSimulationError,
        ConflictError,
        ConfigurationError,
        DatabaseError,
        NotFoundError,
        SchemaError,
        SimulationRemovedError,
        UnavailableError,
    )
}


def from_host(
    kind: str, message: str, retryable: bool, violations: Sequence[Violation], hint: Optional[str]
) -> DatabaseError:
    """Returns the exception for an error of the host."""
    if kind == ValidationError.__name__:
        return with_hint(ValidationError(message, violations), hint)
    error = _KINDS[kind](message)
    error.retryable = retryable
    return with_hint(error, hint)


def with_hint(error: DatabaseError, hint: Optional[str]) -> DatabaseError:
    """Sets the hint of an error, and returns the error."""
    if hint is not None:
        error.hint = hint
    return error


def message_of(error: BaseException) -> str:
    """Returns the message of an error, without its hint."""
    return BaseException.__str__(error)
