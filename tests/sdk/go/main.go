// Conformance of a server with the Go SDK: program ADDRESS NAMESPACE OUTPUT
//
// Prints `ok <step>` for each step. At READY-FOR-KILL the server may be killed and started again; a line on the
// standard input (or its end) says that this is over. Histories are written to OUTPUT and replayed. The exit code is 0
// if all was as it should be; otherwise the reason stands in the last lines.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: program ADDRESS NAMESPACE OUTPUT")
		os.Exit(2)
	}
	address, namespace, output := os.Args[1], os.Args[2], os.Args[3]
	d := connect(address, namespace)
	registerSearchAttributes(d)
	stop := d.startWorker(d.taskQueue)
	for _, step := range steps {
		step.do(d)
		ok(step.name)
	}
	outlast(d, waitForKill, ok)
	ok(fmt.Sprintf("histories (%d)", save(d, output)))
	stop()
	d.client.Close()
	ok(fmt.Sprintf("replay (%d)", replay(output)))
}

func ok(step string) {
	fmt.Println("ok " + step)
}

func waitForKill() {
	fmt.Println("READY-FOR-KILL")
	bufio.NewReader(os.Stdin).ReadString('\n')
}
