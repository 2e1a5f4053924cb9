package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
	"github.com/backstop-fund/backstop/snapshot"
)

// demoOutcome is what came of a run.
type demoOutcome struct {
	*demoTally
	fund          event.FundView // at the end
	events        uint64
	datagrams     uint64
	resent, lost  uint64
	moneyResidual fixedpoint.Int128
	qtyResidual   []fixedpoint.Int128
	snapshot      snapshot.Info
	live          [32]byte
	restored      [32]byte
}

// restore opens the snapshots as a restarted process would.
func (o *demoOutcome) restore(ctx context.Context, config core.Config) error {
	engine, err := core.Open(config)
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	err = engine.View(ctx, func(m *machine.Machine) { o.restored = m.Digest() })
	return errors.Join(err, engine.Close())
}

// verdict is an error if something came out that must not.
func (o *demoOutcome) verdict() error {
	switch {
	case o.moneyResidual.Sign() != 0:
		return fmt.Errorf("conservation: the accounts and the fund have %v USDT more than came in", o.moneyResidual)
	case !o.flat():
		return fmt.Errorf("conservation: positions sum to %v more than was traded", o.qtyResidual)
	case o.restored != o.live:
		return exit.Errorf(exit.Corrupt, "the snapshot restores to digest %x, the live state has %x", o.restored, o.live)
	case o.refused > 0:
		return fmt.Errorf("the engine refused %d events of the demo", o.refused)
	}
	return nil
}

// flat reports whether all quantities are accounted for.
func (o *demoOutcome) flat() bool {
	for _, q := range o.qtyResidual {
		if q.Sign() != 0 {
			return false
		}
	}
	return true
}

func (o *demoOutcome) print(w io.Writer, format report.Format) error {
	if format == report.NDJSON {
		return o.printLines(w)
	}
	return o.printTable(w)
}

// printLines prints a line each simulated minute, and the summary.
func (o *demoOutcome) printLines(w io.Writer) error {
	var minutes []report.Record
	for i := range o.samples {
		s := &o.samples[i]
		if i+1 < len(o.samples) && o.minute(i) == o.minute(i+1) {
			continue // not the minute's last
		}
		r := report.Record{{Name: "minute", Value: o.minute(i)}, {Name: "t", Value: s.nanos}}
		for j, c := range o.scenario.contracts {
			r = append(r, report.Field{Name: c.name, Value: s.marks[j].String()})
		}
		minutes = append(minutes, append(r,
			report.Field{Name: "fund_equity", Value: s.equity.String()},
			report.Field{Name: "net_notional", Value: s.net.String()},
			report.Field{Name: "cap_notional", Value: s.capped.String()}))
	}
	if err := report.Many(w, report.NDJSON, minutes); err != nil {
		return err
	}
	return report.One(w, report.NDJSON, o.summary())
}

// minute is how many whole minutes into the replay a sample is.
func (o *demoOutcome) minute(i int) int64 {
	return (o.samples[i].nanos - o.samples[0].nanos) / int64(time.Minute)
}

// summary has the counts that the table explains; decimals are text.
func (o *demoOutcome) summary() report.Record {
	qty := fixedpoint.Int128{}
	for _, q := range o.qtyResidual {
		qty = qty.Add(q.Abs())
	}
	return report.Record{
		{Name: "accounts", Value: o.scenario.accounts},
		{Name: "seed", Value: o.scenario.seed},
		{Name: "ticks", Value: len(o.scenario.ticks)},
		{Name: "datagrams", Value: o.datagrams},
		{Name: "datagrams_resent", Value: o.resent},
		{Name: "datagrams_lost", Value: o.lost},
		{Name: "events", Value: o.events},
		{Name: "liquidated", Value: o.liquidated},
		{Name: "recovered", Value: o.recovered},
		{Name: "bankrupt", Value: o.bankrupt},
		{Name: "taken_over", Value: o.takeovers},
		{Name: "taken_over_quote", Value: o.takenOver.String()},
		{Name: "deleveraged", Value: o.deleveraged},
		{Name: "deleveraged_quote", Value: o.adlTaken.String()},
		{Name: "offloaded", Value: o.offload.filled},
		{Name: "offloaded_quote", Value: o.offload.quote.String()},
		{Name: "offload_slippage", Value: o.offload.slippage.String()},
		{Name: "fund_before", Value: o.samples[0].equity.String()},
		{Name: "fund_low", Value: o.low.String()},
		{Name: "fund_after", Value: o.fund.Equity.String()},
		{Name: "conservation_residual", Value: o.moneyResidual.String()},
		{Name: "quantity_residual", Value: qty.String()},
		{Name: "digest_live", Value: hex.EncodeToString(o.live[:])},
		{Name: "digest_restored", Value: hex.EncodeToString(o.restored[:])},
	}
}

// printTable prints the table and the plots for a person.
func (o *demoOutcome) printTable(w io.Writer) error {
	var b bytes.Buffer
	s := o.scenario
	span := time.Duration(o.samples[len(o.samples)-1].nanos - o.samples[0].nanos).Round(time.Second)
	fmt.Fprintf(&b, "\n%s traders, seed %d: %v of marks in %s UDP datagrams, %d lost, %d sent again\n\n",
		grouped(int64(s.accounts)), s.seed, span, grouped(int64(o.datagrams)), o.lost, o.resent)
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	o.printMarks(t)
	o.printTraders(t)
	o.printFund(t)
	o.printChecks(t)
	if err := t.Flush(); err != nil {
		return err
	}
	o.plot(&b, terminal.Width(w), terminal.Coloured(w))
	_, err := w.Write(b.Bytes())
	return err
}

func (o *demoOutcome) printMarks(w io.Writer) {
	fmt.Fprintf(w, "MARKS\topening\tlowest\tlast\n")
	for i, c := range o.scenario.contracts {
		low := o.scenario.opening(i).price
		for _, s := range o.samples[1:] {
			if s.marks[i] > 0 {
				low = min(low, s.marks[i])
			}
		}
		fmt.Fprintf(w, "%s\t%v\t%v\t%v\n", c.name, o.scenario.opening(i).price, low, o.samples[len(o.samples)-1].marks[i])
	}
	fmt.Fprintln(w)
}

func (o *demoOutcome) printTraders(w io.Writer) {
	fmt.Fprintf(w, "TRADERS\taccounts\tUSDT\t\n")
	row := func(name string, n int, money fixedpoint.Int128, note string) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, grouped(int64(n)), millions(money), note)
	}
	row("liquidated", o.liquidated, o.liquidation.quote, fmt.Sprintf("%s orders to the venue, %s of them filled, whole or in part", grouped(int64(o.liquidation.orders)), grouped(int64(o.liquidation.filled))))
	fmt.Fprintf(w, "recovered\t%s\t\thealthy again after a liquidation\n", grouped(int64(o.recovered)))
	fmt.Fprintf(w, "bankrupt\t%s\t\tlost more than they had, or could not be closed\n", grouped(int64(o.bankrupt)))
	row("deleveraged", o.deleveraged, o.adlTaken, fmt.Sprintf("counterparties of %s bankrupt positions the fund could not carry", grouped(int64(o.deleveragings))))
	fmt.Fprintln(w)
}

func (o *demoOutcome) printFund(w io.Writer) {
	first := &o.samples[0]
	fmt.Fprintf(w, "FUND\t\tUSDT\t\n")
	fmt.Fprintf(w, "before\t\t%s\tcash\n", millions(first.equity))
	fmt.Fprintf(w, "low\t\t%s\tequity: cash and inventory at the mark\n", millions(o.low))
	fmt.Fprintf(w, "after\t\t%s\tof it cash %s\n", millions(o.fund.Equity), millions(fixedpoint.Int128From(int64(o.fund.Cash))))
	fmt.Fprintf(w, "taken over\t%s\t%s\tpositions at the bankruptcy price, worth %s less at the mark\n",
		grouped(int64(o.takeovers)), millions(o.takenOver), millions(o.takenLoss))
	net, capped := o.fullest()
	fmt.Fprintf(w, "held at most\t\t%s\t%s of its cap of %s then\n", millions(net), percent(net, capped), millions(capped))
	fmt.Fprintf(w, "offloaded\t%s\t%s\tclips to the venue, on average %s worse than the mark\n",
		grouped(int64(o.offload.filled)), millions(o.offload.quote), percent(o.offload.slippage, o.offload.quote))
	fmt.Fprintf(w, "still held\t\t%s\tat the last marks\n", millions(o.fund.NetNotional))
	for a, n := range o.alarms {
		if n > 0 {
			fmt.Fprintf(w, "alarm\t%s\t\t%v\n", grouped(int64(n)), event.Alarm(a))
		}
	}
	fmt.Fprintln(w)
}

// fullest returns the sample at which the fund had used most of its cap.
func (o *demoOutcome) fullest() (net, capped fixedpoint.Int128) {
	most := -1.0
	for i := range o.samples {
		s := &o.samples[i]
		used := 0.0
		if s.capped.Sign() > 0 {
			used = number(s.net) / number(s.capped)
		}
		if used > most {
			most, net, capped = used, s.net, s.capped
		}
	}
	return net, capped
}

func (o *demoOutcome) printChecks(w io.Writer) {
	fmt.Fprintf(w, "CHECKS\t\t\t\n")
	fmt.Fprintf(w, "residual\t\t%v\tmoney in accounts and fund, less deposits, fees and fills of the venue\n", o.moneyResidual)
	fmt.Fprintf(w, "flat\t\t%v\tpositions sum to what the venue filled\n", o.flat())
	fmt.Fprintf(w, "snapshot\t\t%.1f MB\tafter event %s\n", float64(o.snapshot.Size)/1e6, grouped(int64(o.events)))
	same := "equal"
	if o.live != o.restored {
		same = "DIFFERENT"
	}
	fmt.Fprintf(w, "digest\t\t%s\tof the live state %x…, of the snapshot restored %x…\n", same, o.live[:8], o.restored[:8])
}

// plot draws what a risk officer would have seen on the wall.
func (o *demoOutcome) plot(b *bytes.Buffer, width int, coloured bool) {
	series := func(f func(*demoSample) float64) []float64 {
		values := make([]float64, 0, len(o.samples))
		for i := range o.samples[1:] {
			values = append(values, f(&o.samples[i+1]))
		}
		return values
	}
	plots := []struct {
		title  string
		colour int // ANSI
		values []float64
	}{
		{o.scenario.contracts[0].name + " mark, USDT", 36, series(func(s *demoSample) float64 { return float64(s.marks[0]) / fixedpoint.One })},
		{"fund equity, million USDT", 32, series(func(s *demoSample) float64 { return number(s.equity) / 1e6 })},
		{"inventory at the mark, million USDT", 33, series(func(s *demoSample) float64 { return number(s.net) / 1e6 })},
	}
	const height, label = 5, 11
	for _, p := range plots {
		low, high := terminal.Bounds(p.values)
		fmt.Fprintf(b, "\n%*s %s\n", label, "", p.title)
		for i, row := range terminal.Plot(p.values, max(10, min(width, 120)-label-1), height) {
			name := ""
			switch i {
			case 0:
				name = strconv.FormatFloat(high, 'f', 2, 64)
			case height - 1:
				name = strconv.FormatFloat(low, 'f', 2, 64)
			}
			if coloured {
				row = fmt.Sprintf("\x1b[%dm%s\x1b[0m", p.colour, row)
			}
			fmt.Fprintf(b, "%*s %s\n", label, name, row)
		}
	}
}

// number is a decimal for drawing and for ratios, not for deciding.
func number(v fixedpoint.Int128) float64 {
	f, err := strconv.ParseFloat(v.String(), 64)
	if err != nil {
		panic("demo: a decimal that is no number")
	}
	return f
}

// millions is money as people say it.
func millions(v fixedpoint.Int128) string {
	return fmt.Sprintf("%.2f M", number(v)/1e6)
}

// percent is a ratio; "-" without a whole.
func percent(part, whole fixedpoint.Int128) string {
	if whole.Sign() == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*number(part)/number(whole))
}

// grouped is a number with commas between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
