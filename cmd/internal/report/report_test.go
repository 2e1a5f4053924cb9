package report_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/report"
)

// The same findings for a person and for a program.
func Example() {
	chunks := []report.Record{
		{{Name: "section", Value: 1}, {Name: "stored_bytes", Value: 262144}, {Name: "codec", Value: "none"}},
		{{Name: "section", Value: 2}, {Name: "stored_bytes", Value: 96}, {Name: "codec", Value: "s2"}},
	}
	report.Many(os.Stdout, report.Table, chunks)
	report.Many(os.Stdout, report.NDJSON, chunks)
	report.One(os.Stdout, report.Table, chunks[1])
	// Output:
	// section  stored bytes  codec
	// 1        262144        none
	// 2        96            s2
	// {"section":1,"stored_bytes":262144,"codec":"none"}
	// {"section":2,"stored_bytes":96,"codec":"s2"}
	// section       2
	// stored bytes  96
	// codec         s2
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := report.One(&b, report.NDJSON, report.Record{{Name: "path", Value: "a \"b\"\n<c>"}}); err != nil {
		t.Fatal(err)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back["path"] != "a \"b\"\n<c>" {
		t.Errorf("%s reads back as %q, %v", b.String(), back, err)
	}
	if strings.Count(b.String(), "\n") != 1 {
		t.Errorf("%q is not one line", b.String())
	}
}

func TestUnprintable(t *testing.T) {
	var b strings.Builder
	err := report.One(&b, report.NDJSON, report.Record{{Name: "wait", Value: make(chan int)}})
	if err == nil || !strings.Contains(err.Error(), "report: wait: ") || b.Len() != 0 {
		t.Errorf("printed %q, error %v: want nothing and an error that names the field", b.String(), err)
	}
}

func TestFormat(t *testing.T) {
	f := report.Table
	if err := f.Set("xml"); err == nil || f != report.Table {
		t.Errorf("xml was taken: %v, %v", f, err)
	}
	if err := f.Set("ndjson"); err != nil || f != report.NDJSON {
		t.Errorf("ndjson was not taken: %v, %v", f, err)
	}
}
