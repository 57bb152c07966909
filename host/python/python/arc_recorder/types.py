"""What the calls give: plain dicts that JSON can hold. Times are RFC 3339 in UTC."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, Optional, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
elif TYPE_CHECKING:
    from typing_extensions import NotRequired


class Violation(TypedDict):
    """What is wrong with a part of a document, or was assumed of it."""

    #: Where: a JSON Pointer, empty for the whole document.
    path: str
    #: What kind of fault; it never changes.
    code: str
    #: A sentence for people.
    message: str


class ItemVerdict(TypedDict):
    """What became of one result."""

    #: `stored` now; `duplicate`, stored before; `spooled`, kept until the database is back;
    #: `rejected` as not valid; `failed`, not recorded.
    verdict: Literal["stored", "duplicate", "spooled", "rejected", "failed"]
    #: The id of the outcome or of the rejected result; none where nothing could be sent.
    outcome_id: Optional[str]
    #: Why it was rejected.
    violations: list[Violation]
    #: What was assumed or replaced in a result that was accepted.
    warnings: list[Violation]
    #: Whether the same result again may work, where it failed.
    retryable: bool
    #: Why it failed.
    message: Optional[str]
    #: What to do about it, if the message does not show it.
    hint: Optional[str]


class RejectedItem(TypedDict):
    """A result of a file that is not valid."""

    #: Where it stands in the file, counted from 0.
    position: int
    #: The id under which it is kept.
    outcome_id: str
    #: The first reason: where, what, and as a sentence.
    path: str
    code: str
    message: str
    #: All reasons.
    violations: list[Violation]


class FileRecorded(TypedDict):
    """What became of a file."""

    #: The file's name.
    file: str
    #: The format of its results; none for the built-in one.
    format: Optional[str]
    simulation_id: str
    simulation_name: str
    #: The simulation's status; none where it could not be asked.
    status: Optional[str]
    #: How many results were stored now, were there before, are kept until the database is back, are
    #: not valid, and were not recorded.
    stored: int
    duplicate: int
    spooled: int
    rejected: int
    failed: int
    #: Why the first of those that were not recorded was not.
    failure: Optional[str]
    #: What to do about that, if `failure` does not show it.
    failure_hint: Optional[str]
    interrupted: bool
    #: Of all results of the simulation together.
    by_status: Optional[dict[str, int]]
    by_error_category: Optional[dict[str, int]]
    overall_score: Optional[float]
    total_tokens: Optional[int]
    total_cost_usd: Optional[float]
    total_scenarios: Optional[int]
    completed_scenarios: Optional[int]
    #: How many accepted results have each warning.
    warnings: dict[str, int]
    #: The first results that are not valid.
    rejected_results: list[RejectedItem]
    #: What else of the file is not recorded as it stands there, or worth knowing.
    notes: list[str]
    #: How long it took, in seconds.
    elapsed_seconds: float


class SimulationStarted(TypedDict):
    """The answer to a start."""

    simulation_id: str
    scenario_count: int
    #: `running`, or where a simulation that was started before stands; `unrecorded` where a
    #: failure was turned into this answer.
    status: str
    created_at: str
    #: Whether the version of the configuration was created before.
    configuration_exists: NotRequired[bool]
    #: Whether the start is in a spool, until the database is back.
    spooled: NotRequired[bool]
    #: Why nothing was recorded.
    error: NotRequired[str]


class SimulationFigures(TypedDict):
    """Figures from the recorded outcomes."""

    #: The mean of the latest scores, from 0 to 1.
    overall_score: Optional[float]
    total_cost_usd: float
    execution_time_seconds: float


class SimulationCompleted(TypedDict):
    """The answer to a completion: the suite's own figures, the computed ones where it gives none."""

    simulation_id: str
    status: str
    overall_score: float
    total_cost_usd: float
    execution_time_seconds: float
    completed_at: str
    #: The same from the recorded outcomes; empty where nothing was recorded.
    computed: SimulationFigures
    #: Whether the completion is in a spool, until the database is back. Then nothing is computed
    #: yet, and a figure that the suite does not give is NaN.
    spooled: NotRequired[bool]
    #: Why nothing was recorded.
    error: NotRequired[str]


class SimulationEnded(TypedDict):
    """The answer to a failure or a cancellation."""

    simulation_id: str
    status: str
    #: Whether the end is in a spool, until the database is back.
    spooled: NotRequired[bool]
    #: Why nothing was recorded.
    error: NotRequired[str]


class SimulationStatus(TypedDict):
    """Where a simulation stands."""

    simulation_id: str
    simulation_name: Optional[str]
    config_version_id: str
    #: `running`, `completed`, `failed` or `cancelled`.
    status: str
    #: From 0 to 100.
    progress_percentage: float
    #: Planned scenarios times trials, and those that were recorded without being planned.
    total_scenarios: int
    completed_scenarios: int
    #: Scenarios whose latest outcome is a success.
    successful_outcomes: int
    failed_outcomes: int
    rejected_results: int
    #: Outcomes of every attempt.
    recorded_outcomes: int
    by_status: dict[str, int]
    by_error_category: dict[str, int]
    #: From 0 to 1.
    overall_score: Optional[float]
    total_tokens: int
    total_cost_usd: float
    execution_time_ms: float
    modal_app_id: Optional[str]
    metadata: Optional[dict[str, Any]]
    created_at: str
    started_at: str
    completed_at: Optional[str]


class ScenarioOutcome(TypedDict):
    """A recorded outcome."""

    outcome_id: str
    scenario_id: str
    scenario_name: Optional[str]
    #: Counted from 1.
    trial: int
    #: Counted from 1; a different result for the same scenario and trial is a further attempt.
    attempt: int
    #: When the run began.
    execution_time: str
    received_at: str
    #: `success`, `error`, `timeout` or `cancelled`.
    status: str
    #: From 0 to 1.
    reliability_score: Optional[float]
    execution_time_ms: float
    tokens_used: int
    cost_usd: float
    #: The result's trajectory, with `detailed_trajectory` and `reliability_dimensions` in it.
    trajectory: Optional[dict[str, Any]]
    modal_call_id: Optional[str]
    sandbox_id: Optional[str]
    error_code: Optional[str]
    error_message: Optional[str]
    error_category: Optional[str]
    metrics: dict[str, Any]
    warnings: list[Violation]
    #: The name and version of what extracted these fields.
    extractor: str


class HourlyMetrics(TypedDict):
    """One hour of a simulation, every attempt counted."""

    hour: str
    total_outcomes: int
    avg_reliability: Optional[float]
    #: Milliseconds.
    avg_execution_time: float
    total_cost: float
    error_count: int


class PerformanceSummary(TypedDict):
    """Some hours of a simulation in one."""

    total_outcomes: int
    avg_reliability: Optional[float]
    total_cost: float


class SimulationPerformance(TypedDict):
    """A simulation over time."""

    simulation_id: str
    time_range_hours: float
    hourly_metrics: list[HourlyMetrics]
    summary: PerformanceSummary


class Failure(TypedDict):
    """An outcome that is not a success, of any simulation."""

    outcome_id: str
    simulation_id: str
    scenario_id: str
    execution_time: str
    status: str
    error_code: Optional[str]
    error_category: Optional[str]
    modal_call_id: Optional[str]
    error_message: Optional[str]


class RejectedResult(TypedDict):
    """A result that was rejected, without its document."""

    outcome_id: str
    received_at: str
    position: Optional[int]
    trial: Optional[int]
    violations: list[Violation]
    document_bytes: int


class PoolStats(TypedDict):
    """The connections of the pool."""

    #: Open now.
    size: int
    #: Open and free.
    available: int
    #: Calls that wait for one.
    waiting: int


class SpoolState(TypedDict):
    """What a spool holds."""

    #: How many entries wait.
    depth: int
    bytes: int
    limit_bytes: int
    #: When the oldest of them was kept.
    oldest_at: Optional[str]
    #: How many were refused for good.
    dead_letters: int
    #: Whether there is no room.
    full: bool


class Policy(TypedDict):
    """A task that TimescaleDB runs by itself."""

    #: What it does: `policy_compression` moves old chunks into the columnstore.
    name: str
    table: str
    #: Whether it runs: it is scheduled, its last run went well, and the next one is not overdue.
    healthy: bool
    last_run_at: Optional[str]
    #: `Success` or `Failed`.
    last_run_status: Optional[str]
    next_run_at: Optional[str]


class Health(TypedDict):
    """The database's state. One that cannot be reached is an answer too."""

    #: `ok` or `error`.
    status: str
    error: NotRequired[str]
    server_version: Optional[str]
    #: Names and versions.
    extensions: dict[str, str]
    #: The tables that TimescaleDB partitions by time.
    hypertables: list[str]
    pool_stats: PoolStats
    #: How many migrations were applied; none where the schema is not there.
    schema_version: Optional[int]
    #: `plain`, `timescale` or `citus`; none where the schema is not there.
    layout: Optional[str]
    policies: list[Policy]
    #: How far the host's clock is ahead of the database's; negative where it is behind, none where
    #: the database does not answer.
    clock_skew_ms: Optional[float]
    timestamp: str
    response_time_ms: float
    #: The version of the service, where it is one.
    service_version: NotRequired[str]
    #: The spool of this process, else that of the service, where there is one.
    spool: NotRequired[Optional[SpoolState]]


class Metrics(TypedDict):
    """What this client has asked the database for, counted."""

    total_queries: int
    failed_queries: int
    retry_count: int
    #: Percent; 100 where nothing was asked.
    success_rate: float
    #: Milliseconds.
    avg_query_time: float
    stored_outcomes: int
    transactions: int
    last_health_check: Optional[str]
    pool_stats: PoolStats


class Deployment(TypedDict):
    """What deploying the schema did."""

    status: str
    #: The migrations that were applied now, and `layout …`; none where all was there.
    applied: list[str]
    schema_version: int
    #: `plain`, `timescale` or `citus`.
    layout: str
    #: What could not be had, and what would bring it.
    notes: list[str]


class OutcomeList(list[ScenarioOutcome]):
    """Outcomes in order of scenario, trial and attempt."""

    #: Where the next page begins; none where there is no more.
    cursor: Optional[str] = None


class Rows(list[dict[str, Any]]):
    """The rows of a statement, each a dict by the names of the columns."""

    #: How many rows the statement gave or changed.
    rowcount: int = 0

    def fetchall(self) -> list[dict[str, Any]]:
        """All rows."""
        return list(self)

    def fetchone(self) -> Optional[dict[str, Any]]:
        """The first row, where there is one."""
        return self[0] if self else None

    def scalar(self) -> Any:
        """The first value of the first row; none where there is no row."""
        return next(iter(self[0].values()), None) if self else None
