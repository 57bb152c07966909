"""The pytest plug-in: real suites, run by pytest in separate processes and recorded in a database."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from arc_recorder import create_sync_arc_api
from conftest import database_folder

UNAVAILABLE = "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2"


class Recorded:
    """The content of a database after a run."""

    def __init__(self, database_url: str) -> None:
        with create_sync_arc_api(database_url) as api:
            self.simulations = self._rows(api, "simulations")
            documents = {
                row["outcome_id"]: json.loads(row["document_text"])
                for row in self._rows(api, "outcome_documents")
            }
            self.outcomes = {
                str(outcome["scenario_id"]): {**outcome, "document": documents[outcome["outcome_id"]]}
                for outcome in self._rows(api, "outcomes")
            }
            self.plan = self._rows(api, "planned_scenarios")
            self.configurations = self._rows(api, "config_versions")
            self.statuses = [
                api.get_simulation_status(row["simulation_id"]) for row in self.simulations
            ]
            self.attempts = [
                outcome
                for row in self.simulations
                for outcome in api.get_scenario_outcomes(row["simulation_id"])
            ]

    @staticmethod
    def _rows(api: Any, table: str) -> list[dict[str, Any]]:
        engine = api.db.engine
        query = f"SELECT row_to_json(t)::text AS row FROM arc_recorder.{table} AS t"
        return [json.loads(row["row"]) for row in engine.execute(engine.text(query))]

    @property
    def simulation(self) -> dict[str, Any]:
        (simulation,) = self.simulations
        return simulation

    def outcome(self, test: str) -> dict[str, Any]:
        """Returns the outcome of the test with this name."""
        (found,) = (row for key, row in self.outcomes.items() if key.endswith(f"::{test}"))
        return found

    def document(self, test: str) -> dict[str, Any]:
        """Returns the document that was recorded for the test with this name."""
        return dict(self.outcome(test)["document"])

    def statuses_of(self) -> dict[str, str]:
        """Returns the status of every test by its name."""
        return {key.rpartition("::")[2]: row["status"] for key, row in self.outcomes.items()}


class Suite:
    """A test suite in its own folder."""

    def __init__(self, pytester: pytest.Pytester, database_url: str) -> None:
        self.pytester = pytester
        self.database_url = database_url

    def run(self, *arguments: str, url: str | None = None) -> pytest.RunResult:
        """Runs the suite with recording on."""
        return self.run_plain(
            "--arc-record", "--arc-database-url", url or self.database_url, *arguments
        )

    def run_plain(self, *arguments: str) -> pytest.RunResult:
        """Runs the suite with pytest's own options."""
        return self.pytester.runpytest_subprocess(*arguments)

    def recorded(self) -> Recorded:
        """Returns the current content of the database."""
        return Recorded(self.database_url)


@pytest.fixture
def suite(pytester: pytest.Pytester, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Suite:
    for variable in ("ARC_RECORD", "ARC_DATABASE_URL", "TIMESCALE_SERVICE_URL", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(variable, raising=False)
    return Suite(pytester, database_url)


def arc_host(suite: Suite, *arguments: str, **variables: str) -> str:
    """Returns the output of the command line, by default on the suite's database."""
    return subprocess.run(
        [sys.executable, "-m", "arc_recorder", *arguments],
        cwd=suite.pytester.path,
        env={**os.environ, **(variables or {"ARC_DATABASE_URL": suite.database_url})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def summary(result: pytest.RunResult) -> str:
    """Returns the plug-in's section of the terminal output."""
    lines = result.stdout.lines
    titles = [number for number, line in enumerate(lines) if line.strip("- ") == "arc-recorder"]
    return "\n".join(lines[titles[0] + 1 :]) if titles else ""


# --------------------------------------------------------------------------------------
# Off
# --------------------------------------------------------------------------------------


def test_nothing_happens_unless_recording_is_enabled(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import sys

        def test_arc_is_harmless(arc, arc_trial):
            arc.record({"status": "success"})
            arc.score(0.5, grade="C", dimensions={"tool_execution": 1})
            arc.tokens(1, 2, 0.5)
            arc.step("search", query="x")
            arc.prompt("Say hello.")
            arc.response("Hello.")
            assert not arc.recording and arc.simulation_id is None
            assert arc.trial == arc_trial == 1

        def test_the_native_package_is_not_loaded():
            loaded = {name for name in sys.modules if name.split(".")[0] == "arc_recorder"}
            plug_in = {"arc_recorder", "arc_recorder.pytest_plugin"}
            assert {name for name in loaded if "_pytest_run" not in name} == plug_in
            assert not any(name.endswith(("watch", "recording")) for name in loaded)
        """
    )
    result = suite.run_plain()
    result.assert_outcomes(passed=2)
    assert not summary(result)
    assert suite.recorded().simulations == []


@pytest.mark.parametrize(
    ("ini", "variable", "arguments", "recorded"),
    [
        ("arc_record = true", None, [], True),
        ("", "1", [], True),
        ("arc_record = true", "0", [], False),
        ("arc_record = true", "1", ["--no-arc-record"], False),
    ],
)
def test_what_turns_recording_on_and_off(
    suite: Suite,
    monkeypatch: pytest.MonkeyPatch,
    ini: str,
    variable: str | None,
    arguments: list[str],
    recorded: bool,
) -> None:
    suite.pytester.makeini(f"[pytest]\n{ini}\narc_database_url = {suite.database_url}\n")
    suite.pytester.makepyfile("def test_it(arc): pass")
    if variable is not None:
        monkeypatch.setenv("ARC_RECORD", variable)
    suite.run_plain(*arguments).assert_outcomes(passed=1)
    assert len(suite.recorded().simulations) == int(recorded)


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--setup-plan"])
def test_without_running_tests_nothing_is_recorded(suite: Suite, option: str) -> None:
    suite.pytester.makepyfile("def test_it(): pass")
    assert suite.run(option).ret == 0
    assert suite.recorded().simulations == []


def test_a_suite_that_cannot_be_collected_records_nothing(suite: Suite) -> None:
    suite.pytester.makepyfile(test_good="def test_it(): pass", test_bad="import nothing_like_it")
    assert suite.run().ret == pytest.ExitCode.INTERRUPTED
    assert suite.recorded().simulations == []


# --------------------------------------------------------------------------------------
# Outcomes of tests
# --------------------------------------------------------------------------------------


def test_outcomes_of_every_kind(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import asyncio, unittest
        import pytest

        def test_passes(): pass
        def test_fails(): assert 1 + 1 == 3
        def test_raises(): raise ConnectionError("connection refused")
        def test_times_out(): raise asyncio.TimeoutError
        @pytest.mark.skip
        def test_marked(): pass
        @pytest.mark.skipif(True, reason="not here")
        def test_marked_if(): pass
        def test_skips(): pytest.skip("not today")
        @pytest.mark.xfail(reason="known")
        def test_xfails(): assert False
        @pytest.mark.xfail(run=False)
        def test_never_runs(): assert False
        @pytest.mark.xfail
        def test_xpasses(): pass
        @pytest.mark.xfail(strict=True)
        def test_xpasses_strict(): pass

        @pytest.fixture
        def broken(): raise RuntimeError("no sandbox")
        def test_setup(broken): pass
        @pytest.fixture
        def leaking():
            yield
            raise RuntimeError("leaked")
        def test_teardown(leaking): pass
        def test_twice(leaking): assert False, "first"

        class TestCase(unittest.TestCase):
            def test_case(self): self.assertEqual(1, 2)
        """
    )
    result = suite.run()
    result.assert_outcomes(passed=2, failed=6, skipped=3, errors=3, xfailed=2, xpassed=1)
    recorded = suite.recorded()
    assert recorded.statuses_of() == {
        "test_passes": "success",
        "test_fails": "error",
        "test_raises": "error",
        "test_times_out": "timeout",
        "test_xfails": "error",
        "test_xpasses": "success",
        "test_xpasses_strict": "success",
        "test_setup": "error",
        "test_teardown": "error",
        "test_twice": "error",
        "test_case": "error",
    }
    scores = {key.rpartition("::")[2]: row["score"] for key, row in recorded.outcomes.items()}
    passed = ["test_passes", "test_xpasses", "test_xpasses_strict", "test_teardown"]
    zeros = dict.fromkeys(scores, 0.0)
    assert scores == {**zeros, **dict.fromkeys(passed, 1.0), "test_setup": None}
    failed = recorded.outcome("test_fails")
    assert failed["error_code"] == "AssertionError"
    assert failed["error_message"].startswith("AssertionError: assert (1 + 1)")
    assert recorded.outcome("test_raises")["error_category"] == "network"
    # The score is that of the others: 4 of 9.
    assert recorded.outcome("test_raises")["failure_class"] == "infrastructure"
    assert recorded.outcome("test_times_out")["error_category"] == "timeout"
    assert "first" in recorded.outcome("test_twice")["error_message"]
    assert recorded.document("test_setup")["test"]["failures"][0]["phase"] == "setup"
    phases = [failure["phase"] for failure in recorded.document("test_twice")["test"]["failures"]]
    assert phases == ["call", "teardown"]
    verdicts = {key: recorded.document(key)["test"]["outcome"] for key in recorded.statuses_of()}
    assert verdicts["test_xfails"] == "xfailed"
    assert verdicts["test_xpasses_strict"] == "xpassed_strict"

    # Tests that are marked as skipped are not planned; tests that skip themselves stay pending.
    planned = {row["scenario_id"].rpartition("::")[2] for row in recorded.plan}
    assert planned - set(recorded.statuses_of()) == {"test_skips", "test_never_runs"}
    assert recorded.simulation["status"] == "completed"
    (status,) = recorded.statuses
    assert (status["total_scenarios"], status["completed_scenarios"]) == (13, 11)
    assert (status["successful_outcomes"], status["failed_outcomes"]) == (3, 8)
    assert f"simulation {status['simulation_id']} completed" in summary(result)
    assert "11 of 13 scenarios, 3 succeeded, 8 failed, 4 skipped, score 0.444 (mean of reliability_score)" in summary(result)
    assert f"arc-host status {status['simulation_id']}" in summary(result)


def test_times_are_the_calls(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import pathlib, pytest, time
        @pytest.fixture
        def slow():
            begun = time.perf_counter()
            time.sleep(0.3)
            yield
            pathlib.Path("seconds").write_text(str(time.perf_counter() - begun))
        def test_it(slow): time.sleep(0.05)
        """
    )
    before = time.time()
    suite.run()
    recorded = suite.recorded()
    outcome = recorded.outcome("test_it")
    # Even on a busy machine, the time of the fixture is not included.
    whole_ms = float((Path(suite.pytester.path) / "seconds").read_text()) * 1000
    assert 50 <= outcome["execution_time_ms"] <= whole_ms - 299
    start_time = recorded.document("test_it")["trajectory"]["start_time"]
    assert start_time.endswith("+00:00")
    assert outcome["warnings"] is None
    assert time.gmtime(before).tm_year == int(start_time[:4])


def test_a_time_limit_of_pytest_timeout_is_a_timeout(suite: Suite) -> None:
    pytest.importorskip("pytest_timeout")
    suite.pytester.makepyfile(
        """
        import time, pytest
        @pytest.mark.timeout(0.01, method="signal", func_only=True)
        def test_it(): time.sleep(20)
        """
    )
    suite.run().assert_outcomes(failed=1)
    assert suite.recorded().outcome("test_it")["status"] == "timeout"


def test_a_failed_subtest_fails_its_test(suite: Suite) -> None:
    if int(pytest.__version__.split(".")[0]) < 9:
        pytest.skip("pytest has no subtests of its own")
    suite.pytester.makepyfile(
        """
        import pytest
        def test_it(subtests):
            with subtests.test("first"): assert 1 == 2
            with subtests.test("second"): pytest.skip("later")
        """
    )
    suite.run()
    recorded = suite.recorded()
    assert len(recorded.attempts) == 1
    assert "1 == 2" in recorded.outcome("test_it")["error_message"]


def test_each_rerun_is_an_attempt(suite: Suite) -> None:
    pytest.importorskip("pytest_rerunfailures")
    suite.pytester.makepyfile(
        """
        tries = []
        def test_flaky(arc):
            tries.append(1)
            arc.tokens(10, 0, 0.25)
            assert len(tries) == 3
        """
    )
    result = suite.run("--reruns", "3")
    result.assert_outcomes(passed=1)
    recorded = suite.recorded()
    assert [outcome["status"] for outcome in recorded.attempts].count("error") == 2
    (status,) = recorded.statuses
    assert (status["successful_outcomes"], status["total_cost_usd"]) == (1, 0.75)


# --------------------------------------------------------------------------------------
# Attached data
# --------------------------------------------------------------------------------------


def test_the_run_of_the_agent(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import dataclasses

        @dataclasses.dataclass
        class Trajectory:
            status: str = "success"
            final_response: str = "Sunny."
            full_trajectory: list = dataclasses.field(default_factory=lambda: [{"tool": "weather"}])

        def test_parts(arc, record_property):
            "What's the weather in NYC?"
            assert arc.recording
            arc.step("weather", city="NYC")
            arc.step({"tool": "answer"})
            arc.tokens(100, 20, 0.25)
            arc.tokens(50, 30, cost_usd=0.5)
            arc.response("Sunny.")
            arc.score(0.9, grade="A", dimensions={"tool_execution": 1.0, "performance": 0.8})
            record_property("model", "m-1")

        def test_trajectory(arc):
            arc.record(Trajectory())
            arc.step("more")

        def test_whole_result(arc):
            arc.record({
                "scenario": {"id": "of the agent's own", "difficulty": 3},
                "trajectory": {"status": "success", "execution_time_seconds": 2.5,
                               "token_usage": {"prompt_tokens": 5, "completion_tokens": 5}},
                "reliability_score": {"overall_score": 85, "grade": "B"},
                "detailed_trajectory": {"steps": 1},
                "database_tracking": {"outcome_id": "x"},
            })
            arc.tokens(1, 1, 0.0)

        def test_json_text(arc):
            arc.record('{"status": "success", "final_response": "Hi."}')

        def test_failing_agent(arc):
            arc.record({"status": "timeout", "error": "the model took too long"})
            assert False

        def test_agent_that_has_to_fail(arc):
            arc.record({"status": "error", "error": "refused"})

        def test_prompt_of_its_own(arc):
            arc.prompt("Say hello.")
            arc.score(70, scale=100)
        """
    )
    suite.run().assert_outcomes(passed=6, failed=1)
    recorded = suite.recorded()

    parts, document = recorded.outcome("test_parts"), recorded.document("test_parts")
    assert document["scenario"]["task_prompt"] == "What's the weather in NYC?"
    assert document["trajectory"]["final_response"] == "Sunny."
    assert document["trajectory"]["full_trajectory"] == [
        {"step": "weather", "city": "NYC"},
        {"tool": "answer"},
    ]
    assert document["test"]["properties"] == {"model": "m-1"}
    assert (parts["tokens_used"], parts["cost_usd"]) == (200, 0.75)
    assert (parts["score"], parts["warnings"]) == (0.9, None)
    assert parts["scores"] == [
        {"name": "reliability_score", "value": 0.9},
        {"name": "tool_execution", "value": 1},
        {"name": "performance", "value": 0.8},
    ]

    assert len(recorded.document("test_trajectory")["trajectory"]["full_trajectory"]) == 2

    whole, document = recorded.outcome("test_whole_result"), recorded.document("test_whole_result")
    assert (whole["tokens_used"], whole["execution_time_ms"]) == (12, 2500)
    assert whole["score"] == 85
    assert document["scenario"]["given_id"] == "of the agent's own"
    assert document["scenario"]["difficulty"] == 3
    assert "database_tracking" not in document

    assert recorded.document("test_json_text")["trajectory"]["final_response"] == "Hi."
    failing = recorded.outcome("test_failing_agent")
    assert (failing["status"], failing["error_message"]) == ("timeout", "the model took too long")
    refused = recorded.document("test_agent_that_has_to_fail")["trajectory"]
    assert (refused["status"], refused["agent_status"]) == ("success", "error")
    prompted = recorded.document("test_prompt_of_its_own")
    assert prompted["trajectory"]["task_prompt"] == "Say hello."
    prompted = recorded.outcome("test_prompt_of_its_own")
    assert (prompted["score"], prompted["score_highest"]) == (70, 100)


def test_data_that_cannot_be_recorded_is_reported_and_fails_no_test(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import pytest

        class Hostile:
            def to_dict(self): raise RuntimeError("no")

        def test_object(arc): arc.record(Hostile())
        def test_number(arc): arc.record(3)
        def test_keys(arc): arc.record({"status": "success", "x": {(1, 2): 3}})
        def test_circle(arc):
            circle = {}
            circle["circle"] = circle
            arc.record(circle)
        def test_text(arc): arc.response("\\ud800 \\0")
        def test_not_a_number(arc): arc.record({"loss": float("nan"), "status": "success"})
        @pytest.mark.arc(object, colour=object())
        def test_marker(): pass
        def test_score_out_of_range(arc): arc.score(101, scale=100)
        """
    )
    result = suite.run()
    result.assert_outcomes(passed=8)
    recorded = suite.recorded()
    assert set(recorded.statuses_of().values()) == {"success"}
    assert len(recorded.statuses_of()) == 7
    said = summary(result)
    for test in ("test_object", "test_number", "test_keys", "test_circle"):
        assert f"{test}: what the test attached cannot be recorded" in said
    assert "test_not_a_number: NaN cannot be written as JSON and is recorded as null" in said
    assert recorded.document("test_not_a_number")["trajectory"]["loss"] is None
    assert "test_score_out_of_range was rejected: /reliability_score/overall_score" in said
    assert "1 rejected" in said


def test_verdicts_need_not_be_scores(suite: Suite) -> None:
    suite.pytester.makeini("[pytest]\narc_score_from_outcome = false\n")
    suite.pytester.makepyfile("def test_it(): pass\ndef test_scored(arc): arc.score(0.5)")
    assert "score 0.500 (mean of reliability_score)," in summary(suite.run())
    assert suite.recorded().outcome("test_it")["score"] is None


def test_a_score_of_unknown_scale_is_shown_as_it_is(suite: Suite) -> None:
    suite.pytester.makepyfile("def test_it(arc): arc.score(85)")
    assert "score 85.000 (mean of reliability_score, scale unknown)," in summary(suite.run())
    suite.pytester.makepyfile("def test_it(arc): arc.score(85, scale=100)")
    assert "score 0.850 (mean of reliability_score)," in summary(suite.run())


# --------------------------------------------------------------------------------------
# Scenarios of tests
# --------------------------------------------------------------------------------------


def test_scenarios_are_planned_with_names_and_prompts(suite: Suite) -> None:
    suite.pytester.makepyfile(
        test_suite="""
        import pytest

        @pytest.mark.arc("Book a table.", name="Booking", id="booking", difficulty=2)
        def test_marker(): "Not this."
        @pytest.mark.arc(prompt="Cancel it.", id="booking")
        def test_same_id(): pass
        @pytest.mark.arc(id="weather")
        @pytest.mark.parametrize("prompt", ["NYC?", "Oslo?"])
        def test_parameter(prompt): pass
        @pytest.mark.arc
        def test_docstring():
            '''Say hello,
            politely.'''
        @pytest.mark.arc
        @pytest.mark.parametrize("long", ["é" * 600], ids=["x" * 600])
        def test_long(long): pass
        def test_unmarked(): pass
        """
    )
    suite.pytester.makeini("[pytest]\narc_only_marked = true\n")
    suite.run().assert_outcomes(passed=7)
    recorded = suite.recorded()
    scenarios = {key: row["document"]["scenario"] for key, row in recorded.outcomes.items()}
    long = next(key for key in scenarios if "test_long" in key)
    assert len(long) == 512
    assert scenarios == {
        "booking": {
            "id": "booking",
            "name": "Booking",
            "difficulty": 2,
            "task_prompt": "Book a table.",
        },
        "test_suite.py::test_same_id": {
            "id": "test_suite.py::test_same_id",
            "name": "test_same_id",
            "task_prompt": "Cancel it.",
        },
        **{
            f"weather[{city}]": {
                "id": f"weather[{city}]",
                "name": f"test_parameter[{city}]",
                "task_prompt": city,
            }
            for city in ("NYC?", "Oslo?")
        },
        "test_suite.py::test_docstring": {
            "id": "test_suite.py::test_docstring",
            "name": "test_docstring",
            "task_prompt": "Say hello,\npolitely.",
        },
        long: {"id": long, "name": "test_long[" + "x" * 600 + "]"},
    }
    assert {row["scenario_id"] for row in recorded.plan} == set(scenarios)


def test_each_test_is_run_as_often_as_there_are_trials(suite: Suite) -> None:
    suite.pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("city", ["NYC", "Oslo"])
        def test_weather(city, arc): assert arc.trial != 2 or city == "NYC"
        def test_seed(arc_trial): assert arc_trial in (1, 2, 3)
        """
    )
    result = suite.run("--arc-trials", "3")
    result.assert_outcomes(passed=8, failed=1)
    recorded = suite.recorded()
    assert recorded.simulation["trials"] == 3
    assert sorted(row["scenario_id"].rpartition("::")[2] for row in recorded.plan) == [
        "test_seed",
        "test_weather[NYC]",
        "test_weather[Oslo]",
    ]
    trials = {(o["scenario_id"].rpartition("::")[2], o["trial"]): o for o in recorded.attempts}
    assert len(trials) == 9
    assert trials["test_weather[Oslo]", 2]["status"] == "error"
    assert "9 of 9 scenarios, 8 succeeded, 1 failed" in summary(result)


def test_the_simulation_has_a_name_a_configuration_and_metadata(suite: Suite) -> None:
    suite.pytester.makefile(".yaml", agent="model: m-1\ntemperature: 0.2\n")
    suite.pytester.makepyfile("def test_it(): pass")
    suite.pytester.makeini("[pytest]\narc_config = agent.yaml\n")
    suite.run("--arc-simulation-name", "nightly", "--arc-metadata", "commit=abc=1")
    suite.run("--arc-config-name", "other")
    recorded = suite.recorded()
    first, second = sorted(recorded.simulations, key=lambda row: str(row["created_at"]))
    project = suite.pytester.path.name
    assert (first["simulation_name"], second["simulation_name"]) == ("nightly", project)
    assert first["metadata"]["commit"] == "abc=1"
    assert first["metadata"]["runner"] == "pytest"
    by_id = {row["config_version_id"]: row for row in recorded.configurations}
    assert by_id[first["config_version_id"]]["name"] == project
    assert by_id[second["config_version_id"]]["name"] == "other"
    assert "temperature: 0.2" in str(by_id[first["config_version_id"]]["configuration"])


@pytest.mark.parametrize(
    "arguments",
    [["--arc-config", "absent.yaml"], ["--arc-trials", "0"], ["--arc-metadata", "commit"]],
)
def test_invalid_options_are_reported_at_once(suite: Suite, arguments: list[str]) -> None:
    suite.pytester.makepyfile("def test_it(): pass")
    result = suite.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert arguments[0].removeprefix("--arc-")[:6] in "\n".join(result.errlines)


# --------------------------------------------------------------------------------------
# pytest-xdist
# --------------------------------------------------------------------------------------


def test_workers_record_one_simulation(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.pytester.makepyfile(
        """
        import pytest, time
        @pytest.mark.parametrize("number", range(12))
        def test_it(number, arc):
            "Count."
            time.sleep(0.05)
            arc.tokens(1, 1, 0.25)
            assert number % 4
        @pytest.mark.xdist_group("alone")
        def test_grouped(): pass
        def test_skips(): pytest.skip("not today")
        """
    )
    result = suite.run("-n", "2", "--dist", "loadgroup")
    result.assert_outcomes(passed=10, failed=3, skipped=1)
    recorded = suite.recorded()
    assert recorded.simulation["status"] == "completed"
    assert len(recorded.plan) == 14
    assert len(recorded.attempts) == 13
    assert recorded.outcome("test_grouped")["status"] == "success"
    workers = {row["document"]["test"]["worker"] for row in recorded.outcomes.values()}
    assert workers == {"gw0", "gw1"}
    prompts = {recorded.document(f"test_it[{n}]")["scenario"]["task_prompt"] for n in range(12)}
    assert prompts == {"Count."}
    said = summary(result)
    assert "13 of 14 scenarios, 10 succeeded, 3 failed, 1 skipped" in said
    assert "cost $3.00" in said


def test_a_worker_that_crashes_leaves_an_error(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.pytester.makepyfile(
        """
        import os, pytest
        def test_good(): pass
        @pytest.mark.arc(id="deadly", prompt="Die.")
        def test_deadly(): os._exit(3)
        def test_last(): pass
        """
    )
    result = suite.run("-n", "1")
    result.assert_outcomes(passed=2, failed=1)
    recorded = suite.recorded()
    deadly = recorded.outcomes["deadly"]
    assert (deadly["status"], deadly["error_code"]) == ("error", "WorkerCrash")
    assert deadly["document"]["scenario"]["task_prompt"] == "Die."
    assert len(recorded.plan) == len(recorded.outcomes) == 3
    assert recorded.simulation["status"] == "completed"


def test_trials_are_spread_over_workers(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.pytester.makepyfile("def test_it(arc): pass")
    suite.run("-n", "2", "--arc-trials", "4").assert_outcomes(passed=4)
    recorded = suite.recorded()
    assert sorted(outcome["trial"] for outcome in recorded.attempts) == [1, 2, 3, 4]
    assert len(recorded.plan) == 1


def test_the_embedded_database_needs_no_setting(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
    with database_folder() as data:
        monkeypatch.setenv("ARC_DATA_DIR", str(data))
        workers = ["-n", "2"] if has_xdist() else []
        result = suite.run_plain("--arc-record", *workers)
        result.assert_outcomes(passed=2)
        (command,) = (line for line in summary(result).splitlines() if "arc-host status" in line)
        words = (*command.split()[1:], "--json")
        status = json.loads(arc_host(suite, *words, ARC_DATA_DIR=str(data)))
    assert status["successful_outcomes"] == 2


# --------------------------------------------------------------------------------------
# Interrupted runs
# --------------------------------------------------------------------------------------


def has_xdist() -> bool:
    return importlib.util.find_spec("xdist") is not None


def interrupt(suite: Suite, *arguments: str) -> str:
    """Runs the suite until one of its tests waits, sends Ctrl-C, and returns the output."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "--arc-record"),
            *("--arc-database-url", suite.database_url, *arguments),
        ],
        cwd=suite.pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and their children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    waiting = Path(suite.pytester.path) / "waiting"
    deadline = time.monotonic() + 60
    while not waiting.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    return output


WAITING = """
    import pathlib, time
    def test_first(): pass
    def test_waits(arc):
        arc.tokens(100, 0, 0.5)
        pathlib.Path("waiting").touch()
        time.sleep(120)
    def test_last(): pass
"""


def test_ctrl_c_cancels_the_simulation(suite: Suite) -> None:
    suite.pytester.makepyfile(WAITING)
    output = interrupt(suite)
    recorded = suite.recorded()
    assert recorded.simulation["status"] == "cancelled"
    assert recorded.simulation["status_reason"] == "KeyboardInterrupt"
    assert recorded.statuses_of() == {"test_first": "success", "test_waits": "cancelled"}
    stopped = recorded.outcome("test_waits")
    assert (stopped["cost_usd"], stopped["score"]) == (0.5, None)
    assert "cancelled: 2 of 3 scenarios, 1 succeeded, 1 failed" in output


def test_ctrl_c_cancels_a_simulation_of_workers(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.pytester.makepyfile(WAITING)
    interrupt(suite, "-n", "1")
    recorded = suite.recorded()
    assert recorded.simulation["status"] == "cancelled"
    assert recorded.outcome("test_first")["status"] == "success"


def test_stopping_at_the_first_failure_cancels_the_simulation(suite: Suite) -> None:
    suite.pytester.makepyfile("def test_bad(): assert 0\ndef test_last(): pass")
    suite.run("-x")
    simulation = suite.recorded().simulation
    assert simulation["status"] == "cancelled"
    assert simulation["status_reason"] == "stopping after 1 failures"


def test_stopping_at_a_last_failure_cancels_nothing(suite: Suite) -> None:
    suite.pytester.makepyfile("def test_good(): pass\ndef test_bad(): assert 0")
    suite.run("-x")
    assert suite.recorded().simulation["status"] == "completed"


def test_an_internal_error_fails_the_simulation(suite: Suite) -> None:
    suite.pytester.makeconftest(
        """
        def pytest_runtest_teardown(item):
            pass
        def pytest_runtest_logfinish(nodeid):
            raise RuntimeError("a broken plug-in")
        """
    )
    suite.pytester.makepyfile("def test_it(): pass\ndef test_last(): pass")
    assert suite.run().ret == pytest.ExitCode.INTERNAL_ERROR
    simulation = suite.recorded().simulation
    assert simulation["status"] == "failed"
    assert simulation["status_reason"] == "RuntimeError: a broken plug-in"


# --------------------------------------------------------------------------------------
# A database that is unavailable
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_an_unavailable_database_fails_no_test(suite: Suite, workers: list[str]) -> None:
    if workers:
        pytest.importorskip("xdist")
    suite.pytester.makepyfile("def test_good(arc): arc.score(0.5)\ndef test_bad(): assert 0")
    result = suite.run(*workers, url=UNAVAILABLE)
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = summary(result)
    assert "warning: " in said
    assert "2 results not recorded" in said

    # No result is lost: they are in files, and the summary has the command that records them.
    (command,) = (line for line in said.splitlines() if line.startswith("  arc-host record "))
    arc_host(suite, *shlex.split(command)[1:])
    assert set(suite.recorded().statuses_of()) == {"test_good", "test_bad"}


def test_results_are_recorded_when_the_database_is_available_again(suite: Suite) -> None:
    own = urlsplit(suite.database_url)
    suite.pytester.makeconftest(
        f"""
        import pytest
        from arc_recorder import SyncArcDBClient

        @pytest.fixture
        def allow():
            "Lets connections to the recorder's database in, or not, from another database."
            with SyncArcDBClient({urlunsplit(own._replace(path="/postgres"))!r}) as client:
                def allow(yes):
                    client.engine.execute(
                        f"ALTER DATABASE {own.path[1:]} ALLOW_CONNECTIONS {{yes}}"
                    )
                    if not yes:
                        client.engine.execute(
                            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                            "WHERE datname = :name", {{"name": {own.path[1:]!r}}}
                        )
                yield allow
        """
    )
    suite.pytester.makepyfile(
        """
        def test_before(): pass
        def test_goes(allow): allow(False)
        def test_while_away(): pass
        def test_comes_back(allow): allow(True)
        """
    )
    result = suite.run()
    result.assert_outcomes(passed=4)
    recorded = suite.recorded()
    assert set(recorded.statuses_of().values()) == {"success"}
    assert len(recorded.attempts) == 4
    assert recorded.simulation["status"] == "completed"
    assert "warning" not in summary(result)
    assert not list(suite.pytester.path.glob(".pytest_cache/d/arc_recorder/*.jsonl"))


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_strict_refuses_to_run_without_a_database(suite: Suite, workers: list[str]) -> None:
    if workers:
        pytest.importorskip("xdist")
    suite.pytester.makepyfile(
        """
        import pathlib
        def test_it(): pathlib.Path("was_run").touch()
        """
    )
    result = suite.run("--arc-record-strict", *workers, url=UNAVAILABLE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "this run cannot be recorded" in "\n".join(result.errlines)
    assert not (suite.pytester.path / "was_run").exists()


def test_strict_fails_a_run_of_which_something_was_rejected(suite: Suite) -> None:
    suite.pytester.makepyfile("def test_it(arc): arc.score(2, scale=1)")
    assert suite.run().ret == pytest.ExitCode.OK
    result = suite.run("--arc-record-strict")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "error: " in summary(result)


def test_no_password_is_shown(suite: Suite) -> None:
    suite.pytester.makepyfile("def test_it(): pass")
    url = UNAVAILABLE.replace("nobody@", "nobody:hush-hush@")
    for arguments in ([], ["--arc-record-strict"]):
        result = suite.run(*arguments, url=url)
        assert "hush-hush" not in result.stdout.str() + result.stderr.str()
