"""Makes logs with Inspect's own `mockllm` model; see `making.py`."""

import multiprocessing
import os
import random
import signal
from collections import defaultdict
from pathlib import Path

from inspect_ai import Epochs, Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import ProvenanceData, edit_score, invalidate_samples, read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import (
    Score, ScoreEdit, Target, accuracy, mean, scorer, std, stderr, value_to_float,
)
from inspect_ai.solver import TaskState, solver

from making import finite, main, summed

NAN = float("nan")
STATUSES = {"success": "completed", "error": "failed", "cancelled": "cancelled", "started": "incomplete"}
ROLES = {"grader": "scorer", "user": "user_simulator"}
AUTHOR = ProvenanceData(author="check", reason="a check")


def kind_of(source):
    """Returns the metrics of a scorer, and a function that returns its answers."""
    letter = lambda: source.choice("CCIPN")
    number = lambda: source.choice([source.random(), source.randrange(11), source.gauss(0, 1e6)])
    word = lambda: source.choice(["yes", "No", "TRUE", "false", True, False, "0.25", " 3 ", "1e2", "GOOD"])
    unscored = lambda value: lambda: NAN if source.random() < 0.15 else value()
    by_key = {"x": [mean(), stderr()], "y": [accuracy()]}
    return source.choice([
        ([accuracy(), stderr()], unscored(letter)),
        ([mean(), std()], unscored(number)),
        ([mean(), stderr()], number),
        ([accuracy()], word),
        (by_key, lambda: {"x": number(), "y": letter()}),
        (by_key, unscored(lambda: {"x": unscored(number)(), "y": letter()})),
        ({"*": [mean()]}, lambda: {"x": number(), "z": number()}),
    ])


def random_scorer(name, metrics, value):
    @scorer(metrics=metrics, name=name)
    def answered():
        async def score(state: TaskState, target: Target):
            return Score(value=value())

        return score

    return answered()


def model(source, name="model"):
    def answer(messages, tools, tool_choice, config):
        output = ModelOutput.from_content(f"mockllm/{name}", "4")
        given, cached, written = source.randrange(1, 500), source.choice([None, 70]), source.choice([None, 9])
        taken = source.randrange(100)
        # Some providers count the cache apart, as newer versions do, others did not.
        total = given + taken + (cached or 0) + (written or 0)
        output.usage = ModelUsage(
            input_tokens=given, output_tokens=taken, total_tokens=total, input_tokens_cache_read=cached,
            input_tokens_cache_write=written, reasoning_tokens=source.choice([None, taken // 2]))
        return output

    return get_model(f"mockllm/{name}", custom_outputs=answer, memoize=False)


@solver
def failing(source, share, is_killed):
    async def solve(state: TaskState, generate):
        state = await generate(state)
        for role in source.choice([[], [], ["user", "grader"], ["critic"]]):
            await get_model(role=role, default=model(source, role)).generate(state.messages)
        if source.random() < share:
            raise ConnectionError("the connection was reset")
        if is_killed and source.random() < 0.4:
            os.kill(os.getpid(), signal.SIGKILL)
        return state

    return solve


def make(folder, seed):
    source = random.Random(seed)
    epochs = source.choice([1, 1, 2, 3])
    reducer = source.choice([None, None, [], "mean", "max", ["mean", "max"], ["median", "mode"]]) if epochs > 1 else None
    scorers = [random_scorer(f"scorer{number}", *kind_of(source)) for number in range(source.randrange(1, 4))]
    samples = [Sample(id=source.choice([f"s{number}", number + 1]), input=f"Question {number}?", target="4")
               for number in range(source.randrange(1, 7))]
    share = source.choice([0, 0, 0.2])
    fail_on_error = source.random() < 0.2
    is_killed = source.random() < 0.1
    task = Task(name=f"task{seed}", dataset=samples, solver=failing(source, share, is_killed), scorer=scorers,
                epochs=Epochs(epochs, reducer) if epochs > 1 else None)
    options = {
        "model": model(source), "log_dir": str(folder / f"logs-{seed}"), "log_level": "critical", "display": "none",
        "model_roles": source.choice([None, {"grader": model(source, "judge")}, {"user": model(source), "critic": model(source)}]),
        "log_format": "eval" if is_killed else source.choice(["eval", "json"]), "fail_on_error": fail_on_error,
        "score_on_error": source.random() < 0.3, "log_buffer": 1, "max_samples": 1}
    if is_killed:
        process = multiprocessing.get_context("fork").Process(target=eval, args=[task], kwargs=options)
        process.start()
        process.join()
    else:
        eval(task, **options)
    [path] = map(str, Path(options["log_dir"]).glob("*.*"))
    log = read_eval_log(path)
    if log.status == "success" and source.random() < 0.2:
        change(source, log, path)
        log = read_eval_log(path)
    return {"log": path.removeprefix(f"{folder}/"), **read(log)}


def change(source, log, path):
    sample = source.choice(log.samples)
    if source.random() < 0.5:
        name = source.choice(list(sample.scores or {}) or [None])
        if name and not isinstance(sample.scores[name].value, dict):
            edit_score(log, sample.id, name, ScoreEdit(value=0.5, provenance=AUTHOR), epoch=sample.epoch)
    else:
        log = invalidate_samples(log, [sample.uuid], AUTHOR)
    write_eval_log(log, path)


def read(log):
    """Reads a log with Inspect's reader, and the values of its scores as its metrics do."""
    number = value_to_float()
    metrics = defaultdict(list)
    for sample in log.samples or []:
        for name, score in (sample.scores or {}).items() if sample.invalidation is None else ():
            parts = score.value.items() if isinstance(score.value, dict) else [(None, score.value)]
            for key, value in parts:
                metrics[f"{name}/{key}" if key else name].append(finite(number(value)))
    figures = []
    for score in log.results.scores if log.results else []:
        name = score.name if score.name == score.scorer else f"{score.scorer}/{score.name}"
        reducer = f"/{score.reducer}" if score.reducer not in (None, "mean") else ""
        for key, found in score.metrics.items():
            if key != "stderr":
                figures.append([name, key + reducer, finite(found.value)])
    kinds = lambda used: [used.input_tokens, used.input_tokens_cache_read or 0, used.input_tokens_cache_write or 0,
                          used.output_tokens, used.total_tokens]
    samples = log.samples or []
    models = summed((name, kinds(used)) for sample in samples for name, used in sample.model_usage.items())
    roles = summed((ROLES.get(name, name), kinds(used)) for sample in samples for name, used in sample.role_usage.items())
    beside = sum(roles.get(role, [0])[-1] for role in ROLES.values())
    return {"status": STATUSES[log.status], "results": len(samples), "metrics": metrics, "figures": figures,
            "tokens": sum(used[-1] for used in models.values()) - beside, "usage": {"model": models, "role": roles}}


main(make)
