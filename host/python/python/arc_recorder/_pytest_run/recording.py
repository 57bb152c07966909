"""Records results, and stores them in a file while the database is unavailable."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .settings import Settings

if TYPE_CHECKING:
    from arc_recorder import SyncArcAPI

#: The pause between attempts to reach an unavailable database, in seconds. Each attempt can wait for a network
#: timeout.
_RETRY_INTERVAL_SECONDS = 15.0
#: The most stored results that are sent in one call.
_BATCH = 100


class Recording:
    """Records the results of one process. Only Ctrl-C raises from its methods."""

    def __init__(self, settings: Settings, folder: Path, worker: str | None) -> None:
        self.settings = settings
        #: The problems that the summary lists.
        self.problems: list[str] = []
        #: Those of them that are resolved once everything is recorded.
        self._temporary: set[str] = set()
        #: The scenarios, set by the process that runs the tests.
        self.plan: list[dict[str, Any]] = []
        self._worker = worker
        self._api: SyncArcAPI | None = None
        #: Whether the simulation is known to exist.
        self.started = False
        self._try_again_at = 0.0
        self._kept = folder / f"{settings.simulation_id}{'-' + worker if worker else ''}.jsonl"

    def kept(self) -> list[Path]:
        """Returns the files of unrecorded results, including those of workers."""
        return sorted(self._kept.parent.glob(f"{self.settings.simulation_id}*.jsonl"))

    def problem(self, text: str) -> None:
        """Adds a problem to the summary, once."""
        text = text.encode("utf-8", "backslashreplace").decode()
        if text not in self.problems:
            self.problems.append(text)

    def connect(self) -> SyncArcAPI:
        """Returns the connection, and raises if it cannot be made."""
        if self._api is None:
            from arc_recorder import create_sync_arc_api

            self._api = create_sync_arc_api(
                self.settings.database_url,
                # A process records one test at a time.
                pool_size=1,
                # `arc-host` finds the embedded database by the same variable.
                data_dir=os.environ.get("ARC_DATA_DIR") or None,
            )
        return self._api

    def start(self) -> SyncArcAPI:
        """Starts the simulation. All workers do so, with the same id and plan; the first start counts."""
        api = self.connect()
        if not self.started:
            from arc_recorder import ConflictError

            settings = self.settings
            version = api.create_configuration(settings.config_name, settings.config_text)
            try:
                api.start_simulation(
                    version,
                    self.plan,
                    settings.simulation_name,
                    metadata=dict(settings.metadata),
                    simulation_id=settings.simulation_id,
                    trials=settings.trials,
                )
            except ConflictError:
                # This worker collected other tests. Unplanned scenarios are recorded nevertheless.
                self.problem("the workers collected different tests; the first one's are planned")
            self.started = True
        return api

    def begin(self) -> None:
        """Starts the simulation now, so that it starts with the run. If this fails, the first result starts it."""
        try:
            self.start()
        except Exception as error:
            self.failed(error)

    def submit(self, documents: list[str]) -> None:
        """Records results, or stores them in the file."""
        try:
            left = self._send(documents)
        except BaseException:
            self._keep(documents)
            raise
        self._keep(left)

    def drain(self) -> None:
        """Retries to record the results that this process has stored."""
        if self._kept.exists():
            self._try_again_at = 0.0
            self._send_kept()
        if self.started and not self._kept.exists():
            self.problems = [text for text in self.problems if text not in self._temporary]

    def _send_kept(self) -> None:
        rest = self._kept.with_suffix(".rest")
        with self._kept.open("rb") as kept, rest.open("wb") as left:
            while lines := [line.decode() for line in itertools.islice(kept, _BATCH)]:
                left.writelines(line.encode() for line in self._send(lines))
        if rest.stat().st_size:
            rest.replace(self._kept)
        else:
            rest.unlink()
            self._kept.unlink()

    def _send(self, documents: list[str]) -> list[str]:
        """Records results, and returns those that were not recorded."""
        if time.monotonic() < self._try_again_at:
            return documents
        try:
            api = self.start()
            verdicts = api.record_batch(
                self.settings.simulation_id, [document.rstrip("\n") for document in documents]
            )
        except Exception as error:
            self.failed(error)
            return documents
        left: list[str] = []
        for document, verdict in zip(documents, verdicts):
            if verdict["verdict"] == "failed":
                left.append(document)
                reason = "; ".join(filter(None, [verdict["message"] or "not recorded", verdict["hint"]]))
                self._pause(reason, retryable=verdict["retryable"])
            elif verdict["verdict"] == "rejected":
                scenario_id = json.loads(document)["scenario"]["id"]
                for violation in verdict["violations"]:
                    reason = f"{violation['path']} {violation['message']} ({violation['code']})"
                    self.problem(f"{scenario_id} was rejected: {reason}")
        return left

    def gather(self) -> None:
        """Merges the files of the workers into one, which a single command records."""
        for path in self.kept():
            if path != self._kept:
                # Only "\n" ends a line: the other line separators can be part of a text.
                if self._keep(path.read_text(encoding="utf-8").rstrip("\n").split("\n")):
                    path.unlink()

    def _keep(self, documents: list[str]) -> bool:
        """Appends results to the file, and returns whether they are stored."""
        if not documents:
            return True
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            with self._kept.open("a", encoding="utf-8", newline="\n") as kept:
                kept.writelines(document.rstrip("\n") + "\n" for document in documents)
        except OSError as error:
            self.problem(f"{len(documents)} results could not be kept: {error}")
            return False
        return True

    def failed(self, error: Exception) -> None:
        """Adds an error of the package to the summary, and pauses recording, permanently if it is not retryable."""
        retryable: bool | None = getattr(error, "retryable", None)
        self._pause(repr(error) if retryable is None else str(error), retryable=bool(retryable))

    def _pause(self, message: str, *, retryable: bool) -> None:
        self.problem(message)
        self._temporary.add(self.problems[-1])
        pause = _RETRY_INTERVAL_SECONDS if retryable else float("inf")
        self._try_again_at = time.monotonic() + pause

    def end(self, how: str, reason: str) -> dict[str, Any] | None:
        """Ends the simulation and returns its status, or `None` if it was never started."""
        if not self.started and time.monotonic() < self._try_again_at:
            return None
        from arc_recorder import ConflictError, NotFoundError

        api = self.connect()
        try:
            if how == "complete":
                api.complete_simulation(self.settings.simulation_id)
            elif how == "cancel":
                api.cancel_simulation(self.settings.simulation_id, reason)
            else:
                api.fail_simulation(self.settings.simulation_id, reason)
        except NotFoundError:
            return None
        except ConflictError as error:
            # It was already ended by another client.
            self.problem(str(error))
        return dict(api.get_simulation_status(self.settings.simulation_id))

    def close(self) -> None:
        """Closes the connection."""
        api, self._api = self._api, None
        if api is not None:
            with contextlib.suppress(Exception):
                api.close()
