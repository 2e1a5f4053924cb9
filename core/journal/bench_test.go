package journal_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core/journal"
)

// BenchmarkJournalWrite commits groups of records of 64 bytes to a segment that was
// written before, as an engine does: one write and one fdatasync each.
func BenchmarkJournalWrite(b *testing.B) {
	const record = 64
	for _, group := range []int{1, 64, 512, 4096} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			w, folder := begin(b, b.TempDir(), journal.Options{SegmentSize: 256 << 20})
			defer folder.Close()
			b.SetBytes(int64(group * record))
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				for range group {
					p := w.Append(record)
					p[0], p[record-1] = 1, 2
				}
				if err := w.Commit(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "records/s")
			if w.Durable() != uint64(b.N*group) {
				b.Fatalf("%d records are durable, want %d", w.Durable(), b.N*group)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkJournalFrame is what the journal itself costs beside the disk: the bytes are
// written to nowhere.
func BenchmarkJournalFrame(b *testing.B) {
	for _, group := range []int{1, 64, 512, 4096} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			w, folder := begin(b, b.TempDir(), journal.Options{FS: nowhere{journal.OS()}, SegmentSize: 1 << 40, GroupSize: 1 << 20})
			defer folder.Close()
			for b.Loop() {
				for range group {
					p := w.Append(64)
					p[0], p[63] = 1, 2
				}
				if err := w.Commit(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*group), "ns/record")
		})
	}
}

// nowhere is a file system whose files in place forget what is written.
type nowhere struct{ journal.FS }

func (n nowhere) Edit(name string) (journal.File, error) {
	f, err := n.FS.Edit(name)
	return deaf{f}, err
}

type deaf struct{ journal.File }

func (deaf) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

func (deaf) Sync() error { return nil }

// begin opens a journal and goes on at its end.
func begin(t testing.TB, dir string, o journal.Options) (*journal.Writer, *journal.Folder) {
	folder, err := journal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := folder.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := folder.Write(r)
	if err != nil {
		t.Fatal(err)
	}
	return w, folder
}
