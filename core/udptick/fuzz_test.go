package udptick

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// Whatever comes, a packet that is accepted is exactly its datagram, a tick that
// is accepted is one that can be sent, and the counters add up.
func FuzzPacket(f *testing.F) {
	f.Add(packet(1, at(1), at(2)), packet(2, at(2), at(3)))
	f.Add(packet(10, at(1)), packet(5, at(2)))
	f.Add(AppendHeartbeat(nil, session, 1<<64-1), AppendEndOfSession(nil, session, 0))
	f.Add(rawPacket(1, 2, "one", "two!"), rawPacket(1<<64-2, 1, string(wireTick(0, 1, 1, 1, 0))))
	f.Add([]byte(nil), []byte("garbage, but longer than a header"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		sink := &recorder{room: 3}
		feed := newFeed(t, Config{Symbols: 2}, sink)
		for _, b := range [][]byte{a, b} {
			feed.Receive(LineA, local, b, noon)
			checkSums(t, feed)
			p, err := ParsePacket(b)
			if err != nil {
				if bad := err.(*ParseError); bad.Offset < 0 || bad.Offset > len(b) || bad.Value {
					t.Fatalf("%+v of %d bytes", bad, len(b))
				}
				continue
			}
			if again := reframe(p); !bytes.Equal(again, b) {
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
		newest := map[event.SymbolID]int64{}
		for _, r := range sink.records {
			if r.Kind() != event.KindTick {
				continue
			}
			if r.Mark() <= 0 || r.MarkTime() <= newest[r.Symbol()] || r.MarkTime() > noon+second {
				t.Fatalf("mark %v of %d after that of %d", r.Mark(), r.MarkTime(), newest[r.Symbol()])
			}
			newest[r.Symbol()] = r.MarkTime()
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
