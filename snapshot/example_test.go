package snapshot_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/backstop-fund/backstop/snapshot"
)

// A state is committed at one sequence and restored from the newest file that
// verifies.
func Example() {
	dir, err := os.MkdirTemp("", "backstop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := snapshot.OpenStore(dir, 3, snapshot.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	const balances = 1 // a section
	state := []int64{100, -25}
	info, err := store.Commit(snapshot.Header{Rules: 1, Sequence: 42}, func(e *snapshot.Encoder) ([32]byte, error) {
		e.Section(balances)
		e.U32(uint32(len(state)))
		for _, b := range state {
			e.I64(b)
		}
		return sha256.Sum256(fmt.Append(nil, state)), nil
	})
	fmt.Println("committed", info.Sequence, err)

	var restored []int64
	info, skipped, err := store.Newest(func(d *snapshot.Decoder) error {
		s := d.Section(balances)
		restored = nil
		for n := s.U32(); n > 0 && s.Err() == nil; n-- {
			restored = append(restored, s.I64())
		}
		if err := s.Done(); err != nil {
			return err
		}
		if d.Digest() != sha256.Sum256(fmt.Append(nil, restored)) {
			return snapshot.ErrCorrupt
		}
		return d.Done()
	})
	fmt.Println("restored", info.Sequence, restored, skipped, err)
	// Output:
	// committed 42 <nil>
	// restored 42 [100 -25] [] <nil>
}

// What an inspection prints: the header and where each section is stored.
func ExampleInspect() {
	var file bytes.Buffer
	e, err := snapshot.NewEncoder(&file, snapshot.Header{Sequence: 42}, snapshot.None)
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Section(7)
	e.Bytes([]byte("a fund"))
	if err := e.Finish([32]byte{0xfe, 0xed}); err != nil {
		fmt.Println(err)
		return
	}

	l, err := snapshot.Inspect(bytes.NewReader(file.Bytes()), int64(file.Len()))
	fmt.Println("sequence", l.Header.Sequence, "in", l.Size, "bytes", err)
	for _, c := range l.Chunks {
		fmt.Printf("section %d chunk %d at %d: %d bytes, codec %v\n", c.Section, c.Index, c.Offset, c.Raw, c.Codec)
	}
	fmt.Printf("digest %x...\n", l.Digest[:2])
	// Output:
	// sequence 42 in 206 bytes <nil>
	// section 7 chunk 0 at 44: 10 bytes, codec none
	// digest feed...
}
