package snapshot

import (
	"bytes"
	"io"
	"testing"
)

// benchAccounts is a state of 64-byte accounts, 32 MiB: balances and positions
// with the empty high bytes and repeated fields that real ones have.
const benchAccounts = 32 << 20 / 64

func encodeAccounts(e *Encoder) {
	e.Section(1)
	for i := range uint64(benchAccounts) {
		e.U32(uint32(i))
		e.U32(uint32(i % 3))
		e.I64(int64(i*2654435761%1_000_000) * 1_000)
		e.I64(-int64(i % 977))
		for s := range uint64(5) {
			e.U64((i + s) % 50 * 100_000_000)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, codec := range []Codec{None, S2} {
		b.Run("codec="+codec.String(), func(b *testing.B) {
			b.SetBytes(64 * benchAccounts)
			var stored int64
			for b.Loop() {
				e, err := NewEncoder(io.Discard, Header{}, codec)
				if err != nil {
					b.Fatal(err)
				}
				encodeAccounts(e)
				if err := e.Finish([DigestSize]byte{}); err != nil {
					b.Fatal(err)
				}
				stored = e.off
			}
			b.ReportMetric(float64(stored)/(64*benchAccounts), "stored/raw")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, codec := range []Codec{None, S2} {
		b.Run("codec="+codec.String(), func(b *testing.B) {
			var file bytes.Buffer
			e, err := NewEncoder(&file, Header{}, codec)
			if err != nil {
				b.Fatal(err)
			}
			encodeAccounts(e)
			if err := e.Finish([DigestSize]byte{}); err != nil {
				b.Fatal(err)
			}
			r := bytes.NewReader(file.Bytes())
			b.Run("verify", func(b *testing.B) {
				b.SetBytes(64 * benchAccounts)
				for b.Loop() {
					if _, err := NewDecoder(r, r.Size()); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("read", func(b *testing.B) {
				d, err := NewDecoder(r, r.Size())
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(64 * benchAccounts)
				for b.Loop() {
					readAccounts(b, d)
				}
			})
		})
	}
}

func readAccounts(b *testing.B, d *Decoder) {
	s := d.Section(1)
	var sum uint64
	for range benchAccounts {
		sum += uint64(s.U32()) + uint64(s.U32())
		sum += uint64(s.I64()) + uint64(s.I64())
		for range 5 {
			sum += s.U64()
		}
	}
	if err := s.Done(); err != nil || sum == 0 {
		b.Fatal("workload drifted: ", sum, err)
	}
}

// BenchmarkCommit is the whole of it on the disk of the temporary folder: write,
// sync, read back, rename, sync the folder, retire.
func BenchmarkCommit(b *testing.B) {
	for _, codec := range []Codec{None, S2} {
		b.Run("codec="+codec.String(), func(b *testing.B) {
			s, err := OpenStore(b.TempDir(), 1, Options{Codec: codec})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.SetBytes(64 * benchAccounts)
			var sequence uint64
			for b.Loop() {
				sequence++
				_, err := s.Commit(Header{Sequence: sequence}, func(e *Encoder) ([DigestSize]byte, error) {
					encodeAccounts(e)
					return sevens, nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
