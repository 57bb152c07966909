"""The host, in this process. Each call begins work and gives a `Call`."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Sequence
from typing import Any, Optional

class Call:
    def wait(self) -> Any: ...
    def deliver(self, event_loop: AbstractEventLoop, future: Future[Any]) -> None: ...

class Batch:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    def take(
        self,
        results: list[Any],
        next: int,
        milliseconds: float,
        most_items: int,
        most_bytes: int,
        trials: Optional[list[Optional[int]]],
        modal_call_ids: Optional[list[Optional[str]]],
        sandbox_ids: Optional[list[Optional[str]]],
    ) -> int: ...

class Text:
    def __init__(self, value: Any, what: str) -> None: ...
    def proceed(self, milliseconds: float) -> Optional[str]: ...

class Host:
    def __init__(
        self,
        url: Optional[str],
        connections: int,
        data_dir: Optional[str],
        postgres_bin: Optional[str],
        further_postgres_bins: Sequence[str],
        program: tuple[str, list[str]],
        token: Optional[str],
        spool_dir: Optional[str],
    ) -> None: ...
    @property
    def is_service(self) -> bool: ...
    def initialize(self) -> Call: ...
    def open(self) -> Call: ...
    def deploy_schema(self) -> Call: ...
    def create_configuration(
        self, name: str, configuration: str, user_id: Optional[str]
    ) -> Call: ...
    def start_simulation(
        self,
        simulation_id: Optional[str],
        config_version_id: str,
        scenarios: str,
        trials: Optional[int],
        simulation_name: Optional[str],
        modal_app_id: Optional[str],
        modal_environment: Optional[str],
        sandbox_instances: Optional[int],
        metadata: Optional[str],
    ) -> Call: ...
    def record(
        self,
        simulation_id: str,
        batch: Batch,
        first: int,
        brief: bool,
        format: Optional[str],
        header: Optional[str],
    ) -> Call: ...
    def record_file(
        self,
        path: str,
        format: Optional[str],
        header: Optional[str],
        simulation_name: Optional[str],
        simulation_id: Optional[str],
        config_version_id: Optional[str],
    ) -> Call: ...
    def complete_simulation(self, simulation_id: str, suite: Optional[str]) -> Call: ...
    def fail_simulation(self, simulation_id: str, reason: str) -> Call: ...
    def cancel_simulation(self, simulation_id: str, reason: str) -> Call: ...
    def simulation_status(self, simulation_id: str) -> Call: ...
    def outcomes(
        self,
        simulation_id: str,
        scenario_id: Optional[str],
        status: Optional[str],
        limit: int,
        cursor: Optional[str],
    ) -> Call: ...
    def rejected(self, simulation_id: str) -> Call: ...
    def performance(self, simulation_id: str, hours: float) -> Call: ...
    def recent_failures(self, limit: int) -> Call: ...
    def metrics(self) -> Call: ...
    def execute_sql(self, sql: str, values: Sequence[tuple[str, Optional[str]]]) -> Call: ...
    def test_connections(self) -> Call: ...
    def close(self) -> Call: ...

def after_fork_in_child() -> None: ...
def stop() -> None: ...
def run_program(
    arguments: Sequence[str],
    executable: str,
    before_arguments: Sequence[str],
    postgres_bins: Sequence[str],
) -> int: ...
