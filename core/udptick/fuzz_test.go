package udptick

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// fuzzFraming feeds three datagrams in an order, on lines and at times that a
// script tells. Whatever comes, a packet that is accepted is exactly its datagram, a
// tick that is accepted is one that can be sent, the sink never gets an old mark
// after a newer one, requests are requests, and the counters add up.
func fuzzFraming(f *testing.F, stream Stream, reframe func(Packet, []byte) []byte) {
	pack := func(seq uint64, ticks ...Tick) []byte { return stream.AppendPacket(nil, seq, noon, ticks...) }
	f.Add([]byte("\x00\x11\x22\x33\x01\x12"), pack(1, at(1), at(2)), pack(2, at(2), at(3)), pack(9, at(9)))
	f.Add([]byte("\x00\xf1\xf0\x02\xe0"), pack(10, at(1)), pack(5, at(2)), pack(5000, at(3)))
	f.Add([]byte("\x00\x10\x20\x30"), stream.AppendHeartbeat(nil, 1<<63-1, noon), stream.AppendEnd(nil, 0, noon), pack(3))
	f.Add([]byte("\x02\x00\xff\x06\xff"), stream.AppendRequest(nil, 3, 4, noon), pack(1, at(1)), pack(1<<62, Tick{Instrument: 3, Mark: 1, TimeNanos: 5}))
	f.Add([]byte("\x00\x04\x08"), rawPacket(1, 2, "one", "two!"), rawPacket(1<<64-2, 1, string(wireTick(0, 1, 1, 1, 0))), []byte(nil))
	f.Add([]byte("\x08\x04\x00"), rawPacket24(Incremental, 1, 2, "one", "two!"), rawPacket24(FullState, 1, 0), []byte("garbage, but longer than a header"))
	f.Fuzz(func(t *testing.T, script, a, b, c []byte) {
		datagrams := [...][]byte{a, b, c}
		for _, d := range datagrams {
			fuzzParse(t, stream, d, reframe)
		}
		sink := &recorder{room: 20}
		feed := newFeed(t, Config{Framing: stream.Framing, Symbols: 2, RequestTries: 2, SilenceNanos: second}, sink)
		now := int64(noon)
		for _, op := range script[:min(len(script), 100)] {
			// Two bits each: which datagram, 3 for none; the line, 3 for a Poll only; and how
			// much time passes, up to 16 ms.
			now += int64(op>>4) * milli
			if which, line := op&3, op>>2&3; which < 3 && line < Lines {
				feed.Receive(Line(line), local, datagrams[which], now)
			} else {
				feed.Poll(now)
			}
			checkSums(t, feed)
			for {
				b, ok := feed.Request(nil, now)
				if !ok {
					break
				}
				var p Packet
				if bad := stream.parseRequest(&p, b); !bad.none() {
					t.Fatalf("request %x: %v", b, bad)
				}
			}
		}
		newest := map[event.SymbolID]int64{}
		for _, r := range sink.records {
			if r.Kind() != event.KindTick {
				continue
			}
			if r.Mark() <= 0 || r.MarkTime() <= newest[r.Symbol()] || r.MarkTime() > now+second+int64(len(script)) {
				t.Fatalf("mark %v of %d after that of %d", r.Mark(), r.MarkTime(), newest[r.Symbol()])
			}
			newest[r.Symbol()] = r.MarkTime()
		}
	})
}

func fuzzParse(t *testing.T, stream Stream, b []byte, reframe func(Packet, []byte) []byte) {
	p, err := stream.Parse(b)
	if err != nil {
		if bad := err.(*ParseError); bad.Offset < 0 || bad.Offset > len(b) || bad.Value {
			t.Fatalf("%+v of %d bytes", bad, len(b))
		}
		return
	}
	if again := reframe(p, b); !bytes.Equal(again, b) {
		t.Fatalf("%x is read as %x", b, again)
	}
	for _, m := range p.Messages() {
		tick, err := ParseTick(m)
		if err != nil {
			continue
		}
		if again, err := ParseTick(AppendTick(nil, tick)); err != nil || again != tick {
			t.Fatalf("%+v came back as %+v, %v", tick, again, err)
		}
	}
}

func FuzzMold64(f *testing.F) {
	fuzzFraming(f, mold, func(p Packet, _ []byte) []byte { return reframe(p) })
}

func FuzzSBE24(f *testing.F) { fuzzFraming(f, channel, reframe24) }

// A datagram is believed exactly if it ends with the MAC that crypto/hmac makes of
// it, and once.
func FuzzHMAC(f *testing.F) {
	f.Add([]byte("packet"), []byte("0123456789abcdef"), uint64(1), []byte{})
	f.Add([]byte{}, []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"), uint64(1<<64-1), []byte{0, 1})
	f.Add(packet(1, at(1)), []byte("0123456789abcdef"), uint64(1<<64-2), []byte{40, 8, 60, 255})
	f.Fuzz(func(t *testing.T, in, secret []byte, sequence uint64, damage []byte) {
		key := Key{ID: 7, Secret: secret}
		if len(secret) < minSecret {
			if _, err := newGuard(nil, []Key{key}); err == nil {
				t.Fatalf("a secret of %d bytes", len(secret))
			}
			return
		}
		g, err := newGuard(nil, []Key{key})
		if err != nil {
			t.Fatal(err)
		}
		signer := mustSigner(t, key, 0)
		signer.next = sequence
		signed := signer.Append(bytes.Clone(in))
		damaged := bytes.Clone(signed)
		for i := 0; i+1 < len(damage); i += 2 {
			damaged[int(damage[i])%len(damaged)] ^= damage[i+1]
		}
		want := sequence < 1<<64-1
		// Damage that undoes itself is none.
		if _, verdict := g.admit(LineA, local, damaged); !bytes.Equal(damaged, signed) {
			if verdict != forged {
				t.Fatalf("verdict %d of a damaged datagram", verdict)
			}
		} else if (verdict == believed) != want {
			t.Fatalf("verdict %d of sequence %d", verdict, sequence)
		}
		packet, verdict := g.admit(LineB, local, signed)
		if (verdict == believed) != want || want && !bytes.Equal(packet, in) {
			t.Fatalf("verdict %d, %x of %x", verdict, packet, in)
		}
		if _, verdict := g.admit(LineB, local, signed); verdict != replayed {
			t.Fatalf("verdict %d of a replay", verdict)
		}
		plain := hmac.New(sha256.New, secret)
		plain.Write(signed[:len(signed)-macBytes])
		if !bytes.Equal(plain.Sum(nil)[:macBytes], signed[len(signed)-macBytes:]) {
			t.Fatal("not what crypto/hmac makes of it")
		}
	})
}

// What is accepted is what encoding/json and big.Rat read, too, and what these
// take for an update is accepted unless a documented limit stands against it.
func FuzzMarkPriceUpdate(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"stream":"btcusdt@markPrice","data":` + documented + `}`))
	f.Add([]byte(`{"x":{"e":1},"y":[1,-0.5e+3,0E9,null,{}],"z":true,"v":"\u00e9\"\\\/\b\f\n\r\t",` + documented[1:]))
	f.Add([]byte(`{"data":` + documented + `,"data":{}}`))
	f.Add([]byte(`{"e":"markPriceUpdate","E":1,"s":"A","p":"1.000000000"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := ParseMarkPriceUpdate(b)
		bad, _ := err.(*ParseError)
		want, isUpdate := plainUpdate(b)
		structure := bad == nil || bad.Value
		if structure && !isUpdate {
			t.Fatalf("accepted with %v: %q", err, b)
		}
		if isUpdate && !structure && !bytes.ContainsRune(b, '\\') && !strings.Contains(bad.Reason, "too deep") {
			t.Fatalf("refused with %v: %q", err, b)
		}
		if err != nil {
			if bad.Offset < 0 || bad.Offset > len(b) {
				t.Fatalf("offset %d of %d bytes", bad.Offset, len(b))
			}
			return
		}
		if string(u.Symbol) != want["s"] || !isDecimal(int64(u.Mark), unit, want["p"]) || !isDecimal(u.TimeMillis, 1, want["E"]) {
			t.Fatalf("read as %+v: %q", u, b)
		}
		if i, ok := want["i"]; ok && !isDecimal(int64(u.Index), unit, i) || !ok && u.Index != 0 {
			t.Fatalf("read as %+v: %q", u, b)
		}
	})
}

// isDecimal reports whether v / scale is the number in text.
func isDecimal(v, scale int64, text string) bool {
	want, ok := new(big.Rat).SetString(text)
	return ok && want.Cmp(big.NewRat(v, scale)) == 0
}

// plainUpdate reads an update by encoding/json, as the texts of its fields.
func plainUpdate(b []byte) (fields map[string]string, ok bool) {
	members, ok := plainObject(b)
	if !ok {
		return nil, false
	}
	bare, wrapped := map[string]string{}, map[string]string(nil)
	for _, m := range members {
		switch m.key {
		case "e", "E", "s", "p", "i":
			if !m.field(bare) {
				return nil, false
			}
		case "data":
			if m.value[0] != '{' {
				continue
			}
			if wrapped != nil || len(bare) > 0 {
				return nil, false
			}
			inner, ok := plainObject(m.value)
			if !ok {
				return nil, false
			}
			wrapped = map[string]string{}
			for _, m := range inner {
				if fieldOf([]byte(m.key)) != fieldNone && !m.field(wrapped) {
					return nil, false
				}
			}
		}
	}
	if wrapped != nil {
		if len(bare) > 0 {
			return nil, false
		}
		bare = wrapped
	}
	for _, key := range []string{"E", "s", "p"} {
		if _, ok := bare[key]; !ok {
			return nil, false
		}
	}
	return bare, bare["e"] == "markPriceUpdate"
}

// plainMember is one member of an object, in its order.
type plainMember struct {
	key   string
	value json.RawMessage
}

// field adds the text of a field to fields, and reports whether it is the first
// and of the right kind.
func (m plainMember) field(fields map[string]string) bool {
	if _, twice := fields[m.key]; twice {
		return false
	}
	if m.key == "E" {
		fields[m.key] = string(m.value)
		return !strings.ContainsAny(string(m.value), `.eE"{[tfn`)
	}
	var text string
	if m.value[0] != '"' || json.Unmarshal(m.value, &text) != nil {
		return false
	}
	fields[m.key] = string(m.value[1 : len(m.value)-1]) // not text: that has invalid UTF-8 replaced
	return true
}

func plainObject(b []byte) (members []plainMember, ok bool) {
	if !json.Valid(b) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		members = append(members, plainMember{key.(string), value})
	}
	_, err := d.Token()
	return members, err == nil || err == io.EOF
}
