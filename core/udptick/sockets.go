package udptick

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/backstop-fund/backstop/core/udptick/datagram"
)

// Sockets says where an [Adapter] receives, and how.
type Sockets struct {
	// A and B are where the publisher's lines come in. B may be left out.
	A, B Inlet
	// Server is the address and port of the re-request server, for
	// [Config.RequestTries]. Empty for none.
	Server string

	// Buffer is how many bytes of datagrams the system is asked to keep for each line
	// while the Adapter is busy. 0 leaves it to the system. It may grant less: see
	// [Adapter.Receptions].
	Buffer int
	// BusyPoll has Run look for datagrams without end, on a thread of its own, instead
	// of waiting for them: it takes one of GOMAXPROCS, and wants a CPU that nobody else
	// uses. Linux only.
	BusyPoll bool
	// Timestamps asks the system when a datagram arrived, to tell how long the longest
	// wait for Run was. Linux only.
	Timestamps bool
	// Now is the clock in nanoseconds since 1970. Nil means the system's.
	Now func() int64
}

// Inlet is where one line comes in.
type Inlet struct {
	// Listen is an address of this host, or a multicast group, and a port. Port 0 takes
	// a free one.
	Listen string
	// Interface is the name of the one on which a group is joined. Empty leaves it to
	// the system's routes.
	Interface string
	// Publishers are who sends to the group: on Linux it is joined for them alone. None
	// joins it for everybody. Either way [Config.Sources] says who is believed.
	Publishers []netip.Addr
}

// inlet is a line and its socket.
type inlet struct {
	line   Line
	socket *datagram.Socket
}

// open opens the sockets that are asked for, in the order of their lines.
func (s *Sockets) open(config *Config) ([]inlet, error) {
	switch {
	case s.BusyPoll && runtime.GOMAXPROCS(0) < 2:
		return nil, errors.New("udptick: busy polling with one CPU: nothing else would run")
	case (s.Server == "") != (config.RequestTries == 0):
		return nil, fmt.Errorf("udptick: %d requests for a gap, re-request server %q: want both or neither", config.RequestTries, s.Server)
	}
	var inlets []inlet
	for _, x := range []struct {
		line   Line
		listen string
		config datagram.Config
	}{
		{LineA, s.A.Listen, datagram.Config{Listen: s.A.Listen, Interface: s.A.Interface, Publishers: s.A.Publishers}},
		{LineB, s.B.Listen, datagram.Config{Listen: s.B.Listen, Interface: s.B.Interface, Publishers: s.B.Publishers}},
		{Answers, s.Server, datagram.Config{Peer: s.Server}},
	} {
		if x.listen == "" && x.line != LineA {
			continue
		}
		err := safe(x.line, x.listen, config.Sources)
		if err == nil {
			x.config.Buffer, x.config.BusyPoll, x.config.Timestamps = s.Buffer, s.BusyPoll, s.Timestamps
			var socket *datagram.Socket
			if socket, err = datagram.Listen(x.config); err == nil {
				inlets = append(inlets, inlet{x.line, socket})
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("udptick: line %v: %w", x.line, err), closeAll(inlets))
		}
	}
	return inlets, nil
}

// safe refuses a line on which datagrams could come from anybody, or from nobody.
// Whoever can reach it must be able to set the price only if someone said so.
func safe(line Line, listen string, sources []netip.Prefix) error {
	a, err := netip.ParseAddrPort(listen)
	if err != nil {
		return fmt.Errorf("%q: want an address and a port such as 127.0.0.1:26400", listen)
	}
	ip := a.Addr().Unmap().WithZone("")
	if line == Answers {
		if len(sources) == 0 {
			sources = loopback
		}
		if !slices.ContainsFunc(sources, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			return fmt.Errorf("re-request server %v is none of the sources: its answers would be refused", a)
		}
		return nil
	}
	if len(sources) == 0 && !ip.IsLoopback() {
		return fmt.Errorf("listen %v without sources: anyone could set the mark; name the publishers' prefixes, or listen on loopback", a)
	}
	return nil
}

func closeAll(inlets []inlet) error {
	var errs []error
	for _, in := range inlets {
		errs = append(errs, in.socket.Close())
	}
	return errors.Join(errs...)
}

// Reception is what the system granted the socket of a line, and did to it.
type Reception struct {
	Line Line
	datagram.Status
}

// clock returns the time of s.
func (s *Sockets) clock() func() int64 {
	if s.Now != nil {
		return s.Now
	}
	return func() int64 { return time.Now().UnixNano() }
}
