"""The input of the benchmarks: realistic results of agent runs. Needs only Python."""

from __future__ import annotations

import random
from typing import Any


def make_results(count: int, bytes_each: int) -> list[dict[str, Any]]:
    """Returns realistic results of about `bytes_each` bytes as JSON, always the same."""
    chance = random.Random(20_26)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [
        "".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(4_000)
    ]

    def text(words: int) -> str:
        return " ".join(chance.choices(vocabulary, k=words))

    def result(number: int) -> dict[str, Any]:
        steps = []
        for step in range(max(1, bytes_each // 700)):
            steps.append(
                {
                    "type": "tool_call" if step % 2 else "message",
                    "tool": chance.choice(vocabulary),
                    "arguments": {"query": text(6), "limit": chance.randint(1, 50)},
                    "output": text(70),
                    "duration_ms": round(chance.random() * 900, 2),
                    "ok": True,
                }
            )
        failed = number % 9 == 0
        prompt, completion = chance.randint(100, 4_000), chance.randint(20, 900)
        trajectory: dict[str, Any] = {
            "status": "error" if failed else "success",
            "task_prompt": text(30),
            "final_response": text(60),
            "execution_time_seconds": round(chance.random() * 30, 3),
            "start_time": f"2026-03-{number % 28 + 1:02}T10:00:00Z",
            "full_trajectory": steps,
            "token_usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "total_cost": round((prompt + 4 * completion) * 2.5e-6, 6),
            },
        }
        if failed:
            trajectory["error"] = "RateLimitError: too many requests, retry later"
        return {
            "scenario": {"id": f"scenario-{number}", "name": text(3), "task_prompt": text(30)},
            "trajectory": trajectory,
            "reliability_score": {
                "overall_score": round(chance.random(), 3),
                "grade": "B",
                "dimension_scores": {"tool_execution": 0.9, "response_quality": 0.8},
            },
        }

    return [result(number) for number in range(count)]
