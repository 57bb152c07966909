"""Makes jobs with Harbor's own models, statistics and metrics; see `making.py`."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from harbor.metrics.factory import MetricFactory
from harbor.models.agent.context import AgentContext, ModelUsage
from harbor.models.job.result import JobResult, JobStats
from harbor.models.metric.type import MetricType
from harbor.models.task.id import PackageTaskId
from harbor.models.trial.config import AgentConfig, TaskConfig, TrialConfig
from harbor.models.trial.result import AgentInfo, ExceptionInfo, ModelInfo, TrialResult
from harbor.models.verifier.result import VerifierResult
from harbor.utils.pass_at_k import compute_pass_at_k_by_evals

from making import finite, main, summed

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERRORS = ["ApiRateLimitError", "AgentTimeoutError", "RewardFileNotFoundError", "NonZeroAgentExitCodeError"]


def trial(source, job_id, number, names, values):
    rewards = {name: values() for name in names if source.random() < 0.9}
    failed = source.random() < 0.15
    if source.random() < 0.1:
        rewards = None
    name, start = f"{source.choice('abc')}__x{number}", START + timedelta(minutes=number)
    usage = None
    if source.random() < 0.9:
        given, output = source.randrange(10_000), source.randrange(1_000)
        part = ModelUsage(n_input_tokens=given // 2, n_cache_tokens=given // 4, n_output_tokens=output)
        usage = AgentContext(
            n_input_tokens=given, n_cache_tokens=source.randrange(given // 4, given + 1), n_output_tokens=output,
            cost_usd=source.choice([None, source.random()]), model_usage=source.choice([None, {"p/m2": part}]))
    exception = None
    if failed:
        exception = ExceptionInfo(exception_type=source.choice(ERRORS), exception_message="invented",
                                  exception_traceback="", occurred_at=START)
    return TrialResult(
        id=UUID(int=job_id.int + number, version=4), task_name=name[0], trial_name=name,
        trial_uri=f"file:///jobs/{name}", task_id=PackageTaskId(org="o", name=name[0], ref="1"), source="set",
        task_checksum="0" * 64, agent_info=AgentInfo(
            name="nop", version="1", model_info=ModelInfo(name="m1", provider="p")), agent_result=usage,
        config=TrialConfig(task=TaskConfig(path=Path("tasks") / name[0]), trial_name=name, job_id=job_id,
                           agent=AgentConfig(name="nop")),
        verifier_result=None if rewards is None else VerifierResult(rewards=rewards), exception_info=exception,
        started_at=start, finished_at=start + timedelta(seconds=30))


def make(folder, seed):
    source = random.Random(seed)
    job_id = UUID(int=1000 * (seed + 1), version=4)
    names = source.choice([["reward"], ["reward"], ["speed"], ["reward", "style"]])
    values = source.choice([lambda: source.randrange(2), source.random, lambda: source.gauss(0, 100)])
    trials = [trial(source, job_id, number, names, values) for number in range(1, source.randrange(2, 12))]
    is_finished = source.random() < 0.9
    planned = len(trials) + (0 if is_finished else source.randrange(1, 4))
    # As the end of `Job.run` in `harbor/job.py`.
    stats = JobStats.from_trial_results(trials, n_total_trials=planned, n_retries=source.randrange(3))
    rewards = defaultdict(list)
    for result in trials:
        if result.reward_valid and result.verifier_result is not None:
            rewards[JobStats.format_agent_evals_key("nop", "m1", "set")].append(result.verifier_result.rewards)
    kinds = source.sample(["mean", "sum", "min", "max"], source.choice([1, 1, 2]))
    for key, found in rewards.items():
        for kind in kinds:
            stats.evals[key].metrics.append(MetricFactory.create_metric(MetricType(kind)).compute(found))
    if is_finished:
        for key, found in compute_pass_at_k_by_evals(trials).items():
            stats.evals[key].pass_at_k = found
    job = JobResult(id=job_id, started_at=START, updated_at=START, finished_at=START if is_finished else None,
                    n_total_trials=planned, stats=stats, trial_results=trials)
    log = f"job-{seed}.json"
    (folder / log).write_text(job.model_dump_json())
    return {"log": log, **read(JobResult.model_validate_json((folder / log).read_text()))}


def calls(trials):
    """Yields the tokens of each model; what no model has is the trial's own."""
    kinds = lambda used: [(used.n_input_tokens or 0) - (used.n_cache_tokens or 0), used.n_cache_tokens or 0, 0,
                          used.n_output_tokens or 0, (used.n_input_tokens or 0) + (used.n_output_tokens or 0)]
    for trial in trials:
        if trial.agent_result is not None:
            rest = kinds(trial.agent_result)
            for name, used in (trial.agent_result.model_usage or {}).items():
                yield name, kinds(used)
                rest = [whole - part for whole, part in zip(rest, kinds(used), strict=True)]
            yield trial.agent_info.model_info.name, rest


def read(job):
    stats = job.stats
    metrics, figures = {}, []
    for group in stats.evals.values():
        # The tool keeps the trials of each value.
        for name, values in group.reward_stats.items():
            metrics[name] = [finite(value) for value, trials in values.items() for _ in trials]
        seen = defaultdict(int)
        for found in group.metrics:
            for name, value in found.items():
                seen[name] += 1
                # A job with one reward has the name of the metric in its place.
                metric = name if name in metrics else next(iter(metrics), "reward")
                figures.append([metric, f"{name} ({seen[name]})" if seen[name] > 1 else name, finite(value)])
    return {
        "status": "completed" if job.finished_at else "incomplete", "results": stats.n_completed_trials,
        "tokens": (stats.n_input_tokens or 0) + (stats.n_output_tokens or 0), "cost": stats.cost_usd,
        "metrics": metrics, "figures": figures, "usage": {"model": summed(calls(job.trial_results)), "role": {}}}


main(make)
