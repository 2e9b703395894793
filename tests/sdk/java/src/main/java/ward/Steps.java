package ward;

import static ward.Driver.ask;
import static ward.Driver.code;
import static ward.Driver.expect;
import static ward.Driver.fails;
import static ward.Driver.tell;
import static ward.Driver.until;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.enums.v1.IndexedValueType;
import io.temporal.api.enums.v1.PendingActivityState;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.api.enums.v1.WorkflowIdConflictPolicy;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.api.operatorservice.v1.AddSearchAttributesRequest;
import io.temporal.api.workflow.v1.PendingActivityInfo;
import io.temporal.client.UpdateOptions;
import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowQueryException;
import io.temporal.client.WorkflowUpdateException;
import io.temporal.client.WorkflowUpdateHandle;
import io.temporal.client.WorkflowUpdateStage;
import io.temporal.client.schedules.Schedule;
import io.temporal.client.schedules.ScheduleActionExecutionStartWorkflow;
import io.temporal.client.schedules.ScheduleActionStartWorkflow;
import io.temporal.client.schedules.ScheduleAlreadyRunningException;
import io.temporal.client.schedules.ScheduleDescription;
import io.temporal.client.schedules.ScheduleHandle;
import io.temporal.client.schedules.ScheduleIntervalSpec;
import io.temporal.client.schedules.ScheduleOptions;
import io.temporal.client.schedules.ScheduleSpec;
import io.temporal.client.schedules.ScheduleState;
import io.temporal.client.schedules.ScheduleUpdate;
import io.temporal.common.RetryOptions;
import io.temporal.common.SearchAttributes;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.TerminatedFailure;
import io.temporal.failure.TimeoutFailure;
import io.temporal.serviceclient.OperatorServiceStubs;
import io.temporal.serviceclient.OperatorServiceStubsOptions;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import ward.Driver.Handle;
import ward.Workflows.AskNurse;
import ward.Workflows.Bed;
import ward.Workflows.ChooseNumbers;
import ward.Workflows.CollectReadings;
import ward.Workflows.ConvertReading;
import ward.Workflows.GiveUp;
import ward.Workflows.LabelWard;
import ward.Workflows.NightShift;
import ward.Workflows.Patrol;
import ward.Workflows.Pause;
import ward.Workflows.ReadBadSensors;
import ward.Workflows.ReadSensor;
import ward.Workflows.Reading;
import ward.Workflows.Rounds;
import ward.Workflows.StayForever;
import ward.Workflows.Thermostat;
import ward.Workflows.UpdateFirmware;
import ward.Workflows.Ward;
import ward.Workflows.WatchBed;

/** The steps: each uses one feature through the client and checks what came of it. */
final class Steps {
  static final Map<String, Consumer<Driver>> IN_ORDER = new LinkedHashMap<>();

  static {
    IN_ORDER.put("activity", Steps::activity);
    IN_ORDER.put("retry", Steps::retry);
    IN_ORDER.put("heartbeat", Steps::heartbeat);
    IN_ORDER.put("activity-cancel", Steps::activityCancel);
    IN_ORDER.put("async-completion", Steps::asyncCompletion);
    IN_ORDER.put("local-activity", Steps::localActivity);
    IN_ORDER.put("timer", Steps::timer);
    IN_ORDER.put("signal", Steps::signal);
    IN_ORDER.put("signal-with-start", Steps::signalWithStart);
    IN_ORDER.put("query", Steps::query);
    IN_ORDER.put("update", Steps::update);
    IN_ORDER.put("update-with-start", Steps::updateWithStart);
    IN_ORDER.put("child", Steps::child);
    IN_ORDER.put("parent-close-policy", Steps::parentClosePolicy);
    IN_ORDER.put("continue-as-new", Steps::continueAsNew);
    IN_ORDER.put("cancel", Steps::cancel);
    IN_ORDER.put("terminate", Steps::terminate);
    IN_ORDER.put("failure", Steps::failure);
    IN_ORDER.put("workflow-retry", Steps::workflowRetry);
    IN_ORDER.put("timeout", Steps::timeout);
    IN_ORDER.put("start-rules", Steps::startRules);
    IN_ORDER.put("patch", Steps::patch);
    IN_ORDER.put("search-attributes", Steps::searchAttributes);
    IN_ORDER.put("list", Steps::list);
    IN_ORDER.put("schedule", Steps::schedule);
    IN_ORDER.put("new-worker", Steps::newWorker);
  }

  private Steps() {}

  private static void activity(Driver driver) {
    expect(driver.start("activity", ReadSensor.class, "bed-12").result(String.class), "bed-12 reads 21.5");
  }

  private static void retry(Driver driver) {
    var outcome = driver.start("retry", ReadBadSensors.class, 2).result(String.class);
    expect(outcome, "answer at attempt 3, then BrokenSensor: the wire is cut (bed-12)");
  }

  private static void heartbeat(Driver driver) {
    var outcome = driver.start("heartbeat", UpdateFirmware.class, 6).result(String.class);
    expect(outcome, "attempt 3 went on at block 5 of 6");
  }

  private static void activityCancel(Driver driver) {
    var handle = driver.start("activity-cancel", WatchBed.class, "bed-12");
    until(
        "the activity has sent a heartbeat",
        () -> startedActivity(handle).filter(PendingActivityInfo::hasHeartbeatDetails).isPresent());
    handle.tell(WatchBed::stop);
    expect(handle.result(String.class), "nobody watches bed-12");
  }

  private static void asyncCompletion(Driver driver) {
    var handle = driver.start("async-completion", AskNurse.class, "is bed-12 free?");
    until("the question is asked", () -> startedActivity(handle).isPresent());
    var question = startedActivity(handle).orElseThrow().getActivityId();
    var completion = driver.client.newActivityCompletionClient();
    tell(() -> completion.complete(handle.id(), Optional.empty(), question, "it is"));
    expect(handle.result(String.class), "it is");
  }

  private static Optional<PendingActivityInfo> startedActivity(Handle<?> handle) {
    return handle.describe().getRawDescription().getPendingActivitiesList().stream()
        .filter(each -> each.getState() == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED)
        .findFirst();
  }

  private static void localActivity(Driver driver) {
    expect(driver.start("local-activity", ConvertReading.class, 21.5).result(Double.class), 294.65);
  }

  private static void timer(Driver driver) {
    expect(driver.start("timer", Pause.class, List.of(0.2, 1.0)).result(Double.class) >= 1, true);
  }

  private static void signal(Driver driver) {
    var handle = driver.start("signal", CollectReadings.class);
    for (int number = 1; number <= 3; number++) {
      var reading = new Reading(number, "reading " + number);
      handle.tell(workflow -> workflow.add(reading));
    }
    handle.tell(CollectReadings::close);
    expect(handle.result(List.class), List.of("reading 1", "reading 2", "reading 3"));
    fails(WorkflowNotFoundException.class, () -> handle.tell(CollectReadings::close));
  }

  private static void signalWithStart(Driver driver) {
    var options = driver.options("signal-with-start").build();
    var first = signalWithStart(driver, options, new Reading(1, "reading 1"));
    var second = signalWithStart(driver, options, new Reading(2, "reading 2"));
    expect(second.runId(), first.runId());
    first.tell(CollectReadings::close);
    expect(first.result(List.class), List.of("reading 1", "reading 2"));
  }

  private static Handle<CollectReadings> signalWithStart(
      Driver driver, WorkflowOptions options, Reading reading) {
    return ask(
        () -> {
          var stub = driver.client.newUntypedWorkflowStub("CollectReadings", options);
          stub.signalWithStart("add", new Object[] {reading}, new Object[] {});
          return driver.new Handle<>(CollectReadings.class, stub);
        });
  }

  private static void query(Driver driver) {
    var handle = driver.start("query", CollectReadings.class);
    handle.tell(workflow -> workflow.add(new Reading(1, "open")));
    expect(handle.ask(CollectReadings::readingsSoFar), List.of("open"));
    fails(WorkflowQueryException.class, () -> ask(() -> handle.stub.query("somethingElse", String.class)));
    handle.tell(CollectReadings::close);
    handle.result(List.class);
    expect(handle.ask(CollectReadings::readingsSoFar), List.of("open"));
  }

  private static void update(Driver driver) {
    var handle = driver.start("update", Thermostat.class);
    expect(setTarget(handle, 22), 20);
    // The same id: the second call gets the outcome of the first.
    expect(setTarget(handle, 22), 20);
    var waiting = waitForTarget(handle, 25);
    var refused = fails(WorkflowUpdateException.class, () -> setTarget(handle, 99));
    // This SDK puts a type of its own in the place of the validator's.
    expect(((ApplicationFailure) refused.getCause()).getOriginalMessage(), "99 degrees are not for people");
    expect(setTarget(handle, 25), 22);
    expect(ask(waiting::getResult), "25 degrees are reached");
    handle.tell(Thermostat::switchOff);
    expect(handle.result(Integer.class), 25);
    var accepted =
        ask(() -> driver.client.fetchHistory(handle.id())).getEvents().stream()
            .filter(HistoryEvent::hasWorkflowExecutionUpdateAcceptedEventAttributes)
            .map(each -> each.getWorkflowExecutionUpdateAcceptedEventAttributes().getProtocolInstanceId());
    expect(accepted.toList(), List.of("set-to-22", "wait-for-25", "set-to-25"));
  }

  static int setTarget(Handle<Thermostat> handle, int degrees) {
    var options =
        UpdateOptions.newBuilder(Integer.class)
            .setUpdateName("setTarget")
            .setUpdateId("set-to-" + degrees)
            .setWaitForStage(WorkflowUpdateStage.COMPLETED)
            .build();
    return ask(() -> handle.stub.startUpdate(options, degrees).getResult());
  }

  /** Waits until the workflow has taken the update, and not for its outcome. */
  static WorkflowUpdateHandle<String> waitForTarget(Handle<Thermostat> handle, int degrees) {
    var options =
        UpdateOptions.newBuilder(String.class)
            .setUpdateName("waitForTarget")
            .setUpdateId("wait-for-" + degrees)
            .setWaitForStage(WorkflowUpdateStage.ACCEPTED)
            .build();
    return ask(() -> handle.stub.startUpdate(options, degrees));
  }

  private static void updateWithStart(Driver driver) {
    var existing = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING;
    var start = driver.options("update-with-start").setWorkflowIdConflictPolicy(existing).build();
    expect(updateWithStart(driver, start, 18), 20);
    expect(updateWithStart(driver, start, 19), 18);
    var handle = driver.handle(Thermostat.class, driver.id("update-with-start"));
    handle.tell(Thermostat::switchOff);
    expect(handle.result(Integer.class), 19);
  }

  private static int updateWithStart(Driver driver, WorkflowOptions start, int degrees) {
    var options =
        UpdateOptions.newBuilder(Integer.class)
            .setUpdateName("setTarget")
            .setUpdateId("set-to-" + degrees)
            .setWaitForStage(WorkflowUpdateStage.COMPLETED)
            .build();
    return ask(
        () ->
            driver
                .client
                .newUntypedWorkflowStub("Thermostat", start)
                .executeUpdateWithStart(options, new Object[] {degrees}, new Object[] {}));
  }

  private static void child(Driver driver) {
    expect(
        driver.start("child", Ward.class, List.of("bed-1", "bed-2")).result(List.class),
        List.of(
            "bed-1 is awake", "bed-2 is awake", "BrokenBed: a bed broke down", "asleep is cancelled: true"));
  }

  private static void parentClosePolicy(Driver driver) {
    driver.start("night", NightShift.class).result(Void.class);
    driver.handle(Bed.class, driver.id("night-stopped")).failure(CanceledFailure.class);
    var left = driver.handle(Bed.class, driver.id("night-left"));
    left.tell(Bed::wake);
    expect(left.result(String.class), "left is awake");
  }

  private static void continueAsNew(Driver driver) {
    var handle = driver.start("continue-as-new", Rounds.class, 3, List.of());
    var firstRun = handle.runId();
    expect(handle.result(List.class), List.of("round 1", "round 2", "round 3"));
    var first = driver.handle(Rounds.class, handle.id(), firstRun).describe();
    expect(first.getStatus(), WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW);
    var last = driver.handle(Rounds.class, handle.id()).describe();
    expect(last.getStatus(), WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED);
  }

  private static void cancel(Driver driver) {
    var handle = driver.start("cancel", Patrol.class, "west");
    // Cancelled before its first task, it would not even begin.
    expect(handle.ask(Patrol::whatWasDone), List.of());
    handle.cancel();
    handle.failure(CanceledFailure.class);
    expect(handle.ask(Patrol::whatWasDone), List.of("lights of west are off"));
    // Nothing happens to a workflow that is closed.
    handle.cancel();
  }

  private static void terminate(Driver driver) {
    var handle = driver.start("terminate", StayForever.class);
    tell(() -> handle.stub.terminate("the ward is closed"));
    handle.failure(TerminatedFailure.class);
    var last = ask(() -> driver.client.fetchHistory(handle.id())).getLastEvent();
    expect(last.getWorkflowExecutionTerminatedEventAttributes().getReason(), "the ward is closed");
  }

  private static void failure(Driver driver) {
    var cause = driver.start("failure", GiveUp.class, 1).failure(ApplicationFailure.class);
    expect(cause.getType(), "GivenUp");
    expect(cause.getOriginalMessage(), "it cannot be done");
    expect(cause.getDetails().get(0, Integer.class), 1);
  }

  private static void workflowRetry(Driver driver) {
    var policy =
        RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(100)).setMaximumAttempts(3).build();
    var options = driver.options("workflow-retry").setRetryOptions(policy).build();
    expect(driver.start(options, GiveUp.class, 1).result(String.class), "done at attempt 2");
  }

  private static void timeout(Driver driver) {
    var options = driver.options("timeout").setWorkflowRunTimeout(Duration.ofSeconds(1)).build();
    driver.start(options, StayForever.class).failure(TimeoutFailure.class);
  }

  /** One open workflow per id. */
  private static void startRules(Driver driver) {
    var first = driver.start("start-rules", CollectReadings.class);
    var again = driver.client.newUntypedWorkflowStub("CollectReadings", driver.options("start-rules").build());
    var refused = fails(WorkflowExecutionAlreadyStarted.class, () -> tell(again::start));
    expect(refused.getExecution().getRunId(), first.runId());
    var existing = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING;
    var options = driver.options("start-rules").setWorkflowIdConflictPolicy(existing).build();
    expect(driver.start(options, CollectReadings.class).runId(), first.runId());
    first.tell(CollectReadings::close);
    first.result(List.class);
  }

  private static void patch(Driver driver) {
    var handle = driver.start("patch", ChooseNumbers.class);
    var numbers = handle.result(List.class);
    expect(numbers.size(), 3);
    expect(numbers.get(2), "new way");
    expect(handle.ask(ChooseNumbers::chosen), numbers);
  }

  private static void searchAttributes(Driver driver) {
    var west = driver.id("west");
    var options =
        driver
            .options("search-attributes")
            .setMemo(Map.of("floor", 3))
            .setTypedSearchAttributes(SearchAttributes.newBuilder().set(Workflows.WARD, west).build())
            .build();
    var handle = driver.start(options, LabelWard.class, 12);
    handle.result(Void.class);
    var described = handle.describe();
    expect(described.getTypedSearchAttributes().get(Workflows.WARD), west);
    expect(described.getTypedSearchAttributes().get(Workflows.BEDS), 12L);
    expect(described.getMemo("floor", Integer.class), 3);
    expect(described.getMemo("note", String.class), "labelled");
    until(
        "the workflow is found by its labels",
        () -> driver.listIds("SdkWard = '%s' AND SdkBeds > 10".formatted(west)).equals(List.of(handle.id())));
  }

  /** Both may be there from a run before. */
  static void registerSearchAttributes(Driver driver) {
    var operator =
        OperatorServiceStubs.newServiceStubs(
            OperatorServiceStubsOptions.newBuilder()
                .setChannel(driver.service.getRawChannel())
                .validateAndBuildWithDefaults());
    var request =
        AddSearchAttributesRequest.newBuilder()
            .setNamespace(driver.namespace())
            .putSearchAttributes(Workflows.WARD.getName(), IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
            .putSearchAttributes(Workflows.BEDS.getName(), IndexedValueType.INDEXED_VALUE_TYPE_INT)
            .build();
    try {
      ask(() -> operator.blockingStub().addSearchAttributes(request));
    } catch (StatusRuntimeException e) {
      expect(e.getStatus().getCode(), Status.Code.ALREADY_EXISTS);
    }
  }

  private static void list(Driver driver) {
    var open = driver.start("list", CollectReadings.class);
    var here = "TaskQueue = '" + driver.taskQueue + "'";
    var running = here + " AND ExecutionStatus = 'Running' AND WorkflowType = 'CollectReadings'";
    until("the list has the one that is open", () -> driver.listIds(running).equals(List.of(open.id())));
    until(
        "the counts by status add up",
        () -> {
          var counted = ask(() -> driver.client.countWorkflows(here + " GROUP BY ExecutionStatus"));
          var byStatus = new HashMap<Object, Long>();
          counted.getGroups().forEach(group -> byStatus.put(group.getGroupValues().get(0).get(0), group.getCount()));
          long sum = byStatus.values().stream().mapToLong(Long::longValue).sum();
          return Stream.of("Running", "Terminated").allMatch(status -> byStatus.getOrDefault(status, 0L) == 1)
              && sum == counted.getCount();
        });
    expect(driver.listIds("WorkflowId STARTS_WITH '" + driver.id("child") + "'").size(), 5);
    open.tell(CollectReadings::close);
    open.result(List.class);
  }

  private static void schedule(Driver driver) {
    var handle = createSchedule(driver, "schedule", Duration.ofHours(1));
    tell(handle::trigger);
    until("the triggered workflow is known", () -> recentActions(handle) >= 1);
    var action = ask(handle::describe).getInfo().getRecentActions().get(0).getAction();
    var triggered = ((ScheduleActionExecutionStartWorkflow) action).getWorkflowId();
    expect(driver.handle(ReadSensor.class, triggered).result(String.class), "bed-12 reads 21.5");

    tell(() -> handle.pause("the ward is closed"));
    var paused = ask(handle::describe).getSchedule().getState();
    expect(paused.isPaused(), true);
    expect(paused.getNote(), "the ward is closed");
    tell(() -> handle.unpause("open again"));

    tell(
        () ->
            handle.update(
                input ->
                    new ScheduleUpdate(
                        Schedule.newBuilder(input.getDescription().getSchedule())
                            .setSpec(every(Duration.ofSeconds(1)))
                            .build())));
    until("the schedule has started two by itself", () -> recentActions(handle) >= 3);
    expect(ask(handle::describe).getSchedule().getState().isPaused(), false);
    until(
        "the schedule is listed",
        () ->
            ask(
                () ->
                    driver.schedules.listSchedules().anyMatch(each -> each.getScheduleId().equals(handle.getId()))));
    deleteSchedule(handle);
  }

  private static ScheduleSpec every(Duration interval) {
    return ScheduleSpec.newBuilder().setIntervals(List.of(new ScheduleIntervalSpec(interval))).build();
  }

  /** A schedule that reads a sensor. */
  static ScheduleHandle createSchedule(Driver driver, String name, Duration interval) {
    var run =
        WorkflowOptions.newBuilder().setWorkflowId(driver.id(name + "-run")).setTaskQueue(driver.taskQueue).build();
    var action =
        ScheduleActionStartWorkflow.newBuilder()
            .setWorkflowType(ReadSensor.class)
            .setArguments("bed-12")
            .setOptions(run)
            .build();
    var schedule =
        Schedule.newBuilder()
            .setAction(action)
            .setSpec(every(interval))
            .setState(ScheduleState.newBuilder().setNote("reads a sensor").build())
            .build();
    try {
      var options = ScheduleOptions.newBuilder().build();
      return ask(() -> driver.schedules.createSchedule(driver.id(name), schedule, options));
    } catch (ScheduleAlreadyRunningException e) {
      return driver.schedules.getHandle(driver.id(name));
    }
  }

  private static int recentActions(ScheduleHandle handle) {
    return ask(handle::describe).getInfo().getRecentActions().size();
  }

  static void deleteSchedule(ScheduleHandle handle) {
    tell(handle::delete);
    until(
        "the schedule is gone",
        () -> {
          try {
            ScheduleDescription described = ask(handle::describe);
            return described == null;
          } catch (RuntimeException e) {
            if (code(e) == Status.Code.NOT_FOUND) {
              return true;
            }
            throw e;
          }
        });
  }

  /** A worker that has never seen the workflow goes on with it. */
  private static void newWorker(Driver driver) {
    var queue = driver.taskQueue + "-handover";
    Handle<CollectReadings> handle;
    try (var worker = driver.startWorker(queue)) {
      handle = driver.start(driver.options("new-worker").setTaskQueue(queue).build(), CollectReadings.class);
      handle.tell(workflow -> workflow.add(new Reading(1, "before")));
      expect(handle.ask(CollectReadings::readingsSoFar), List.of("before"));
    }
    try (var worker = driver.startWorker(queue)) {
      handle.tell(workflow -> workflow.add(new Reading(2, "after")));
      handle.tell(CollectReadings::close);
      expect(handle.result(List.class), List.of("before", "after"));
    }
  }
}
