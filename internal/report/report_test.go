package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// partial is a run that a person will look at closely: most rows written, some not.
func partial() Report {
	arrived := time.Date(2026, 3, 1, 2, 0, 5, 0, time.UTC)
	return Report{
		V: 1, Run: "20260301T020005Z-3f0c9a81d2", State: Partial,
		Read: 5000, Written: 4890, Created: 310, Updated: 580, Upserted: 4000, Unchanged: 98, Rejected: 12,
		RejectReasons: []RejectReason{
			{Code: "too_long", Column: "First name", Count: 7, Line: 19},
			{Code: "unknown_choice", Column: "Tier", Count: 3, Line: 4711},
			{Code: "0x80040237", Count: 1, Line: 812},
			{Code: "ragged_row", Count: 1, Line: 1204},
		},
		Destination: "loyalty-members", Connection: "sales", Environment: "https://contoso.crm4.dynamics.com",
		Table: "contact", Mode: "upsert", Key: []string{"emailaddress1"},
		Files: []string{"inbox/business/loyalty-members/my file+1.csv"}, Format: "csv", Audience: "business",
		SHA256:  "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Columns: []Column{{"Email", "emailaddress1"}, {"First name", "firstname"}, {"Tier", "new_tier"}, {"Notes", ""}},
		Ignored: []string{"_line", "_column", "_code", "_message"},
		Notes:   []string{"The columns _line, _column, _code, _message were ignored: they are Penstock's own, from an earlier reject file."},
		Arrived: arrived, Started: arrived.Add(2 * time.Second), Finished: arrived.Add(75 * time.Second), Seconds: 75,
		Steps:   []Step{{"prepare", 3.2}, {"turn", 20.1}, {"load", 48.9}, {"finish", 0.8}},
		Service: Service{Calls: 61, Throttled: 2, Retried: 3, Bisected: 9, Waited: 7.5},
		Folder:  "runs/loyalty-members/20260301T020005Z-3f0c9a81d2/",
		Report:  "runs/loyalty-members/20260301T020005Z-3f0c9a81d2/report.json",
		Page:    "runs/loyalty-members/20260301T020005Z-3f0c9a81d2/report.html",
		Rejects: "runs/loyalty-members/20260301T020005Z-3f0c9a81d2/rejects.csv",
	}
}

func refused() Report {
	r := partial()
	r.State = Refused
	r.Read, r.Written, r.Created, r.Updated, r.Upserted, r.Unchanged, r.Rejected, r.NotAttempted = 1200, 0, 0, 0, 0, 0, 0, 1200
	r.RejectReasons, r.Rejects, r.Notes, r.Ignored, r.Steps, r.Service = nil, "", nil, nil, nil, Service{}
	r.Reason = &Reason{Kind: "Refused", Code: "unclosed_quote", Message: "a quote opens at character 7 and never closes",
		Advice: "close it, or double it where the text itself has a quote", File: "my file+1.csv", Line: 1201}
	return r
}

func failed() Report {
	r := partial()
	r.State = Failed
	r.Written, r.Upserted, r.Unchanged, r.NotAttempted, r.Uncertain = 2390, 1500, 0, 2598, 100
	r.Reason = &Reason{Kind: "Interrupted", Code: "service_unavailable", Message: "the service answered 503 again and again", Advice: "start it again; it goes on where it was"}
	return r
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]Report{"partial": partial(), "refused": refused(), "failed": failed()} {
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		stored, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var text, html bytes.Buffer
		if err := Text(&text, r); err != nil {
			t.Fatal(err)
		}
		if err := HTML(&html, r); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", append(stored, '\n'))
		golden(t, name+".txt", text.Bytes())
		golden(t, name+".html", html.Bytes())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// report.json is a stored format: what was written once must be read for ever.
func TestStoredReportDecodes(t *testing.T) {
	stored, err := os.ReadFile(filepath.Join("testdata", "partial.json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(stored))
	decoder.DisallowUnknownFields()
	var got Report
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(partial(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	for name, spoil := range map[string]func(*Report){
		"a lost row":                        func(r *Report) { r.Read++ },
		"a row counted twice":               func(r *Report) { r.Unchanged++ },
		"written without a way":             func(r *Report) { r.Created-- },
		"more uncertain than not attempted": func(r *Report) { r.Uncertain++ },
		"a reject without a reason":         func(r *Report) { r.RejectReasons = r.RejectReasons[1:] },
		"a negative count":                  func(r *Report) { r.Created, r.Updated = -1, r.Created+r.Updated+1 },
		"success with rejects":              func(r *Report) { r.State = Succeeded },
		"refused after writing":             func(r *Report) { r.State = Refused },
		"skipped after writing":             func(r *Report) { r.State = Skipped },
		"no state":                          func(r *Report) { r.State = "" },
		"a record neither gone nor there":   func(r *Report) { r.Removed = &Removed{Found: 3, Deleted: 1, AlreadyGone: 1} },
	} {
		r := partial()
		spoil(&r)
		if err := r.Check(); !fault.Is(err, fault.Broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	good := partial()
	good.Removed = &Removed{Found: 3, Deleted: 1, AlreadyGone: 1, Failed: 1}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestSentence(t *testing.T) {
	reasons := func(n ...RejectReason) []RejectReason { return n }
	long := RejectReason{Code: "too_long", Column: "Email", Count: 3}
	for _, tc := range []struct {
		r    Report
		want string
	}{
		{Report{State: Succeeded}, "The file has no rows, so nothing was written."},
		{Report{State: Succeeded, Table: "contact", Read: 1, Written: 1}, "The file's only person was written."},
		{Report{State: Succeeded, Table: "contact", Read: 5000, Written: 5000}, "All 5,000 people were written."},
		{Report{State: Succeeded, Table: "new_stop", Read: 1234567, Written: 1234567}, "All 1,234,567 rows were written."},
		{Report{State: Succeeded, Read: 8, Written: 8, Deleted: 8}, "All 8 rows were deleted."},
		{Report{State: Succeeded, Read: 9, Unchanged: 9}, "All 9 rows were already there, unchanged: nothing had to be written."},
		{Report{State: Succeeded, Read: 1, Unchanged: 1}, "The file's only row was already there, unchanged."},
		{Report{State: Succeeded, Table: "account", Read: 9, Written: 1, Unchanged: 8}, "1 of 9 accounts was written; 8 were already there, unchanged."},
		{Report{State: Partial, Table: "contact", Read: 5000, Written: 4997, Rejected: 3, RejectReasons: reasons(long)},
			"4,997 of 5,000 people were written; 3 were not, because “Email” is too long."},
		{Report{State: Partial, Read: 10, Written: 6, Rejected: 4, RejectReasons: reasons(RejectReason{Code: "a", Count: 1}, RejectReason{Code: "b", Count: 1},
			RejectReason{Code: "c", Count: 1}, RejectReason{Code: "d", Count: 1}, RejectReason{Code: "e", Count: 1})},
			"6 of 10 rows were written; 4 were not, for 5 different reasons."},
		{Report{State: Partial, Read: 10, Written: 5, Unchanged: 4, Rejected: 1, RejectReasons: reasons(RejectReason{Code: "ragged_row", Count: 1})},
			"5 of 10 rows were written; 4 were already there, unchanged; 1 was not, because the row has too many or too few cells."},
		{Report{State: Partial, Read: 10, Written: 4, Rejected: 6, RejectReasons: reasons(long, RejectReason{Code: "0x8004F123", Count: 2}, RejectReason{Code: "x", Count: 1})},
			"4 of 10 rows were written; 6 were not, because “Email” is too long (3), Dataverse did not take the row (0x8004F123) (2) and for other reasons (1)."},
		{Report{State: Partial, Read: 3, Rejected: 3, RejectReasons: reasons(long)}, "None of 3 rows were written, because “Email” is too long."},
		{Report{State: Refused, Reason: &Reason{Message: "the header has this column twice", File: "a.csv", Line: 1, Column: "Email"}},
			"Nothing was written: the file was refused. a.csv, line 1, column “Email”: The header has this column twice."},
		{Report{State: Refused, Reason: &Reason{Kind: "Denied", Message: "the application user lacks prvCreateContact"}},
			"Nothing was written: Dataverse did not let us in, or does not let us write this table. The application user lacks prvCreateContact."},
		{Report{State: Skipped, Reason: &Reason{Message: "a later file came first."}}, "Nothing was written: the file was skipped. A later file came first."},
		{Report{State: Failed}, "The run stopped before its end. No row was written."},
		{Report{State: Failed, Table: "contact", Read: 10, Written: 1, NotAttempted: 9, Reason: &Reason{Message: "the turn was lost"}},
			"The run stopped before its end. 1 of the 10 people read was written. The turn was lost."},
	} {
		if got := Sentence(tc.r); got != tc.want {
			t.Errorf("\n got %s\nwant %s", got, tc.want)
		}
	}
}

func TestNextWarnsOfDoubledRows(t *testing.T) {
	r := failed()
	if got := strings.Join(Next(r), "\n"); !strings.Contains(got, "safe to load the file again") {
		t.Errorf("upsert: %s", got)
	}
	r.Mode = "append"
	if got := strings.Join(Next(r), "\n"); !strings.Contains(got, "twice") || strings.Contains(got, "safe") {
		t.Errorf("append: %s", got)
	}
	if got := Next(Report{State: Succeeded, Read: 1, Written: 1}); got != nil {
		t.Errorf("success: %q", got)
	}
}

func TestShareIsNeverRoundedUp(t *testing.T) {
	for want, r := range map[string]Report{
		"99.99 %": {Read: 1000000, Written: 999999}, "100 %": {Read: 7, Written: 6, Unchanged: 1}, "0 %": {Read: 9},
		"50 %": {Read: 2, Written: 1}, "33.3 %": {Read: 1000, Written: 333}, "": {},
	} {
		if got := share(r); got != want {
			t.Errorf("%d of %d: %q, want %q", r.Written, r.Read, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0.0 s", 0.44: "0.4 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min 0 s", 3599: "59 min 59 s", 7500: "2 h 5 min"} {
		if got := duration(seconds); got != want {
			t.Errorf("%v: %q, want %q", seconds, got, want)
		}
	}
}

// hostile stands in every text of a report. (Rule S3: the page escapes everything.)
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'</style>{{.}}javascript:alert(1)` + "\x1b[31m\u0085"

func hostileReport() Report {
	r := partial()
	reason := Reason{Kind: hostile, Code: hostile, Message: hostile, Advice: hostile, File: hostile, Line: 1, Column: hostile}
	r.Run, r.State, r.Destination, r.Connection, r.Environment, r.Table, r.Mode = hostile, hostile, hostile, hostile, hostile, hostile, hostile
	r.Reason, r.Key, r.Files, r.Format, r.SHA256, r.Audience = &reason, []string{hostile}, []string{hostile}, hostile, hostile, hostile
	r.Columns, r.Ignored, r.Notes = []Column{{hostile, hostile}}, []string{hostile}, []string{hostile}
	r.RejectReasons = []RejectReason{{Code: hostile, Column: hostile, Count: 12}}
	r.Steps, r.Folder, r.Report, r.Page, r.Rejects = []Step{{hostile, 1}}, hostile, "javascript:alert(1)", hostile, "javascript:alert(1)"
	return r
}

func TestHostileTextStaysText(t *testing.T) {
	var page, text bytes.Buffer
	if err := HTML(&page, hostileReport()); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", `href="javascript:`, "alert(1)>"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if n := strings.Count(page.String(), "</style>"); n != 1 {
		t.Errorf("the page has %d ends of its style", n)
	}
	if err := Text(&text, hostileReport()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\u0085") {
		t.Error("the text has control characters")
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	var page bytes.Buffer
	if err := HTML(&page, partial()); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<link", "src=", "url(", "@import", "ZgotmplZ", "<no value>"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}
