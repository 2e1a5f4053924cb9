package house_test

import (
	"fmt"
	"testing/fstest"

	"github.com/backstop-fund/backstop/cmd/internal/house"
)

// The ground stones know nothing of finance.
func ExampleTree_Imports() {
	tree, err := house.Load(fstest.MapFS{
		"ring/ring.go": {Data: []byte(`package ring

import "github.com/backstop-fund/backstop/core/event"
`)},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range tree.Imports() {
		fmt.Println(f)
	}
	// Output: ring/ring.go:3: imports core/event upward, from floor 0 to floor 1
}
