"""Makes logs with OpenAI's evals, whose completion function answers at random; see `making.py`."""

import json
import os
import random
from collections import defaultdict
from pathlib import Path

os.environ["OPENAI_API_KEY"] = "none"
os.environ["EVALS_SEQUENTIAL"] = "1"
os.environ["EVALS_SHOW_EVAL_PROGRESS"] = "0"

import evals.record
from evals.base import EvalSpec, RunSpec
from evals.cli.oaieval import add_token_usage_to_result
from evals.elsuite.basic.fuzzy_match import FuzzyMatch
from evals.elsuite.basic.includes import Includes
from evals.elsuite.basic.json_match import JsonMatch
from evals.elsuite.basic.json_validator import JsonValidator
from evals.elsuite.basic.match import Match

from making import finite, main, summed


class Answer:
    def __init__(self, text):
        self.text = text

    def get_completions(self):
        return [self.text]


class Own(evals.Eval):
    """An eval of one's own: several matches, metrics and errors."""

    source = random.Random()

    def eval_sample(self, sample, rng):
        evals.record.record_raw(sample)
        answer = self.completion_fn(prompt=sample["input"]).get_completions()[0]
        if self.source.random() < 0.2:
            evals.record.record_error("the sample failed", ValueError("no answer"))
            return
        for _ in range(self.source.randrange(3)):
            evals.record.record_match(answer == sample["ideal"], expected=sample["ideal"])
        score = self.source.choice([self.source.gauss(0, 50), float("nan"), self.source.randrange(6)])
        evals.record.record_metrics(score=score, passed=self.source.random() < 0.5, choice=self.source.choice("ABC"))

    def run(self, recorder):
        self.eval_all_samples(recorder, self.get_samples(), show_progress=False)
        scores = [event.data["score"] for event in recorder.get_events("metrics")]
        return {"score": sum(scores) / len(scores) if scores else float("nan"), "counts": {"A": 1}}


def make(folder, seed):
    source = Own.source = random.Random(seed)
    random.seed(seed)
    eval_class = source.choice([Match, Includes, FuzzyMatch, JsonMatch, JsonValidator, Own])
    answers = ['{"a": 1}', '{"a": 2, "b": [1]}', "{"] if eval_class in (JsonMatch, JsonValidator) else [
        "Paris", "It is Rome.", "I do not know", "the great Rome"]

    def table(prompt, **_):
        answer, given = source.choice(answers), source.randrange(500)
        usage = {"completion_tokens": 5, "prompt_tokens": given, "total_tokens": given + 5}
        evals.record.record_sampling(prompt=prompt, sampled=[answer], model="table-1", usage=usage)
        return Answer(answer)

    samples = [{"input": f"Question {number}?", "ideal": source.choice(answers[:2])}
               for number in range(source.randrange(1, 12))]
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, samples)))
    # As `oaieval` makes them.
    name = f"run{seed}"
    eval_spec = EvalSpec(cls=f"{eval_class.__module__}:{eval_class.__name__}", registry_path=Path("registry"),
                         args={}, key=f"{name}.dev.v0", group=name)
    spec = RunSpec(completion_fns=["table"], eval_name=eval_spec.key, base_eval=name, split="dev", created_by="",
                   run_config={"completion_fns": ["table"], "eval_spec": eval_spec, "seed": seed, "max_samples": None})
    log = f"{name}.jsonl"
    recorder = evals.record.LocalRecorder(str(folder / log), spec)
    an_eval = eval_class(completion_fns=[table], eval_registry_path=Path("."), name=spec.eval_name,
                         samples_jsonl=str(folder / "samples.jsonl"))
    report = an_eval.run(recorder)
    is_killed = source.random() < 0.1
    if not is_killed:
        add_token_usage_to_result(report, recorder)
        recorder.record_final_report(report)
    recorder.flush_events()
    return {"log": log, **read(recorder, report, is_killed)}


def read(recorder, report, is_killed):
    """Returns what the recorder has, which computed the report."""
    matches, metrics = defaultdict(list), defaultdict(list)
    for event in recorder.get_events("match"):
        matches[event.sample_id].append(event.data["correct"])
    if matches:
        metrics["correct"] = [sum(found) / len(found) for found in matches.values()]
    for event in recorder.get_events("metrics"):
        for name, value in event.data.items():
            if not isinstance(value, str):
                metrics[name].append(finite(value))
    compared = {"accuracy": "accuracy" if "accuracy" in metrics else "correct"}
    figures = [
        [compared.get(name, name), name, finite(value)] for name, value in report.items()
        if not name.startswith("usage_") and not isinstance(value, dict)]
    kinds = lambda used: [used["prompt_tokens"], 0, 0, used["completion_tokens"], used["total_tokens"]]
    calls = [(event.data["model"], kinds(event.data["usage"])) for event in recorder.get_events("sampling")]
    return {
        "status": "incomplete" if is_killed else "completed", "metrics": metrics,
        "tokens": sum(used[-1] for _, used in calls), "usage": {"model": summed(calls), "role": {}},
        "results": len({event.sample_id for event in recorder._events}), "figures": [] if is_killed else figures}


main(make)
