module github.com/backstop-fund/backstop/bench/peers

go 1.26.0

replace github.com/backstop-fund/backstop => ../..

require (
	github.com/Workiva/go-datastructures v1.1.7
	github.com/backstop-fund/backstop v0.0.0
	github.com/cockroachdb/apd/v3 v3.2.3
	github.com/google/btree v1.1.3
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	github.com/shopspring/decimal v1.6.0
	github.com/tidwall/btree v1.8.2
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
