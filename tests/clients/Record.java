import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.ReadingApi;
import org.openapitools.client.api.RecordingApi;
import org.openapitools.client.model.*;

/** Records with the Java client of openapi-generator: {@code Record URL RESULTS}. */
final class Record {
    public static void main(String[] arguments) throws IOException, ApiException {
        Path path = Path.of(arguments[1]);
        ApiClient client = new ApiClient();
        client.updateBaseUri(arguments[0]);
        // Jackson ignores members that a type lacks, so every object would match both alternatives
        // of the verdicts.
        ObjectMapper json = client.getObjectMapper();
        client.setObjectMapper(json.enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES));
        ResultDocument[] sent = json.readValue(path.toFile(), ResultDocument[].class);
        List<ResultDocument> results = List.of(sent);
        RecordingApi recording = new RecordingApi(client);

        StartSimulationRequest plan = new StartSimulationRequest();
        results.forEach(result -> plan.addScenariosItem(result.getScenario()));
        UUID simulation = recording.startSimulation(plan, null).getSimulationId();

        ResultsDocument first = new ResultsDocument(results.get(0));
        ResultVerdict one = record(recording, simulation, first).getResultVerdict();
        ResultsDocument all = new ResultsDocument(new ResultsEnvelope().results(results));
        BatchVerdicts many = record(recording, simulation, all).getBatchVerdicts();

        ReadingApi reading = new ReadingApi(client);
        SimulationProgress status = reading.simulationStatus(simulation.toString());
        // Without this, the client sends the file's path as a JSON string.
        HttpRequest.BodyPublisher bytes = BodyPublishers.ofFile(path);
        client.setRequestInterceptor(request -> request.POST(bytes));
        RecordingApi files = new RecordingApi(client);
        String name = "java.json";
        FileReport file =
                files.recordFile(path.toFile(), name, null, null, null, null, null, null, null, null);
        Map<String, Long> counts =
                Map.of("stored", many.getStored(), "duplicate", many.getDuplicate());
        Map<String, Object> answer =
                Map.of(
                        "simulation", simulation,
                        "one", one.getVerdict(),
                        "many", counts,
                        "completed", status.getCompletedScenarios(),
                        "file", file.getStored());
        System.out.println(json.writeValueAsString(answer));
    }

    private static RecordingVerdicts record(
            RecordingApi recording, UUID simulation, ResultsDocument results) throws ApiException {
        return recording.recordOutcomes(simulation, results, null, null, null, null, null);
    }
}
