package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
)

// socketPath reads a place events come from or effects go to: - or unix:PATH.
// The path is empty for -.
func socketPath(flag, s string) (string, error) {
	path, ok := strings.CutPrefix(s, "unix:")
	if s != "-" && (!ok || path == "") {
		return "", exit.Errorf(exit.Usage, "--%s %q: want - or unix:PATH", flag, s)
	}
	if !ok {
		path = ""
	}
	return path, nil
}

// listen opens a unix socket that only its owner can reach. A socket that a crash
// left behind is replaced; one that somebody answers on is not.
func listen(path string) (*net.UnixListener, error) {
	address := &net.UnixAddr{Name: path, Net: "unix"}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		conn, err := net.DialUnix("unix", nil, address)
		if err == nil {
			return nil, errors.Join(exit.Errorf(exit.Unavailable, "%s: another process listens on it", path), conn.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, exit.With(exit.Unavailable, err)
		}
	}
	l, err := listenPrivately(address)
	if err != nil {
		return nil, exit.With(exit.Unavailable, err)
	}
	return l, nil
}

// door accepts connections and knows who is inside.
type door struct {
	listener *net.UnixListener
	serve    func(*net.UnixConn) // closes what it is given
	visits   sync.WaitGroup

	mu     sync.Mutex
	inside map[*net.UnixConn]struct{}
	closed bool
}

func open(path string, serve func(*net.UnixConn)) (*door, error) {
	l, err := listen(path)
	if err != nil {
		return nil, err
	}
	return &door{listener: l, serve: serve, inside: make(map[*net.UnixConn]struct{})}, nil
}

// run accepts until close.
func (d *door) run() error {
	for {
		conn, err := d.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting on %v: %w", d.listener.Addr(), err)
		}
		if !d.enter(conn) {
			conn.Close() // nothing was read or written
			continue
		}
		d.visits.Go(func() {
			defer d.leave(conn)
			d.serve(conn)
		})
	}
}

func (d *door) enter(conn *net.UnixConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.inside[conn] = struct{}{}
	}
	return !d.closed
}

func (d *door) leave(conn *net.UnixConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, conn)
}

// close lets nobody in any more, removes the socket, and has farewell done with
// each connection that is inside.
func (d *door) close(farewell func(*net.UnixConn)) {
	d.listener.Close() // a second close at the worst
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for conn := range d.inside {
		farewell(conn)
	}
}

// refuse tells the other side why it is not served any further, then closes. The
// other side may be gone already, or read nothing: then it is not told.
func refuse(conn *net.UnixConn, why error) {
	line, err := json.Marshal(struct {
		Error string `json:"error"`
	}{why.Error()})
	if err == nil {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write(append(line, '\n'))
	}
	conn.Close()
}

// serveProducer feeds what comes over a connection.
func (s *server) serveProducer(ctx context.Context, conn *net.UnixConn) {
	s.log.Info().Msg("a producer connected")
	err := s.intake().run(ctx, conn)
	if errors.Is(err, core.ErrClosed) {
		err = errors.New("the engine is stopping")
	}
	if err == nil || isNetwork(err) {
		conn.Close() // it sends no more, and was sent nothing
	} else {
		refuse(conn, err)
		s.log.Warn().Err(err).Msg("a producer was refused")
	}
	s.log.Info().Msg("a producer left")
}

// isNetwork reports whether err says that the connection is no more.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

// serveConsumer writes effects to a connection and reads acknowledgements from
// it.
func (s *server) serveConsumer(ctx context.Context, conn *net.UnixConn) {
	if !s.outlet.attach() {
		s.log.Warn().Msg("a second consumer was refused")
		refuse(conn, errors.New("the effects already go to another connection"))
		return
	}
	s.log.Info().Int("unacknowledged", s.outlet.undelivered()).Msg("a consumer connected")
	ctx, leave := context.WithCancelCause(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		why := s.readAcks(conn)
		conn.SetWriteDeadline(time.Now().Add(time.Second)) // it may read nothing either
		leave(why)
	})
	err := s.write(ctx, conn)
	s.outlet.detach()
	if err == nil || errors.Is(err, errConsumerLeft) || isNetwork(err) {
		conn.Close() // all is written, or nobody reads
	} else {
		refuse(conn, err)
		s.log.Warn().Err(err).Msg("the consumer was refused")
	}
	reading.Wait()
	s.log.Info().Int("unacknowledged", s.outlet.undelivered()).Msg("the consumer left")
}

// readAcks takes acknowledgements until the consumer sends no more.
func (s *server) readAcks(r io.Reader) error {
	lines, decoder := newLineReader(r), ndjson.NewDecoder(&s.names)
	records := make([]event.Record, 0, event.MaxRecords)
	for {
		line, err := lines.next()
		if err != nil {
			return errConsumerLeft
		}
		e, err := decoder.Decode(line, records)
		switch {
		case err != nil:
			return err
		case e == nil:
		case e[0].Kind() != event.KindAck:
			return fmt.Errorf("%v: want ack; events go to the other socket", e[0].Kind())
		case s.outlet.auto:
		default:
			if err := s.outlet.ack(e[0].AckSequence(), e[0].AckIndex()); err != nil && !errors.Is(err, core.ErrClosed) {
				return err
			}
		}
	}
}
