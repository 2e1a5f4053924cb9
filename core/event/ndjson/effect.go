package ndjson

import (
	"strconv"

	"github.com/backstop-fund/backstop/core/event"
)

// AppendEffect appends the line of x, without line end, to dst: the keys of its
// kind in the order of EVENTS.md.
func AppendEffect(dst []byte, names *Names, x *event.Effect) []byte {
	dst = strconv.AppendUint(append(dst, `{"seq":`...), x.Seq, 10)
	l := &line{dst, names}
	l.uint("i", uint64(x.Index))
	l.word("fx", x.Kind.String())
	switch x.Kind {
	case event.EffectRejected:
		l.word("code", event.Reject(x.Reason).String())
		l.rejected(x)
	case event.EffectCancelOrders:
		l.account("account", x.Account)
		l.symbolIf(x)
	case event.EffectRecovered:
		l.account("account", x.Account)
	case event.EffectLiquidate:
		l.uint("order", uint64(x.Order))
		l.account("account", x.Account)
		l.symbol("symbol", x.Symbol)
		l.word("position_side", x.Side.String())
		l.qty("qty", x.Qty)
		l.price("limit", x.Price)
	case event.EffectBankrupt:
		l.account("account", x.Account)
		l.wide("equity", x.Equity)
		l.word("reason", event.BankruptReason(x.Reason).String())
	case event.EffectNetted:
		l.account("account", x.Account)
		l.symbol("symbol", x.Symbol)
		l.qty("qty", x.Qty)
		l.price("price", x.Price)
	case event.EffectDeleverage:
		l.deleverage(x)
	case event.EffectReceipt:
		l.receipt(x)
	case event.EffectTakeover:
		l.takeover(x)
	case event.EffectFee, event.EffectCover, event.EffectSurplus:
		l.account("account", x.Account)
		l.fund("fund", x.Fund)
		l.symbol("symbol", x.Symbol)
		l.amount("amount", x.Amount)
	case event.EffectOffload:
		l.uint("order", uint64(x.Order))
		l.fund("fund", x.Fund)
		l.symbol("symbol", x.Symbol)
		l.qty("qty", x.Qty)
		l.price("limit", x.Price)
	case event.EffectLedger:
		l.fund("fund", x.Fund)
		l.symbolIf(x)
		l.word("type", event.LedgerType(x.Reason).String())
		l.amount("amount", x.Amount)
		l.amount("cash", x.Balance)
	case event.EffectFund:
		l.fund("fund", x.Fund)
		l.amount("cash", x.Balance)
		l.wide("equity", x.Equity)
		l.wide("net_notional", x.Notional)
		l.wide("cap_notional", x.Room)
		l.word("mode", fundMode(x.Flags&event.EffectADLOnly != 0))
	case event.EffectAlarm:
		l.word("code", event.Alarm(x.Reason).String())
		if x.Flags&event.HasAccount != 0 {
			l.account("account", x.Account)
		}
		l.symbolIf(x)
		if x.Flags&event.HasFund != 0 {
			l.fund("fund", x.Fund)
		}
		l.alarm(x)
	}
	return append(l.b, '}')
}

func (l *line) symbolIf(x *event.Effect) {
	if x.Flags&event.HasSymbol != 0 {
		l.symbol("symbol", x.Symbol)
	}
}

func (l *line) deleverage(x *event.Effect) {
	l.account("account", x.Account)
	l.account("counterparty", x.Counterparty)
	l.symbol("symbol", x.Symbol)
	l.word("position_side", x.Side.String())
	l.word("counterparty_side", x.CounterSide.String())
	l.qty("qty", x.Qty)
	l.price("price", x.Price)
	l.amount("quote", x.Quote)
	l.uint("rank", uint64(x.Rank))
	l.wideIf("score", x.Score, x.Flags&event.HasScore != 0)
	l.amount("wallet", x.Balance)
	l.wide("equity", x.Equity)
	l.wide("maintenance_margin", x.MM)
	l.wide("account_pnl", x.AccountPnL)
	l.wide("unrealized_pnl", x.PnL)
	l.wide("notional", x.Notional)
	l.price("entry", x.Entry)
	l.amount("cost", x.Cost)
	l.wide("position_mm", x.PositionMM)
	l.amount("realized", x.Amount)
}

func (l *line) receipt(x *event.Effect) {
	l.account("account", x.Account)
	l.symbol("symbol", x.Symbol)
	l.qty("needed", x.Qty)
	l.qty("taken", x.Taken)
	l.price("price", x.Price)
	l.price("mark", x.Mark)
	l.word("policy", event.Policy(x.Reason).String())
	l.uint("candidates", uint64(x.Candidates))
	l.wideIf("cutoff", x.Score, x.Flags&event.HasScore != 0)
	l.uint("ranked_at", x.RankedAt)
	l.wide("base", x.Base)
	l.wide("room", x.Room)
}

func (l *line) takeover(x *event.Effect) {
	l.account("account", x.Account)
	l.fund("fund", x.Fund)
	l.symbol("symbol", x.Symbol)
	l.word("position_side", x.Side.String())
	l.qty("qty", x.Qty)
	l.price("price", x.Price)
	l.amount("quote", x.Quote)
	l.wide("mark_loss", x.PnL.Neg())
}

func fundMode(adlOnly bool) string {
	if adlOnly {
		return "adl_only"
	}
	return "normal"
}
