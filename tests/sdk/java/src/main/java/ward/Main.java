package ward;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/**
 * Conformance of a server with the Java SDK: ward.Main ADDRESS NAMESPACE OUTPUT
 *
 * <p>Prints `ok STEP` for each step. At READY-FOR-KILL the server may be killed and started again; a line on the standard
 * input (or its end) says that this is over. Histories are written to OUTPUT and replayed. The exit code is 0 if all was
 * as it should be; otherwise the reason stands in the last lines.
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    if (arguments.length != 3) {
      System.err.println("usage: ward.Main ADDRESS NAMESPACE OUTPUT");
      System.exit(2);
    }
    try {
      run(arguments[0], arguments[1], Path.of(arguments[2]));
      System.exit(0);
    } catch (Throwable e) {
      e.printStackTrace();
      System.exit(1);
    }
  }

  private static void run(String address, String namespace, Path output) throws Exception {
    var driver = new Driver(address, namespace);
    Steps.registerSearchAttributes(driver);
    try (var worker = driver.startWorker(driver.taskQueue)) {
      Steps.IN_ORDER.forEach(
          (name, step) -> {
            step.accept(driver);
            ok(name);
          });
      Outage.outlast(driver, Main::waitForKill, Main::ok);
      ok("histories (" + Histories.save(driver, output) + ")");
    }
    ok("replay (" + Histories.replay(output) + ")");
  }

  private static void ok(String step) {
    System.out.println("ok " + step);
  }

  private static void waitForKill() {
    System.out.println("READY-FOR-KILL");
    try {
      new BufferedReader(new InputStreamReader(System.in)).readLine();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
