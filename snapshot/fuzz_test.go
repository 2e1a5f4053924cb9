package snapshot

import (
	"bytes"
	"testing"
)

// Whatever the bytes, the decoder neither panics nor takes them for good unless
// an encoder could have written them: what it accepts is encoded again, to the
// same sections and, without a codec, to the same bytes. With sealed, the
// checksums are made right first, so that the rules behind them are reached.
func FuzzDecoder(f *testing.F) {
	long := encode(f, Header{Capacities: []uint64{1}}, S2, part{1, make([]byte, 2*ChunkSize+1)}, part{2, []byte("x")})
	for _, seed := range [][]byte{small(f, None), small(f, S2), encode(f, Header{}, None), long, nil} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, file []byte, sealed bool) {
		if sealed {
			file = bytes.Clone(file)
			reseal(file)
		}
		d, err := decode(file)
		if err != nil {
			return
		}
		plain := true
		var parts []part
		for _, c := range d.Layout().Chunks {
			plain = plain && c.Codec == None
			if c.Index == 0 {
				s := d.Section(c.Section)
				p := part{c.Section, make([]byte, s.Left())}
				s.Raw(p.raw)
				if err := s.Done(); err != nil {
					t.Fatalf("verified, but section %d does not read: %v", c.Section, err)
				}
				parts = append(parts, p)
			}
		}
		if err := d.Done(); err != nil {
			t.Fatal(err)
		}
		checkAgain(t, d, file, parts, plain)
	})
}

func checkAgain(t *testing.T, d *Decoder, file []byte, parts []part, plain bool) {
	var again bytes.Buffer
	e, err := NewEncoder(&again, d.Header(), None)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		e.Section(p.id)
		e.Raw(p.raw)
	}
	if err := e.Finish(d.Digest()); err != nil {
		t.Fatal(err)
	}
	if plain && !bytes.Equal(again.Bytes(), file) {
		t.Fatal("accepted bytes that no encoder writes")
	}
	if !plain && !accepts(t, again.Bytes()) {
		t.Fatal("refused what the encoder wrote")
	}
}
