package ring_test

import (
	"fmt"
	"log"
	"sync"

	"github.com/backstop-fund/backstop/ring"
)

type fill struct {
	ID  int64
	Qty int64
}

// A journal and a core read the same fills, each on its goroutine; a publisher
// sees them after both. Nothing published is lost in the close.
func Example() {
	r, err := ring.New[fill](ring.Config{Size: 1024, Producers: ring.SingleProducer, Wait: ring.Park})
	if err != nil {
		log.Fatal(err)
	}
	var written, position int64
	journal, err := r.NewProcessor(ring.HandlerFunc[fill](func(f *fill, _ ring.Sequence, _ bool) {
		written++
	}))
	if err != nil {
		log.Fatal(err)
	}
	core, err := r.NewProcessor(ring.HandlerFunc[fill](func(f *fill, _ ring.Sequence, _ bool) {
		position += f.Qty
	}))
	if err != nil {
		log.Fatal(err)
	}
	publisher, err := r.NewProcessor(ring.HandlerFunc[fill](func(f *fill, seq ring.Sequence, _ bool) {
		if seq == 99 {
			fmt.Println("fill", f.ID, "is written and applied")
		}
	}), journal, core)
	if err != nil {
		log.Fatal(err)
	}

	var running sync.WaitGroup
	for _, p := range []*ring.Processor[fill]{journal, core, publisher} {
		running.Go(func() {
			if err := p.Run(); err != nil {
				log.Print(err)
			}
		})
	}
	producer := r.Producer()
	for id := range int64(100) {
		seq, err := producer.Claim(1)
		if err != nil {
			log.Fatal(err)
		}
		*producer.At(seq) = fill{ID: id, Qty: 2}
		producer.Publish(seq, 1)
	}
	r.Close()
	running.Wait()
	fmt.Println(written, "written, position", position)
	// Output:
	// fill 99 is written and applied
	// 100 written, position 200
}

// One goroutine feeds and drains: it must never wait for itself.
func ExampleProducer_TryClaim() {
	r, err := ring.New[fill](ring.Config{Size: 2})
	if err != nil {
		log.Fatal(err)
	}
	reader, err := r.NewProcessor(ring.HandlerFunc[fill](func(f *fill, seq ring.Sequence, endOfBatch bool) {
		fmt.Println(seq, f.ID, endOfBatch)
	}))
	if err != nil {
		log.Fatal(err)
	}
	producer := r.Producer()
	for id := int64(1); id <= 3; {
		seq, err := producer.TryClaim(1)
		if err == ring.ErrFull {
			if _, err := reader.Poll(); err != nil {
				log.Fatal(err)
			}
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		producer.At(seq).ID = id
		producer.Publish(seq, 1)
		id++
	}
	r.Close()
	_, err = reader.Poll()
	fmt.Println(err)
	// Output:
	// 0 1 false
	// 1 2 true
	// 2 3 true
	// ring: closed
}

// A loop of one's own takes a whole batch without a call for each record. The
// abandoned sequence is no record to it.
func ExampleProcessor_Next() {
	r, err := ring.New[fill](ring.Config{Size: 8, Producers: ring.MultiProducer, Wait: ring.Spin})
	if err != nil {
		log.Fatal(err)
	}
	reader, err := r.NewProcessor(nil)
	if err != nil {
		log.Fatal(err)
	}
	producer := r.Producer()
	lo, err := producer.Claim(4)
	if err != nil {
		log.Fatal(err)
	}
	for i := range ring.Sequence(4) {
		producer.At(lo + i).Qty = 10
	}
	producer.Abandon(lo, 1)
	producer.Publish(lo+1, 3)
	r.Close()

	for {
		lo, hi, err := reader.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		total := int64(0)
		for seq := lo; seq < hi; seq++ {
			total += reader.At(seq).Qty
		}
		reader.Release(hi)
		fmt.Println(lo, hi, total)
	}
	// Output:
	// 1 4 30
	// ring: closed
}
