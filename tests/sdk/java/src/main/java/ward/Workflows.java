package ward;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.activity.LocalActivityOptions;
import io.temporal.api.enums.v1.ParentClosePolicy;
import io.temporal.common.RetryOptions;
import io.temporal.common.SearchAttributeKey;
import io.temporal.failure.ActivityFailure;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.ChildWorkflowFailure;
import io.temporal.workflow.Async;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.Promise;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.UpdateMethod;
import io.temporal.workflow.UpdateValidatorMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Workflows of a ward's gateway, each there for one thing that a server must do right. */
public final class Workflows {
  private Workflows() {}

  static final SearchAttributeKey<String> WARD = SearchAttributeKey.forKeyword("SdkWard");
  static final SearchAttributeKey<Long> BEDS = SearchAttributeKey.forLong("SdkBeds");

  /** What a worker and the replayer register. */
  static final Class<?>[] ALL = {
    ReadSensor.Impl.class,
    ReadBadSensors.Impl.class,
    UpdateFirmware.Impl.class,
    WatchBed.Impl.class,
    AskNurse.Impl.class,
    ConvertReading.Impl.class,
    Pause.Impl.class,
    CollectReadings.Impl.class,
    Thermostat.Impl.class,
    Bed.Impl.class,
    Ward.Impl.class,
    NightShift.Impl.class,
    WaitForBed.Impl.class,
    Rounds.Impl.class,
    Patrol.Impl.class,
    ChooseNumbers.Impl.class,
    LabelWard.Impl.class,
    GiveUp.Impl.class,
    StayForever.Impl.class,
    KeepReporting.Impl.class,
    KeepLine.Impl.class,
  };

  private static final RetryOptions OFTEN = every(Duration.ofMillis(100));

  private static RetryOptions every(Duration interval) {
    return RetryOptions.newBuilder().setInitialInterval(interval).setBackoffCoefficient(1).build();
  }

  private static ActivityOptions.Builder within(Duration time) {
    return ActivityOptions.newBuilder().setStartToCloseTimeout(time);
  }

  private static Gateway gateway(ActivityOptions.Builder options) {
    return Workflow.newActivityStub(Gateway.class, options.build());
  }

  private static ActivityOptions.Builder quickly() {
    return within(Duration.ofSeconds(10));
  }

  @WorkflowInterface
  public interface ReadSensor {
    @WorkflowMethod
    String run(String sensor);

    class Impl implements ReadSensor {
      @Override
      public String run(String sensor) {
        return gateway(quickly()).readSensor(sensor);
      }
    }
  }

  /** One answers in the end, the other is not even asked again. */
  @WorkflowInterface
  public interface ReadBadSensors {
    @WorkflowMethod
    String run(int failures);

    class Impl implements ReadBadSensors {
      @Override
      public String run(int failures) {
        int attempt = gateway(quickly().setRetryOptions(OFTEN)).readFlakySensor(failures);
        var once = RetryOptions.newBuilder().setDoNotRetry("BrokenSensor").build();
        try {
          gateway(quickly().setRetryOptions(once)).readBrokenSensor();
        } catch (ActivityFailure e) {
          var cause = (ApplicationFailure) e.getCause();
          return "answer at attempt %d, then %s: %s (%s)"
              .formatted(
                  attempt, cause.getType(), cause.getOriginalMessage(), cause.getDetails().get(0, String.class));
        }
        return "the broken sensor answered";
      }
    }
  }

  @WorkflowInterface
  public interface UpdateFirmware {
    @WorkflowMethod
    String run(int blocks);

    class Impl implements UpdateFirmware {
      @Override
      public String run(int blocks) {
        var options = within(Duration.ofMinutes(1)).setHeartbeatTimeout(Duration.ofSeconds(2));
        return gateway(options.setRetryOptions(OFTEN)).uploadFirmware(blocks);
      }
    }
  }

  /** Cancels its activity when it is told to, and waits until the activity has seen it. */
  @WorkflowInterface
  public interface WatchBed {
    @WorkflowMethod
    String run(String bed);

    @SignalMethod
    void stop();

    class Impl implements WatchBed {
      private boolean enough;
      private Promise<Void> watch;

      @Override
      public String run(String bed) {
        var gateway =
            gateway(
                within(Duration.ofMinutes(5))
                    .setHeartbeatTimeout(Duration.ofSeconds(10))
                    .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED));
        var watching =
            Workflow.newCancellationScope(() -> watch = Async.procedure(gateway::watchBed, bed));
        watching.run();
        Workflow.await(() -> enough);
        watching.cancel();
        try {
          watch.get();
        } catch (ActivityFailure e) {
          if (e.getCause() instanceof CanceledFailure) {
            return "nobody watches " + bed;
          }
          throw e;
        }
        return "the watch went on";
      }

      @Override
      public void stop() {
        enough = true;
      }
    }
  }

  @WorkflowInterface
  public interface AskNurse {
    @WorkflowMethod
    String run(String question);

    class Impl implements AskNurse {
      @Override
      public String run(String question) {
        return gateway(within(Duration.ofMinutes(5))).askNurse(question);
      }
    }
  }

  @WorkflowInterface
  public interface ConvertReading {
    @WorkflowMethod
    double run(double celsius);

    class Impl implements ConvertReading {
      @Override
      public double run(double celsius) {
        var options =
            LocalActivityOptions.newBuilder()
                // Without an end in sight, a local activity of this SDK is not tried again.
                .setScheduleToCloseTimeout(Duration.ofSeconds(10))
                .setRetryOptions(OFTEN)
                .build();
        return Workflow.newLocalActivityStub(Gateway.class, options).toKelvin(celsius);
      }
    }
  }

  /** Timers side by side, and another that is not waited for. */
  @WorkflowInterface
  public interface Pause {
    @WorkflowMethod
    double run(List<Double> seconds);

    class Impl implements Pause {
      @Override
      public double run(List<Double> seconds) {
        long begun = Workflow.currentTimeMillis();
        var never = Workflow.newCancellationScope(() -> Workflow.newTimer(Duration.ofHours(1)));
        never.run();
        var timers = new ArrayList<Promise<Void>>();
        for (double each : seconds) {
          timers.add(Workflow.newTimer(Duration.ofMillis((long) (each * 1000))));
        }
        Promise.allOf(timers).get();
        never.cancel();
        return (Workflow.currentTimeMillis() - begun) / 1000.0;
      }
    }
  }

  public record Reading(int number, String text) {}

  /** Takes each reading once, however often it comes, until it is told that this was all. */
  @WorkflowInterface
  public interface CollectReadings {
    @WorkflowMethod
    List<String> run();

    @SignalMethod
    void add(Reading reading);

    @SignalMethod
    void close();

    @QueryMethod
    List<String> readingsSoFar();

    class Impl implements CollectReadings {
      private final Map<Integer, String> readings = new LinkedHashMap<>();
      private boolean complete;

      @Override
      public List<String> run() {
        Workflow.await(() -> complete);
        return readingsSoFar();
      }

      @Override
      public void add(Reading reading) {
        readings.putIfAbsent(reading.number(), reading.text());
      }

      @Override
      public void close() {
        complete = true;
      }

      @Override
      public List<String> readingsSoFar() {
        return List.copyOf(readings.values());
      }
    }
  }

  @WorkflowInterface
  public interface Thermostat {
    @WorkflowMethod
    int run();

    /** Gives the target before. */
    @UpdateMethod
    int setTarget(int degrees);

    @UpdateValidatorMethod(updateName = "setTarget")
    void checkTarget(int degrees);

    @UpdateMethod
    String waitForTarget(int degrees);

    @SignalMethod
    void switchOff();

    class Impl implements Thermostat {
      private int target = 20;
      private boolean off;

      @Override
      public int run() {
        Workflow.await(() -> off && Workflow.isEveryHandlerFinished());
        return target;
      }

      @Override
      public int setTarget(int degrees) {
        int before = target;
        target = degrees;
        gateway(quickly()).readSensor("thermostat");
        return before;
      }

      @Override
      public void checkTarget(int degrees) {
        if (degrees < 5 || degrees > 30) {
          throw ApplicationFailure.newFailure(degrees + " degrees are not for people", "OutOfRange");
        }
      }

      @Override
      public String waitForTarget(int degrees) {
        Workflow.await(() -> target >= degrees);
        return degrees + " degrees are reached";
      }

      @Override
      public void switchOff() {
        off = true;
      }
    }
  }

  /** A child: waits to be woken. */
  @WorkflowInterface
  public interface Bed {
    @WorkflowMethod
    String run(String name);

    @SignalMethod
    void wake();

    class Impl implements Bed {
      private boolean awake;

      @Override
      public String run(String name) {
        if (name.equals("broken")) {
          throw ApplicationFailure.newFailure("a bed broke down", "BrokenBed");
        }
        Workflow.await(() -> awake);
        return name + " is awake";
      }

      @Override
      public void wake() {
        awake = true;
      }
    }
  }

  private static Bed childBed(String name, ParentClosePolicy policy) {
    var options =
        ChildWorkflowOptions.newBuilder()
            .setWorkflowId(Workflow.getInfo().getWorkflowId() + "-" + name)
            .setParentClosePolicy(policy)
            .build();
    return Workflow.newChildWorkflowStub(Bed.class, options);
  }

  private static Bed childBed(String name) {
    return childBed(name, ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE);
  }

  /** Wakes its beds by signals; one of them has broken down, and one is cancelled. */
  @WorkflowInterface
  public interface Ward {
    @WorkflowMethod
    List<String> run(List<String> beds);

    class Impl implements Ward {
      private Promise<String> asleep;

      @Override
      public List<String> run(List<String> beds) {
        var children = new ArrayList<Bed>();
        var woken = new ArrayList<Promise<String>>();
        for (String name : beds) {
          Bed bed = childBed(name);
          woken.add(Async.function(bed::run, name));
          Workflow.getWorkflowExecution(bed).get();
          children.add(bed);
        }
        children.forEach(Bed::wake);
        var results = new ArrayList<String>();
        woken.forEach(each -> results.add(each.get()));
        try {
          childBed("broken").run("broken");
        } catch (ChildWorkflowFailure e) {
          var cause = (ApplicationFailure) e.getCause();
          results.add(cause.getType() + ": " + cause.getOriginalMessage());
        }
        Bed sleeper = childBed("asleep");
        CancellationScope scope =
            Workflow.newCancellationScope(() -> asleep = Async.function(sleeper::run, "asleep"));
        scope.run();
        Workflow.getWorkflowExecution(sleeper).get();
        scope.cancel();
        try {
          asleep.get();
        } catch (ChildWorkflowFailure e) {
          results.add("asleep is cancelled: " + (e.getCause() instanceof CanceledFailure));
        }
        return results;
      }
    }
  }

  /** Leaves two children behind: one is asked to stop, the other is left alone. */
  @WorkflowInterface
  public interface NightShift {
    @WorkflowMethod
    void run();

    class Impl implements NightShift {
      @Override
      public void run() {
        leave("left", ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON);
        leave("stopped", ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL);
      }

      private void leave(String name, ParentClosePolicy policy) {
        Bed bed = childBed(name, policy);
        Async.function(bed::run, name);
        Workflow.getWorkflowExecution(bed).get();
      }
    }
  }

  /** A parent whose child is woken by somebody else. */
  @WorkflowInterface
  public interface WaitForBed {
    @WorkflowMethod
    String run();

    class Impl implements WaitForBed {
      @Override
      public String run() {
        return childBed("guest").run("guest");
      }
    }
  }

  /** One run per round; each hands over what it saw to the next. */
  @WorkflowInterface
  public interface Rounds {
    @WorkflowMethod
    List<String> run(int left, List<String> seen);

    class Impl implements Rounds {
      @Override
      public List<String> run(int left, List<String> seen) {
        Workflow.sleep(Duration.ofMillis(200));
        seen.add("round " + (seen.size() + 1));
        return left > 1 ? Workflow.newContinueAsNewStub(Rounds.class).run(left - 1, seen) : seen;
      }
    }
  }

  /** Walks until it is cancelled, and leaves nothing switched on. */
  @WorkflowInterface
  public interface Patrol {
    @WorkflowMethod
    void run(String ward);

    @QueryMethod
    List<String> whatWasDone();

    class Impl implements Patrol {
      private final List<String> done = new ArrayList<>();

      @Override
      public void run(String ward) {
        try {
          Workflow.sleep(Duration.ofHours(1));
        } catch (CanceledFailure e) {
          Workflow.newDetachedCancellationScope(() -> done.add(gateway(quickly()).switchLightsOff(ward))).run();
          throw e;
        }
      }

      @Override
      public List<String> whatWasDone() {
        return done;
      }
    }
  }

  /** What only chance decides must come out the same at every replay. */
  @WorkflowInterface
  public interface ChooseNumbers {
    @WorkflowMethod
    List<String> run();

    @QueryMethod
    List<String> chosen();

    class Impl implements ChooseNumbers {
      private final List<String> numbers = new ArrayList<>();

      @Override
      public List<String> run() {
        numbers.add(Workflow.randomUUID().toString());
        numbers.add(Workflow.sideEffect(String.class, () -> String.valueOf(Math.random())));
        Workflow.sleep(Duration.ofMillis(100));
        int version = Workflow.getVersion("count-differently", Workflow.DEFAULT_VERSION, 1);
        numbers.add(version == 1 ? "new way" : "old way");
        return numbers;
      }

      @Override
      public List<String> chosen() {
        return numbers;
      }
    }
  }

  @WorkflowInterface
  public interface LabelWard {
    @WorkflowMethod
    void run(long beds);

    class Impl implements LabelWard {
      @Override
      public void run(long beds) {
        Workflow.upsertTypedSearchAttributes(BEDS.valueSet(beds));
        Workflow.upsertMemo(Map.of("note", "labelled"));
      }
    }
  }

  @WorkflowInterface
  public interface GiveUp {
    @WorkflowMethod
    String run(int attemptsThatFail);

    class Impl implements GiveUp {
      @Override
      public String run(int attemptsThatFail) {
        int attempt = Workflow.getInfo().getAttempt();
        if (attempt <= attemptsThatFail) {
          throw ApplicationFailure.newFailure("it cannot be done", "GivenUp", attempt);
        }
        return "done at attempt " + attempt;
      }
    }
  }

  @WorkflowInterface
  public interface StayForever {
    @WorkflowMethod
    void run();

    class Impl implements StayForever {
      @Override
      public void run() {
        Workflow.await(() -> false);
      }
    }
  }

  /** Its activity fails for as long as the outage lasts. */
  @WorkflowInterface
  public interface KeepReporting {
    @WorkflowMethod
    int run();

    class Impl implements KeepReporting {
      @Override
      public int run() {
        return gateway(quickly().setRetryOptions(every(Duration.ofMillis(300)))).reportToCentre();
      }
    }
  }

  /** Its activity goes on through the outage. */
  @WorkflowInterface
  public interface KeepLine {
    @WorkflowMethod
    int run();

    class Impl implements KeepLine {
      @Override
      public int run() {
        return gateway(within(Duration.ofMinutes(5)).setHeartbeatTimeout(Duration.ofSeconds(30))).holdLine();
      }
    }
  }
}
