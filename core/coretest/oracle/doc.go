// Package oracle is a second, independent implementation of Backstop's rules.
//
// It exists to disagree. It was written from the rules, the event vocabulary
// and the hand-worked cases alone, without a look at the engine, so that a
// misreading in one of the two shows up as a difference between their effects.
//
// Everything here is chosen to be checked by eye and nothing to be fast: exact
// math/big arithmetic, maps, sorting, and a scan over every account after every
// event instead of any index. Numbers are immutable *big.Int at 1e-8; a product
// of two has 16 decimals, of three 24, and a name says which (equity16, mm24).
//
// Where the rules leave two honest readings, READINGS.md beside this file names
// the choice made here and why.
package oracle
