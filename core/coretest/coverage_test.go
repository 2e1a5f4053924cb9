package coretest

import (
	"fmt"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// coverage counts what streams have reached.
type coverage map[string]int

func (c coverage) add(effects []event.Effect) {
	for i := range effects {
		c[what(&effects[i])]++
	}
}

// what is what an effect counts as.
func what(x *event.Effect) string {
	switch x.Kind {
	case event.EffectRejected:
		return fmt.Sprint("rejected ", event.Reject(x.Reason))
	case event.EffectAlarm:
		return fmt.Sprint("alarm ", event.Alarm(x.Reason))
	case event.EffectBankrupt:
		return fmt.Sprint("bankrupt ", event.BankruptReason(x.Reason))
	case event.EffectReceipt:
		return fmt.Sprint("receipt ", event.Policy(x.Reason))
	case event.EffectLedger:
		return fmt.Sprint("ledger ", event.LedgerType(x.Reason))
	}
	return x.Kind.String()
}

// everything is what streams have to reach. Two codes they cannot: capacity, which
// the oracle does not have (see TestCapacities of package machine), and malformed,
// which text cannot express.
func everything() []string {
	var all []string
	for k := event.EffectCancelOrders; k < event.EffectAlarm; k++ {
		switch k {
		case event.EffectBankrupt, event.EffectReceipt, event.EffectLedger:
		default:
			all = append(all, k.String())
		}
	}
	for r := event.UnknownFund; int(r) < event.RejectCodes; r++ {
		if r != event.Capacity && r != event.Malformed {
			all = append(all, fmt.Sprint("rejected ", r))
		}
	}
	for a := event.AlarmCapExceeded; a < event.AlarmCapacity; a++ {
		all = append(all, fmt.Sprint("alarm ", a))
	}
	for b := event.ByEquity; b <= event.Deficit; b++ {
		all = append(all, fmt.Sprint("bankrupt ", b))
	}
	for p := event.PolicyQueue; p <= event.PolicyMinMax; p++ {
		all = append(all, fmt.Sprint("receipt ", p))
	}
	for l := event.LedgerDeposit; l <= event.LedgerAdjustment; l++ {
		all = append(all, fmt.Sprint("ledger ", l))
	}
	return all
}

func (c coverage) check(t *testing.T) {
	t.Helper()
	for _, what := range everything() {
		if c[what] == 0 {
			t.Errorf("the streams never reach %q", what)
		}
		t.Logf("%9d %s", c[what], what)
	}
}
