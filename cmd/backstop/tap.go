package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/pcap"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/core/udptick/datagram"
)

const tapLong = `Prints what comes in on one or two lines of mark prices, or what is in a capture
(classic pcap, gzipped or not; - is standard input). It takes no part: it asks for
nothing and judges nothing, and tells each line's story apart.

As a table that is a line a message, with the time of its arrival and its age. As
ndjson it is a tick event of EVENTS.md, which "backstop apply" and "backstop feed
ndjson" read: "src" is 1 for line A and 2 for B, "sseq" the sequence, "t" the arrival;
halts and resumes are events of their own where a tick's flag changes.

At the end, on standard error, a record for each line: what came, what was missing
(gaps in the sequences), late and duplicate, what the kernel dropped, and percentiles
of the time from one datagram to the next.

Without a FILE it listens until it is interrupted, for --for, or for --count
datagrams.`

const tapExample = `  backstop tap --listen 239.1.1.1:26400 --interface eth1 --publisher 10.1.1.1 --listen-b 239.1.1.2:26400 --interface-b eth2
  backstop tap --count 100000 --quiet --write monday.pcap
  backstop tap monday.pcap -o ndjson | backstop feed ndjson - --to 127.0.0.1:26500`

// tapFlags are the settings of a tap.
type tapFlags struct {
	lines    [2]udptick.Inlet
	senders  []string
	ports    [2]uint16
	framing  string
	signed   bool
	symbols  []string
	buffer   int
	write    string
	count    uint64
	duration time.Duration
	quiet    bool
	output   *report.Format
}

func newTap() *cobra.Command {
	var t tapFlags
	cmd := &cobra.Command{
		Use:     "tap [FILE]",
		Short:   "Print mark prices as they come in, with statistics of each line",
		Long:    tapLong,
		Example: tapExample,
		Args:    usage(cobra.MaximumNArgs(1)),
	}
	f := cmd.Flags()
	f.StringVar(&t.lines[0].Listen, "listen", feedDefault, "`address` or group, and port, of line A")
	f.StringVar(&t.lines[0].Interface, "interface", "", "`name` of the interface on which line A's group is joined")
	f.StringVar(&t.lines[1].Listen, "listen-b", "", "`address` or group, and port, of line B; without, there is none")
	f.StringVar(&t.lines[1].Interface, "interface-b", "", "`name` of the interface on which line B's group is joined")
	f.StringArrayVar(&t.senders, "publisher", nil, "`address` of a sender to the groups, which are then joined for those alone; may be repeated")
	f.Uint16Var(&t.ports[0], "port", 0, "`port` of line A in a capture; 0 is any")
	f.Uint16Var(&t.ports[1], "port-b", 0, "`port` of line B in a capture; 0 is none")
	f.StringVar(&t.framing, "framing", "mold64", "`mold64|sbe24|binance`: form of the datagrams")
	f.BoolVar(&t.signed, "signed", false, "datagrams end in a MAC, which is not checked")
	f.StringArrayVar(&t.symbols, "symbol", nil, "`NAME:ID` of a contract; may be repeated")
	f.IntVar(&t.buffer, "buffer", 4<<20, "`bytes` of datagrams the system is to keep for each line")
	f.StringVar(&t.write, "write", "", "`file` to write all datagrams to, as a capture")
	f.Uint64Var(&t.count, "count", 0, "`datagrams` after which to end; 0 goes on")
	f.DurationVar(&t.duration, "for", 0, "`time` after which to end; 0 goes on")
	f.BoolVar(&t.quiet, "quiet", false, "print the statistics only")
	t.output = outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return t.run(cmd, args) }
	return cmd
}

func (f *tapFlags) run(cmd *cobra.Command, args []string) (err error) {
	t := &tap{out: bufio.NewWriter(cmd.OutOrStdout()), quiet: f.quiet, ndjson: *f.output == report.NDJSON, count: f.count, signed: f.signed}
	if t.framing, err = streamOf(f.framing); err != nil {
		return err
	}
	if err := bindSymbols(&t.names, f.symbols); err != nil {
		return err
	}
	if f.duration < 0 {
		return exit.Errorf(exit.Usage, "for %v: want 0 or more", f.duration)
	}
	if f.write != "" {
		file, err := os.Create(f.write)
		if err != nil {
			return exit.With(exit.BadInput, err)
		}
		t.file = bufio.NewWriter(file)
		defer func() { err = errors.Join(err, t.file.Flush(), file.Close()) }()
		if t.capture, err = pcap.NewWriter(t.file); err != nil {
			return err
		}
	}
	var failed error
	if len(args) > 0 {
		failed = f.read(cmd, args, t)
	} else {
		failed = f.listen(cmd, t)
	}
	failed = errors.Join(failed, t.out.Flush())
	records := t.report()
	if *f.output == report.Table {
		records = turned(records)
	}
	return errors.Join(failed, report.Many(cmd.ErrOrStderr(), *f.output, records))
}

// turned makes a row of each field, with a column for each record.
func turned(records []report.Record) []report.Record {
	var rows []report.Record
	for i, field := range records[0][1:] {
		row := report.Record{{Name: records[0][0].Name, Value: strings.ReplaceAll(field.Name, "_", " ")}}
		for _, r := range records {
			row = append(row, report.Field{Name: fmt.Sprint(r[0].Value), Value: r[1+i].Value})
		}
		rows = append(rows, row)
	}
	return rows
}

// read taps a capture.
func (f *tapFlags) read(cmd *cobra.Command, args []string, t *tap) error {
	input, err := openInput(cmd, args)
	if err != nil {
		return err
	}
	defer input.Close() // read only: there is nothing to lose
	plain, err := unzipped(input)
	var r *pcap.Reader
	if err == nil {
		r, err = pcap.NewReader(plain)
	}
	for err == nil {
		var d pcap.Datagram
		if d, err = r.Next(); err != nil {
			break
		}
		line, ours := f.lineOf(d.To.Port())
		if !ours {
			t.elsewhere++
			continue
		}
		if err := t.take(line, &d); err != nil {
			return ended(err)
		}
		if err := context.Cause(cmd.Context()); err != nil {
			return err
		}
	}
	if err == io.EOF {
		t.skipped = r.Skipped()
		return nil
	}
	return exit.With(exit.BadInput, fmt.Errorf("%s: %w", args[0], err))
}

// lineOf returns the line that has a port in a capture.
func (f *tapFlags) lineOf(port uint16) (line udptick.Line, ours bool) {
	if f.ports[1] != 0 && port == f.ports[1] {
		return udptick.LineB, true
	}
	return udptick.LineA, f.ports[0] == 0 || port == f.ports[0]
}

// errEnough ends a tap after the datagrams it was asked for.
var errEnough = errors.New("enough")

// ended is what a tap says to the error that ended it.
func ended(err error) error {
	if err == errEnough {
		return nil
	}
	return err
}

// listen taps the lines.
func (f *tapFlags) listen(cmd *cobra.Command, t *tap) error {
	sockets, err := f.open()
	if err != nil {
		return err
	}
	for i, s := range sockets {
		for _, w := range s.Status().Warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "line %v: %s\n", udptick.Line(i), w) // nobody depends on it
		}
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	if f.duration > 0 {
		stop := time.AfterFunc(f.duration, func() { cancel(errEnough) })
		defer stop.Stop()
	}
	var reading sync.WaitGroup
	for i, s := range sockets {
		reading.Go(func() { cancel(t.listen(udptick.Line(i), s)) })
	}
	<-ctx.Done()
	for _, s := range sockets {
		s.Close() // they only read
	}
	reading.Wait()
	for i, s := range sockets {
		t.lines[i].dropped = s.Status().Dropped
	}
	return ended(context.Cause(ctx))
}

// open opens the lines' sockets.
func (f *tapFlags) open() (sockets []*datagram.Socket, err error) {
	var publishers []netip.Addr
	for _, s := range f.senders {
		p, err := netip.ParseAddr(s)
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "publisher %q: want an address such as 10.1.1.1", s)
		}
		publishers = append(publishers, p)
	}
	for i, l := range f.lines {
		if l.Listen == "" {
			continue
		}
		s, err := datagram.Listen(datagram.Config{
			Listen: l.Listen, Interface: l.Interface, Publishers: publishers,
			Buffer: f.buffer, Timestamps: runtime.GOOS == "linux",
		})
		if err != nil {
			for _, s := range sockets {
				s.Close() // it was never used
			}
			err = fmt.Errorf("line %v: %w", udptick.Line(i), err)
			if _, system := errors.AsType[*net.OpError](err); system {
				return nil, exit.With(exit.Unavailable, err)
			}
			return nil, exit.With(exit.Usage, err)
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// listen takes what comes on a line until the socket is closed.
func (t *tap) listen(line udptick.Line, s *datagram.Socket) error {
	for {
		batch, err := s.Receive()
		if err == datagram.ErrClosed {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range batch {
			b := &batch[i]
			d := pcap.Datagram{Nanos: b.ArrivalNanos, From: b.From, To: s.Addr(), Data: b.Data}
			if d.Nanos == 0 {
				d.Nanos = time.Now().UnixNano()
			}
			if err := t.take(line, &d); err != nil {
				return err
			}
		}
	}
}
