"""The calls, implemented once for event loops and threads."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, Optional, Union, cast

from . import _native
from ._postgres import program_folders, this_program
from ._batch import SLICE_MS, Attributes, BatchRecording, unrecorded
from ._waiting import Waiter
from .types import (
    Annotation,
    Deployment,
    Failure,
    FileRecorded,
    FilesRecorded,
    Health,
    ItemVerdict,
    ListedResults,
    MetricDefinition,
    MissingTrial,
    NewAnnotation,
    Metrics,
    Origin,
    OutcomeList,
    RejectedResult,
    RemovedSimulation,
    Revision,
    Rows,
    ScenarioOutcome,
    SimulationCompleted,
    SimulationEnded,
    SimulationLabels,
    SimulationList,
    SimulationPerformance,
    SimulationStarted,
    SimulationStatus,
    Violation,
)
from .errors import (
    ConfigurationError,
    DatabaseError,
    NotFoundError,
    UnavailableError,
    ValidationError,
    with_hint,
)
from .tables import OutcomeTable

log = logging.getLogger("arc.database.api")
client_log = logging.getLogger("arc.database.client")

#: A simulation's id, as text or as a UUID. A call for an existing simulation also accepts a unique prefix
#: of the id of at least 4 characters, its name, or `latest`.
SimulationId = Union[str, uuid.UUID]


#: The most rejected results of a batch that are logged one by one.
_WARNED_RESULTS = 10

#: The form of an id from `create_configuration`.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: The configurations of which a warning was logged in this process, because they do not exist.
_warned_configurations: set[str] = set()

#: The simulations of a page.
_PAGE_SIMULATIONS = 1_000

#: The outcomes of a page. Their trajectories are parsed in time slices.
_PAGE_OUTCOMES = 100


def log_notes() -> None:
    """Logs the notes that the host has collected."""
    for note in _native.take_notes():
        client_log.warning("%s", note)


def simulation_text(simulation_id: SimulationId) -> str:
    """A simulation's id as text."""
    return str(simulation_id)


class Calls:
    """The calls on one database."""

    def __init__(
        self,
        waiter: Waiter,
        url: Optional[str],
        pool_size: int,
        data_dir: Optional[str],
        postgres_bin: Optional[str],
        token: Optional[str],
        spool_dir: Optional[str],
    ) -> None:
        if pool_size < 1:
            raise ConfigurationError(f"invalid pool_size: {pool_size} (expected at least 1)")
        self.waiter = waiter
        #: The threads that finish batches whose callers were cancelled.
        self._finishing: set[threading.Thread] = set()
        self._opened = _native.Host(
            url,
            pool_size,
            data_dir or os.environ.get("ARC_DATA_DIR") or None,
            postgres_bin or os.environ.get("ARC_POSTGRES_BIN") or None,
            program_folders(),
            this_program(),
            token,
            spool_dir or os.environ.get("ARC_SPOOL_DIR") or None,
        )

    @property
    def _host(self) -> _native.Host:
        """The host. Its calls begin at once, so this first checks that the caller can wait for them."""
        self.waiter.check()
        return self._opened

    async def _answer(self, what: str, call: _native.Call) -> Any:
        def on_abandoned(answer: Any) -> None:
            if isinstance(answer, BaseException):
                client_log.warning("%s, whose caller no longer waits, failed: %s", what, answer)

        begun = time.perf_counter()
        try:
            answer = await self.waiter.begin(call, on_abandoned)
        except DatabaseError as error:
            client_log.debug("%s failed: %s", what, error)
            raise
        finally:
            log_notes()
        client_log.debug("%s took %.1f ms", what, (time.perf_counter() - begun) * 1_000)
        return answer

    async def _json(self, value: Any, what: str) -> str:
        text = _native.Text(value, what)
        while (written := text.proceed(SLICE_MS)) is None:
            await self.waiter.pause()
        return written

    # The database.

    async def initialize(self) -> Health:
        health = cast(Health, await self._answer("initialize", self._host.initialize()))
        if health["status"] != "ok":
            client_log.error("the database cannot be used: %s", health.get("error"))
        return health

    async def open(self) -> None:
        await self._answer("open", self._host.open())

    async def deploy_schema(self) -> Deployment:
        deployed = cast(
            Deployment, await self._answer("deploy_schema", self._host.deploy_schema())
        )
        for migration in deployed["applied"]:
            client_log.info("applied migration %s", migration)
        return deployed

    async def get_metrics(self) -> Metrics:
        return cast(Metrics, await self._answer("get_metrics", self._host.metrics()))

    async def test_connections(self) -> int:
        dropped = cast(
            int, await self._answer("test_connections", self._host.test_connections())
        )
        if dropped:
            client_log.info("dropped %d broken connections", dropped)
        return dropped

    async def close(self) -> None:
        for thread in list(self._finishing):
            await self.waiter.join(thread)
        await self._answer("close", self._host.close())

    async def execute(self, sql: str, params: Optional[Mapping[str, Any]]) -> Rows:
        if self._opened.is_service and (ending := ending_of(str(sql), params or {})):
            status, simulation = ending
            ended = self.fail_simulation if status == "failed" else self.cancel_simulation
            try:
                await ended(simulation, "")
            except NotFoundError:
                return Rows()
            rows = Rows()
            rows.rowcount = 1
            return rows
        values = [(name, sql_text(value)) for name, value in (params or {}).items()]
        answer = await self._answer("execute", self._host.execute_sql(str(sql), values))
        rows = Rows(json.loads(row) for row in answer["rows"])
        rows.rowcount = answer["row_count"]
        return rows

    # Simulations.

    async def create_configuration(self, name: str, config: Any, user_id: Optional[str]) -> str:
        text = config if isinstance(config, str) else await self._json(config, "the configuration")
        call = self._host.create_configuration(name, text, user_id)
        return cast(str, await self._answer("create_configuration", call))

    async def start_simulation(
        self,
        config_version_id: SimulationId,
        scenarios: Iterable[Any],
        simulation_name: Optional[str],
        modal_app_id: Optional[str],
        modal_environment: Optional[str],
        sandbox_instances: Optional[int],
        metadata: Optional[Mapping[str, Any]],
        simulation_id: Optional[SimulationId],
        trials: Optional[int],
        metrics: Optional[Iterable[MetricDefinition]],
        score_scale: Optional[float],
        tags: Optional[Iterable[str]],
        project: Optional[str],
        origin: Optional[Origin],
    ) -> SimulationStarted:
        planned = await self._json(as_list(scenarios, "scenarios"), "the list of scenarios")
        start = {
            "config_version_id": str(config_version_id),
            "trials": _count(trials, "trials"),
            "simulation_name": _text(simulation_name, "simulation_name"),
            "tags": _texts(tags, "tags"),
            "project": _text(project, "project"),
            "origin": dict(origin or {}),
            "modal_app_id": None if modal_app_id is None else str(modal_app_id),
            "modal_environment": _text(modal_environment, "modal_environment"),
            "sandbox_instances": _count(sandbox_instances, "sandbox_instances"),
        }
        call = self._host.start_simulation(
            None if simulation_id is None else simulation_text(simulation_id),
            # Half of a surrogate pair is not escaped, so it is refused when the text is encoded as UTF-8.
            json.dumps(start, ensure_ascii=False),
            planned,
            None if metadata is None else await self._json(metadata, "the metadata"),
            await self._declaration(metrics, score_scale),
        )
        started = cast(SimulationStarted, await self._answer("start_simulation", call))
        if not started.get("configuration_exists", True) and not started.get("spooled"):
            _warn_of_configuration(str(config_version_id), started["simulation_id"])
        return started

    async def resolve_simulation(self, simulation: SimulationId) -> str:
        call = self._host.resolve_simulation(simulation_text(simulation))
        return cast(str, await self._answer("resolve_simulation", call))

    async def list_simulations(
        self,
        name: Optional[str],
        tag: Optional[str],
        project: Optional[str],
        since: Union[datetime, timedelta, str, None],
        status: Optional[str],
        origin: Mapping[str, Optional[str]],
        limit: Optional[int],
        cursor: Optional[str],
    ) -> SimulationList:
        if limit is not None and limit < 1:
            raise ValidationError(f"invalid limit: {limit} (expected at least 1, or None for all simulations)")
        if isinstance(since, timedelta):
            since = datetime.now(timezone.utc) - since
        if isinstance(since, datetime):
            # A time without a time zone is local, as everywhere in Python.
            since = since.astimezone(timezone.utc).isoformat()
        simulations = SimulationList()
        while True:
            wanted = _PAGE_SIMULATIONS if limit is None else limit - len(simulations)
            call = self._host.simulations(
                name,
                tag,
                project,
                since,
                status,
                json.dumps(origin),
                min(wanted, _PAGE_SIMULATIONS),
                cursor,
            )
            page = await self._answer("list_simulations", call)
            simulations.extend(page["simulations"])
            cursor = simulations.cursor = page["cursor"]
            if cursor is None or (limit is not None and len(simulations) >= limit):
                return simulations

    async def rename_simulation(self, simulation_id: SimulationId, name: str) -> SimulationLabels:
        call = self._host.rename_simulation(simulation_text(simulation_id), name)
        return cast(SimulationLabels, await self._answer("rename_simulation", call))

    async def tag_simulation(
        self, simulation_id: SimulationId, add: Iterable[str], remove: Iterable[str]
    ) -> SimulationLabels:
        call = self._host.tag_simulation(
            simulation_text(simulation_id), _texts(add, "add"), _texts(remove, "remove")
        )
        return cast(SimulationLabels, await self._answer("tag_simulation", call))

    async def remove_simulation(self, simulation_id: SimulationId) -> RemovedSimulation:
        call = self._host.remove_simulation(simulation_text(simulation_id))
        return cast(RemovedSimulation, await self._answer("remove_simulation", call))

    async def declare_metrics(
        self,
        simulation_id: SimulationId,
        metrics: Optional[Iterable[MetricDefinition]],
        score_scale: Optional[float],
    ) -> SimulationStatus:
        declaration = await self._declaration(metrics, score_scale)
        if declaration is None:
            raise ValidationError("nothing is declared (expected metrics or score_scale)")
        call = self._host.declare_metrics(simulation_text(simulation_id), declaration)
        return cast(SimulationStatus, await self._answer("declare_metrics", call))

    async def select_revision(
        self,
        simulation_id: SimulationId,
        revision: Optional[int],
        result_key: Optional[str],
    ) -> list[Revision]:
        call = self._host.select_revision(simulation_text(simulation_id), result_key, revision)
        return cast("list[Revision]", await self._answer("select_revision", call))

    async def annotate(
        self, simulation_id: SimulationId, annotations: Iterable[NewAnnotation]
    ) -> list[Annotation]:
        text = await self._json(list(annotations), "the annotations")
        call = self._host.annotate(simulation_text(simulation_id), text)
        return cast("list[Annotation]", await self._answer("annotate", call))

    async def compare_results(
        self,
        simulation_id: SimulationId,
        outcome_ids: Iterable[str],
        is_final: bool,
        made_at: Optional[datetime],
        modified_at: Optional[datetime],
    ) -> ListedResults:
        results = {
            "outcome_ids": as_list(outcome_ids, "outcome_ids"),
            "is_final": is_final,
            "made_at": None if made_at is None else made_at.isoformat(),
            "modified_at": None if modified_at is None else modified_at.isoformat(),
        }
        text = await self._json(results, "the list of results")
        call = self._host.compare_results(simulation_text(simulation_id), text)
        return cast(ListedResults, await self._answer("compare_results", call))

    async def _declaration(
        self, metrics: Optional[Iterable[MetricDefinition]], score_scale: Optional[float]
    ) -> Optional[str]:
        """Returns a declaration of metrics as JSON, or `None` if it is empty."""
        definitions = [] if metrics is None else as_list(metrics, "metrics")
        if not definitions and score_scale is None:
            return None
        declaration = {"metrics": definitions, "score_scale": score_scale}
        return await self._json(declaration, "the declaration of metrics")

    async def record_batch(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]],
        sandbox_ids: Optional[Iterable[Optional[str]]],
        trials: Optional[Iterable[Optional[int]]],
        format: Optional[str] = None,
        header: Any = None,
    ) -> list[ItemVerdict]:
        results = as_list(scenario_results, "scenario_results")
        attributes = (
            _parallel(results, trials, "trials"),
            _parallel(results, modal_call_ids, "modal_call_ids"),
            _parallel(results, sandbox_ids, "sandbox_ids"),
        )
        verdicts: list[ItemVerdict] = []

        def take(answer: Any, count: int) -> None:
            failed = isinstance(answer, DatabaseError)
            verdicts.extend(unrecorded(count, answer) if failed else answer)

        if header is not None and format is None:
            raise ValidationError("a header belongs to a format; name the format, too")
        if header is not None and not isinstance(header, str):
            header = await self._json(header, "the header")
        await self._record(
            simulation_id, results, attributes, take, brief=False, format=format, header=header
        )
        return verdicts

    async def record_file(
        self,
        path: Union[str, os.PathLike[str]],
        format: Optional[str],
        header: Union[str, os.PathLike[str], None],
        simulation_name: Optional[str],
        simulation_id: Optional[SimulationId],
        config_version_id: Optional[SimulationId],
        metrics: Optional[Iterable[MetricDefinition]],
        score_scale: Optional[float],
        tags: Optional[Iterable[str]],
        project: Optional[str],
    ) -> FileRecorded:
        recorded = await self.record_files(
            [path],
            format,
            header,
            simulation_name,
            simulation_id,
            config_version_id,
            metrics,
            score_scale,
            tags,
            project,
            False,
            only_one=True,
        )
        return recorded["files"][0]

    async def record_files(
        self,
        paths: Union[str, os.PathLike[str], Iterable[Union[str, os.PathLike[str]]]],
        format: Optional[str],
        header: Union[str, os.PathLike[str], None],
        simulation_name: Optional[str],
        simulation_id: Optional[SimulationId],
        config_version_id: Optional[SimulationId],
        metrics: Optional[Iterable[MetricDefinition]],
        score_scale: Optional[float],
        tags: Optional[Iterable[str]],
        project: Optional[str],
        one_simulation: bool,
        *,
        only_one: bool = False,
    ) -> FilesRecorded:
        if isinstance(paths, (str, os.PathLike)):
            paths = [paths]
        call = self._host.record_files(
            [os.fspath(path) for path in paths],
            only_one,
            one_simulation,
            format,
            None if header is None else os.fspath(header),
            _text(simulation_name, "simulation_name"),
            None if simulation_id is None else simulation_text(simulation_id),
            None if config_version_id is None else str(config_version_id),
            _texts(tags, "tags"),
            _text(project, "project"),
            await self._declaration(metrics, score_scale),
        )
        answer = await self._answer("record_files", call)
        for note in answer.pop("notes"):
            log.warning("%s", note)
        return cast(FilesRecorded, answer)

    async def record_ids(
        self,
        simulation_id: SimulationId,
        results: list[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]],
    ) -> tuple[list[Optional[str]], Optional[DatabaseError]]:
        """Records results. Returns their ids, with `None` for a rejected result, which is logged, and an
        error if some were not recorded for another reason."""
        attributes = (None, _parallel(results, modal_call_ids, "modal_call_ids"), None)
        ids: list[Optional[str]] = []
        others: list[tuple[int, ItemVerdict]] = []

        def take(answer: Any, count: int) -> None:
            if isinstance(answer, DatabaseError):
                others.extend(enumerate(unrecorded(count, answer), len(ids)))
                ids.extend([None] * count)
            else:
                ids.extend(answer[0])
                others.extend(answer[1])

        await self._record(simulation_id, results, attributes, take, brief=True)
        rejected = [other for other in others if other[1]["verdict"] == "rejected"]
        for position, verdict in rejected[:_WARNED_RESULTS]:
            log.warning(
                "simulation %s: result %d was rejected: %s",
                simulation_id,
                position,
                sentences(verdict["violations"]),
            )
        if len(rejected) > _WARNED_RESULTS:
            log.warning(
                "simulation %s: %d results were rejected; get_rejected_results lists them",
                simulation_id,
                len(rejected),
            )
        failed = [verdict for _, verdict in others if verdict["verdict"] == "failed"]
        if not failed:
            return ids, None
        kind = UnavailableError if all(item["retryable"] for item in failed) else DatabaseError
        error = kind(f"{len(failed)} of {len(ids)} results were not recorded: {failed[0]['message']}")
        hint, again = failed[0]["hint"], "the same call again stores nothing twice"
        return ids, with_hint(error, f"{hint}; {again}" if hint else again)

    async def _record(
        self,
        simulation_id: SimulationId,
        results: list[Any],
        attributes: Attributes,
        take: Callable[[Any, int], None],
        *,
        brief: bool,
        format: Optional[str] = None,
        header: Optional[str] = None,
    ) -> None:
        """Records results, and passes the answer to each part to `take`, in order. If a cancellation or Ctrl-C
        interrupts the caller, a thread records the rest: a batch that was begun is recorded."""
        simulation, host = simulation_text(simulation_id), self._host

        def begin(batch: _native.Batch, first: int) -> _native.Call:
            return host.record(simulation, batch, first, brief, format, header)

        recording = BatchRecording(simulation, results, attributes, begin, take)
        begun = time.perf_counter()
        try:
            await recording.run(self.waiter)
        except Exception:
            raise
        except BaseException:
            self._finish(recording)
            raise
        finally:
            log_notes()
        elapsed_ms = (time.perf_counter() - begun) * 1_000
        log.debug("recorded %d results in %.1f ms", len(results), elapsed_ms)

    def _finish(self, recording: BatchRecording) -> None:
        """Records the rest of a batch in a thread. The end of the interpreter and `close` wait for it."""

        def work() -> None:
            try:
                recording.finish()
            finally:
                self._finishing.discard(thread)

        if not recording.abandon():
            return
        thread = threading.Thread(target=work, name="arc-recorder-batch", daemon=False)
        self._finishing.add(thread)
        try:
            thread.start()
        except RuntimeError as error:
            # The interpreter is shutting down.
            self._finishing.discard(thread)
            recording.log_lost(error)

    async def complete_simulation(
        self, simulation_id: SimulationId, suite_result: Any
    ) -> SimulationCompleted:
        if isinstance(suite_result, Mapping):
            # The results are not figures, and there can be many of them.
            suite_result = {
                name: value
                for name, value in cast("Mapping[str, Any]", suite_result).items()
                if name != "results"
            }
        suite = None
        if suite_result is not None:
            suite = (
                suite_result
                if isinstance(suite_result, str)
                else await self._json(suite_result, "the suite's summary")
            )
        simulation = simulation_text(simulation_id)
        call = self._host.complete_simulation(simulation, suite)
        answer = await self._answer("complete_simulation", call)
        if answer.get("spooled"):
            spooled = uncomputed(answer["simulation_id"], "completed", suite_result)
            spooled["spooled"] = True
            return spooled
        completed = cast(SimulationCompleted, answer)
        if completed["warnings"]:
            log.warning(
                "simulation %s: the suite's summary: %s", simulation, sentences(completed["warnings"])
            )
        return completed

    async def fail_simulation(self, simulation_id: SimulationId, reason: str) -> SimulationEnded:
        call = self._host.fail_simulation(simulation_text(simulation_id), reason)
        return _ended(await self._answer("fail_simulation", call))

    async def cancel_simulation(
        self, simulation_id: SimulationId, reason: str
    ) -> SimulationEnded:
        call = self._host.cancel_simulation(simulation_text(simulation_id), reason)
        return _ended(await self._answer("cancel_simulation", call))

    # Queries.

    async def get_simulation_status(self, simulation_id: SimulationId) -> SimulationStatus:
        call = self._host.simulation_status(simulation_text(simulation_id))
        return cast(SimulationStatus, await self._answer("get_simulation_status", call))

    async def get_scenario_outcomes(
        self,
        simulation_id: SimulationId,
        scenario_id: Optional[str],
        status_filter: Optional[str],
        limit: Optional[int],
        cursor: Optional[str],
    ) -> OutcomeList:
        if limit is not None and limit < 1:
            raise ValidationError(f"invalid limit: {limit} (expected at least 1, or None for all outcomes)")
        outcomes = OutcomeList()
        simulation = simulation_text(simulation_id)
        while True:
            wanted = _PAGE_OUTCOMES if limit is None else limit - len(outcomes)
            call = self._host.outcomes(
                simulation, scenario_id, status_filter, min(wanted, _PAGE_OUTCOMES), cursor
            )
            page = await self._answer("get_scenario_outcomes", call)
            turn_ends = time.perf_counter() + SLICE_MS / 1_000
            for outcome in page["outcomes"]:
                outcomes.append(_outcome(outcome))
                if time.perf_counter() >= turn_ends:
                    await self.waiter.pause()
                    turn_ends = time.perf_counter() + SLICE_MS / 1_000
            cursor = outcomes.cursor = page["cursor"]
            if cursor is None or (limit is not None and len(outcomes) >= limit):
                return outcomes

    async def outcomes(
        self,
        simulations: Union[SimulationId, Iterable[SimulationId], None],
        scenario_id: Optional[str],
        status_filter: Optional[str],
        documents: bool,
    ) -> OutcomeTable:
        if simulations is None:
            ids: list[str] = []
        elif isinstance(simulations, (str, uuid.UUID)):
            ids = [simulation_text(simulations)]
        else:
            ids = [simulation_text(simulation) for simulation in simulations]
            if not ids:
                raise ValidationError(
                    "simulations is empty (expected at least one, or None for all simulations)"
                )
        call = self._host.outcome_table(ids, scenario_id, status_filter, documents)
        return OutcomeTable(cast(_native.Table, await self._answer("outcomes", call)))

    async def get_rejected_results(self, simulation_id: SimulationId) -> list[RejectedResult]:
        call = self._host.rejected(simulation_text(simulation_id))
        return cast("list[RejectedResult]", await self._answer("get_rejected_results", call))

    async def get_revisions(self, simulation_id: SimulationId) -> list[Revision]:
        call = self._host.revisions(simulation_text(simulation_id))
        return cast("list[Revision]", await self._answer("get_revisions", call))

    async def get_annotations(
        self, simulation_id: SimulationId, outcome_id: Optional[str]
    ) -> list[Annotation]:
        call = self._host.annotations(simulation_text(simulation_id), outcome_id)
        return cast("list[Annotation]", await self._answer("get_annotations", call))

    async def get_missing(self, simulation_id: SimulationId) -> list[MissingTrial]:
        call = self._host.missing(simulation_text(simulation_id))
        return cast("list[MissingTrial]", await self._answer("get_missing", call))

    async def get_simulation_performance(
        self, simulation_id: SimulationId, time_range: timedelta
    ) -> SimulationPerformance:
        hours = time_range.total_seconds() / 3_600
        if hours <= 0:
            raise ValidationError(f"invalid time_range: {time_range} (expected a positive duration)")
        call = self._host.performance(simulation_text(simulation_id), hours)
        return cast(
            SimulationPerformance, await self._answer("get_simulation_performance", call)
        )

    async def get_recent_failures(self, limit: int) -> list[Failure]:
        if not 1 <= limit < 1 << 32:
            raise ValidationError(f"invalid limit: {limit} (expected at least 1)")
        call = self._host.recent_failures(limit)
        return cast("list[Failure]", await self._answer("get_recent_failures", call))


def _warn_of_configuration(config_version_id: str, simulation_id: str) -> None:
    """Logs a warning if a configuration should exist, once in the process.

    An id from `create_configuration` is a UUID. Any other text is the caller's own name of a version, such
    as a commit, which is recorded as it is.
    """
    if not _UUID.fullmatch(config_version_id) or config_version_id in _warned_configurations:
        return
    _warned_configurations.add(config_version_id)
    log.warning(
        "simulation %s has the configuration %s, which does not exist in this database",
        simulation_id,
        config_version_id,
    )


def only_id(verdict: ItemVerdict) -> str:
    """Returns the outcome id of a single result.

    Raises:
        ValidationError: if it was rejected.
        DatabaseError: if it was not recorded for another reason.
    """
    if verdict["verdict"] == "rejected":
        violations = verdict["violations"]
        raise ValidationError(f"the result is not valid: {sentences(violations)}", violations)
    if verdict["verdict"] == "failed" or verdict["outcome_id"] is None:
        kind = UnavailableError if verdict["retryable"] else DatabaseError
        raise with_hint(kind(verdict["message"] or "the result was not recorded"), verdict["hint"])
    return verdict["outcome_id"]


def sentences(violations: Sequence[Violation]) -> str:
    """Returns the first violations as readable text."""
    shown = [
        f"{violation['path']}: {violation['message']}" if violation["path"] else violation["message"]
        for violation in violations[:5]
    ]
    if len(violations) > 5:
        shown.append(f"and {len(violations) - 5} more")
    return "; ".join(shown)


def as_list(values: object, name: str) -> list[Any]:
    """Returns the values as a new list, which the caller cannot change meanwhile. Refuses a single
    document, which is an iterable too."""
    kind = type(values)
    single = issubclass(kind, (str, bytes, bytearray, memoryview, Mapping))
    if single or hasattr(kind, "model_dump") or not issubclass(kind, Iterable):
        raise ValidationError(
            f"{name} is a single {kind.__name__} (expected a list, also for one element)"
        )
    return list(cast("Iterable[Any]", values))


def _count(value: Any, name: str) -> Optional[int]:
    """Checks an optional count."""
    if value is None:
        return None
    # In Python, True equals 1.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 32:
        return value
    raise ValidationError(f"invalid {name}: {value!r} (expected an integer from 0)")


def _text(value: Any, name: str) -> Optional[str]:
    """Checks an optional text."""
    if value is None or isinstance(value, str):
        return value
    raise ValidationError(f"{name} is a {type(value).__name__} (expected a str)")


def _texts(values: Optional[Iterable[Any]], name: str) -> list[str]:
    """Checks optional texts."""
    texts = [] if values is None else as_list(values, name)
    for text in texts:
        if not isinstance(text, str):
            raise ValidationError(f"{name} has a {type(text).__name__} (expected a str)")
    return texts


def _parallel(
    results: Sequence[Any], values: Optional[Iterable[Any]], name: str
) -> Optional[list[Any]]:
    if values is None:
        return None
    parallel = as_list(values, name)
    if len(parallel) != len(results):
        raise ValidationError(
            f"{name} has {len(parallel)} elements for {len(results)} results (expected one for each "
            "result, None if it has none)"
        )
    return parallel


def _ended(answer: tuple[str, str, bool]) -> SimulationEnded:
    simulation, status, spooled = answer
    ended: SimulationEnded = {"simulation_id": simulation, "status": status}
    if spooled:
        ended["spooled"] = True
    return ended


def uncomputed(simulation: str, status: str, suite_result: Any) -> SimulationCompleted:
    """Returns the answer to a completion of which only the suite's own figures are known."""
    figures: Mapping[str, Any] = {}
    if isinstance(suite_result, Mapping):
        figures = cast("Mapping[str, Any]", suite_result)
    return {
        "simulation_id": simulation,
        "status": status,
        "overall_score": _figure(figures, "average_reliability_score"),
        "total_cost_usd": _figure(figures, "total_cost_usd"),
        "execution_time_seconds": _figure(figures, "parallel_execution_time"),
        "completed_at": now(),
        "computed": {
            "overall_score": None,
            "total_cost_usd": 0.0,
            "execution_time_seconds": 0.0,
        },
        "warnings": [],
    }


def _figure(figures: Mapping[str, Any], name: str) -> float:
    """Returns the suite's own figure, or NaN, which can still be formatted as a number."""
    value: Union[int, float, Any] = figures.get(name)
    return float(value) if isinstance(value, (int, float)) else math.nan


#: The SQL statement with which runners mark a simulation as failed or cancelled.
_ENDING = re.compile(
    r"""\s* update \s+ (?:arc_recorder\.)? simulations \s+
        set \s+ status \s* = \s* '(failed|cancelled)'
        (?: \s* , \s* completed_at \s* = \s* (?: now \s* \( \s* \) | current_timestamp ) )?
        \s+ where \s+ simulation_id \s* = \s* :(\w+) \s* ;? \s*""",
    re.IGNORECASE | re.VERBOSE,
)


def ending_of(sql: str, params: Mapping[str, Any]) -> Optional[tuple[str, str]]:
    """Returns the status and the simulation of a statement that ends one, or `None` for any other statement."""
    found = _ENDING.fullmatch(sql)
    if found is None or found[2] not in params:
        return None
    return found[1].lower(), simulation_text(params[found[2]])


def _outcome(outcome: dict[str, Any]) -> ScenarioOutcome:
    text = outcome.get("trajectory")
    outcome["trajectory"] = None if text is None else json.loads(text)
    outcome["warnings"] = outcome["warnings"] or []
    return cast(ScenarioOutcome, outcome)


def sql_text(value: Any) -> Optional[str]:
    """Returns a value in PostgreSQL's text format."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, timedelta):
        # As integers: a short duration as a float would be written with an exponent.
        microseconds = value // timedelta(microseconds=1)
        return f"{microseconds // 1_000_000} seconds {microseconds % 1_000_000} microseconds"
    if isinstance(value, (bytes, bytearray)):
        return "\\x" + value.hex()
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = cast("Iterable[Any]", value)
        return "{" + ",".join(_array_item(item) for item in items) + "}"
    return str(value)


def _array_item(value: Any) -> str:
    text = sql_text(value)
    if text is None:
        return "NULL"
    if isinstance(value, (list, tuple, set, frozenset)):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def now() -> str:
    """Returns the current time in UTC, as RFC 3339."""
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
