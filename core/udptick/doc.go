// Package udptick turns datagrams into mark price ticks: it decides which of
// the prices on the wire are new, whole and allowed, and hands those on.
//
//	datagram -> source allow-list -> framing -> sequence -> value -> newest of its symbol? -> Sink
//
// The rule everything here serves: **never an old mark after a newer one**. Each
// symbol's newest mark time is kept, and a mark that is not after it is dropped,
// whatever the network did to the order of datagrams. A price delivered late is
// used only if it is still the newest of its symbol; one that had to wait for
// room in the ring is replaced by a newer one of the same symbol.
//
// [Feed] does all that without a socket, a clock or an allocation; [Adapter] owns
// the socket and the thread. What was refused is counted, by reason, in [Stats];
// no datagram is ever answered and none ends the feed.
//
// # mold64
//
// The framing is MoldUDP64, big endian. A packet is arbitrated per message, never
// as a whole: one that overlaps what was already seen yields only its new
// messages.
//
//	offset size
//	 0     10   session: printable ASCII, padded with spaces
//	10      8   sequence of the first message; in a heartbeat or at the end of the
//	            session, of the next one to be sent
//	18      2   count of messages; 0 is a heartbeat, 0xFFFF the end of the session
//	20          count messages, each: length u16, then as many bytes
//
// The only message is the tick, an SBE message, little endian, described for
// code generators by tick.xml in this folder.
//
//	offset size
//	 0      2   blockLength 32
//	 2      2   templateId 1
//	 4      2   schemaId 0x4253, "BS"
//	 6      2   version 1
//	 8      4   instrumentId: the event.SymbolID
//	12      2   flags: 1 halted, 2 snapshot, 4 suspect; no other may be set
//	14      1   exponent, signed, -8 to 0, of both prices
//	15      1   padding, ignored
//	16      8   markPrice, signed, above 0
//	24      8   indexPrice, signed; 0 or the least int64 (SBE's null) for none
//	32      8   transactTime, nanoseconds since 1970, above 0
//
// A datagram that does not end exactly after its last message, or has a message
// other than this one, is malformed and nothing of it is used. A well-formed
// message with a value outside the above is a bad value; it is dropped alone.
//
// A halted tick halts its contract ([event.Halt]), the first one after it that
// is not halted resumes it ([event.Resume]); the halt goes before its tick and
// the resume after, so that nothing is closed at the mark from before. A contract
// that was halted before this process began is resumed by its operator only.
//
// The first well-formed packet names the session and the first sequence, unless
// [Config.Session] names the former. Packets of other sessions are counted and
// ignored: a publisher that changes its session needs a feed anew.
//
// # markPriceUpdate
//
// The other form is one Binance markPriceUpdate JSON object per datagram, bare or
// in the wrapper of a combined stream:
//
//	{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","i":"11784.62659091"}
//	{"stream":"btcusdt@markPrice","data":{"e":"markPriceUpdate", ...}}
//
// E is the mark's time in milliseconds, s a name of [Config.Names], p the mark,
// i the index, which may be absent. Keys come in any order and others are
// skipped, but it must be JSON, with e, E, s, p and i at most once and without
// escapes. There is no sequence, so loss cannot be seen and a repeated datagram
// is stale. Decimals beyond the eighth must be zeros.
//
// # Ring full
//
// A [Sink] that has no room gets what it missed later: one tick per symbol, the
// newest, and whether the symbol is halted. Waiting ticks go before new ones and
// are stamped with the time at which they got in.
package udptick
