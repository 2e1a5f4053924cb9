package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/machine"
)

// command runs the program in this process.
func command(t *testing.T, stdin string, args ...string) (code exit.Code, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &log)
	return code, out.String(), log.String()
}

// succeed is command for what has to succeed; it returns what was printed.
func succeed(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	code, out, log := command(t, stdin, args...)
	if code != exit.OK {
		t.Fatalf("%v: exit code %d: %s", args, code, log)
	}
	return out
}

// pruneableLimits are those of pruneable's engine, and pruneableFlags say so.
var (
	pruneableLimits = machine.Limits{Accounts: 64, Positions: 128, Symbols: 4, Funds: 1, Orders: 64, Sources: 1}
	pruneableFlags  = []string{
		"--segment-size", "131072", "--clock", "events", "--auto-ack",
		"--max-accounts", "64", "--max-positions", "128", "--max-symbols", "4", "--max-funds", "1", "--max-orders", "64", "--max-sources", "1",
	}
)

// pruneable makes a folder with three snapshots and several segments.
func pruneable(t *testing.T) (dir string) {
	dir = filepath.Join(t.TempDir(), "data")
	n := 0
	for round := range 3 {
		var events strings.Builder
		if round == 0 {
			events.WriteString(strings.Join(market, "\n") + "\n")
			n = len(market)
		}
		for ; n < 2500*(round+1); n++ {
			fmt.Fprintf(&events, `{"e":"transfer","account":%d,"amount":"%d"}`+"\n", 1+n%40, 1+n%7)
		}
		succeed(t, events.String(), append([]string{"serve", "--data", dir}, pruneableFlags...)...)
	}
	return dir
}

// What a prune leaves is enough for everything that reads a folder.
func TestJournalPrune(t *testing.T) {
	dir := pruneable(t)
	want := succeed(t, "", "replay", dir, "--no-effects", "--state", "--quiet")
	events := succeed(t, "", "journal", "dump", dir, "--quiet")
	effects := succeed(t, "", "replay", dir, "--quiet", "--from", "2501")

	dry := succeed(t, "", "journal", "prune", dir, "--auto-ack", "--dry-run")
	for _, pattern := range []string{`(?m)^dry run +true$`, `(?m)^segments +[1-9]`, `(?m)^kept from event +2500$`, `(?m)^because +its snapshot is the oldest one`, `(?m)^verified from event +2500$`, `(?m)^file +first event +bytes$`, `00000000000000000001.journal +1 +131072`} {
		if !regexp.MustCompile(pattern).MatchString(dry) {
			t.Errorf("no %s in\n%s", pattern, dry)
		}
	}
	if again := succeed(t, "", "journal", "dump", dir, "--quiet"); again != events {
		t.Error("a dry run has changed the journal")
	}
	pruned := succeed(t, "", "journal", "prune", dir, "--auto-ack", "-o", "ndjson")
	if !strings.Contains(pruned, `{"dry_run":false,"segments":`) || !strings.Contains(pruned, `"first_event":1,"bytes":131072}`) {
		t.Errorf("it says %s", pruned)
	}
	if once := succeed(t, "", "journal", "prune", dir, "--auto-ack"); !strings.Contains(once, "segments             0\n") {
		t.Errorf("there was more to prune: %s", once)
	}
	if got := succeed(t, "", "replay", dir, "--no-effects", "--state", "--quiet"); got != want {
		t.Errorf("replay ends in another state than before:\n%s\n%s", got, want)
	}
	if got := succeed(t, "", "replay", dir, "--quiet"); got != effects {
		t.Error("replay gives other effects from the oldest snapshot on than before")
	}
	rest := succeed(t, "", "journal", "dump", dir, "--quiet")
	if !strings.HasSuffix(events, rest) || strings.Count(rest, "\n") != 5000 {
		t.Errorf("dump gives %d lines, want the last 5000 of before", strings.Count(rest, "\n"))
	}
	succeed(t, "", "journal", "verify", dir)
	if found := succeed(t, "", "verify", dir, "--auto-ack"); strings.Count(found, " verified ") != 2 || strings.Count(found, notVerifiable) != 1 {
		t.Errorf("verify finds %s", found)
	}
	succeed(t, "", append([]string{"serve", "--data", dir}, pruneableFlags...)...)
	if code, _, log := command(t, "", "replay", dir, "--from", "1"); code != exit.BadInput || !strings.Contains(log, "has been pruned") {
		t.Errorf("replay of what is gone: exit code %d, %s", code, log)
	}
	c := core.Config{Dir: dir, AutoAck: true, Limits: pruneableLimits}
	e, err := core.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDemoPast(c, e); exit.Of(err) != exit.BadInput || !strings.Contains(err.Error(), "the journal was pruned") {
		t.Errorf("a demonstration that is to go on there: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// Where nothing can be removed, it is said why and what to do.
func TestJournalPruneRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	succeed(t, strings.Join(market, "\n"), "serve", "--clock", "events", "--data", dir)
	if code, out, log := command(t, "", "journal", "prune", dir); code != exit.BadInput || out != "" || !strings.Contains(log, "nothing is removed") || !strings.Contains(log, "keep at least 2, and take one more") {
		t.Errorf("one snapshot: exit code %d, %s%s", code, out, log)
	}
	if code, _, log := command(t, "", "journal", "prune", t.TempDir()); code != exit.BadInput {
		t.Errorf("an empty folder: exit code %d, %s", code, log)
	}
	if code, _, log := command(t, "", "journal", "prune", filepath.Join(dir, "nowhere")); code != exit.BadInput {
		t.Errorf("no folder: exit code %d, %s", code, log)
	}
	if code, _, _ := command(t, "", "journal", "prune"); code != exit.Usage {
		t.Errorf("no argument: exit code %d", code)
	}
}
