package machine

import (
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// Text cannot say what no encoder writes; a library user's records can. They are
// refused by code, take a sequence, and change nothing else.
func TestMalformedRecordsAreRefused(t *testing.T) {
	m, err := New(Limits{Accounts: 1, Positions: 1, Symbols: 1, Funds: 1, Orders: 1, Sources: 1})
	if err != nil {
		t.Fatal(err)
	}
	fx := event.NewEffects(1, nil)
	two := event.Halt(1)
	for name, e := range map[string]event.Event{
		"no kind":          {{}},
		"unknown kind":     {{255}},
		"no records":       {},
		"one too many":     {two, two},
		"unknown code":     {{uint64(event.KindMode) | 99<<8}},
		"a stranger's bit": {{uint64(event.KindHalt) | uint64(event.FlagCap)<<16}},
	} {
		fx.Reset()
		seq, code := m.Apply(e, fx)
		all := fx.All()
		if code != event.Malformed || len(all) != 1 || all[0].Kind != event.EffectRejected ||
			event.Reject(all[0].Reason) != event.Malformed || all[0].Seq != seq || seq != m.Sequence() {
			t.Errorf("%s: code %v, effects %v", name, code, all)
		}
	}
	if s := m.Stats(); s.Rejected[event.Malformed] != 6 || s.Events != 6 {
		t.Errorf("counted %d of %d events as malformed, want all 6", s.Rejected[event.Malformed], s.Events)
	}
}
