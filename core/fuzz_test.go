package core

import (
	"bytes"
	"errors"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/snapshot"
)

// FuzzDecodeEffects feeds any bytes as the section of unacknowledged effects of a
// snapshot whose checksums are right. What is accepted is in order, and written
// again gives the same bytes; all else is a mismatch.
func FuzzDecodeEffects(f *testing.F) {
	var section []byte
	for i := range uint32(3) {
		x := event.Effect{Seq: 7, Index: i, Kind: event.EffectLiquidate, Order: event.OrderID(i + 1)}
		section, _ = x.AppendBinary(section)
	}
	f.Add([]byte{}, uint64(7))
	f.Add(section, uint64(7))
	f.Add(section, uint64(6))                        // of an event to come
	f.Add(section[:len(section)-1], uint64(7))       // cut
	f.Add(bytes.Repeat(section, 2), uint64(7))       // not in order
	f.Add(make([]byte, event.EffectSize), uint64(7)) // of no kind, of no event
	f.Fuzz(func(t *testing.T, raw []byte, last uint64) {
		effects, err := decodeEffects(sectionOf(t, raw), last)
		if err != nil {
			if !errors.Is(err, snapshot.ErrMismatch) {
				t.Fatalf("%v is no mismatch", err)
			}
			return
		}
		var again []byte
		for i := range effects {
			if x := &effects[i]; x.Seq > last || i > 0 && !positionOf(x).after(positionOf(&effects[i-1])) {
				t.Fatalf("effect (%d, %d) accepted out of order", x.Seq, x.Index)
			}
			again, _ = effects[i].AppendBinary(again)
		}
		if !bytes.Equal(again, raw) {
			t.Fatalf("%d effects make other bytes than they were read from", len(effects))
		}
	})
}

// sectionOf is a section with these bytes in an otherwise empty snapshot.
func sectionOf(t *testing.T, raw []byte) *snapshot.Section {
	var file bytes.Buffer
	enc, err := snapshot.NewEncoder(&file, snapshot.Header{}, snapshot.None)
	if err != nil {
		t.Fatal(err)
	}
	enc.Section(effectsSection)
	enc.Raw(raw)
	if err := enc.Finish([snapshot.DigestSize]byte{}); err != nil {
		t.Fatal(err)
	}
	d, err := snapshot.NewDecoder(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return d.Section(effectsSection)
}
