"""The API to record evaluations, for event loops."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Optional, Union

from ._calls import SimulationId
from ._policy import OnError, Recording
from .types import (
    Annotation,
    FileRecorded,
    FilesRecorded,
    ItemVerdict,
    ListedResults,
    MetricDefinition,
    MissingTrial,
    NewAnnotation,
    Origin,
    OutcomeList,
    RejectedResult,
    RemovedSimulation,
    Revision,
    SimulationCompleted,
    SimulationEnded,
    SimulationLabels,
    SimulationList,
    SimulationStarted,
    SimulationStatus,
)
from .client import ArcDBClient
from .tables import OutcomeTable


class ArcAPI:
    """Records evaluations.

    Args:
        db: the database.
        on_error: how a failure of recording is handled. `raise` raises a `DatabaseError`; `warn` logs a
            warning and returns an answer that reports the failure, so that an evaluation continues.

    An answer means that the work is committed. Every call can be repeated after an error or a lost
    answer: nothing is stored twice.
    """

    def __init__(self, db: ArcDBClient, *, on_error: OnError = "raise") -> None:
        #: The database's own calls: health, schema, performance, failures, metrics, SQL.
        self.db = db
        self._calls = db.calls
        self._recording = Recording(db.calls, on_error)

    async def start_simulation(
        self,
        config_version_id: SimulationId,
        scenarios: Iterable[Any],
        simulation_name: Optional[str] = None,
        modal_app_id: Optional[str] = None,
        modal_environment: Optional[str] = None,
        sandbox_instances: Optional[int] = None,
        metadata: Optional[Mapping[str, Any]] = None,
        *,
        simulation_id: Optional[SimulationId] = None,
        trials: Optional[int] = None,
        metrics: Optional[Iterable[MetricDefinition]] = None,
        score_scale: Optional[float] = None,
        tags: Optional[Iterable[str]] = None,
        project: Optional[str] = None,
        origin: Optional[Origin] = None,
    ) -> SimulationStarted:
        """Starts a simulation and writes its plan.

        Args:
            config_version_id: the id from `create_configuration`, or your own name of a version. A UUID
                that is not the id of a configuration logs a warning, once in a process.
            scenarios: dicts, or objects with `to_dict()`, each with an `id`; at most 16 MiB as JSON.
            simulation_name: a display name.
            modal_app_id: the Modal app that runs the evaluation.
            modal_environment: default: the variable `MODAL_ENVIRONMENT`, then `production`.
            sandbox_instances: how many sandboxes run at once.
            metadata: anything else about the simulation.
            simulation_id: a UUID that the caller chose, so that a start can be repeated.
            trials: how many times each scenario is run, from 1 to 10,000; default 1.
            metrics: the definitions of metrics, as in `declare_metrics`.
            score_scale: the highest value of the results' own score, whose lowest is 0.
            tags: labels of 1 to 100 bytes; those that an existing simulation lacks are added.
            project: the project that it belongs to. Default: the variable `ARC_PROJECT`, or at a service that
                of the token, or `default`.
            origin: who runs what, as far as it is known; it counts instead of what the results name. Without
                models, those of the metadata's `agent_model`.

        Raises:
            ValidationError: if the scenarios or the metrics are not valid, or two scenarios have the
                same id.
            ConflictError: if the simulation already exists with another plan.
            SimulationRemovedError: if the simulation was removed.
        """
        return await self._recording.start_simulation(
            config_version_id,
            scenarios,
            simulation_name,
            modal_app_id,
            modal_environment,
            sandbox_instances,
            metadata,
            simulation_id,
            trials,
            metrics,
            score_scale,
            tags,
            project,
            origin,
        )

    async def resolve_simulation(self, simulation: SimulationId) -> str:
        """Returns the id of the simulation that a text refers to: its id, a unique prefix of it of at least
        4 characters, its name, or `latest`. All calls for an existing simulation accept these, except those
        that record results.

        Raises:
            NotFoundError: if no simulation matches.
            AmbiguousSimulationError: if several simulations match; the message lists them.
        """
        return await self._calls.resolve_simulation(simulation)

    async def list_simulations(
        self,
        *,
        name: Optional[str] = None,
        tag: Optional[str] = None,
        project: Optional[str] = None,
        since: Union[datetime, timedelta, str, None] = None,
        status: Optional[str] = None,
        model: Optional[str] = None,
        provider: Optional[str] = None,
        agent: Optional[str] = None,
        task: Optional[str] = None,
        dataset: Optional[str] = None,
        tool: Optional[str] = None,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> SimulationList:
        """Returns the simulations, newest first.

        Args:
            name: only those whose name contains this text, in any case; if it has `*` or `?`, those whose
                whole name matches it.
            tag: only those with this tag.
            project: only those of this project.
            since: only those whose evaluation began then or later: a time, a duration before now, or a text
                such as `2026-03-01` or `7d`.
            status: only those with this status.
            model: only those one of whose models contains this text, as `name`.
            provider, agent, task, dataset, tool: the same of who ran what.
            limit: the most simulations to return; the answer's `cursor` continues after them.
            cursor: the `cursor` of the previous answer.

        Raises:
            ValidationError: if an argument is not valid.
        """
        return await self._calls.list_simulations(
            name,
            tag,
            project,
            since,
            status,
            {
                "model": model,
                "provider": provider,
                "agent": agent,
                "task": task,
                "dataset": dataset,
                "tool": tool,
            },
            limit,
            cursor,
        )

    async def rename_simulation(self, simulation_id: SimulationId, name: str) -> SimulationLabels:
        """Renames a simulation.

        Raises:
            ValidationError: if the name is empty.
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.rename_simulation(simulation_id, name)

    async def tag_simulation(
        self,
        simulation_id: SimulationId,
        add: Iterable[str] = (),
        *,
        remove: Iterable[str] = (),
    ) -> SimulationLabels:
        """Adds and removes tags of a simulation, and returns it with its tags.

        Raises:
            ValidationError: if a tag is empty, longer than 100 bytes, or contains a control character.
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.tag_simulation(simulation_id, add, remove)

    async def remove_simulation(self, simulation_id: SimulationId) -> RemovedSimulation:
        """Removes a simulation permanently, with all its data. Later calls for it are refused with
        a `SimulationRemovedError`. Safe to repeat. A service requires a token with the scope `admin`.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.remove_simulation(simulation_id)

    async def declare_metrics(
        self,
        simulation_id: SimulationId,
        metrics: Optional[Iterable[MetricDefinition]] = None,
        *,
        score_scale: Optional[float] = None,
    ) -> SimulationStatus:
        """Declares metrics of a simulation, before or after its results are recorded, and returns its
        status with the new figures. No result changes; every declaration is kept.

        Args:
            simulation_id: the simulation.
            metrics: a list of dicts, each with the `name` of the metric in the scores of results, and any
                of `unit`, `lowest`, `highest`, `higher_is_better`, `kind`, `pass_threshold`, and
                `headline`, which makes it the simulation's score. They replace the same members of
                earlier definitions, and of the tool's.
            score_scale: the highest value of the results' own score, whose lowest is 0.

        Raises:
            ValidationError: if a definition is not valid, or nothing is declared.
            NotFoundError: if the simulation does not exist.
            UnavailableError: if a retry of the call can succeed; a declaration is not stored in a spool.
        """
        return await self._calls.declare_metrics(simulation_id, metrics, score_scale)

    async def record_scenario_outcome(
        self,
        simulation_id: SimulationId,
        scenario_result: Any,
        modal_call_id: Optional[str] = None,
        sandbox_id: Optional[str] = None,
        *,
        trial: Optional[int] = None,
    ) -> Optional[str]:
        """Records one result, and returns the id of its outcome.

        Args:
            simulation_id: the simulation.
            scenario_result: a dict, a dataclass, a pydantic model, an object with `to_dict()`, or
                JSON as text or bytes. The member `database_tracking` of a dict is left out.
            modal_call_id: the Modal function call of the run.
            sandbox_id: the sandbox of the run.
            trial: the trial of its scenario, counted from 1.

        Returns:
            The outcome's id, also if it was recorded before; `None` if `on_error` is `warn` and it
            was not recorded.

        Raises:
            ValidationError: if the result is not valid, with all its `violations`; it is stored as
                a rejected result.
            NotFoundError: if the simulation does not exist.
            UnavailableError: if a retry of the call can succeed.
        """
        return await self._recording.record_scenario_outcome(
            simulation_id, scenario_result, modal_call_id, sandbox_id, trial
        )

    async def record_batch_outcomes(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]] = None,
    ) -> list[Optional[str]]:
        """Records many results, and returns the ids of their outcomes in order.

        A result that is not valid has the id `None`, and is logged as a warning; `record_batch` returns
        the reasons.

        Raises:
            DatabaseError: if some were not recorded; a retry of the call stores nothing twice.
        """
        return await self._recording.record_batch_outcomes(
            simulation_id, scenario_results, modal_call_ids
        )

    async def record_batch(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]] = None,
        *,
        sandbox_ids: Optional[Iterable[Optional[str]]] = None,
        trials: Optional[Iterable[Optional[int]]] = None,
        format: Optional[str] = None,
        header: Any = None,
    ) -> list[ItemVerdict]:
        """Records many results, and returns a verdict on each, in order.

        One bad result never fails the others. The ids and trials of the results are lists parallel to
        the results, with `None` for a result that has none.

        Args:
            format: the name of the results' format, if it is not the built-in one.
            header: the part of that format that all results share: JSON text, or an object that
                becomes JSON.

        Raises:
            NotFoundError: if the simulation does not exist.
            UnavailableError: if nothing was recorded and a retry of the call can succeed.
        """
        return await self._recording.record_batch(
            simulation_id,
            scenario_results,
            modal_call_ids,
            sandbox_ids,
            trials,
            format,
            header,
        )

    async def record_file(
        self,
        path: Union[str, PathLike[str]],
        *,
        format: Optional[str] = None,
        header: Union[str, PathLike[str], None] = None,
        simulation_name: Optional[str] = None,
        simulation_id: Optional[SimulationId] = None,
        config_version_id: Optional[SimulationId] = None,
        metrics: Optional[Iterable[MetricDefinition]] = None,
        score_scale: Optional[float] = None,
        tags: Optional[Iterable[str]] = None,
        project: Optional[str] = None,
    ) -> FileRecorded:
        """Records a file as a simulation, and completes it: results in the built-in format, or the log
        of another evaluation tool. The same file again is the same simulation, and stores nothing
        twice. The log of a run that did not complete makes a simulation that is `incomplete`, `failed` or
        `cancelled`.

        Args:
            path: the file, also compressed with gzip or zstd; or the folder of one run.
            format: its format, as `arc-host formats list` names it. Default: the one that recognises
                the file.
            header: the file with the part that all results share, if the format has a separate one.
                Default: the matching file in the same folder.
            simulation_name: a display name. Default: the file's.
            simulation_id: the simulation that the results are recorded in. Default: one made from the
                tool's own id of the run, or else from the file's content.
            config_version_id: the id from `create_configuration`.
            metrics: the definitions of metrics, as in `declare_metrics`; they are also declared
                for a simulation that already exists.
            score_scale: the highest value of the results' own score, whose lowest is 0;
                also declared.
            tags: labels of 1 to 100 bytes; those that an existing simulation lacks are added.
            project: the project that it belongs to. Default: the variable `ARC_PROJECT`, or at a service that
                of the token, or `default`.

        Raises:
            ValidationError: if the file is not of its format, or has no results, or a metric is not
                valid.
            NotFoundError: if the format does not exist.
        """
        return await self._calls.record_file(
            path,
            format,
            header,
            simulation_name,
            simulation_id,
            config_version_id,
            metrics,
            score_scale,
            tags,
            project,
        )

    async def record_files(
        self,
        paths: Union[str, PathLike[str], Iterable[Union[str, PathLike[str]]]],
        *,
        format: Optional[str] = None,
        header: Union[str, PathLike[str], None] = None,
        simulation_name: Optional[str] = None,
        simulation_id: Optional[SimulationId] = None,
        config_version_id: Optional[SimulationId] = None,
        metrics: Optional[Iterable[MetricDefinition]] = None,
        score_scale: Optional[float] = None,
        tags: Optional[Iterable[str]] = None,
        project: Optional[str] = None,
        one_simulation: bool = False,
    ) -> FilesRecorded:
        """Records files, and folders with all folders in them. The files of one run are one simulation,
        and every other file is one. Of a folder, the files that a format recognises are recorded, and the
        others counted. A file that cannot be recorded does not affect the others: the summary lists it.

        Args:
            paths: files and folders.
            simulation_id: the one simulation that all results are recorded in.
            one_simulation: record all files into one simulation, whose id is made from their content.
                Default: each run and each file that is no part of one is a simulation.

        The other arguments are those of `record_file`, for every file.

        Raises:
            ValidationError: if a metric is not valid.
            NotFoundError: if the format does not exist.
        """
        return await self._calls.record_files(
            paths,
            format,
            header,
            simulation_name,
            simulation_id,
            config_version_id,
            metrics,
            score_scale,
            tags,
            project,
            one_simulation,
        )

    async def complete_simulation(
        self, simulation_id: SimulationId, suite_result: Any = None
    ) -> SimulationCompleted:
        """Completes a simulation and fixes its figures; results that arrive later are counted.

        Args:
            simulation_id: the simulation.
            suite_result: the suite's own figures, all optional: `average_reliability_score`,
                `total_cost_usd`, `parallel_execution_time` (seconds), and others. Missing
                figures, and those that are NaN or infinite, are computed from the outcomes.

        Raises:
            NotFoundError: if the simulation does not exist.
            ConflictError: if it has failed or was cancelled.
        """
        return await self._recording.complete_simulation(simulation_id, suite_result)

    async def fail_simulation(self, simulation_id: SimulationId, reason: str = "") -> SimulationEnded:
        """Ends a simulation as failed. Repeating it changes nothing.

        Raises:
            NotFoundError: if the simulation does not exist.
            ConflictError: if it has ended in another way.
        """
        return await self._recording.fail_simulation(simulation_id, reason)

    async def cancel_simulation(
        self, simulation_id: SimulationId, reason: str = ""
    ) -> SimulationEnded:
        """Ends a simulation that was stopped on purpose. Repeating it changes nothing.

        Raises:
            NotFoundError: if the simulation does not exist.
            ConflictError: if it has ended in another way.
        """
        return await self._recording.cancel_simulation(simulation_id, reason)

    async def get_simulation_status(self, simulation_id: SimulationId) -> SimulationStatus:
        """Returns a simulation's status, progress and figures.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.get_simulation_status(simulation_id)

    async def get_scenario_outcomes(
        self,
        simulation_id: SimulationId,
        scenario_id: Optional[str] = None,
        status_filter: Optional[str] = None,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> OutcomeList:
        """Returns the outcomes of a simulation, in order of scenario, trial and attempt.

        Args:
            simulation_id: the simulation.
            scenario_id: only those of this scenario.
            status_filter: only those with this status.
            limit: the most outcomes to return; the answer's `cursor` continues after them.
            cursor: the `cursor` of the previous answer.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.get_scenario_outcomes(
            simulation_id, scenario_id, status_filter, limit, cursor
        )

    async def outcomes(
        self,
        simulations: Union[SimulationId, Iterable[SimulationId], None] = None,
        *,
        scenario_id: Optional[str] = None,
        status_filter: Optional[str] = None,
        documents: bool = False,
    ) -> OutcomeTable:
        """Returns the outcomes of simulations as a table, for pandas, polars and other libraries that read
        Arrow.

        They are in order of simulation, scenario, trial and attempt, and from one snapshot of the
        database (from a service they are read page by page instead). Each takes some 250 bytes of memory.

        Args:
            simulations: the simulation, or several. Default: all, the oldest first.
            scenario_id: only those of this scenario.
            status_filter: only those with this status.
            documents: with the documents, byte for byte, as a last column of text.

        Raises:
            NotFoundError: if one of the simulations does not exist.
        """
        return await self._calls.outcomes(simulations, scenario_id, status_filter, documents)

    async def get_rejected_results(self, simulation_id: SimulationId) -> list[RejectedResult]:
        """Returns the rejected results of a simulation and the reasons, in order of receipt.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.get_rejected_results(simulation_id)

    async def get_revisions(self, simulation_id: SimulationId) -> list[Revision]:
        """Returns the results of a simulation that have several revisions or are superseded, with each
        revision, in order of scenario, key and revision: at most 10,000.

        Results with the same key are revisions of one result, such as a score that was edited in the log
        later. The last one counts, unless another was selected. A result that the tool's final list lacks
        is superseded, and is in the list, too.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.get_revisions(simulation_id)

    async def select_revision(
        self,
        simulation_id: SimulationId,
        revision: Optional[int],
        *,
        result_key: Optional[str] = None,
    ) -> list[Revision]:
        """Selects the revision of a result that counts, and returns all its revisions. Every selection is
        kept, and the newest one is valid.

        Args:
            simulation_id: the simulation.
            revision: the number of the revision; `None` for the one that was made last.
            result_key: the tool's own id of the execution; not needed if only one result has several
                revisions.

        Raises:
            ValidationError: if several results have revisions, and none is named.
            NotFoundError: if the simulation, the result or the revision does not exist.
            UnavailableError: if a retry of the call can succeed; a selection is not stored in a spool.
        """
        return await self._calls.select_revision(simulation_id, revision, result_key)

    async def annotate(
        self, simulation_id: SimulationId, annotations: Iterable[NewAnnotation]
    ) -> list[Annotation]:
        """Annotates results, all or none, and returns the annotations that were made: notes, tags,
        invalidations, other scores and failure classes, and their undoing.

        Nothing is overwritten: of the annotations about the same, the newest that is not undone counts, in
        all later figures. An annotation of a result that has a key belongs to all its revisions; a changed
        score belongs to the revision that counts now.

        Args:
            simulation_id: the simulation.
            annotations: from 1 to 10,000 of them, such as `{"kind": "invalidate", "scenario_id": "q17",
                "reason": "wrong image"}`; see `NewAnnotation`.

        Raises:
            ValidationError: if an annotation is incomplete, or its value does not fit its kind.
            NotFoundError: if the simulation, a result or an annotation does not exist.
            UnavailableError: if a retry of the call can succeed; annotations are not stored in a spool.
        """
        return await self._calls.annotate(simulation_id, annotations)

    async def get_annotations(
        self, simulation_id: SimulationId, *, outcome_id: Optional[str] = None
    ) -> list[Annotation]:
        """Returns the annotations of a simulation, or of the result of one outcome in all its revisions,
        oldest first: at most 10,000. The marks with which tools have invalidated results are among them.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.get_annotations(simulation_id, outcome_id)

    async def get_missing(self, simulation_id: SimulationId) -> list[MissingTrial]:
        """Returns the trials of a simulation that have no valid outcome, in the order of the plan: those
        without a result, and those whose latest outcome was invalidated or is a failure of infrastructure.
        Recording them completes the run.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self._calls.get_missing(simulation_id)

    async def compare_results(
        self,
        simulation_id: SimulationId,
        outcome_ids: Iterable[str],
        *,
        is_final: bool = False,
        made_at: Optional[datetime] = None,
        modified_at: Optional[datetime] = None,
    ) -> ListedResults:
        """Compares a list of recorded results with those of their simulation, as `record_file` does with
        the results of a file. A result that the tool's final list lacks is superseded: it stays recorded,
        and is in no figure. One that comes back in a later final list counts again.

        Args:
            simulation_id: the simulation.
            outcome_ids: the ids of the listed results' outcomes.
            is_final: whether these are all results of the run, which has ended.
            made_at: when the tool made the list.
            modified_at: when its file was last changed: if a result was invalidated before, and the file has
                an earlier revision of it, that one counts again.

        Raises:
            ValidationError: if an argument is not valid.
            NotFoundError: if the simulation does not exist.
            UnavailableError: if a retry of the call can succeed; a list is not stored in a spool.
        """
        return await self._calls.compare_results(
            simulation_id, outcome_ids, is_final, made_at, modified_at
        )

    async def create_configuration(
        self, name: str, config: Any, user_id: Optional[str] = None
    ) -> str:
        """Stores a version of an agent's configuration, and returns its id; see `db`."""
        return await self._calls.create_configuration(name, config, user_id)

    async def close(self) -> None:
        """Waits for calls in progress, then closes the connections. Safe to call twice."""
        await self._calls.close()

    async def __aenter__(self) -> ArcAPI:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Opening:
    """A recorder that is being opened: await it, or enter it with `async with`."""

    def __init__(self, api: ArcAPI, recording: Recording) -> None:
        self._api = api
        self._recording = recording

    async def _open(self) -> ArcAPI:
        await self._recording.open()
        return self._api

    def __await__(self) -> Generator[Any, None, ArcAPI]:
        return self._open().__await__()

    async def __aenter__(self) -> ArcAPI:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()


def create_arc_api(
    url: Optional[str] = None,
    *,
    pool_size: int = 4,
    on_error: OnError = "raise",
    data_dir: Union[str, PathLike[str], None] = None,
    postgres_bin: Union[str, PathLike[str], None] = None,
    token: Optional[str] = None,
    spool_dir: Union[str, PathLike[str], None] = None,
) -> Opening:
    """Opens a database or a service and returns the recorder on it: `await` it, or use `async with`.

    Args:
        url, pool_size, data_dir, postgres_bin, token, spool_dir: see `ArcDBClient`.
        on_error: how a failure of recording is handled; see `ArcAPI`. With `warn`, a database that is
            unavailable is only a warning, and each call tries to connect again.

    Raises:
        ConfigurationError: if the URL is not valid, or the database refuses the user.
        UnavailableError: if the database or the service is unavailable, and there is no spool.
    """
    client = ArcDBClient(
        url,
        pool_size=pool_size,
        data_dir=data_dir,
        postgres_bin=postgres_bin,
        token=token,
        spool_dir=spool_dir,
    )
    return Opening(ArcAPI(client, on_error=on_error), Recording(client.calls, on_error))
