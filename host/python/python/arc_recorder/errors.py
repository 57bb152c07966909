"""What can go wrong, sorted by who can mend it and whether trying again may help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from .types import Violation

__all__ = [
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "NotFoundError",
    "SchemaError",
    "UnavailableError",
    "ValidationError",
]


class DatabaseError(Exception):
    """Recording or reading failed. Every error of this package is one of these."""

    #: Whether the same call again may work without anybody changing anything.
    retryable: bool = False
    #: What to do about it, if the message does not show it. `str(error)` has it after the message.
    hint: Optional[str] = None

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.hint is None else f"{message}; {self.hint}"


class ValidationError(DatabaseError):
    """An argument or a result is not valid; the same call again gives the same error."""

    #: All that is wrong: where (a JSON Pointer), a code for programs, a sentence for people.
    violations: list[Violation]

    def __init__(self, message: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = list(violations)

    def __reduce__(
        self,
    ) -> tuple[type[ValidationError], tuple[str, list[Violation]], dict[str, Any]]:
        # Errors cross process borders whole, as in multiprocessing.
        return type(self), (message_of(self), self.violations), self.__dict__


class NotFoundError(DatabaseError):
    """There is no such simulation."""


class ConflictError(DatabaseError):
    """It exists, but not as the caller says."""


class ConfigurationError(DatabaseError):
    """A setting is missing or wrong, or the recorder was closed."""


class UnavailableError(DatabaseError):
    """The database is unavailable or overloaded; the same call again may work, and stores nothing twice."""

    retryable = True


class SchemaError(DatabaseError):
    """The schema in the database is not one that this version can work with."""


_KINDS: dict[str, type[DatabaseError]] = {
    kind.__name__: kind
    for kind in (
        ConflictError,
        ConfigurationError,
        DatabaseError,
        NotFoundError,
        SchemaError,
        UnavailableError,
    )
}


def from_host(
    kind: str, message: str, retryable: bool, violations: Sequence[Violation], hint: Optional[str]
) -> DatabaseError:
    """The exception for an error of the host."""
    if kind == ValidationError.__name__:
        return with_hint(ValidationError(message, violations), hint)
    error = _KINDS[kind](message)
    error.retryable = retryable
    return with_hint(error, hint)


def with_hint(error: DatabaseError, hint: Optional[str]) -> DatabaseError:
    """The same error with what to do about it."""
    if hint is not None:
        error.hint = hint
    return error


def message_of(error: BaseException) -> str:
    """What happened, without the hint."""
    return BaseException.__str__(error)
