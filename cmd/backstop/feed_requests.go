package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/udptick"
)

// requests answers those who lost messages, on a goroutine of its own.
type requests struct {
	conn    *net.UDPConn
	server  *udptick.Server
	mu      *sync.Mutex // the sender's: held for the server and its signer
	running sync.WaitGroup
	failed  uint64 // answers the system did not send; written by run, read after close
}

// answering opens the socket of requests and starts to answer.
func (f *feedFlags) answering(s *sender) (*requests, error) {
	address, err := netip.ParseAddrPort(f.serve)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "serve %q: want an address and a port such as 127.0.0.1:26401", f.serve)
	}
	sources, err := prefixes("serve-allow", f.serveAllow)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 && !address.Addr().Unmap().IsLoopback() {
		return nil, exit.Errorf(exit.Usage, "serve %v: nobody but this host could ask; name others with --serve-allow", address)
	}
	var keys []udptick.Key
	if f.requesters != "" {
		if keys, err = readKeys(f.requesters); err != nil {
			return nil, err
		}
	}
	server, err := udptick.NewServer(udptick.ServerConfig{Stream: s.stream, Sources: sources, Keys: keys, Signer: s.signer})
	if err != nil {
		return nil, exit.With(exit.BadInput, err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	if err != nil {
		return nil, exit.With(exit.Unavailable, err)
	}
	r := &requests{conn: conn, server: server, mu: &s.signing}
	r.running.Go(r.run)
	return r, nil
}

// run answers until close. Who asks may be gone when the answer comes.
func (r *requests) run() {
	var answer []byte
	for b := make([]byte, 1<<16); ; {
		n, from, err := r.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of an earlier answer, on some systems
		}
		r.mu.Lock()
		var ok bool
		answer, ok = r.server.Answer(answer[:0], from.Addr(), b[:n], time.Now().UnixNano())
		r.mu.Unlock()
		if !ok {
			continue
		}
		if _, err := r.conn.WriteToUDPAddrPort(answer, from); err != nil {
			r.failed++
		}
	}
}

// close ends run. A second call does nothing.
func (r *requests) close() {
	r.conn.Close() // it has nothing to lose
	r.running.Wait()
}

// report says what was asked for. It ends the answering.
func (r *requests) report() report.Record {
	r.close()
	stats := r.server.Stats()
	fields := report.Record{{Name: "server", Value: r.conn.LocalAddr().String()}}
	for i, n := range stats {
		fields = append(fields, report.Field{Name: fmt.Sprintf("server_%v", udptick.ServerCounter(i)), Value: n})
	}
	return append(fields, report.Field{Name: "server_unsent", Value: r.failed})
}
