"""From a test's process to the database."""

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

#: How long a database that was unavailable is left alone, in seconds: each try may wait for its network.
_AWAY_SECONDS = 15.0
#: How many kept results are sent in one call.
_BATCH = 100


class Recording:
    """One process's part in the simulation. Only Ctrl-C leaves its calls."""

    def __init__(self, settings: Settings, folder: Path, worker: str | None) -> None:
        self.settings = settings
        #: What the summary has to tell.
        self.problems: list[str] = []
        #: Those of them that are over once everything is recorded.
        self._passing: set[str] = set()
        #: The scenarios, which the process that runs the tests finds.
        self.plan: list[dict[str, Any]] = []
        self._worker = worker
        self._api: SyncArcAPI | None = None
        #: Whether the simulation is known to be there.
        self.started = False
        self._try_again_at = 0.0
        self._kept = folder / f"{settings.simulation_id}{'-' + worker if worker else ''}.jsonl"

    def kept(self) -> list[Path]:
        """The files of results that are not recorded, those of workers too."""
        return sorted(self._kept.parent.glob(f"{self.settings.simulation_id}*.jsonl"))

    def problem(self, text: str) -> None:
        """Notes something for the summary, once."""
        text = text.encode("utf-8", "backslashreplace").decode()
        if text not in self.problems:
            self.problems.append(text)

    def connect(self) -> SyncArcAPI:
        """The connection; whatever is wrong with it is raised."""
        if self._api is None:
            from arc_recorder import create_sync_arc_api

            self._api = create_sync_arc_api(
                self.settings.database_url,
                # A process records one test after the other.
                pool_size=1,
                # Where `arc-host` looks for the embedded database too.
                data_dir=os.environ.get("ARC_DATA_DIR") or None,
            )
        return self._api

    def start(self) -> SyncArcAPI:
        """Starts the simulation. Workers all do, with one id and one plan; the first one counts."""
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
                # A worker that collected other tests; what is not planned is recorded all the same.
                self.problem("the workers collected different tests; the first one's are planned")
            self.started = True
        return api

    def begin(self) -> None:
        """Starts the simulation now, so that its time is the run's; else the first result does."""
        try:
            self.start()
        except Exception as error:
            self.failed(error)

    def submit(self, documents: list[str]) -> None:
        """Records results, or keeps them."""
        try:
            left = self._send(documents)
        except BaseException:
            self._keep(documents)
            raise
        self._keep(left)

    def drain(self) -> None:
        """Tries again to record what this process kept."""
        if self._kept.exists():
            self._try_again_at = 0.0
            self._send_kept()
        if self.started and not self._kept.exists():
            self.problems = [text for text in self.problems if text not in self._passing]

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
        """Records results; gives back those that are not."""
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
                self._away(verdict["message"] or "not recorded", retryable=verdict["retryable"])
            elif verdict["verdict"] == "rejected":
                where = json.loads(document)["scenario"]["id"]
                for violation in verdict["violations"]:
                    said = f"{violation['path']} {violation['message']} ({violation['code']})"
                    self.problem(f"{where} was rejected: {said}")
        return left

    def gather(self) -> None:
        """Puts what workers kept into one file, which one command records."""
        for path in self.kept():
            if path != self._kept:
                # Lines end with "\n" alone: other ends of lines may be within a text.
                if self._keep(path.read_text(encoding="utf-8").rstrip("\n").split("\n")):
                    path.unlink()

    def _keep(self, documents: list[str]) -> bool:
        """Writes results to the file of kept ones, and says whether they are there."""
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
        """Notes an error of the package; the database is left alone for a while, or for good."""
        retryable: bool | None = getattr(error, "retryable", None)
        self._away(repr(error) if retryable is None else str(error), retryable=bool(retryable))

    def _away(self, message: str, *, retryable: bool) -> None:
        self.problem(message)
        self._passing.add(self.problems[-1])
        self._try_again_at = time.monotonic() + _AWAY_SECONDS if retryable else float("inf")

    def end(self, how: str, reason: str) -> dict[str, Any] | None:
        """Ends the simulation and says where it stands; nothing where it was never started."""
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
            # Somebody else has ended it.
            self.problem(str(error))
        return dict(api.get_simulation_status(self.settings.simulation_id))

    def close(self) -> None:
        """Closes the connection."""
        api, self._api = self._api, None
        if api is not None:
            with contextlib.suppress(Exception):
                api.close()
