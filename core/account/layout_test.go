package account

import "unsafe"

// What the package doc says of sizes, checked when the test is compiled.
var (
	_ [64 - unsafe.Sizeof(Account{})]struct{}
	_ [unsafe.Sizeof(Account{}) - 64]struct{}
	_ [32 - unsafe.Sizeof(Position{})]struct{}
	_ [unsafe.Sizeof(Position{}) - 32]struct{}
)
