package adl

import "github.com/backstop-fund/backstop/core/event"

// Apart is how far apart codes have to be to tell something.
const Apart = apart

// Code is the leading bits of a member's score, as [Ranker] compares them.
func Code(kind event.Score, m *Member) int64 { return m.code(kind) }
