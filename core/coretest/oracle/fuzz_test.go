package oracle

import (
	"bytes"
	"testing"
)

// FuzzApply feeds lines nobody meant: each is an error or an event, and the
// invariants hold after all of them.
func FuzzApply(f *testing.F) {
	f.Add([]byte(world + `{"e":"fill","account":1,"symbol":"X","qty":"1","price":"100"}`))
	f.Add([]byte(world + `{"e":"account_state","account":1,"wallet":1e1,"positions":[{"symbol":"X","qty":"-1","cost":"-5"}]}`))
	f.Add([]byte(world + `{"e":"tick","symbol":"X","mark":"1e99"}`))
	s := newStream(3)
	all := s.setup()
	for range 40 {
		all = append(all, s.next())
	}
	var joined []byte
	for _, line := range all {
		joined = append(append(joined, line...), '\n')
	}
	f.Add(joined)
	f.Fuzz(func(t *testing.T, input []byte) {
		e := New()
		for i, line := range bytes.Split(input, []byte("\n")) {
			effects, err := e.Apply(line)
			if err != nil && effects != nil {
				t.Fatalf("line %d: both effects and an error: %v", i+1, err)
			}
			if err := e.Check(); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
		}
		e.State()
	})
}
