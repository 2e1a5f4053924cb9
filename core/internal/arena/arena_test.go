package arena_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/internal/arena"
)

func Example() {
	s := arena.Empty[uint32](3)
	s = append(s, 7)
	fmt.Println(len(s), cap(s), len(arena.Of(s)))
	// Output: 1 3 12
}
