"""Runs the tasks of the fixtures on random rows, with a model that answers at random; see `making.py`."""

import json
import os
import random
import sys
import tempfile
from collections import defaultdict
from numbers import Number
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import lm_eval
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

from making import finite, main

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures/formats/lm-eval/genuine"))
import make as fixtures


def rows(source):
    numbers = source.sample(range(1, 60), source.randrange(1, 12))
    sums = [{"question": f"The sum of {number} and {number}?", "answer": str(2 * number)} for number in numbers]
    choices = [
        {"question": f"Which one is number {number}?", "choices": [f"one {number}", "a long answer that is wrong"],
         "label": source.randrange(2)}
        for number in numbers]
    return {
        "sums": sums, "choices": choices,
        "several": [{"question": row["question"], "answers": [row["answer"], "0"]} for row in sums],
        "texts": [{"page": f"Page {number}, about nothing."} for number in numbers],
    }


def make(folder, seed):
    source = random.Random(seed)
    # The answers of the fixtures' model depend on the prompts only.
    fixtures.random_of = lambda *texts: random.Random(f"{seed} {texts}")
    task = source.choice(list(fixtures.TASKS))
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        (scratch / "functions.py").write_text(fixtures.FUNCTIONS)
        for name, lines in rows(source).items():
            (scratch / f"{name}.json").write_text("\n".join(map(json.dumps, lines)))
        head = f"task: {task}\ndataset_path: json\ntest_split: test\nmetadata: {{version: 1.0}}\n"
        (scratch / f"{task}.yaml").write_text(head + fixtures.TASKS[task].format(data=scratch).lstrip())
        output = folder / f"run-{seed}"
        tracker = EvaluationTracker(output_path=str(output))
        tracker.general_config_tracker.log_experiment_args(
            model_source="seeded", model_args="", system_instruction=None, chat_template=None,
            fewshot_as_multiturn=None)
        results = lm_eval.simple_evaluate(
            model=fixtures.Seeded(), tasks=[task], log_samples=True, evaluation_tracker=tracker, bootstrap_iters=10,
            task_manager=TaskManager(include_path=str(scratch), include_defaults=False),
            limit=source.choice([None, None, 3]), random_seed=seed)
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name=task, samples=samples[task])
    [log] = output.rglob("samples_*.jsonl")
    return {"log": str(log.relative_to(folder)), **read(results["results"][task], samples[task])}


def score_name(metric, filter):
    return metric if filter == "none" else f"{metric},{filter}"


def read(results, samples):
    metrics, figures = defaultdict(list), []
    for sample in samples:
        for metric in sample["metrics"]:
            # A list is a part of a figure, and no score of the sample.
            if isinstance(sample[metric], Number) or hasattr(sample[metric], "dtype"):
                metrics[score_name(metric, sample["filter"])].append(finite(float(sample[metric])))
    for key, value in results.items():
        metric, _, filter = key.partition(",")
        if filter and not metric.endswith("_stderr"):
            figures.append([score_name(metric, filter), key, finite(float(value))])
    return {"status": "completed", "results": len({sample["doc_id"] for sample in samples}), "tokens": 0,
            "metrics": metrics, "figures": figures}


main(make)
