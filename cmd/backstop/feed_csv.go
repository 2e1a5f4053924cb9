package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const csvLong = `Sends the marks of a CSV file, gzipped or not, in order of their times.

The first line names the columns. Others than these are ignored:

  symbol                   the contract
  time_ns or time_ms       nanoseconds or milliseconds since 1970, and
  mark, index              decimals; index may be missing or empty; or
  open_time_ms             a candle's start, and
  open, high, low, close   decimals: four ticks, one at each third of --candle

What happened inside a candle is not known; --path says in which order its ends
are passed. The file is read as a whole, sorted by time, and only then sent.

Contracts get ids from 1 in the order in which the file has them, unless --symbol
says what they are called by the receiver; then only those are sent.`

const csvExample = `  backstop feed csv spot_1m.csv.gz --symbol BTC=BTCUSDT:1 --symbol ETH=ETHUSDT:2 --speed 60
  backstop feed csv marks.csv --rate 10000 --framing binance`

func newFeedCSV() *cobra.Command {
	var flags feedFlags
	var symbols []string
	var candle time.Duration
	var path string
	cmd := &cobra.Command{
		Use:     "csv FILE",
		Short:   "Send the marks of a CSV file",
		Long:    csvLong,
		Example: csvExample,
		Args:    usage(cobra.ExactArgs(1)),
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&symbols, "symbol", nil, "`[COLUMN=]NAME:ID` of a contract in the symbol column; may be repeated")
	f.DurationVar(&candle, "candle", time.Minute, "`duration` of a candle")
	f.StringVar(&path, "path", "ohlc", "`ohlc|olhc|close`: marks to make of a candle")
	flags.addPace(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.pace(cmd); err != nil {
			return err
		}
		t, err := newMarkTable(symbols, path, candle)
		if err != nil {
			return err
		}
		input, err := openInput(cmd, args)
		if err != nil {
			return err
		}
		defer input.Close() // read only: there is nothing to lose
		if err := t.read(input); err != nil {
			return exit.With(exit.BadInput, fmt.Errorf("%s:%w", args[0], err))
		}
		return flags.run(cmd, feedSource{marks: slices.Values(t.marks), total: len(t.marks), notes: func() report.Record {
			return report.Record{
				{Name: "symbols", Value: t.mapping()},
				{Name: "skipped_rows", Value: t.skipped},
			}
		}})
	}
	return cmd
}

// markTable reads marks from CSV.
type markTable struct {
	symbols map[string]*feedSymbol // by what the column calls them
	fixed   bool                   // no others are taken
	path    []string               // the columns of a candle that become marks, in order
	candle  time.Duration

	columns map[string]int
	scale   int64 // nanoseconds of a unit of the time column
	time    string
	marks   []mark
	skipped int // rows of other contracts
}

func newMarkTable(symbols []string, path string, candle time.Duration) (*markTable, error) {
	t := &markTable{symbols: make(map[string]*feedSymbol), fixed: len(symbols) > 0, candle: candle}
	for _, s := range symbols {
		column, named, ok := strings.Cut(s, "=")
		if !ok {
			named = s
			column, _, _ = strings.Cut(s, ":")
		}
		symbol, err := parseSymbol(named)
		if err != nil {
			return nil, err
		}
		if t.symbols[column] != nil {
			return nil, exit.Errorf(exit.Usage, "symbol %q: %s is given twice", s, column)
		}
		t.symbols[column] = symbol
	}
	switch path {
	case "ohlc":
		t.path = []string{"open", "high", "low", "close"}
	case "olhc":
		t.path = []string{"open", "low", "high", "close"}
	case "close":
		t.path = []string{"close"}
	default:
		return nil, exit.Errorf(exit.Usage, "path %q: want ohlc, olhc or close", path)
	}
	if candle <= 0 {
		return nil, exit.Errorf(exit.Usage, "candle of %v: want more than 0", candle)
	}
	return t, nil
}

// read reads all rows and sorts their marks by time. Its errors begin with a line
// number.
func (t *markTable) read(input io.Reader) error {
	plain, err := unzipped(input)
	if err != nil {
		return fmt.Errorf("1: %w", err)
	}
	r := csv.NewReader(plain)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("1: want a line with the names of the columns: %w", err)
	}
	if err := t.readHeader(header); err != nil {
		return fmt.Errorf("1: %w", err)
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return csvError(r, err)
		}
		if err := t.readRow(row); err != nil {
			line, _ := r.FieldPos(0)
			return fmt.Errorf("%d: %w", line, err)
		}
	}
	if len(t.marks) == 0 {
		return fmt.Errorf("1: no row below it is of a contract to send (%d are of others)", t.skipped)
	}
	slices.SortStableFunc(t.marks, func(a, b mark) int {
		switch {
		case a.nanos < b.nanos:
			return -1
		case a.nanos > b.nanos:
			return 1
		}
		return 0
	})
	return nil
}

// unzipped is input without gzip, if it has one.
func unzipped(input io.Reader) (io.Reader, error) {
	b := bufio.NewReader(input)
	magic, err := b.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if string(magic) != "\x1f\x8b" {
		return b, nil
	}
	return gzip.NewReader(b)
}

// csvError is what is wrong with the CSV itself, after a line number.
func csvError(r *csv.Reader, err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("%d: %w", e.Line, e.Err)
	}
	line := r.InputOffset()
	return fmt.Errorf(" byte %d unzipped: %w", line, err)
}

// timeColumns are the columns that may hold a mark's time, and their units.
var timeColumns = []struct {
	name  string
	scale int64
}{{"time_ns", 1}, {"time_ms", int64(time.Millisecond)}, {"open_time_ms", int64(time.Millisecond)}}

func (t *markTable) readHeader(header []string) error {
	t.columns = make(map[string]int)
	for i, name := range header {
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff") // spreadsheets write it
		}
		if _, ok := t.columns[name]; ok {
			return fmt.Errorf("column %q is there twice", name)
		}
		t.columns[name] = i
	}
	if !t.has("symbol") {
		return fmt.Errorf("no column %q among %s", "symbol", strings.Join(header, ", "))
	}
	for _, c := range timeColumns {
		if t.has(c.name) {
			t.time, t.scale = c.name, c.scale
			break
		}
	}
	if t.time == "" {
		return fmt.Errorf("no column time_ns, time_ms or open_time_ms among %s", strings.Join(header, ", "))
	}
	if t.has("mark") {
		t.path = nil
		return nil
	}
	for _, c := range t.path {
		if !t.has(c) {
			return fmt.Errorf("no column mark, nor %q for a candle, among %s", c, strings.Join(header, ", "))
		}
	}
	return nil
}

func (t *markTable) has(column string) bool {
	_, ok := t.columns[column]
	return ok
}

func (t *markTable) readRow(row []string) error {
	symbol, err := t.symbol(row[t.columns["symbol"]])
	if symbol == nil {
		return err
	}
	text := row[t.columns[t.time]]
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at <= 0 || at > (math.MaxInt64-int64(t.candle))/t.scale {
		return fmt.Errorf("%s %q: want a whole number, above 0 and before the year 2262", t.time, text)
	}
	m := mark{symbol: symbol, nanos: at * t.scale}
	if t.path != nil {
		return t.readCandle(row, m)
	}
	if m.price, err = t.price(row, "mark"); err != nil {
		return err
	}
	if t.has("index") && row[t.columns["index"]] != "" {
		if m.index, err = t.price(row, "index"); err != nil {
			return err
		}
	}
	t.marks = append(t.marks, m.asDue())
	return nil
}

// asDue is m, due when it was made.
func (m mark) asDue() mark {
	m.due = m.nanos
	return m
}

// readCandle spreads the marks of a candle over its duration: the first at its
// start, the last just before its end.
func (t *markTable) readCandle(row []string, m mark) error {
	start := m.nanos
	for i, column := range t.path {
		price, err := t.price(row, column)
		if err != nil {
			return err
		}
		m.price = price
		m.nanos = start + int64(t.candle)/3*int64(i)
		if i == len(t.path)-1 {
			m.nanos = start + int64(t.candle) - 1
		}
		t.marks = append(t.marks, m.asDue())
	}
	return nil
}

// symbol returns the contract a row is of; nil without an error if it is not to
// be sent.
func (t *markTable) symbol(column string) (*feedSymbol, error) {
	s := t.symbols[column]
	if s == nil && t.fixed {
		t.skipped++
		return nil, nil
	}
	if s == nil {
		var err error
		if s, err = parseSymbol(fmt.Sprintf("%s:%d", column, len(t.symbols)+1)); err != nil {
			return nil, fmt.Errorf("symbol %q: want 1 to 32 printable characters without blanks and quotes", column)
		}
		t.symbols[strings.Clone(column)] = s // the reader uses its memory again
	}
	return s, nil
}

func (t *markTable) price(row []string, column string) (fixedpoint.Price, error) {
	text := row[t.columns[column]]
	p, err := fixedpoint.Parse[fixedpoint.Price](text)
	if err != nil {
		return 0, fmt.Errorf("%s %q: %w", column, text, err)
	}
	if p <= 0 {
		return 0, fmt.Errorf("%s %q: want a price above 0", column, text)
	}
	return p, nil
}

// mapping says which contract went out as which, by id.
func (t *markTable) mapping() string {
	var all []string
	for column, s := range t.symbols {
		all = append(all, fmt.Sprintf("%s=%s:%d", column, s.name, s.id))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
