package udptick

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

var (
	publisher = Key{ID: 1, Secret: []byte("0123456789abcdef")}
	requester = Key{ID: 2, Secret: []byte("fedcba9876543210")}
)

func mustSigner(t testing.TB, key Key, now int64) *Signer {
	s, err := NewSigner(key, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// One trailer, byte by byte after the table in the package doc, its MAC by hand.
func TestSignerBytes(t *testing.T) {
	got := mustSigner(t, publisher, 0x0102030405060708).Append([]byte("packet"))
	want := []byte("packet\x01\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01")
	m := hmac.New(sha256.New, publisher.Secret)
	m.Write(want)
	if want = append(want, m.Sum(nil)[:16]...); !bytes.Equal(got, want) || len(got) != len("packet")+MACSize {
		t.Fatalf("got  %x\nwant %x", got, want)
	}
	if packet := CutMAC(got); string(packet) != "packet" {
		t.Errorf("without the trailer: %q", packet)
	}
	if packet := CutMAC([]byte("short")); len(packet) != 0 {
		t.Errorf("of a datagram that is too short: %q", packet)
	}
}

// What a datagram is refused for, and that each is believed once a line.
func TestMACs(t *testing.T) {
	f := newFeed(t, Config{Keys: []Key{requester, publisher}}, unlimited())
	signer := mustSigner(t, publisher, 1000)
	sign := func(seq uint64) []byte { return signer.Append(packet(seq, at(int64(seq)))) }
	altered := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[(len(b)+at)%len(b)] ^= 1
		return b
	}
	first, second := sign(1), sign(2)
	stranger := mustSigner(t, Key{ID: 1, Secret: requester.Secret}, 5000).Append(packet(3, at(3)))
	unknown := mustSigner(t, Key{ID: 9, Secret: publisher.Secret}, 5000).Append(packet(3, at(3)))
	last := mustSigner(t, publisher, math.MaxInt64)
	last.next = math.MaxUint64
	for _, c := range []struct {
		name string
		line Line
		in   []byte
		want Counter
	}{
		{"good", LineA, second, Packets},
		{"again", LineA, second, Replayed},
		{"on the other line", LineB, second, Packets},
		{"again there", LineB, second, Replayed},
		{"from before the first", LineA, first, Replayed},
		{"from before the first, first on its line", Answers, first, Packets},
		{"no trailer", LineA, packet(3, at(3)), Forged},
		{"empty", LineA, nil, Forged},
		{"27 bytes", LineA, sign(3)[:27], Forged},
		{"another packet", LineA, altered(sign(3), 30), Forged},
		{"another key", LineA, altered(sign(3), -28), Forged},
		{"another sequence", LineA, altered(sign(3), -20), Forged},
		{"another MAC", LineA, altered(sign(3), -1), Forged},
		{"the key's id, another secret", LineA, stranger, Forged},
		{"a key nobody has", LineA, unknown, Forged},
		{"the largest sequence", LineB, last.Append(packet(3, at(3))), Replayed},
		{"good again", LineA, sign(3), Packets},
		{"good, but no packet", LineA, signer.Append([]byte("hello")), Malformed},
	} {
		before := f.Stats()
		f.Receive(c.line, local, c.in, noon)
		checkSums(t, f)
		after := f.Stats()
		for _, k := range []Counter{Packets, Forged, Replayed, Malformed} {
			want := before[k]
			if k == c.want {
				want++
			}
			if after[k] != want {
				t.Errorf("%s: %v went from %d to %d, want %v", c.name, k, before[k], after[k], c.want)
			}
		}
	}
}

// The source is looked at before the MAC: computing that for anyone is a way to be
// kept busy.
func TestSourceBeforeMAC(t *testing.T) {
	f := newFeed(t, Config{Keys: []Key{publisher}}, unlimited())
	f.Receive(LineA, local.Next(), packet(1, at(1)), noon)
	f.Receive(LineA, publisherAt("10.0.0.1"), mustSigner(t, publisher, 1).Append(packet(1, at(1))), noon)
	if got := f.Stats(); got[RefusedSource] != 1 || got[Forged] != 1 {
		t.Error(got)
	}
}

// Every datagram of each framing may be signed.
func TestMACsOfAllFramings(t *testing.T) {
	for _, c := range []struct {
		config Config
		in     []byte
	}{
		{Config{}, packet(1, at(1))},
		{Config{Framing: SBE24}, channel.AppendPacket(nil, 1, noon, at(1))},
		{Config{Framing: MarkPriceUpdates, Names: map[string]event.SymbolID{"BTCUSDT": 7}}, []byte(documented)},
	} {
		c.config.Keys = []Key{publisher}
		f := newFeed(t, c.config, unlimited())
		f.Receive(LineA, local, mustSigner(t, publisher, 1).Append(c.in), noon)
		checkFeed(t, f, count{Packets, 1}, count{Ticks, 1}, count{Delivered, 1})
	}
}

func TestKeysRefused(t *testing.T) {
	short := Key{ID: 3, Secret: make([]byte, 15)}
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"short secret", Config{Keys: []Key{short}}, "key 3: secret of 15 bytes: want 16 or more"},
		{"one id twice", Config{Keys: []Key{publisher, {ID: 1, Secret: requester.Secret}}}, "two keys with id 1"},
		{"requests without a key", Config{Keys: []Key{publisher}, RequestTries: 1}, "without a request key"},
		{"the publisher's key", Config{Keys: []Key{publisher}, RequestKey: publisher}, "request key 1 is a publisher's"},
		{"short request key", Config{RequestKey: short}, "key 3: secret"},
	} {
		if _, err := NewFeed(c.config, unlimited()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := NewSigner(short, 1); err == nil {
		t.Error("a signer with a short secret")
	}
	if _, err := NewSigner(publisher, -1); err == nil {
		t.Error("a signer from before 1970")
	}
}

// Requests are signed with our own key, from the first one's time on.
func TestRequestsAreSigned(t *testing.T) {
	f := newFeed(t, Config{Keys: []Key{publisher}, RequestKey: requester, RequestTries: 2, RequestNanos: milli}, unlimited())
	signer := mustSigner(t, publisher, 1)
	f.Receive(LineA, local, signer.Append(packet(1, at(1))), noon)
	f.Receive(LineA, local, signer.Append(packet(3, at(3))), noon)
	f.Poll(noon + second)
	for i := range uint64(2) {
		now := noon + second + int64(i)*second
		b, ok := f.Request([]byte("before"), now)
		if !ok || !bytes.HasPrefix(b, []byte("before")) {
			t.Fatalf("request %d: %q, %v", i, b, ok)
		}
		b = b[len("before"):]
		trailer := b[len(b)-MACSize:]
		if id, seq := binary.LittleEndian.Uint32(trailer), binary.LittleEndian.Uint64(trailer[4:]); id != requester.ID || seq != noon+second+i {
			t.Errorf("key %d, sequence %d", id, seq)
		}
		m := hmac.New(sha256.New, requester.Secret)
		m.Write(b[:len(b)-macBytes])
		if !bytes.Equal(m.Sum(nil)[:macBytes], b[len(b)-macBytes:]) {
			t.Error("the MAC is wrong")
		}
		f.Poll(now + second)
	}
}
