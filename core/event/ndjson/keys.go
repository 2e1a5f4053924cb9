package ndjson

import "github.com/backstop-fund/backstop/core/event"

// key is a key of the vocabulary.
type key uint8

// The keys of events, then those of the objects inside them.
const (
	keyE key = iota
	keyT
	keySrc
	keySseq
	keyFund
	keyID
	keyCap
	keyADLOnly
	keyAmount
	keyReason
	keySymbol
	keyQty
	keyPrice
	keyTick
	keyLot
	keyLiqFee
	keyLiquidation
	keyLiqAttempts
	keyOrderTimeout
	keyTryMarket
	keyTakeover
	keyCapShare
	keyMaxDeviation
	keyMaxAge
	keyMaxJump
	keyMaxHold
	keyTiers
	keyADL
	keyOffload
	keyAccount
	keyOwner
	keyMode
	keyWallet
	keyPositions
	keyPositionSide
	keyFee
	keyBuyer
	keySeller
	keyBuyerSide
	keySellerSide
	keyBuyerFee
	keySellerFee
	keyMark
	keyIndex
	keyMT
	keyFlags
	keyBidQty
	keyAskQty
	keyOrder
	keySeq
	keyI
	keyFloor
	keyMMR
	keyCum
	keyMaxLeverage
	keyPolicy
	keyScore
	keyMaxCounterparties
	keyInterval
	keyFraction
	keyFullSize
	keyMaxDepthFraction
	keySlippage
	keyEntry
	keyCost
	keyEnd
)

var keyNames = [keyEnd]string{
	keyE: "e", keyT: "t", keySrc: "src", keySseq: "sseq", keyFund: "fund", keyID: "id", keyCap: "cap",
	keyADLOnly: "adl_only", keyAmount: "amount", keyReason: "reason", keySymbol: "symbol", keyQty: "qty",
	keyPrice: "price", keyTick: "tick", keyLot: "lot", keyLiqFee: "liq_fee", keyLiquidation: "liquidation",
	keyLiqAttempts: "liq_attempts", keyOrderTimeout: "order_timeout", keyTryMarket: "try_market",
	keyTakeover: "takeover", keyCapShare: "cap_share", keyMaxDeviation: "max_deviation", keyMaxAge: "max_age",
	keyMaxJump: "max_jump", keyMaxHold: "max_hold", keyTiers: "tiers", keyADL: "adl", keyOffload: "offload",
	keyAccount: "account", keyOwner: "owner", keyMode: "mode", keyWallet: "wallet", keyPositions: "positions",
	keyPositionSide: "position_side", keyFee: "fee", keyBuyer: "buyer", keySeller: "seller",
	keyBuyerSide: "buyer_side", keySellerSide: "seller_side", keyBuyerFee: "buyer_fee",
	keySellerFee: "seller_fee", keyMark: "mark", keyIndex: "index", keyMT: "mt", keyFlags: "flags",
	keyBidQty: "bid_qty", keyAskQty: "ask_qty", keyOrder: "order", keySeq: "seq", keyI: "i",
	keyFloor: "floor", keyMMR: "mmr", keyCum: "cum", keyMaxLeverage: "max_leverage", keyPolicy: "policy",
	keyScore: "score", keyMaxCounterparties: "max_counterparties", keyInterval: "interval",
	keyFraction: "fraction", keyFullSize: "full_size", keyMaxDepthFraction: "max_depth_fraction",
	keySlippage: "slippage", keyEntry: "entry", keyCost: "cost",
}

func (k key) String() string { return keyNames[k] }

var keysByName = func() map[string]key {
	m := make(map[string]key, keyEnd)
	for k, name := range keyNames {
		m[name] = key(k)
	}
	return m
}()

// keySet is a set of keys.
type keySet [2]uint64

func (s *keySet) has(k key) bool { return s[k/64]>>(k%64)&1 != 0 }

func (s *keySet) add(k key) { s[k/64] |= 1 << (k % 64) }

// shape says which keys an object must and may have.
type shape struct {
	required []key
	legal    keySet
}

func newShape(required []key, optional ...key) shape {
	s := shape{required: required}
	for _, k := range required {
		s.legal.add(k)
	}
	for _, k := range optional {
		s.legal.add(k)
	}
	return s
}

func need(keys ...key) []key { return keys }

func eventShape(required []key, optional ...key) shape {
	return newShape(required, append(optional, keyE, keyT, keySrc, keySseq)...)
}

// eventShapes is EVENTS.md. What a creation needs and an update may leave out
// is optional here: which of the two an event is, the machine knows.
var eventShapes = [...]shape{
	event.KindFund:         eventShape(need(keyFund), keyID, keyCap, keyADLOnly),
	event.KindFundTransfer: eventShape(need(keyFund, keyAmount), keyReason),
	event.KindFundFill:     eventShape(need(keyFund, keySymbol, keyQty, keyPrice)),
	event.KindSymbol: eventShape(need(keySymbol), keyID, keyFund, keyTick, keyLot, keyLiqFee, keyLiquidation,
		keyLiqAttempts, keyOrderTimeout, keyTryMarket, keyTakeover, keyCapShare, keyMaxDeviation, keyMaxAge,
		keyMaxJump, keyMaxHold, keyTiers, keyADL, keyOffload),
	event.KindAccount:      eventShape(need(keyAccount), keyOwner, keyMode),
	event.KindAccountClose: eventShape(need(keyAccount)),
	event.KindAccountState: eventShape(need(keyAccount, keyWallet, keyPositions), keyOwner, keyMode),
	event.KindMode:         eventShape(need(keyMode)),
	event.KindTransfer:     eventShape(need(keyAccount, keyAmount), keyReason),
	event.KindFill:         eventShape(need(keyAccount, keySymbol, keyQty, keyPrice), keyPositionSide, keyFee),
	event.KindTrade: eventShape(need(keySymbol, keyQty, keyPrice, keyBuyer, keySeller),
		keyBuyerSide, keySellerSide, keyBuyerFee, keySellerFee),
	event.KindTick:      eventShape(need(keySymbol, keyMark), keyIndex, keyMT, keyFlags),
	event.KindDepth:     eventShape(need(keySymbol, keyBidQty, keyAskQty)),
	event.KindOrderFill: eventShape(need(keyOrder, keyQty, keyPrice)),
	event.KindOrderDone: eventShape(need(keyOrder), keyReason),
	event.KindHalt:      eventShape(need(keySymbol)),
	event.KindResume:    eventShape(need(keySymbol)),
	event.KindTime:      eventShape(need(keyT)),
	event.KindAck:       eventShape(need(keySeq, keyI)),
}

// The objects inside events.
var (
	tierShape     = newShape(need(keyFloor, keyMMR, keyCum), keyCap, keyMaxLeverage)
	adlShape      = newShape(nil, keyPolicy, keyScore, keyMaxCounterparties)
	offloadShape  = newShape(nil, keyInterval, keyFraction, keyFullSize, keyMaxDepthFraction, keySlippage)
	positionShape = newShape(need(keySymbol, keyQty), keyPositionSide, keyEntry, keyCost)
)
