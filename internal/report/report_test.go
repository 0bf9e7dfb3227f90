package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"html"
	"io"
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

// mirrored is a run that also removed records, some of them in vain, and has rows with warnings.
func mirrored() Report {
	r := partial()
	r.Mode, r.Read, r.Rejected, r.RejectReasons, r.Rejects, r.Ignored, r.Notes = "mirror", 4988, 0, nil, "", nil, nil
	r.Removed = &Removed{Found: 16, Deleted: 12, AlreadyGone: 1, Failed: 3, Reasons: []RejectReason{{Code: "0x80040227", Count: 2}, {Code: "0x80040265", Count: 1}}}
	r.Warned, r.WarnReasons = 5, []RejectReason{{Code: "0x80040217", Column: "Manager", Count: 4, Line: 77}, {Code: "0x80040265", Count: 2, Line: 301}}
	r.Warnings, r.Undeleted, r.Doubts = r.Folder+"warnings.csv", r.Folder+"undeleted.csv", r.Folder+"doubtful.csv"
	r.Doubtful = 2
	r.Filter = []Condition{{Column: "statecode", Value: json.RawMessage("0")}, {Column: "new_source", Value: json.RawMessage(`"\u003clake\u003e"`)}, {Column: "new_left", Value: json.RawMessage("null")}} // as it is stored
	r.Steps = []Step{{"prepare", 3.2}, {"turn", 1.1}, {"load", 48.9}, {"link", 6.5}, {"sweep", 12.4}}
	return r
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
	for name, r := range map[string]Report{"partial": partial(), "refused": refused(), "failed": failed(), "mirrored": mirrored()} {
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
		"a warning without a reason":        func(r *Report) { r.Warned = 1 },
		"warnings of rows that are not there": func(r *Report) {
			r.Warned, r.WarnReasons = 4989, []RejectReason{{Code: "x", Count: 4989}}
		},
		"success with warnings": func(r *Report) {
			*r = mirrored()
			r.State, r.Rejected, r.RejectReasons = Succeeded, 0, nil
		},
		"refused after removing": func(r *Report) {
			*r = refused()
			r.Removed = &Removed{Found: 1, Deleted: 1}
		},
		"a record not deleted without a reason": func(r *Report) { r.Removed = &Removed{Found: 1, Failed: 1} },
		"more records uncertain than left":      func(r *Report) { r.Removed = &Removed{Found: 1, NotAttempted: 1, Uncertain: 2} },
		"a record neither gone nor there":       func(r *Report) { r.Removed = &Removed{Found: 3, Deleted: 1, AlreadyGone: 1} },
	} {
		r := partial()
		spoil(&r)
		if err := r.Check(); !fault.Is(err, fault.Broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	good := partial()
	good.Removed = &Removed{Found: 5, Deleted: 1, AlreadyGone: 1, Failed: 1, NotAttempted: 2, Uncertain: 1, Reasons: []RejectReason{{Code: "0x80040227", Count: 1}}}
	good.Warned, good.WarnReasons = 2, []RejectReason{{Code: "0x80040217", Count: 3, Line: 7}}
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
		{Report{State: Succeeded, Mode: "truncate", Table: "contact", Read: 5000, Written: 5000, Removed: &Removed{Found: 1200, Deleted: 1200}},
			"All 5,000 people were written. Cleared 1,200 records first."},
		{Report{State: Succeeded, Mode: "mirror", Read: 2, Unchanged: 2, Removed: &Removed{Found: 1, Deleted: 1}},
			"All 2 rows were already there, unchanged: nothing had to be written. Also removed 1 record that the file does not hold."},
		{Report{State: Partial, Mode: "upsert", Read: 9, Written: 9, Warned: 2}, "All 9 rows were written. For 2 of the written rows a link to another record, or a state, could not be set."},
		{Report{State: Succeeded, Table: "contact", Read: 1, Written: 1}, "The file's only person was written."},
		{Report{State: Succeeded, Table: "contact", Read: 5000, Written: 5000}, "All 5,000 people were written."},
		{Report{State: Succeeded, Table: "new_stop", Read: 1234567, Written: 1234567}, "All 1,234,567 rows were written."},
		{Report{State: Succeeded, Read: 8, Written: 8, Deleted: 8}, "All 8 rows were deleted."},
		{Report{State: Succeeded, Mode: "delete", Read: 3, Written: 2, Deleted: 2, Unchanged: 1}, "2 of 3 rows were deleted; 1 was already gone."},
		{Report{State: Succeeded, Mode: "delete", Read: 2, Unchanged: 2}, "All 2 rows were already gone: nothing had to be deleted."},
		{Report{State: Failed, Mode: "mirror", Read: 1, Written: 1, Reason: &Reason{Message: "too many deletes"}},
			"The run stopped before its end. The file's only row was written. Too many deletes."},
		{Report{State: Refused, Reason: &Reason{Message: "the environment has no table \"contcat\""}},
			"Nothing was written: the run was refused. The environment has no table \"contcat\"."},
		{Report{State: Refused, Reason: &Reason{Message: "the file has none of that name", Column: "Land"}},
			"Nothing was written: the file was refused. Column “Land”: The file has none of that name."},
		{Report{State: Refused, Reason: &Reason{Code: "too_many_rejects", Message: "3 of 16 rows are wrong", File: "a.csv", Line: 5, Column: "Born"}},
			"Nothing was written: the file was refused. 3 of 16 rows are wrong."},
		{Report{State: Refused, Reason: &Reason{Message: "2 things are wrong; column \"a\": is not there; column \"b\": neither", File: "a.csv"}},
			"Nothing was written: the file was refused. 2 things are wrong."},
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
			"Nothing was written: a credential or a permission is not in order. The application user lacks prvCreateContact."},
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

// Whoever follows the advice must not lose rows by delivering the reject file alone.
func TestNextNamesTheFileToCorrect(t *testing.T) {
	const alone, whole, later = "drop it like the first one", "in the file itself", "come to its end first"
	for name, tc := range map[string]struct {
		change func(*Report)
		want   string
	}{
		"partial":  {func(*Report) {}, alone},
		"refused":  {func(r *Report) { r.State, r.Reason = Refused, &Reason{Code: tooManyRejects} }, whole},
		"mirror":   {func(r *Report) { r.Mode = "mirror" }, whole},
		"stopped":  {func(r *Report) { r.State, r.NotAttempted, r.Reason = Failed, 5, &Reason{Code: "stopped"} }, later},
		"too many": {func(r *Report) { r.State, r.NotAttempted, r.Reason = Failed, 5, &Reason{Code: tooManyRejects} }, whole},
		"append, too many": {func(r *Report) {
			r.State, r.Mode, r.NotAttempted, r.Reason = Failed, "append", 5, &Reason{Code: tooManyRejects}
		}, later},
	} {
		r := partial()
		tc.change(&r)
		got := strings.Join(Next(r), "\n")
		for _, advice := range []string{alone, whole, later} {
			if strings.Contains(got, advice) != (advice == tc.want) {
				t.Errorf("%s: %q is there, or is not: %s", name, advice, got)
			}
		}
	}
}

func TestSeveralProblemsAreAList(t *testing.T) {
	r := refused()
	r.Reason.Message = "2 things are wrong; column \"a\": is not there; column \"b\": neither"
	for name, write := range map[string]func(io.Writer, Report) error{"text": Text, "html": HTML} {
		var got strings.Builder
		if err := write(&got, r); err != nil {
			t.Fatal(err)
		}
		if text := html.UnescapeString(got.String()); !strings.Contains(text, "Column \"a\": is not there.") || !strings.Contains(text, "Column \"b\": neither.") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Every code of docs/files.md reads as a sentence.
func TestWordsOfEveryCode(t *testing.T) {
	for _, code := range strings.Fields(`key_missing duplicate_key too_long not_a_number not_whole out_of_range too_precise not_a_boolean
		not_a_date has_time not_a_guid ambiguous_time unknown_choice ambiguous_choice too_many_choices lookup_not_found lookup_ambiguous
		lookup_not_addressable state_contradiction nested_value invalid_text control_character ragged_row bad_quoting bad_encoding bad_json
		not_an_object duplicate_member empty_name cell_error no_date merged_cell not_found ambiguous_key bad_key`) {
		if words := (RejectReason{Code: code}).Words(); strings.HasPrefix(words, "of ") {
			t.Errorf("%s: %s", code, words)
		}
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
