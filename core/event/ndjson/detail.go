package ndjson

import "github.com/backstop-fund/backstop/core/event"

// A detail says in a sentence which thing a refusal or an alarm is about, and
// what would be right. It is made from the code and its evidence alone, so that
// a replay years later says the same.

// rejected writes the detail of a refusal.
func (l *line) rejected(x *event.Effect) {
	l.member("detail")
	l.b = append(l.b, '"')
	l.refusal(event.Reject(x.Reason), x)
	l.b = append(l.b, '"')
}

// refusal writes why the machine refused what x is about.
func (l *line) refusal(code event.Reject, x *event.Effect) {
	switch code {
	case event.UnknownFund:
		l.unknown("fund", x.Flags&event.HasFund != 0, uint64(x.Fund))
	case event.UnknownSymbol:
		l.unknown("symbol", x.Flags&event.HasSymbol != 0, uint64(x.Symbol))
	case event.UnknownAccount:
		l.subject(x).say(" is not known: a first transfer or fill, or an account event, opens an account")
	case event.UnknownOrder:
		l.subject(x).say(" is not known: liquidate and offload effects say which orders there are")
	case event.Duplicate:
		l.say("sseq ").num(x.RankedAt).say(" is the highest accepted from this source: the next is above it")
	case event.Exists:
		l.subject(x).say(" exists already: its name, id and owner cannot be given again or changed")
	case event.NotFlat:
		l.subject(x).say(" is not flat: close its positions and empty its wallet first")
	case event.Margin:
		l.subject(x).say(" may withdraw at most ").money(int64(x.Amount)).say(" now")
	case event.Cap:
		l.subject(x).say(" would exceed its cap: it leaves a net notional of at most ").sum(x.Room)
	case event.Cash:
		l.subject(x).say(" has cash ").money(int64(x.Balance)).say(": at most that can be withdrawn")
	case event.NotDivisible:
		l.notDivisible(x)
	case event.BadTiers:
		l.tierFault(x)
	case event.Overfill:
		l.subject(x).say(" has ").money(int64(x.Qty)).say(" left to fill: at most that can fill")
	case event.LateTick:
		l.subject(x).say(" already has a tick of mt ").num(x.RankedAt).say(": a later one has a greater mt")
	case event.FutureTime:
		l.say("the tick of ").subject(x).say(" is more than 1 s ahead of t: mt is at most ").num(x.RankedAt)
	case event.Capacity:
		l.capacity(x)
	default:
		l.generic(code, x)
	}
}

// generic writes the refusals whose code says it all but whom they concern.
func (l *line) generic(code event.Reject, x *event.Effect) {
	l.subject(x)
	switch code {
	case event.Overflow:
		if x.RankedAt != 0 {
			l.say(": an ack of what is yet to come: its seq is below ").num(x.RankedAt)
			return
		}
		l.say(": the result does not fit: numbers lie between -92233720368.54775808 and 92233720368.54775807")
	case event.Zero:
		l.say(": a number is 0 or missing that must not be")
	case event.Sign:
		l.say(": a number has the wrong sign: deposits, prices, sizes and rates are positive, withdrawals negative")
	case event.WrongSymbol:
		l.say(": the symbol does not belong to the other things the event names")
	case event.WrongMode:
		l.say(": the mode does not allow it: an isolated account has one contract, and both does not mix with long and short")
	case event.Held:
		l.say(": someone holds it: it can change when nobody does")
	default:
		l.say(": the records are not an event: ").say(code.String())
	}
}

func (l *line) unknown(what string, there bool, id uint64) {
	switch {
	case !there:
		l.say("a ").say(what).say(" of the event is not known")
	case id == UnknownID:
		l.say("no ").say(what).say(" has the name in the event")
	default:
		l.say(what).say(" #").num(id).say(" is not known")
	}
	l.say(": a ").say(what).say(" event creates it")
}

// subject writes whom the effect is about.
func (l *line) subject(x *event.Effect) *line {
	start := len(l.b)
	next := func(what string) *line {
		if len(l.b) > start {
			l.say(", ")
		}
		return l.say(what)
	}
	if x.Flags&event.HasOrder != 0 {
		next("order ").num(uint64(x.Order))
	}
	if x.Flags&event.HasAccount != 0 {
		next("account ").num(uint64(x.Account))
	}
	if x.Flags&event.HasSymbol != 0 {
		next("symbol ").say(l.names.SymbolName(x.Symbol))
	}
	if x.Flags&event.HasFund != 0 {
		next("fund ").say(l.names.FundName(x.Fund))
	}
	if len(l.b) == start {
		l.say("the event")
	}
	return l
}

func (l *line) notDivisible(x *event.Effect) {
	what, old := "tick", int64(x.Price)
	if old == 0 {
		what, old = "lot", int64(x.Qty)
	}
	l.subject(x).say(": a new ").say(what).say(" divides the old one, which is ").money(old)
}

func (l *line) tierFault(x *event.Effect) {
	fault := event.TierFault(x.Candidates)
	if fault == event.NoTiers {
		l.subject(x).say(" has no tiers: at least one is needed")
		return
	}
	l.subject(x).say(": tier ").num(uint64(x.Rank)).say(": ")
	switch fault {
	case event.FirstFloor:
		l.say("the first floor is 0")
	case event.FloorGap:
		l.say("its floor is the cap before it, which is ").money(int64(x.Amount))
	case event.RateFalls:
		l.say("its mmr is not below the one before it")
	case event.RateRange:
		l.say("its mmr lies above 0 and below 1")
	case event.WrongCum:
		l.say("its cum is ").money(int64(x.Amount)).say(": then the margin does not jump at its floor")
	case event.CapBelowFloor:
		l.say("its cap is above its floor")
	default:
		l.say(fault.String())
	}
}

func (l *line) capacity(x *event.Effect) {
	l.subject(x).say(": all ").num(x.RankedAt).say(" ").say(event.Resource(x.Candidates).String()).
		say(" are in use: the limit is set at start")
}

// alarm writes the detail of an alarm.
func (l *line) alarm(x *event.Effect) {
	l.member("detail")
	l.b = append(l.b, '"')
	switch event.Alarm(x.Reason) {
	case event.AlarmCapExceeded:
		l.subject(x).say(": more than the cap was taken, because no counterparty could take the rest")
	case event.AlarmFundDeficit:
		l.subject(x).say(" has cash ").money(int64(x.Balance)).say(": it is adl_only until it is refilled")
	case event.AlarmBoundLifted:
		l.subject(x).say(" was closed at ").money(int64(x.Price)).
			say(", outside max_deviation, because the fund could not pay the difference")
	case event.AlarmOrderTimeout:
		l.subject(x).say(": no answer within order_timeout: an order_done ends the wait")
	case event.AlarmWorseThanLimit:
		l.subject(x).say(" filled at ").money(int64(x.Price)).say(", worse than its limit ").money(int64(x.Entry))
	case event.AlarmMarkHeld:
		l.markHeld(x)
	case event.AlarmOutOfSync:
		l.subject(x).say(" is out of sync until an account_state replaces it: ").outOfSync(event.Reject(x.Candidates))
	case event.AlarmDebt:
		l.subject(x).say(" owes ").money(int64(x.Amount)).say(" and never held a contract whose fund would cover it")
	case event.AlarmCapacity:
		l.capacity(x)
	default:
		l.subject(x)
	}
	l.b = append(l.b, '"')
}

// outOfSync writes what could not be represented: a refused fact, or with no
// code a position that no side has room for.
func (l *line) outOfSync(code event.Reject) {
	if code == event.Accepted {
		l.say("no side has room for its position")
		return
	}
	l.say("a fact about it was refused as ").say(code.String())
}

func (l *line) markHeld(x *event.Effect) {
	l.subject(x)
	if x.Rank == 0 {
		l.say(": mark ").money(int64(x.Mark)).say(" is further than max_jump from ").money(int64(x.Price)).
			say(" and is held until a second one confirms it or max_hold ends")
		return
	}
	l.say(": the hold ended unconfirmed and mark ").money(int64(x.Mark)).say(" replaces ").money(int64(x.Price))
}
