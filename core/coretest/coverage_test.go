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
		switch x := &effects[i]; x.Kind {
		case event.EffectRejected:
			c[fmt.Sprint("rejected ", event.Reject(x.Reason))]++
		case event.EffectAlarm:
			c[fmt.Sprint("alarm ", event.Alarm(x.Reason))]++
		case event.EffectBankrupt:
			c[fmt.Sprint("bankrupt ", event.BankruptReason(x.Reason))]++
		case event.EffectReceipt:
			c[fmt.Sprint("receipt ", event.Policy(x.Reason))]++
		case event.EffectLedger:
			c[fmt.Sprint("ledger ", event.LedgerType(x.Reason))]++
		default:
			c[x.Kind.String()]++
		}
	}
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
