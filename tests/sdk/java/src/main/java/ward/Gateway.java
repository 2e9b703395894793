package ward;

import io.temporal.activity.Activity;
import io.temporal.activity.ActivityInterface;
import io.temporal.failure.ApplicationFailure;
import java.time.Duration;

/**
 * Activities of a ward's gateway. Some misbehave on purpose: they fail, fall silent, or go on until they are cancelled.
 */
@ActivityInterface
public interface Gateway {
  String readSensor(String sensor);

  /** Fails as often as it is told, then gives the attempt that succeeded. */
  int readFlakySensor(int failures);

  void readBrokenSensor();

  /** Goes on where the last attempt came to. The first one fails halfway, the second falls silent. */
  String uploadFirmware(int blocks);

  /** Watches until it is cancelled, which it can only learn by its heartbeat. */
  void watchBed(String bed);

  double toKelvin(double celsius);

  String switchLightsOff(String ward);

  /** Somebody else completes it, by its id. */
  String askNurse(String question);

  /** Fails until the outage is over; gives the attempt that got through. */
  int reportToCentre();

  /** One long attempt with heartbeats; gives its number. */
  int holdLine();

  class Impl implements Gateway {
    // What the activities that are under way while the server is killed know of it.
    volatile boolean outageIsOver;
    volatile int failedAttempts;
    volatile int heartbeats;

    @Override
    public String readSensor(String sensor) {
      return sensor + " reads 21.5";
    }

    @Override
    public int readFlakySensor(int failures) {
      if (attempt() <= failures) {
        throw ApplicationFailure.newFailure("no answer at attempt " + attempt(), "NoAnswer");
      }
      return attempt();
    }

    @Override
    public void readBrokenSensor() {
      throw ApplicationFailure.newFailure("the wire is cut", "BrokenSensor", "bed-12");
    }

    @Override
    public String uploadFirmware(int blocks) {
      var context = Activity.getExecutionContext();
      int resumedAt = context.getHeartbeatDetails(Integer.class).orElse(0);
      for (int done = resumedAt + 1; done <= blocks; done++) {
        context.heartbeat(done);
        if (attempt() == 1 && done == 3) {
          throw ApplicationFailure.newFailure("the link broke", "LinkBroke");
        }
        if (attempt() == 2 && done == 5) {
          // Longer than its heartbeat may take; what it returns then is too late.
          sleep(Duration.ofSeconds(4));
        }
      }
      return "attempt %d went on at block %d of %d".formatted(attempt(), resumedAt, blocks);
    }

    @Override
    public void watchBed(String bed) {
      while (true) {
        Activity.getExecutionContext().heartbeat(bed);
        sleep(Duration.ofMillis(100));
      }
    }

    @Override
    public double toKelvin(double celsius) {
      if (attempt() == 1) {
        throw ApplicationFailure.newFailure("the table is being loaded", "NotReady");
      }
      return celsius + 273.15;
    }

    @Override
    public String switchLightsOff(String ward) {
      return "lights of " + ward + " are off";
    }

    @Override
    public String askNurse(String question) {
      Activity.getExecutionContext().doNotCompleteOnReturn();
      return null;
    }

    @Override
    public int reportToCentre() {
      if (!outageIsOver) {
        failedAttempts = attempt();
        throw ApplicationFailure.newFailure("the centre cannot be reached", "Unreachable");
      }
      return attempt();
    }

    @Override
    public int holdLine() {
      while (!outageIsOver) {
        heartbeats++;
        Activity.getExecutionContext().heartbeat(heartbeats);
        sleep(Duration.ofMillis(200));
      }
      return attempt();
    }

    private static int attempt() {
      return Activity.getExecutionContext().getInfo().getAttempt();
    }

    private static void sleep(Duration duration) {
      try {
        Thread.sleep(duration.toMillis());
      } catch (InterruptedException e) {
        throw Activity.wrap(e);
      }
    }
  }
}
