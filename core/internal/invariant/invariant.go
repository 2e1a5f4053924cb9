// Package invariant decides whether a build recounts its invariants.
//
// A check such as *conserve* (money moves but never appears) walks the whole
// state after each event. That is what tests want and what a venue cannot pay
// for, so such checks stand behind [Enabled], a constant: where it is false the
// compiler removes them, their arguments included.
//
//	go test -tags invariants ./...    recounts
//	go test -race ./...               recounts too
//	go build ./...                    does not
//
// A check that costs a compare or two is not for this package: it stays in
// every build.
package invariant
