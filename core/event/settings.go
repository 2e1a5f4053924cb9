package event

import "github.com/backstop-fund/backstop/fixedpoint"

// MaxTiers bounds the tiers of one contract. Published tables have a dozen.
const MaxTiers = 64

// Tier is one row of a maintenance-margin table.
type Tier struct {
	Floor       fixedpoint.Amount // notional above which it holds
	Cap         fixedpoint.Amount // notional up to and with which it holds; 0 in the last tier: open
	MMR         fixedpoint.Rate   // maintenance margin rate
	Cum         fixedpoint.Amount // maintenance amount that makes the margin continuous
	MaxLeverage fixedpoint.Rate   // 0 where none is named
}

// SymbolFields says which settings a symbol event gives.
type SymbolFields uint32

// The settings of a symbol event, in the order of EVENTS.md.
const (
	SetFund SymbolFields = 1 << iota
	SetTick
	SetLot
	SetLiqFee
	SetLiquidation
	SetLiqAttempts
	SetOrderTimeout
	SetTryMarket
	SetTakeover
	SetCapShare
	SetMaxDeviation
	SetMaxAge
	SetMaxJump
	SetMaxHold
	SetTiers
	SetPolicy
	SetScore
	SetMaxCounterparties
	SetOffload // off, or back on
	SetInterval
	SetFraction
	SetFullSize
	SetMaxDepthFraction
	SetSlippage
)

// Policy says how a need is spread over counterparties.
type Policy uint8

// The counterparty-liquidation policies of RULES section 6.
const (
	PolicyQueue Policy = iota
	PolicyProRata
	PolicyDrain
	PolicyMinMax
)

var policyNames = [...]string{"queue", "pro_rata", "drain", "min_max"}

// String returns the policy's name in EVENTS.md.
func (p Policy) String() string { return nameOf(policyNames[:], uint8(p)) }

// Score says what a queue ranks by.
type Score uint8

// The scores of RULES section 6.
const (
	ScoreBinance Score = iota
	ScoreBitMEX
	ScoreHyperliquid
)

var scoreNames = [...]string{"binance", "bitmex", "hyperliquid"}

// String returns the score's name in EVENTS.md.
func (s Score) String() string { return nameOf(scoreNames[:], uint8(s)) }

// SymbolSettings creates or updates a contract. Fields not in Set keep their
// value, or take the default of EVENTS.md when the contract is new.
type SymbolSettings struct {
	ID   SymbolID
	Name Name
	Set  SymbolFields

	Fund         FundID
	Tick         fixedpoint.Price
	Lot          fixedpoint.Qty
	LiqFee       fixedpoint.Rate
	Full         bool // liquidation: full
	LiqAttempts  uint32
	OrderTimeout int64 // nanoseconds
	TryMarket    bool
	Whole        bool // takeover: whole
	CapShare     fixedpoint.Rate
	MaxDeviation fixedpoint.Rate
	MaxAge       int64 // nanoseconds
	MaxJump      fixedpoint.Rate
	MaxHold      int64 // nanoseconds

	Policy            Policy
	Score             Score
	MaxCounterparties uint32

	OffloadOff       bool
	Interval         int64 // nanoseconds
	Fraction         fixedpoint.Rate
	FullSize         fixedpoint.Qty
	MaxDepthFraction fixedpoint.Rate
	Slippage         fixedpoint.Rate

	Tiers []Tier
}

// The body of a symbol event: 32 words of settings, then 5 words a tier.
const (
	settingsWords = 32
	tierWords     = 5
)

// AppendSymbol appends a symbol event. It panics on more than MaxTiers tiers:
// the edges refuse those first.
func AppendSymbol(dst []Record, s *SymbolSettings) Event {
	if len(s.Tiers) > MaxTiers {
		panic("event: more than MaxTiers tiers")
	}
	words := settingsWords + tierWords*len(s.Tiers)
	h := Record{head(KindSymbol, 0), 3: uint64(s.ID)}
	h.setMore((words + 7) / 8)
	start := len(dst) + 1
	dst = append(dst, h)
	for range h.More() {
		dst = append(dst, Record{})
	}
	w := cursor{body: dst[start:]}
	var name [4]uint64
	s.Name.put(name[:])
	for _, v := range name {
		w.put(v)
	}
	w.put(uint64(s.Set) | uint64(len(s.Tiers))<<32)
	w.put(uint64(s.Fund))
	w.put(uint64(s.Tick))
	w.put(uint64(s.Lot))
	w.put(uint64(s.LiqFee))
	w.put(bit(s.Full, 0) | bit(s.TryMarket, 1) | bit(s.Whole, 2) | bit(s.OffloadOff, 3) |
		uint64(s.Policy)<<8 | uint64(s.Score)<<16)
	w.put(uint64(s.LiqAttempts) | uint64(s.MaxCounterparties)<<32)
	w.put(uint64(s.OrderTimeout))
	w.put(uint64(s.CapShare))
	w.put(uint64(s.MaxDeviation))
	w.put(uint64(s.MaxAge))
	w.put(uint64(s.MaxJump))
	w.put(uint64(s.MaxHold))
	w.put(uint64(s.Interval))
	w.put(uint64(s.Fraction))
	w.put(uint64(s.FullSize))
	w.put(uint64(s.MaxDepthFraction))
	w.put(uint64(s.Slippage))
	w.n = settingsWords
	for _, t := range s.Tiers {
		w.put(uint64(t.Floor))
		w.put(uint64(t.Cap))
		w.put(uint64(t.MMR))
		w.put(uint64(t.Cum))
		w.put(uint64(t.MaxLeverage))
	}
	return dst
}

// SymbolSettings decodes a symbol event into s, whose Tiers slice is reused:
// with room for MaxTiers it does not allocate.
func (e Event) SymbolSettings(s *SymbolSettings) {
	tiers := s.Tiers[:0]
	w := cursor{body: e.body()}
	var name [4]uint64
	for i := range name {
		name[i] = w.take()
	}
	*s = SymbolSettings{ID: e[0].Symbol(), Name: nameFrom(name[:])}
	set := w.take()
	s.Set = SymbolFields(set)
	s.Fund = FundID(w.take())
	s.Tick = fixedpoint.Price(w.take())
	s.Lot = fixedpoint.Qty(w.take())
	s.LiqFee = fixedpoint.Rate(w.take())
	how := w.take()
	s.Full, s.TryMarket, s.Whole, s.OffloadOff = how&1 != 0, how&2 != 0, how&4 != 0, how&8 != 0
	s.Policy, s.Score = Policy(how>>8), Score(how>>16)
	counts := w.take()
	s.LiqAttempts, s.MaxCounterparties = uint32(counts), uint32(counts>>32)
	s.OrderTimeout = int64(w.take())
	s.CapShare = fixedpoint.Rate(w.take())
	s.MaxDeviation = fixedpoint.Rate(w.take())
	s.MaxAge = int64(w.take())
	s.MaxJump = fixedpoint.Rate(w.take())
	s.MaxHold = int64(w.take())
	s.Interval = int64(w.take())
	s.Fraction = fixedpoint.Rate(w.take())
	s.FullSize = fixedpoint.Qty(w.take())
	s.MaxDepthFraction = fixedpoint.Rate(w.take())
	s.Slippage = fixedpoint.Rate(w.take())
	w.n = settingsWords
	for range set >> 32 {
		tiers = append(tiers, Tier{
			Floor: fixedpoint.Amount(w.take()), Cap: fixedpoint.Amount(w.take()), MMR: fixedpoint.Rate(w.take()),
			Cum: fixedpoint.Amount(w.take()), MaxLeverage: fixedpoint.Rate(w.take()),
		})
	}
	s.Tiers = tiers
}

// cursor walks the words of body records.
type cursor struct {
	body []Record
	n    int
}

func (c *cursor) put(v uint64) { c.body[c.n/8][c.n%8] = v; c.n++ }

func (c *cursor) take() uint64 { v := c.body[c.n/8][c.n%8]; c.n++; return v }

func bit(b bool, n int) uint64 {
	if b {
		return 1 << n
	}
	return 0
}
