"""Records with the Python client of openapi-generator: `openapi_generator.py URL RESULTS`."""

import json
import sys
from pathlib import Path

from openapi_client import (
    ApiClient,
    BatchVerdicts,
    Configuration,
    ReadingApi,
    RecordingApi,
    ResultDocument,
    ResultsDocument,
    ResultsEnvelope,
    ResultVerdict,
    StartSimulationRequest,
)

url, path = sys.argv[1:]
sent = json.loads(Path(path).read_text())
results = [ResultDocument.from_dict(result) for result in sent]
client = ApiClient(Configuration(host=url))
recording = RecordingApi(client)

plan = StartSimulationRequest(scenarios=[result["scenario"] for result in sent])
simulation = recording.start_simulation(plan).simulation_id

one = recording.record_outcomes(simulation, ResultsDocument(results[0])).actual_instance
assert isinstance(one, ResultVerdict), one

envelope = ResultsEnvelope(results=results)
many = recording.record_outcomes(simulation, ResultsDocument(envelope)).actual_instance
assert isinstance(many, BatchVerdicts), many

status = ReadingApi(client).simulation_status(str(simulation))
file = recording.record_file(Path(path).read_bytes(), file_name="openapi_generator.json")
answer = {
    "simulation": str(simulation),
    "one": one.verdict.value,
    "many": {"stored": many.stored, "duplicate": many.duplicate},
    "completed": status.completed_scenarios,
    "file": file.stored,
}
print(json.dumps(answer))
