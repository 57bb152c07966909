"""Records with the client of openapi-python-client: `openapi_python_client.py URL RESULTS`."""

import json
import sys
from pathlib import Path

from arc_client.api.reading import simulation_status
from arc_client.api.recording import record_file, record_outcomes, start_simulation
from arc_client.client import Client
from arc_client.models import (
    BatchVerdicts,
    FileReport,
    ResultDocument,
    ResultsEnvelope,
    ResultVerdict,
    SimulationProgress,
    StartedBody,
    StartSimulationRequest,
)
from arc_client.types import File

url, path = sys.argv[1:]
sent = json.loads(Path(path).read_text())
results = [ResultDocument.from_dict(result) for result in sent]
client = Client(base_url=url)

plan = StartSimulationRequest(scenarios=[result["scenario"] for result in sent])
started = start_simulation.sync(client=client, body=plan)
assert isinstance(started, StartedBody), started
simulation = started.simulation_id

one = record_outcomes.sync(simulation, client=client, body=results[0])
assert isinstance(one, ResultVerdict), one

many = record_outcomes.sync(simulation, client=client, body=ResultsEnvelope(results=results))
assert isinstance(many, BatchVerdicts), many

status = simulation_status.sync(str(simulation), client=client)
assert isinstance(status, SimulationProgress), status
with open(path, "rb") as payload:
    name = "openapi_python_client.json"
    file = record_file.sync(client=client, body=File(payload), file_name=name)
assert isinstance(file, FileReport), file
answer = {
    "simulation": str(simulation),
    "one": one.verdict,
    "many": {"stored": many.stored, "duplicate": many.duplicate},
    "completed": status.completed_scenarios,
    "file": file.stored,
}
print(json.dumps(answer))
