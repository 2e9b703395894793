package ward;

import static ward.Driver.ask;
import static ward.Driver.code;
import static ward.Driver.expect;
import static ward.Driver.until;

import io.grpc.Status;
import io.temporal.failure.CanceledFailure;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import ward.Workflows.Bed;
import ward.Workflows.CollectReadings;
import ward.Workflows.KeepLine;
import ward.Workflows.KeepReporting;
import ward.Workflows.Patrol;
import ward.Workflows.Pause;
import ward.Workflows.Reading;
import ward.Workflows.Rounds;
import ward.Workflows.Thermostat;
import ward.Workflows.WaitForBed;

/** Everything is under way when the server is killed, and everything is completed when it is back. */
final class Outage {
  private Outage() {}

  /** `kill` gives the word, and returns when the server has been killed and started again. */
  static void outlast(Driver driver, Runnable kill, Consumer<String> ok) {
    var gateway = driver.gateway;
    var pause = driver.start("outage-timer", Pause.class, List.of(1.0, 5.0));
    var reporting = driver.start("outage-retry", KeepReporting.class);
    var holding = driver.start("outage-heartbeat", KeepLine.class);
    var collecting = driver.start("outage-signal", CollectReadings.class);
    collecting.tell(workflow -> workflow.add(new Reading(1, "before")));
    var waiting = driver.start("outage-child", WaitForBed.class);
    var thermostat = driver.start("outage-update", Thermostat.class);
    var accepted = Steps.waitForTarget(thermostat, 23);
    var rounds = driver.start("outage-continue-as-new", Rounds.class, 5, List.of());
    var patrol = driver.start("outage-cancel", Patrol.class, "east");
    expect(patrol.ask(Patrol::whatWasDone), List.of());
    var schedule = Steps.createSchedule(driver, "outage-schedule", Duration.ofSeconds(1));
    var guest = driver.handle(Bed.class, driver.id("outage-child-guest"));

    until(
        "all of it is under way",
        () ->
            gateway.failedAttempts >= 2
                && gateway.heartbeats >= 2
                && ask(schedule::describe).getInfo().getNumActions() >= 1
                && hasBegun(guest));
    int attemptsBefore = gateway.failedAttempts;
    long actionsBefore = ask(schedule::describe).getInfo().getNumActions();
    // This call waits while the server is killed under it.
    var paused = CompletableFuture.supplyAsync(() -> pause.result(Double.class));

    kill.run();

    expect(paused.join() >= 5, true);
    ok.accept("outage-timer");

    gateway.outageIsOver = true;
    expect(reporting.result(Integer.class) > attemptsBefore, true);
    ok.accept("outage-retry");

    expect(holding.result(Integer.class), 1);
    ok.accept("outage-heartbeat");

    expect(collecting.ask(CollectReadings::readingsSoFar), List.of("before"));
    collecting.tell(workflow -> workflow.add(new Reading(2, "after")));
    collecting.tell(CollectReadings::close);
    expect(collecting.result(List.class), List.of("before", "after"));
    ok.accept("outage-signal");

    guest.tell(Bed::wake);
    expect(waiting.result(String.class), "guest is awake");
    ok.accept("outage-child");

    expect(Steps.setTarget(thermostat, 23), 20);
    expect(ask(accepted::getResult), "23 degrees are reached");
    thermostat.tell(Thermostat::switchOff);
    expect(thermostat.result(Integer.class), 23);
    ok.accept("outage-update");

    expect(rounds.result(List.class), List.of("round 1", "round 2", "round 3", "round 4", "round 5"));
    ok.accept("outage-continue-as-new");

    patrol.cancel();
    patrol.failure(CanceledFailure.class);
    expect(patrol.ask(Patrol::whatWasDone), List.of("lights of east are off"));
    ok.accept("outage-cancel");

    until("the schedule goes on", () -> ask(schedule::describe).getInfo().getNumActions() > actionsBefore);
    Steps.deleteSchedule(schedule);
    ok.accept("outage-schedule");
  }

  private static boolean hasBegun(Driver.Handle<?> handle) {
    try {
      return handle.describe() != null;
    } catch (RuntimeException e) {
      if (code(e) == Status.Code.NOT_FOUND) {
        return false;
      }
      throw e;
    }
  }
}
