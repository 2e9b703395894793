package ward;

import static ward.Driver.ask;
import static ward.Driver.until;

import io.temporal.client.WorkflowExecutionMetadata;
import io.temporal.common.WorkflowExecutionHistory;
import io.temporal.testing.WorkflowReplayer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** The histories of this run: each is written down as JSON, read back, and replayed against the code that made it. */
final class Histories {
  private Histories() {}

  /** Writes one file per run, named by workflow and run; gives their number. */
  static int save(Driver driver, Path folder) throws IOException {
    Files.createDirectories(folder);
    var query = "TaskQueue = '%1$s' OR TaskQueue = '%1$s-handover'".formatted(driver.taskQueue);
    var runs = new ArrayList<WorkflowExecutionMetadata>();
    // What was started here must be among them, and nothing must be open.
    until(
        "all workflows are listed and closed",
        () -> {
          runs.clear();
          runs.addAll(driver.list(query));
          Set<String> listed =
              runs.stream().map(each -> each.getExecution().getWorkflowId()).collect(Collectors.toSet());
          return listed.containsAll(driver.started)
              && runs.stream().allMatch(each -> each.getWorkflowExecutionInfo().hasCloseTime());
        });
    for (var each : runs) {
      var id = each.getExecution().getWorkflowId();
      var runId = each.getExecution().getRunId();
      var history = ask(() -> driver.client.fetchHistory(id, runId));
      Files.writeString(folder.resolve(id + "." + runId + ".json"), history.toJson(true));
    }
    return runs.size();
  }

  /** Replays every file; the first that does not fit is an error. Gives their number. */
  static int replay(Path folder) throws Exception {
    List<WorkflowExecutionHistory> histories = new ArrayList<>();
    try (var files = Files.list(folder)) {
      for (var file : files.sorted().toList()) {
        var id = file.getFileName().toString().split("\\.")[0];
        var history = WorkflowExecutionHistory.fromJson(Files.readString(file), id);
        // This SDK's replayer knows every closing event but this one, with which workflow code has nothing to do.
        if (!history.getLastEvent().hasWorkflowExecutionTerminatedEventAttributes()) {
          histories.add(history);
        }
      }
    }
    WorkflowReplayer.replayWorkflowExecutions(histories, true, Workflows.ALL);
    return histories.size();
  }
}
