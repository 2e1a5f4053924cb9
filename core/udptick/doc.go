// Package udptick turns datagrams into mark price ticks: it decides which of
// the prices on the wire are new, whole and allowed, and hands those on.
//
//	datagram -> allowed source? -> good MAC? -> framing -> first of the lines? -> value
//	         -> newest of its symbol? -> Sink
//
// The rule everything here serves: **never an old mark after a newer one**. Each
// symbol's newest mark time is kept, and a mark that is not after it is dropped,
// whatever the network did to the order of datagrams. A price delivered late is
// used only if it is still the newest of its symbol; one that had to wait for
// room in the ring is replaced by a newer one of the same symbol.
//
// Its second half: **a mark that may be outdated is suspect**. Where sequences are
// missing, the symbols that were not heard of since may have missed one, and the
// sink is told so: the machine then closes nothing at that mark.
//
// [Feed] does all that without a socket, a clock, a lock or an allocation;
// [Server] is the publisher's other half, which sends again what was lost;
// [Adapter] owns the sockets of [Sockets] and the thread. What was refused is counted, by
// reason, in [Stats]; no datagram ends the feed, and none is answered.
//
// # Lines A and B
//
// A publisher sends each message twice, on two lines, and groups messages into
// packets as it likes on each. So arbitration is per message, never per packet: the
// first line to bring a sequence wins, and a packet that overlaps what was seen
// yields its new messages. Nothing is held back to restore an order: a mark is worth
// most at once, and its time says whether a newer one was there. [Reach] sequences
// are remembered; what comes later than that is expired. [LineCounter] says what
// each line did, and how the numbers add up.
//
// # Gaps
//
// A sequence that was skipped has [Config.GapNanos] to come after all, by the other
// line or out of order. Then its gap is declared: every symbol that was not heard of
// since is suspect, and a re-request server is asked, if there is one, at most once a
// millisecond, [Config.RequestTries] times without progress, each time waiting twice
// as long. A symbol is suspect until
//
//   - its next tick, if no older sequence than that tick's, or
//   - all that is older than its last tick is there after all.
//
// The sink gets the mark again for that, flagged suspect or not, with the next
// nanosecond as its time: the machine takes no mark that is not newer than the last,
// and this one is exactly as old as it really is. A tick of that very nanosecond
// would be stale.
//
// A symbol is suspect until its next tick after one that cannot be used, because of
// a bad value or a time too far ahead; and after the feed itself begins, for marks
// that the sink has from before ([Feed.Know]).
//
// All symbols are suspect until their next tick after a change of session; after a
// restart, that is a message whose sequence is old but whose mark is later than all
// marks before; after a silence of [Config.SilenceNanos]; and where there are no
// sequences, after the kernel dropped a datagram.
//
// # Guards
//
//	guard                      counted in                  effect
//	source not allowed         refused_source              datagram not looked at
//	MAC wrong, or of no key    forged                      datagram not looked at
//	MAC was here before        replayed                    datagram not looked at
//	not of the form            malformed                   nothing of the datagram is used
//	other session or channel   wrong_session               nothing of the datagram is used
//	value that is none         bad_value, suspects         tick dropped, its symbol's mark blocked
//	more than 1 s ahead        ahead, suspects             tick dropped, its symbol's mark blocked
//	not newer                  stale                       tick dropped; the machine refuses it, too
//	gap                        gaps, skipped, suspects     mark blocked in the machine
//	silence                    silences, suspects          marks blocked in the machine
//	new session, restart       sessions, restarts          marks blocked in the machine
//	ring full                  conflated, waiting          newest tick of a symbol waits
//	kernel's buffer full       dropped, of the line        a gap, see there
//	tick old when it arrives   -                           mark blocked in the machine: max_age
//	tick far from the last     -                           mark held by the machine: max_jump, alarm mark_held
//
// The last two belong to the machine, which knows each contract's limits. A tick
// keeps its own time however long it took or waited, so that one that was held up
// for longer than max_age moves the mark and blocks it in one step: no position is
// closed at a price from before.
//
// # mold64
//
// The framing is MoldUDP64, big endian.
//
//	offset size
//	 0     10   session: printable ASCII, padded with spaces
//	10      8   sequence of the first message; in a heartbeat or at the end of the
//	            session, of the next one to be sent
//	18      2   count of messages; 0 is a heartbeat, 0xFFFF the end of the session
//	20          count messages, each: length u16, then as many bytes
//
// A request to a re-request server is such a header alone: the first sequence that
// is wanted and how many. The answer is a packet, unicast, with as many as fit.
//
// Unless [Config.Session] names it, the first well-formed packet does, and a packet
// of another session replaces it. One that was left may come back only when the one
// in force has ended or been silent for a second: stragglers are no change.
//
// # sbe24
//
// The framing is that of Deribit's Starbase, and in essence Coinbase's, little
// endian.
//
//	offset size
//	 0      8   sendingTime, nanoseconds since 1970
//	 8      8   seqNum, signed, of the first message, or of the next one to be sent
//	16      4   channelId, signed
//	20      2   packetType, bits: 1 incremental, 2 snapshot, 4 retransmit
//	22      2   messageCount; 0 is a heartbeat
//	24          messageCount messages, each:
//	 0      2   messageLength, these 16 bytes included
//	 2      2   templateId, as in the payload
//	 4      2   version, as in the payload
//	 6      2   flags, ignored; we send 3, a transaction of its own
//	 8      8   transactTime, ignored: the payload has it
//	16          payload
//
// Only incremental packets are used, retransmitted ones among them. A channel has
// no sessions: a publisher that starts again in it is noticed by the restart. There
// is no end of session either. A request is a packet of type retransmit with one
// RetransmitRequest:
//
//	offset size
//	 0      8   blockLength 16, templateId 200, schemaId 0x4253, version 1
//	 8      8   beginSeqNum, signed
//	16      2   reqMessageCount
//	18      6   padding
//
// # The tick
//
// The only message of both is the tick, an SBE message, little endian, described
// for code generators by schema.xml in this folder.
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
// # markPriceUpdate
//
// The third form is one Binance markPriceUpdate JSON object per datagram, bare or
// in the wrapper of a combined stream:
//
//	{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","i":"11784.62659091"}
//	{"stream":"btcusdt@markPrice","data":{"e":"markPriceUpdate", ...}}
//
// E is the mark's time in milliseconds, s a name of [Config.Names], p the mark,
// i the index, which may be absent. Keys come in any order and others are
// skipped, but it must be JSON, with e, E, s, p and i at most once and without
// escapes. There is no sequence, so of a loss only what the kernel dropped is seen,
// a repeated datagram is stale, and whichever line is first wins by the mark's time
// alone. Decimals beyond the eighth must be zeros.
//
// # MAC
//
// With [Config.Keys], every datagram of any framing ends with a trailer, little
// endian, that a [Signer] appends:
//
//	offset size
//	 0      4   key id
//	 4      8   sequence of the key's datagrams
//	12     16   first half of HMAC-SHA256 over the packet and the 12 bytes before
//
// Each sending process has a key of its own. A sequence is believed once per line,
// within the last 1,024; they begin at the sender's clock, so that they rise over
// its restarts. After a restart of the receiver the first datagram of a key is
// believed whatever its sequence: an old one that is played back then brings old
// marks, which block their contracts until the publisher is heard.
//
// # Ring full
//
// A [Sink] that has no room gets what it missed later: one tick per symbol, the
// newest, and whether the symbol is halted or suspect. Waiting ticks go before new
// ones and are stamped with the time at which they got in.
package udptick
