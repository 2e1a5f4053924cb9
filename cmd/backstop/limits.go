package main

import (
	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/core/machine"
)

// limitFlags gives cmd the flags for the machine's fixed capacities.
func limitFlags(cmd *cobra.Command) *machine.Limits {
	l := machine.DefaultLimits
	f := cmd.Flags()
	f.IntVar(&l.Accounts, "max-accounts", l.Accounts, "margin `accounts` open at once")
	f.IntVar(&l.Positions, "max-positions", l.Positions, "`positions` open at once")
	f.IntVar(&l.Symbols, "max-symbols", l.Symbols, "`contracts`")
	f.IntVar(&l.Funds, "max-funds", l.Funds, "`funds`")
	f.IntVar(&l.Orders, "max-orders", l.Orders, "`orders` of ours: open, or remembered for late fills")
	f.IntVar(&l.Sources, "max-sources", l.Sources, "`senders` with a sequence of their own")
	return &l
}
