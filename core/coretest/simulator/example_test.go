package simulator_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
	"github.com/backstop-fund/backstop/core/coretest/simulator"
	"github.com/backstop-fund/backstop/core/journal"
)

// What is committed survives a loss of power; what is only written may not.
func ExampleDisk() {
	disk := simulator.Disk{Disk: new(simdisk.Disk)}
	open := func() (*journal.Writer, error) {
		folder, err := journal.Open("data", journal.Options{FS: disk, SegmentSize: 4096})
		if err != nil {
			return nil, err
		}
		r, err := folder.Read(0)
		if err != nil {
			return nil, err
		}
		for err == nil {
			_, err = r.Next()
		}
		return folder.Write(r)
	}
	w, err := open()
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(w.Append(8), "the 1st.")
	w.Commit()
	copy(w.Append(8), "the 2nd.")
	w.Write()
	disk.Disk = disk.Restart(rand.New(rand.NewPCG(2, 2)))
	w, err = open()
	fmt.Println(w.Durable(), err)
	// Output: 1 <nil>
}
