package udptick

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"net/netip"
	"slices"
)

// Key is a secret that a sender and its receivers share. Each sending process has
// one of its own: the sequences by which replays are told belong to the key.
type Key struct {
	ID     uint32
	Secret []byte // 16 bytes or more
}

const minSecret = 16

func (k Key) check() error {
	if len(k.Secret) < minSecret {
		return fmt.Errorf("udptick: key %d: secret of %d bytes: want %d or more", k.ID, len(k.Secret), minSecret)
	}
	return nil
}

// The layout of the trailer; see the package doc.
const (
	macSequenceAt = 4
	macAt         = 12
	macBytes      = 16
	// MACSize is what a [Signer] adds to a datagram.
	MACSize = macAt + macBytes
)

// Signer makes a sender's datagrams ones that a [Feed] or [Server] with its key
// believes. It belongs to one goroutine.
type Signer struct {
	id   uint32
	next uint64
	macState
}

// macState is reused from one datagram to the next.
type macState struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

func newMACState(secret []byte) macState { return macState{mac: hmac.New(sha256.New, secret)} }

// of returns the MAC of b. It is valid until the next call.
func (m *macState) of(b []byte) []byte {
	m.mac.Reset()
	m.mac.Write(b)
	return m.mac.Sum(m.sum[:0])[:macBytes]
}

// NewSigner returns a signer whose sequences begin at now, in nanoseconds since
// 1970: no sender signs a billion datagrams a second, so a process that is started
// again begins above its last one.
func NewSigner(key Key, now int64) (*Signer, error) {
	if err := key.check(); err != nil {
		return nil, err
	}
	if now < 0 {
		return nil, fmt.Errorf("udptick: signing from time %d: want 0 or more", now)
	}
	return &Signer{id: key.ID, next: uint64(now), macState: newMACState(key.Secret)}, nil
}

// Append appends the trailer to a datagram. It does not allocate if there is room
// for [MACSize] bytes.
func (s *Signer) Append(datagram []byte) []byte {
	e := binary.LittleEndian
	datagram = e.AppendUint32(datagram, s.id)
	datagram = e.AppendUint64(datagram, s.next)
	s.next++
	return append(datagram, s.of(datagram)...)
}

// CutMAC returns a datagram without its trailer, whether that is good or not; all
// of it if it is too short to have one.
func CutMAC(datagram []byte) []byte { return datagram[:max(0, len(datagram)-MACSize)] }

// guard decides which datagrams are looked at: those of allowed addresses and, if
// there are keys, with a MAC of one of them that was not there before.
type guard struct {
	sources []netip.Prefix
	keys    []guardKey
}

// guardKey is a key and what came under it, line by line: a publisher may sign a
// packet once and send it on both.
type guardKey struct {
	id uint32
	macState
	begun   [Lines]bool
	windows [Lines]window
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// newGuard returns a guard of the given sources, the loopback addresses if there
// are none.
func newGuard(sources []netip.Prefix, keys []Key) (guard, error) {
	g := guard{sources: slices.Clone(sources)}
	if len(sources) == 0 {
		g.sources = loopback
	}
	for _, p := range sources {
		if !p.IsValid() {
			return guard{}, fmt.Errorf("udptick: source %v: want a prefix such as 10.1.2.0/24", p)
		}
	}
	for _, k := range keys {
		if err := k.check(); err != nil {
			return guard{}, err
		}
		if g.key(k.ID) != nil {
			return guard{}, fmt.Errorf("udptick: two keys with id %d", k.ID)
		}
		g.keys = append(g.keys, guardKey{id: k.ID, macState: newMACState(k.Secret)})
	}
	return g, nil
}

// key looks an id up in a list that is a handful long.
func (g *guard) key(id uint32) *guardKey {
	for i := range g.keys {
		if g.keys[i].id == id {
			return &g.keys[i]
		}
	}
	return nil
}

// allows looks the source up in a list that is a handful long in practice.
func (g *guard) allows(from netip.Addr) bool {
	// A prefix never contains a 4-in-6 address or one with a zone.
	from = from.Unmap().WithZone("")
	for _, p := range g.sources {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// verdict is what a guard says of a datagram.
type verdict uint8

const (
	believed verdict = iota
	refusedSource
	forged
	replayed
)

// admit returns the packet in a datagram that came on a line.
func (g *guard) admit(line Line, from netip.Addr, datagram []byte) ([]byte, verdict) {
	if !g.allows(from) {
		return nil, refusedSource
	}
	if len(g.keys) == 0 {
		return datagram, believed
	}
	end := len(datagram) - MACSize
	if end < 0 {
		return nil, forged
	}
	trailer := datagram[end:]
	key := g.key(binary.LittleEndian.Uint32(trailer))
	if key == nil || !hmac.Equal(key.of(datagram[:end+macAt]), trailer[macAt:]) {
		return nil, forged
	}
	if !key.isNew(line, binary.LittleEndian.Uint64(trailer[macSequenceAt:])) {
		return nil, replayed
	}
	return datagram[:end], believed
}

// isNew reports whether a sequence has not been on the line before.
func (k *guardKey) isNew(line Line, sequence uint64) bool {
	if sequence == math.MaxUint64 {
		return false // There is none after it.
	}
	w := &k.windows[line]
	if !k.begun[line] {
		k.begun[line] = true
		w.start(sequence)
	}
	w.skip(sequence)
	return w.take(sequence)
}

// checkRequestKey refuses requests that nobody would believe, or that would harm.
func (c *Config) checkRequestKey() error {
	if len(c.RequestKey.Secret) == 0 {
		if len(c.Keys) > 0 && c.RequestTries > 0 {
			return errors.New("udptick: keys without a request key: a server would not believe our requests")
		}
		return nil
	}
	for _, k := range c.Keys {
		// Our requests, sent back to us, would count as its newest datagrams.
		if k.ID == c.RequestKey.ID {
			return fmt.Errorf("udptick: request key %d is a publisher's, too: want one of our own", k.ID)
		}
	}
	return c.RequestKey.check()
}
