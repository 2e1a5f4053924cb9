// Command backstop runs the insurance fund of a perpetual-futures exchange: the
// engine behind sockets, the same engine over a file, and the tools around both.
//
//	apply     events from a file or standard input, effects to standard output
//	serve     the engine: UDP ticks, NDJSON events in, effects out, snapshots
//	follow    the snapshots of an engine in another process
//	demo      a crash replayed against synthetic traders, through all of it
//	feed      mark prices from a file or a capture, or made up, as UDP datagrams
//	tap       UDP mark prices as text or events, and what each line lost
//	inspect   what a file on disk says, and whether it can be believed
//	journal   the input as it was written down: as text, verified, pruned
//	replay    the effects of it again
//	verify    whether snapshots are what the journal leads to
//	version   what this program was built from
//
// Results go to standard output, everything said about them to standard error.
// The exit codes are those of package exit.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event/ndjson"
)

func main() {
	ctx, stop := signalled(context.Background())
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(int(code))
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) exit.Code {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, message(err))
	}
	return exit.Of(err)
}

// message is what a person gets to read. EVENTS.md fixes it for a line of events:
// line:column: what, and nothing else.
func message(err error) string {
	if syntax, ok := err.(*ndjson.SyntaxError); ok {
		return syntax.Error()
	}
	return "backstop: " + err.Error()
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ os.Signal }

func (e *signalError) Error() string { return e.String() }

// signalled returns a context that the first SIGINT or SIGTERM ends: commands
// then finish what they can. The second signal ends the process.
func signalled(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(exit.With(exit.Interrupted, &signalError{s}))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(context.Canceled)
	}
}

// terminated reports whether SIGTERM ended ctx: a service manager asked, and a
// service that stops in good order has done what it was asked.
func terminated(ctx context.Context) bool {
	e, ok := errors.AsType[*signalError](context.Cause(ctx))
	return ok && e.Signal == syscall.SIGTERM
}
