package ward;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowExecutionDescription;
import io.temporal.client.WorkflowExecutionMetadata;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.client.WorkflowUpdateTimeoutOrCancelledException;
import io.temporal.client.schedules.ScheduleClient;
import io.temporal.client.schedules.ScheduleClientOptions;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerOptions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/** What every step needs: starting workflows under ids of this run, and calls that outlast a server that is away. */
final class Driver {
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  final WorkflowServiceStubs service;
  final WorkflowClient client;
  final ScheduleClient schedules;
  final Gateway.Impl gateway = new Gateway.Impl();
  final String run = "java-" + UUID.randomUUID().toString().substring(0, 8);
  final String taskQueue = "sdk-" + run;
  final Set<String> started = new TreeSet<>();

  Driver(String address, String namespace) {
    service =
        WorkflowServiceStubs.newConnectedServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(address).build(), PATIENCE);
    client =
        WorkflowClient.newInstance(service, WorkflowClientOptions.newBuilder().setNamespace(namespace).build());
    schedules =
        ScheduleClient.newInstance(service, ScheduleClientOptions.newBuilder().setNamespace(namespace).build());
  }

  String namespace() {
    return client.getOptions().getNamespace();
  }

  String id(String name) {
    return run + "-" + name;
  }

  /** A worker that runs until it is closed. */
  Running startWorker(String queue) {
    var factory = WorkerFactory.newInstance(client);
    // By default a heartbeat waits for most of its timeout, and so does the news of a cancellation.
    var often = WorkerOptions.newBuilder().setMaxHeartbeatThrottleInterval(Duration.ofMillis(200)).build();
    var worker = factory.newWorker(queue, often);
    worker.registerWorkflowImplementationTypes(Workflows.ALL);
    worker.registerActivitiesImplementations(gateway);
    factory.start();
    return () -> {
      factory.shutdown();
      factory.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    };
  }

  interface Running extends AutoCloseable {
    @Override
    void close();
  }

  WorkflowOptions.Builder options(String name) {
    started.add(id(name));
    return WorkflowOptions.newBuilder().setWorkflowId(id(name)).setTaskQueue(taskQueue);
  }

  <W> Handle<W> start(String name, Class<W> workflow, Object... arguments) {
    return start(options(name).build(), workflow, arguments);
  }

  /** Starts a workflow; where it has been started by a call whose answer was lost, that one counts. */
  <W> Handle<W> start(WorkflowOptions options, Class<W> workflow, Object... arguments) {
    return ask(
        () -> {
          var stub = client.newUntypedWorkflowStub(workflow.getSimpleName(), options);
          try {
            stub.start(arguments);
          } catch (WorkflowExecutionAlreadyStarted e) {
            return handle(workflow, options.getWorkflowId());
          }
          return new Handle<>(workflow, stub);
        });
  }

  <W> Handle<W> handle(Class<W> workflow, String id) {
    return new Handle<>(workflow, client.newUntypedWorkflowStub(id));
  }

  <W> Handle<W> handle(Class<W> workflow, String id, String runId) {
    var run = WorkflowExecution.newBuilder().setWorkflowId(id).setRunId(runId).build();
    return new Handle<>(workflow, client.newUntypedWorkflowStub(run, Optional.empty()));
  }

  List<WorkflowExecutionMetadata> list(String query) {
    return ask(() -> client.listExecutions(query).toList());
  }

  List<String> listIds(String query) {
    return list(query).stream().map(each -> each.getExecution().getWorkflowId()).toList();
  }

  /** A workflow that has been started. */
  final class Handle<W> {
    private final Class<W> type;
    final WorkflowStub stub;

    Handle(Class<W> type, WorkflowStub stub) {
      this.type = type;
      this.stub = stub;
    }

    String id() {
      return stub.getExecution().getWorkflowId();
    }

    String runId() {
      return stub.getExecution().getRunId();
    }

    /** Calls a signal or another method without an answer. */
    void tell(Consumer<W> method) {
      ask(
          workflow -> {
            method.accept(workflow);
            return null;
          });
    }

    /** Calls a query. */
    <R> R ask(Function<W, R> method) {
      return Driver.ask(() -> method.apply(client.newWorkflowStub(type, id())));
    }

    <R> R result(Class<R> kind) {
      return Driver.ask(() -> stub.getResult(kind));
    }

    /** Waits for the failure of a workflow that must have this kind of cause. */
    <E extends Throwable> E failure(Class<E> kind) {
      var failed = fails(WorkflowFailedException.class, () -> result(Object.class));
      if (kind.isInstance(failed.getCause())) {
        return kind.cast(failed.getCause());
      }
      throw failed;
    }

    WorkflowExecutionDescription describe() {
      return Driver.ask(stub::describe);
    }

    void cancel() {
      Driver.tell(stub::cancel);
    }
  }

  /** Calls until the server answers. The client repeats calls by itself for a while only. */
  static <T> T ask(Supplier<T> call) {
    var giveUp = Instant.now().plus(PATIENCE);
    while (true) {
      try {
        return call.get();
      } catch (RuntimeException e) {
        if (!isAway(e) || Instant.now().isAfter(giveUp)) {
          throw e;
        }
      }
      pause(Duration.ofMillis(200));
    }
  }

  static void tell(Runnable call) {
    ask(
        () -> {
          call.run();
          return null;
        });
  }

  private static boolean isAway(Throwable error) {
    var code = code(error);
    return error instanceof WorkflowUpdateTimeoutOrCancelledException
        || code == Status.Code.UNAVAILABLE
        || code == Status.Code.DEADLINE_EXCEEDED
        || code == Status.Code.CANCELLED;
  }

  /** The code the server answered with, if that is what the error is about. */
  static Status.Code code(Throwable error) {
    for (var cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof StatusRuntimeException status) {
        return status.getStatus().getCode();
      }
    }
    return null;
  }

  /** Waits until `check` says yes. */
  static void until(String what, BooleanSupplier check) {
    var giveUp = Instant.now().plus(PATIENCE);
    while (!check.getAsBoolean()) {
      if (Instant.now().isAfter(giveUp)) {
        throw new AssertionError("waited in vain until " + what);
      }
      pause(Duration.ofMillis(100));
    }
  }

  static void expect(Object found, Object wanted) {
    if (!Objects.equals(found, wanted)) {
      throw new AssertionError("found " + found + ", and not " + wanted);
    }
  }

  /** Does what must fail with this kind of error, and gives the error. */
  static <E extends Throwable> E fails(Class<E> kind, Runnable call) {
    try {
      call.run();
    } catch (RuntimeException e) {
      if (kind.isInstance(e)) {
        return kind.cast(e);
      }
      throw e;
    }
    throw new AssertionError("it was to fail with " + kind.getSimpleName());
  }

  private static void pause(Duration duration) {
    try {
      Thread.sleep(duration.toMillis());
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts this program", e);
    }
  }
}
