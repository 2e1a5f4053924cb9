package journal_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/backstop-fund/backstop/core/journal"
)

// Two events are written as one group. The process dies; the next one finds both.
func Example() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	// open reads what there is, and goes on behind it.
	open := func() (*journal.Writer, *journal.Folder) {
		folder, err := journal.Open(dir, journal.Options{SegmentSize: 1 << 20})
		if err != nil {
			log.Fatal(err)
		}
		r, err := folder.Read(0)
		if err != nil {
			log.Fatal(err)
		}
		for {
			frame, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%v: %d events from sequence %d: %s\n", frame.Kind, frame.Count, frame.First, frame.Payload)
		}
		w, err := folder.Write(r)
		if err != nil {
			log.Fatal(err)
		}
		return w, folder
	}

	w, folder := open()
	copy(w.Append(5), "open ")
	copy(w.Append(5), "close")
	if err := w.Commit(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("durable:", w.Durable())
	folder.Close() // as the end of a process does

	w, folder = open()
	w.Close()
	folder.Close()
	// Output:
	// durable: 2
	// Group: 2 events from sequence 1: open close
}
