"""The types that the calls return: plain dicts that can be written as JSON. Times are RFC 3339 in UTC."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, Optional, TypedDict, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired, Required
elif TYPE_CHECKING:
    from typing_extensions import NotRequired, Required


class Violation(TypedDict):
    """An error in a part of a document, or a warning about it."""

    #: A JSON Pointer to the part; empty for the whole document.
    path: str
    #: The kind of error, a stable identifier for programs.
    code: str
    #: The error as text.
    message: str


class MetricDefinition(TypedDict):
    """The definition of a metric in a simulation. Absent members are unknown."""

    #: The name, as in the scores of results; empty for the score of each result.
    name: str
    #: The unit, such as `seconds`.
    unit: NotRequired[str]
    #: The lowest possible value; 0 if only `highest` is known.
    lowest: NotRequired[float]
    #: The highest possible value.
    highest: NotRequired[float]
    #: Whether a higher value is better; true if absent.
    higher_is_better: NotRequired[bool]
    #: What the values are: 0 or 1; from 0 to 1; any number; a label, which is not averaged.
    kind: NotRequired[Literal["binary", "fraction", "number", "label"]]
    #: A result passes if its value reaches this one.
    pass_threshold: NotRequired[float]
    #: Whether this metric is the simulation's score; `False` in a declaration withdraws that.
    headline: NotRequired[bool]


class MetricFigures(TypedDict):
    """The figures of one metric, over the latest attempt at each scenario and trial, as the tool wrote
    its values."""

    name: str
    #: The numbers of results that have a value, and that count but have none.
    scored: int
    unscored: int
    sum: Optional[float]
    mean: Optional[float]
    #: The mean over the scenarios of the mean over each scenario's trials that have a value.
    scenario_mean: Optional[float]
    #: The means with 0 for each result without a value.
    mean_with_zero: Optional[float]
    scenario_mean_with_zero: Optional[float]
    lowest: Optional[float]
    highest: Optional[float]


class Headline(TypedDict):
    """The score that counts, with its name and its origin."""

    metric: str
    #: The tool's name of the figure, such as `accuracy`; `mean` for a computed one.
    figure: str
    #: Its value, as the tool writes it.
    value: Optional[float]
    #: The standard error that the tool reports with it.
    standard_error: Optional[float]
    #: `tool`, if the tool reports it as the score of the run; `suite`, from the suite's own summary;
    #: `computed`, from the recorded outcomes.
    source: Literal["tool", "suite", "computed"]
    #: How the tool's figure counts results without a value: leaves them out, or counts 0. `None` if it is
    #: not the tool's.
    missing: Optional[Literal["exclude", "zero"]]
    #: The mean over the scenarios of the mean of each scenario's values.
    computed: Optional[float]
    #: The numbers of latest outcomes that have a value, and that count but have none.
    scored: int
    unscored: int
    #: Whether a higher value is better, and whether that is assumed, because nothing defines it.
    higher_is_better: bool
    higher_is_better_assumed: bool


class FigureComparison(TypedDict):
    """A figure of the tool, and the same of the recorded results."""

    #: `None` for results, tokens and cost.
    metric: Optional[str]
    #: The figure, such as `accuracy`, `results`, `tokens` or `cost_usd`.
    figure: str
    #: The tool's value; `None` if the tool could not compute it.
    reported: Optional[float]
    #: The value of the recorded results; `None` if it cannot be computed from them.
    computed: Optional[float]
    result: Literal["equal", "different", "not_comparable"]


class Reconciliation(TypedDict):
    """How the recorded results compare with what the tool reports about the run."""

    #: Whether nothing differs.
    agrees: bool
    figures: list[FigureComparison]


class ItemVerdict(TypedDict):
    """The verdict on one result."""

    #: `stored` now; `duplicate`, stored before; `spooled`, in the spool until the database is available;
    #: `rejected` as not valid; `failed`, not recorded.
    verdict: Literal["stored", "duplicate", "spooled", "rejected", "failed"]
    #: The id of the outcome or of the rejected result; `None` if nothing could be sent.
    outcome_id: Optional[str]
    #: The reasons for which it was rejected.
    violations: list[Violation]
    #: Assumptions and replacements in an accepted result.
    warnings: list[Violation]
    #: If it failed, whether a retry can succeed.
    retryable: bool
    #: The reason for which it failed.
    message: Optional[str]
    #: What to do about it, if the message does not show it.
    hint: Optional[str]


class RejectedItem(TypedDict):
    """A result of a file that is not valid."""

    #: Its position in the file, counted from 0.
    position: int
    #: The line of the file on which it starts, counted from 1; `None` if the file has none.
    line: Optional[int]
    #: The id under which it is stored.
    outcome_id: str
    #: The first violation: its path, code and message.
    path: str
    code: str
    message: str
    #: All violations.
    violations: list[Violation]


class FileRecorded(TypedDict):
    """A report on a recorded file."""

    #: The file's name.
    file: str
    #: The format of its results; `None` for the built-in one.
    format: Optional[str]
    simulation_id: str
    simulation_name: str
    #: The simulation's status; `None` if it could not be read.
    status: Optional[str]
    #: The numbers of results that were stored now, were stored before, are in the spool until the
    #: database is available, are not valid, and were not recorded.
    stored: int
    duplicate: int
    spooled: int
    rejected: int
    failed: int
    #: The reason for the first result that was not recorded.
    failure: Optional[str]
    #: What to do about that, if `failure` does not show it.
    failure_hint: Optional[str]
    interrupted: bool
    #: Figures of all results of the simulation.
    by_status: Optional[dict[str, int]]
    by_error_category: Optional[dict[str, int]]
    #: How many outcomes are failures of each class: `infrastructure`, `agent`, `scorer`, `harness`, `undecided`.
    by_failure_class: Optional[dict[str, int]]
    #: The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
    overall_score: Optional[float]
    #: The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    score_scale: Optional[float]
    #: The score that counts, with its name and its origin.
    headline: Optional[Headline]
    #: How the recorded results compare with what the tool reports; `None` if it reports nothing.
    reconciliation: Optional[Reconciliation]
    #: Why the simulation did not complete.
    status_reason: Optional[str]
    #: Results that the tool's final list lacks, and that do not count.
    superseded_outcomes: Optional[int]
    #: The first of them, at most 100.
    superseded_results: list[SupersededResult]
    #: The tokens of everything that ran.
    total_tokens: Optional[int]
    total_cost_usd: Optional[float]
    total_scenarios: Optional[int]
    completed_scenarios: Optional[int]
    #: The number of accepted results with each warning.
    warnings: dict[str, int]
    #: The first results that are not valid.
    rejected_results: list[RejectedItem]
    #: Other remarks, such as parts of the file that are not recorded unchanged.
    notes: list[str]
    #: The duration in seconds.
    elapsed_seconds: float


class FailedFile(TypedDict):
    """A file that could not be recorded."""

    file: str
    error: str
    #: What to do about that, if `error` does not show it.
    hint: Optional[str]


class FilesSummary(TypedDict):
    """What became of many files."""

    #: Files that were recorded, also in part, and the number of their simulations.
    files: int
    simulations: int
    #: The numbers of results, as in `FileRecorded`.
    stored: int
    duplicate: int
    spooled: int
    rejected: int
    failed: int
    #: Files of folders without results, such as logs and configurations.
    other_files: int
    #: The names of the first thousand of them.
    other_file_names: list[str]
    #: Files that could not be recorded, and the first ten of them.
    failed_files: int
    failures: list[FailedFile]
    #: Files that were not recorded because the recording was stopped.
    stopped_files: int
    #: The duration in seconds.
    elapsed_seconds: float


class FilesRecorded(TypedDict):
    """A report on many files."""

    #: The recorded files, in the order of the paths.
    files: list[FileRecorded]
    summary: FilesSummary


class SimulationStarted(TypedDict):
    """The answer to a start."""

    simulation_id: str
    scenario_count: int
    #: `running`, or the status of a simulation that was started before; `unrecorded` if a failure
    #: was turned into this answer.
    status: str
    created_at: str
    #: Whether the version of the configuration was created before.
    configuration_exists: NotRequired[bool]
    #: A scenario has another definition than in the plan of the existing simulation, which stays.
    warnings: NotRequired[list[Violation]]
    #: Whether the start is in a spool until the database is available.
    spooled: NotRequired[bool]
    #: The reason for which nothing was recorded.
    error: NotRequired[str]


class SimulationFigures(TypedDict):
    """Figures from the recorded outcomes."""

    #: The mean of the latest scores, from 0 to 1 if their scale is known.
    overall_score: Optional[float]
    total_cost_usd: float
    execution_time_seconds: float


class SimulationCompleted(TypedDict):
    """The answer to a completion: the suite's own figures, or the computed ones if it has none."""

    simulation_id: str
    status: str
    overall_score: float
    total_cost_usd: float
    execution_time_seconds: float
    completed_at: str
    #: The same from the recorded outcomes; empty if nothing was recorded.
    computed: SimulationFigures
    #: The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    score_scale: NotRequired[Optional[float]]
    #: Warnings about the suite's summary and the score: `headline_missing`, `scale_unknown`,
    #: `infrastructure_scored`, `nothing_ran`.
    warnings: list[Violation]
    #: Whether the completion is in a spool until the database is available. Then nothing is computed
    #: yet, and a figure that the suite does not have is NaN.
    spooled: NotRequired[bool]
    #: The reason for which nothing was recorded.
    error: NotRequired[str]


class SimulationEnded(TypedDict):
    """The answer to a failure or a cancellation."""

    simulation_id: str
    status: str
    #: Whether the end is in a spool until the database is available.
    spooled: NotRequired[bool]
    #: The reason for which nothing was recorded.
    error: NotRequired[str]


class SupersededResult(TypedDict):
    """A result that the tool's final list lacks."""

    scenario_id: str
    #: The result's place in the run.
    place: Optional[str]
    #: The tool's own id of the execution.
    result_key: str


class Origin(TypedDict, total=False):
    """Who runs what."""

    #: The models under test.
    models: list[str]
    provider: str
    agent: str
    agent_version: str
    task: str
    task_version: str
    dataset: str
    dataset_version: str
    tool: str
    tool_version: str


class UsageFigures(TypedDict):
    """The tokens and the cost of all calls of one role to one model. The five kinds of tokens have no
    token in common."""

    #: The role of the calls, such as `scorer` or `user_simulator`; `None`: the agent.
    role: Optional[str]
    model: Optional[str]
    #: Whether they belong to tries that the tool discarded.
    discarded: bool
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    #: Tokens of completions without reasoning.
    output_tokens: int
    reasoning_tokens: int
    #: All tokens; more than the sum of the five kinds if a tool reports only a total.
    total_tokens: int
    #: The cost in US dollars as the tool reports it.
    cost_usd: Optional[float]
    #: The cost in US dollars by the price table.
    computed_cost_usd: Optional[float]


class SimulationStatus(TypedDict):
    """A simulation's status, progress and figures."""

    simulation_id: str
    simulation_name: Optional[str]
    #: The project that it belongs to.
    project: str
    #: In order, each once.
    tags: list[str]
    config_version_id: str
    #: `running`, `completed`, `failed`, `cancelled`, or `incomplete` if the log of the run has no end.
    status: str
    #: Why it did not complete.
    status_reason: Optional[str]
    #: From 0 to 100.
    progress_percentage: float
    #: The planned trials of all scenarios, plus the scenarios that were recorded without being planned.
    total_scenarios: int
    completed_scenarios: int
    #: Scenarios whose latest outcome is a success.
    successful_outcomes: int
    failed_outcomes: int
    #: Scenarios whose latest outcome was invalidated, and does not count.
    invalidated_outcomes: int
    #: Scenarios whose latest outcome is a failure of infrastructure, which is not in the computed score.
    infrastructure_outcomes: int
    #: Results that the tool's final list lacks, and that do not count.
    superseded_outcomes: int
    #: The first of them, at most 100.
    superseded_results: list[SupersededResult]
    rejected_results: int
    #: Outcomes of every attempt.
    recorded_outcomes: int
    by_status: dict[str, int]
    by_error_category: dict[str, int]
    #: How many outcomes are failures of each class: `infrastructure`, `agent`, `scorer`, `harness`, `undecided`.
    by_failure_class: dict[str, int]
    #: How many results have annotations.
    review: ReviewFigures
    #: The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
    overall_score: Optional[float]
    #: The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    score_scale: Optional[float]
    #: The score that counts, with its name and its origin; `None` if there is no score.
    headline: Optional[Headline]
    #: The figures of each metric.
    metrics: list[MetricFigures]
    #: The definitions of the metrics, of the tool and as declared.
    metric_definitions: list[MetricDefinition]
    #: The metrics of which nothing defines whether a higher value is better, which is assumed.
    higher_is_better_assumed: list[str]
    #: Warnings about the score: `headline_missing`, `scale_unknown`,
    #: `infrastructure_scored`, `nothing_ran`.
    warnings: list[Violation]
    #: How the recorded results compare with what the tool reports; `None` if it reports nothing, or the
    #: simulation has not ended.
    reconciliation: Optional[Reconciliation]
    #: Who ran what.
    models: list[str]
    provider: Optional[str]
    agent: Optional[str]
    agent_version: Optional[str]
    task: Optional[str]
    task_version: Optional[str]
    dataset: Optional[str]
    dataset_version: Optional[str]
    tool: Optional[str]
    tool_version: Optional[str]
    #: The agent's tokens of everything that ran: of every attempt, also of superseded results.
    total_tokens: int
    #: The same with the calls that score results or simulate a user.
    all_roles_tokens: int
    #: The cost that counts, as the tool reports it.
    total_cost_usd: float
    #: The reported cost of all roles.
    all_roles_cost_usd: float
    #: The agent's cost by the price table; `None` if it is unknown.
    computed_cost_usd: Optional[float]
    #: How many results that used tokens have no computed cost.
    unpriced_outcomes: int
    #: The dates of the price tables.
    prices_dated: list[str]
    #: Tokens and cost by role, model and try.
    usage: list[UsageFigures]
    execution_time_ms: float
    modal_app_id: Optional[str]
    metadata: Optional[dict[str, Any]]
    created_at: str
    started_at: str
    completed_at: Optional[str]


class Score(TypedDict):
    """A score of a result, as the tool wrote it."""

    #: The name of the metric.
    name: str
    #: Absent if the result has no number under this metric.
    value: NotRequired[float]
    #: The value as the tool wrote it, if that is not a number, such as `C` or `pass`.
    label: NotRequired[str]
    #: The range that the result itself declares.
    lowest: NotRequired[float]
    highest: NotRequired[float]
    #: The position of the scorer's text about this score in the document: offset and length in bytes.
    explanation: NotRequired[list[int]]


class Invalidation(TypedDict):
    """A mark that a result does not count."""

    author: Optional[str]
    reason: Optional[str]
    at: Optional[str]


class ScenarioOutcome(TypedDict):
    """A recorded outcome."""

    outcome_id: str
    scenario_id: str
    scenario_name: Optional[str]
    #: Counted from 1.
    trial: int
    #: Counted from 1; a different result for the same scenario and trial is a further attempt.
    attempt: int
    #: The tool's own id of the execution, which all revisions of the result share.
    result_key: Optional[str]
    #: The result's place in the run, if its format has places.
    place: Optional[str]
    #: When this revision was made, if the tool reports it.
    revised_at: Optional[str]
    #: When the run began.
    execution_time: str
    received_at: str
    #: `success`, `error`, `timeout` or `cancelled`.
    status: str
    #: The score under the metric that is the simulation's score, from 0 to 1; `None` without a score, or if
    #: its scale is unknown.
    reliability_score: Optional[float]
    #: That metric: the declared one, or else the result's own.
    headline: Optional[str]
    #: That score as the tool wrote it, and the range that the result declares for it.
    score: Optional[float]
    score_lowest: Optional[float]
    score_highest: Optional[float]
    #: Every score, in the document's order.
    scores: list[Score]
    #: The mark that the result does not count; `None` if it counts.
    invalidation: Optional[Invalidation]
    #: The annotations that count: kind, author, at, and if they exist reason, metric, old_value and
    #: new_value; `None` without annotations.
    annotations: Optional[list[dict[str, Any]]]
    execution_time_ms: float
    #: The model that the result names, else the only one of the simulation.
    model: Optional[str]
    #: All that the result names about who ran it, with the names of the simulation's members.
    origin: Optional[dict[str, Any]]
    #: The agent's tokens.
    tokens_used: int
    #: The agent's cost in US dollars, as the tool reports it.
    cost_usd: float
    #: The same with the calls that score results or simulate a user.
    all_roles_tokens: int
    all_roles_cost_usd: float
    #: The agent's cost by the price table; `None` if it is unknown.
    computed_cost_usd: Optional[float]
    #: Tokens and cost by role, model and try; `None` if the result has no more than totals.
    usage: Optional[list[dict[str, Any]]]
    #: The result's trajectory, with `detailed_trajectory` and `reliability_dimensions` in it.
    trajectory: Optional[dict[str, Any]]
    modal_call_id: Optional[str]
    sandbox_id: Optional[str]
    error_code: Optional[str]
    error_message: Optional[str]
    error_category: Optional[str]
    #: Whose failure it was: `infrastructure`, `agent`, `scorer`, `harness` or `undecided`; `None` for a success.
    failure_class: Optional[str]
    #: The rule that decided; `None` if none did.
    failure_rule: Optional[str]
    metrics: dict[str, Any]
    warnings: list[Violation]
    #: The name and version of the extractor.
    extractor: str


class SimulationLabels(TypedDict):
    """The labels of a simulation."""

    simulation_id: str
    simulation_name: Optional[str]
    #: In order, each once.
    tags: list[str]


class SimulationSummary(TypedDict):
    """A simulation in a list."""

    simulation_id: str
    #: The beginning of the id that no other simulation's id has, of at least 8 characters.
    short_id: str
    simulation_name: Optional[str]
    #: The project that it belongs to.
    project: str
    #: In order, each once.
    tags: list[str]
    config_version_id: str
    status: str
    #: How many times each scenario is run.
    trials: int
    #: How many scenarios the plan has.
    planned_scenarios: int
    #: The score of a completed simulation: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
    overall_score: Optional[float]
    #: The metric of that score.
    score_metric: Optional[str]
    #: The name of its figure, such as `accuracy`; `mean` for a computed one.
    score_figure: Optional[str]
    #: The highest value of the scores as the tool wrote them; None if their scale is unknown.
    score_scale: Optional[float]
    #: Who ran what.
    models: list[str]
    provider: Optional[str]
    agent: Optional[str]
    agent_version: Optional[str]
    task: Optional[str]
    task_version: Optional[str]
    dataset: Optional[str]
    dataset_version: Optional[str]
    tool: Optional[str]
    tool_version: Optional[str]
    #: The cost of a completed simulation in US dollars, as the tool reports it.
    total_cost_usd: Optional[float]
    #: Its cost by the price table.
    computed_cost_usd: Optional[float]
    #: The agent's tokens of a completed simulation.
    total_tokens: Optional[int]
    #: When it was recorded.
    created_at: str
    #: When the evaluation began.
    started_at: str
    #: When it ended.
    completed_at: Optional[str]


class SimulationList(list[SimulationSummary]):
    """Simulations, newest first."""

    #: The cursor of the next page; `None` after the last one.
    cursor: Optional[str] = None


class RemovedSimulation(TypedDict):
    """A simulation that was removed."""

    simulation_id: str
    simulation_name: Optional[str]
    #: When it was first removed.
    removed_at: str
    #: The name of the service's token, or else the user of the database.
    removed_by: str
    #: How many outcomes this removal has deleted.
    deleted_outcomes: int


class ListedResults(TypedDict):
    """The effects of a list of results."""

    #: How many results are superseded, because the list is the final one and lacks them.
    superseded: int
    #: How many superseded results count again, because the final list has them.
    restored: int
    #: The earlier revisions that count again, because the file is newer than the later ones.
    selected: list[str]


class Revision(TypedDict):
    """One revision of a result."""

    #: The tool's own id of the execution, which all revisions of the result share.
    result_key: str
    #: Counted from 1, in the order in which the revisions were made.
    revision: int
    #: Whether it is the one that counts.
    counts: bool
    #: Whether it was selected as the one that counts.
    selected: bool
    #: Whether the tool's final list lacks the result, so that no revision counts.
    superseded: bool
    outcome_id: str
    scenario_id: str
    #: The result's place in the run.
    place: Optional[str]
    #: When it was made; `None` if the tool does not report it, and then the time of receipt counts.
    revised_at: Optional[str]
    received_at: str
    #: The metric of its own score.
    headline: Optional[str]
    #: That score, as the tool wrote it.
    score: Optional[float]
    #: Whether it is marked as a result that does not count.
    invalidated: bool


class NewAnnotation(TypedDict, total=False):
    """An annotation to be made.

    It names its result by `outcome_id`, by `result_key` (the revision that counts), or by `scenario_id`, with
    `trial` or for all trials (the latest attempts). An undo has `undoes` instead.
    """

    kind: Required[
        Literal["note", "tag", "invalidate", "restore", "score", "failure_class", "undo"]
    ]
    #: Its id, so that a repeated call makes it once; the default is a new one.
    annotation_id: str
    outcome_id: str
    result_key: str
    scenario_id: str
    trial: int
    #: The text of a note, a tag, the new value of a score, or a failure class.
    value: Union[str, float]
    #: The metric of the score; the default is that of the result's own score.
    metric: str
    reason: str
    #: The author. A service with tokens puts the token's name before it.
    author: str
    #: The annotation that is undone.
    undoes: str


class Annotation(TypedDict):
    """An annotation that was made."""

    #: Its id; `None` for the mark with which the tool itself invalidated the result.
    annotation_id: Optional[str]
    kind: str
    #: `valid`; `replaced` by a later one about the same; `undone`; or `superseded`, because it changed the
    #: score of a revision that does not count any more.
    state: str
    outcome_id: str
    #: The tool's own id of the result; with it, the annotation belongs to all revisions.
    result_key: Optional[str]
    scenario_id: str
    metric: Optional[str]
    old_value: Any
    new_value: Any
    reason: Optional[str]
    #: A person, `rule:NAME`, or the author in the tool's own mark.
    author: str
    annotated_at: str
    undoes: Optional[str]


class ReviewFigures(TypedDict):
    """How many results of a simulation have valid annotations."""

    invalidated: int
    #: Results that count again, also if their tool has invalidated them.
    restored: int
    changed_scores: int
    #: Changed scores of revisions that do not count any more.
    superseded_scores: int
    changed_classes: int
    #: Results with a note or a tag.
    noted: int


class MissingTrial(TypedDict):
    """A trial that has no valid outcome."""

    scenario_id: str
    #: Counted from 1.
    trial: int
    #: `never_recorded`, `infrastructure`, `invalidated` or `superseded`.
    reason: str
    #: The latest outcome, if there is one that does not count.
    outcome_id: Optional[str]


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
    """The totals of some hours of a simulation."""

    total_outcomes: int
    avg_reliability: Optional[float]
    total_cost: float


class SimulationPerformance(TypedDict):
    """A simulation over time."""

    simulation_id: str
    time_range_hours: float
    #: The metric of most scores; `None` without scores.
    headline: Optional[str]
    hourly_metrics: list[HourlyMetrics]
    summary: PerformanceSummary


class Failure(TypedDict):
    """An outcome that is not a success, of any simulation."""

    outcome_id: str
    simulation_id: str
    simulation_name: Optional[str]
    #: The model that the outcome names, else the only one of its simulation.
    model: Optional[str]
    scenario_id: str
    execution_time: str
    status: str
    error_code: Optional[str]
    error_category: Optional[str]
    #: Whose failure it was: `infrastructure`, `agent`, `scorer`, `harness` or `undecided`; `None` for a success.
    failure_class: Optional[str]
    #: The rule that decided; `None` if none did.
    failure_rule: Optional[str]
    modal_call_id: Optional[str]
    error_message: Optional[str]


class RejectedResult(TypedDict):
    """A result that was rejected, without its document."""

    outcome_id: str
    received_at: str
    #: Its position in the submitted data, counted from 0.
    position: Optional[int]
    #: The line of the file or stream on which it starts, counted from 1.
    line: Optional[int]
    trial: Optional[int]
    violations: list[Violation]
    document_bytes: int


class PoolStats(TypedDict):
    """The connections of the pool."""

    #: Open now.
    size: int
    #: Open and free.
    available: int
    #: Calls that wait for a connection.
    waiting: int


class SpoolState(TypedDict):
    """The state of a spool."""

    #: The number of entries that wait for delivery.
    depth: int
    bytes: int
    limit_bytes: int
    #: The time at which the oldest of them was added.
    oldest_at: Optional[str]
    #: The number of entries that were refused permanently.
    dead_letters: int
    #: Whether the limit is reached.
    full: bool


class Policy(TypedDict):
    """A background job of TimescaleDB."""

    #: The kind of job: `policy_compression` moves old chunks into the columnstore.
    name: str
    table: str
    #: Whether it runs: it is scheduled, its last run went well, and the next one is not overdue.
    healthy: bool
    last_run_at: Optional[str]
    #: `Success` or `Failed`.
    last_run_status: Optional[str]
    next_run_at: Optional[str]


class Health(TypedDict):
    """The state of the database, which can be unreachable."""

    #: `ok` or `error`.
    status: str
    error: NotRequired[str]
    server_version: Optional[str]
    #: Names and versions.
    extensions: dict[str, str]
    #: The tables that TimescaleDB partitions by time.
    hypertables: list[str]
    pool_stats: PoolStats
    #: The number of applied migrations; `None` if the schema does not exist.
    schema_version: Optional[int]
    #: `plain`, `timescale` or `citus`; `None` if the schema does not exist.
    layout: Optional[str]
    policies: list[Policy]
    #: How far the host's clock is ahead of the database's; negative if it is behind, `None` if the
    #: database does not answer.
    clock_skew_ms: Optional[float]
    timestamp: str
    response_time_ms: float
    #: The version of the service, if the client uses one.
    service_version: NotRequired[str]
    #: The spool of this process, or else of the service; `None` without a spool.
    spool: NotRequired[Optional[SpoolState]]


class Metrics(TypedDict):
    """Counters of a client's queries and connections."""

    total_queries: int
    failed_queries: int
    retry_count: int
    #: Percent; 100 before the first query.
    success_rate: float
    #: Milliseconds.
    avg_query_time: float
    stored_outcomes: int
    transactions: int
    last_health_check: Optional[str]
    pool_stats: PoolStats


class Deployment(TypedDict):
    """The answer to a deployment of the schema."""

    status: str
    #: The migrations that were applied now, and `layout …`; empty if the schema was up to date.
    applied: list[str]
    schema_version: int
    #: `plain`, `timescale` or `citus`.
    layout: str
    #: Features that are unavailable, and what they require.
    notes: list[str]


class OutcomeList(list[ScenarioOutcome]):
    """Outcomes in order of scenario, trial and attempt."""

    #: The cursor of the next page; `None` after the last one.
    cursor: Optional[str] = None


class Rows(list[dict[str, Any]]):
    """The rows of a statement, each a dict with the columns by name."""

    #: The number of rows that the statement returned or changed.
    rowcount: int = 0

    def fetchall(self) -> list[dict[str, Any]]:
        """Returns all rows."""
        return list(self)

    def fetchone(self) -> Optional[dict[str, Any]]:
        """Returns the first row, or `None`."""
        return self[0] if self else None

    def scalar(self) -> Any:
        """Returns the first value of the first row, or `None` if there are no rows."""
        return next(iter(self[0].values()), None) if self else None
