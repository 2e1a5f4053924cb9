package main

import (
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/pcap"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/udptick"
)

const feedPcapLong = `Sends the ticks of a capture of mold64 or sbe24 packets, gzipped or not, as "backstop
tap --write" or "tcpdump -w" makes it (classic pcap, Ethernet, IPv4); - is standard
input. They are sent anew, in a session and with sequences of this run's own, each
when it was captured. Of a capture of both lines the first to bring a sequence
counts, and what comes after a higher one is passed over.`

func newFeedPcap() *cobra.Command {
	var flags feedFlags
	var symbols []string
	var c captureMarks
	var captured string
	cmd := &cobra.Command{
		Use:     "pcap FILE",
		Short:   "Send the ticks of a capture",
		Long:    feedPcapLong,
		Example: "  backstop feed pcap monday.pcap.gz --port 26400 --speed 100 --to-b 127.0.0.1:26401 --loss 0.01",
		Args:    usage(cobra.ExactArgs(1)),
	}
	flags.add(cmd)
	flags.addPace(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&symbols, "symbol", nil, "`NAME:ID` of a contract, for --framing binance; may be repeated")
	f.StringVar(&captured, "captured", "mold64", "`mold64|sbe24`: form of the captured packets")
	f.Uint16Var(&c.port, "port", 0, "`port` to which the packets were sent; 0 is any")
	f.BoolVar(&c.signed, "signed", false, "the captured packets end in a MAC, which is not checked")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := flags.pace(cmd); err != nil {
			return err
		}
		if c.stream.Framing, err = streamOf(captured); err != nil || c.stream.Framing == udptick.MarkPriceUpdates {
			return exit.Errorf(exit.Usage, "captured %q: want mold64 or sbe24", captured)
		}
		c.contracts = make(contracts)
		if err := bindSymbols(&c.names, symbols); err != nil {
			return err
		}
		input, err := openInput(cmd, args)
		if err != nil {
			return err
		}
		defer input.Close() // read only: there is nothing to lose
		plain, err := unzipped(input)
		if err == nil {
			c.reader, err = pcap.NewReader(plain)
		}
		if err != nil {
			return exit.With(exit.BadInput, fmt.Errorf("%s: %w", args[0], err))
		}
		return flags.run(cmd, feedSource{
			marks: c.marks(args[0]),
			failed: func() error {
				if c.err == nil && c.taken == 0 {
					return exit.Errorf(exit.BadInput, "%s: no tick in it: %d datagrams of another form, %d messages of another kind; see --captured, --port and --signed", args[0], c.others, c.messages)
				}
				return c.err
			},
			notes: c.notes,
		})
	}
	return cmd
}

// captureMarks reads marks from captured packets.
type captureMarks struct {
	reader    *pcap.Reader
	stream    udptick.Stream // its framing counts
	port      uint16
	signed    bool
	names     ndjson.Names
	contracts contracts
	next      uint64
	begun     bool

	taken, elsewhere, others, messages, duplicates, missing uint64
	err                                                     error
}

// marks yields those of a capture until it ends, or turns out to be damaged.
func (c *captureMarks) marks(path string) iter.Seq[mark] {
	return func(yield func(mark) bool) {
		for {
			d, err := c.reader.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				c.err = exit.With(exit.BadInput, fmt.Errorf("%s: %w", path, err))
				return
			}
			if c.port != 0 && d.To.Port() != c.port {
				c.elsewhere++
				continue
			}
			if !c.packet(&d, yield) {
				return
			}
		}
	}
}

// packet yields the new ticks of a datagram, and reports whether to go on.
func (c *captureMarks) packet(d *pcap.Datagram, yield func(mark) bool) bool {
	data := d.Data
	if c.signed {
		data = udptick.CutMAC(data)
	}
	p, err := c.stream.Parse(data)
	if err != nil {
		c.others++
		return true
	}
	if !c.begun || p.Session != c.stream.Session || p.Channel != c.stream.Channel {
		c.begun, c.next = true, p.Sequence
		c.stream.Session, c.stream.Channel = p.Session, p.Channel
	}
	for seq, message := range p.Messages() {
		if seq < c.next {
			c.duplicates++
			continue
		}
		c.missing += seq - c.next
		c.next = seq + 1
		t, err := udptick.ParseTick(message)
		if err != nil {
			c.messages++
			continue
		}
		c.taken++
		if !yield(mark{
			symbol: c.contracts.of(t.Instrument, &c.names), price: t.Mark, index: t.Index, flags: t.Flags,
			nanos: t.TimeNanos, due: d.Nanos,
		}) {
			return false
		}
	}
	return true
}

// notes say what was in the capture beside the ticks.
func (c *captureMarks) notes() report.Record {
	skipped := c.reader.Skipped()
	return report.Record{
		{Name: "other_ports", Value: c.elsewhere},
		{Name: "other_datagrams", Value: c.others},
		{Name: "other_messages", Value: c.messages},
		{Name: "duplicates", Value: c.duplicates},
		{Name: "missing", Value: c.missing},
		{Name: "other_frames", Value: skipped.Other},
		{Name: "fragments", Value: skipped.Fragments},
		{Name: "cut_frames", Value: skipped.Cut},
	}
}
