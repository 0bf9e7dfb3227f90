package local_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/config"
	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/local"
	"penstock/internal/report"
	"penstock/internal/run"
)

const testConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  people:
    connection: sales
    table: contact
    mode: upsert
    key: emailaddress1
    audiences: [admin, business]
  strict:
    connection: sales
    table: contact
    mode: upsert
    key: emailaddress1
    rejects: {max_percent: 0}
  by-id:
    connection: sales
    table: contact
    mode: upsert
    key: contactid
  leads:
    connection: sales
    table: lead
    mode: append
  nowhere:
    connection: sales
    table: contakt
    mode: append
`

// A stack of its own for each test, with what ended so far.
type stack struct {
	*local.Stack
	t      *testing.T
	ended  chan ending
	config func() string // penstock.yaml as it is now
}

type ending struct {
	start    run.Start
	finished run.Finished
	err      error
}

func startStack(t *testing.T, dir string, change ...func(*local.StackOptions)) *stack {
	t.Helper()
	s := &stack{t: t, ended: make(chan ending, 100), config: func() string { return testConfig }}
	options := local.StackOptions{Dir: dir, Config: func() (*config.Config, error) { return config.Parse([]byte(s.config()), "penstock.yaml") },
		Ended: func(start run.Start, f run.Finished, err error) { s.ended <- ending{start, f, err} },
		Clock: hurried{},
		// True limits would throttle a test that floods; the traffic tests turn them on.
		Emulator: dataversetest.Options{Traffic: traffic.Options{Limits: &traffic.Limits{Servers: 1, DOPHint: 8}}}}
	for _, f := range change {
		f(&options)
	}
	var err error
	if s.Stack, err = local.StartStack(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close the stack: %v", err)
		}
	})
	return s
}

// hurried is a clock for the client that goes twenty times as fast.
type hurried struct{}

var hurriedSince = time.Now()

func (hurried) Now() time.Time                         { return hurriedSince.Add(20 * time.Since(hurriedSince)) }
func (hurried) After(d time.Duration) <-chan time.Time { return time.After(d / 20) }

// drop uploads a file and waits for its run to end.
func (s *stack) drop(key, body string) run.Finished {
	s.t.Helper()
	s.put(key, body)
	return s.wait()
}

func (s *stack) put(key, body string) {
	s.t.Helper()
	_, err := s.Objects().PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(local.InboxBucket), Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) wait() run.Finished {
	s.t.Helper()
	end := <-s.ended
	if end.err != nil {
		s.t.Fatalf("run %s: %v", end.start.Run, end.err)
	}
	s.check(end.finished)
	return end.finished
}

// check holds rule C against a run: the answer, the report and the reject file agree and add up.
func (s *stack) check(f run.Finished) {
	s.t.Helper()
	r, err := s.Steps.Report(context.Background(), f.Destination, f.Run)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := r.Check(); err != nil {
		s.t.Errorf("run %s: %v", f.Run, err)
	}
	if f.Read != f.Written+f.Unchanged+f.Rejected+f.NotAttempted || f.Read != r.Read || f.Written != r.Written || f.Rejected != r.Rejected {
		s.t.Errorf("run %s: the answer %+v does not add up or differs from the report", f.Run, f)
	}
	if (f.Rejected > 0) != (f.Rejects != "") {
		s.t.Errorf("run %s: %d rejects and reject file %q", f.Run, f.Rejected, f.Rejects)
	}
	if f.Rejected > 0 && strings.HasSuffix(f.Rejects, ".csv") {
		lines := s.csv(f.Rejects)
		if int64(len(lines)-1) != f.Rejected {
			s.t.Errorf("run %s: %d rejects but %d rows in %s", f.Run, f.Rejected, len(lines)-1, f.Rejects)
		}
	}
}

func (s *stack) object(key string) string {
	s.t.Helper()
	body, err := s.Steps.Work.Open(context.Background(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func (s *stack) csv(key string) [][]string {
	s.t.Helper()
	reader := csv.NewReader(strings.NewReader(s.object(key)))
	reader.FieldsPerRecord = -1 // a ragged row stays ragged
	lines, err := reader.ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

func (s *stack) fault(text string) {
	s.t.Helper()
	f, err := traffic.ParseFault(text)
	if err == nil {
		_, err = s.Emulator.Server.Traffic().AddFaults(f)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// rows reads a table back over the wire, by a column, and fails on one that is there twice.
func (s *stack) rows(set, by string) map[string]map[string]any {
	s.t.Helper()
	rows, err := readTable(s.Emulator, set, by)
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

func people(n int) string {
	var b bytes.Buffer
	b.WriteString("emailaddress1,firstname,lastname\n")
	for i := range n {
		fmt.Fprintf(&b, "p%04d@example.org,First%d,Last%d\n", i, i, i)
	}
	return b.String()
}

func enquiries(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"subject":"Enquiry %d","lastname":"Last%d"}`+"\n", i, i)
	}
	return b.String()
}

func TestDroppedFileBecomesRows(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	f := s.drop("inbox/business/people/my file+1 ä.csv", people(2500))
	if f.State != run.Succeeded || f.Read != 2500 || f.Written != 2500 {
		t.Fatalf("%+v", f)
	}
	rows := s.rows("contacts?$select=emailaddress1,firstname", "emailaddress1")
	if len(rows) != 2500 || rows["p0042@example.org"]["firstname"] != "First42" {
		t.Fatalf("%d rows, one of them %v", len(rows), rows["p0042@example.org"])
	}
	// The same bytes dropped anew are a new run, and nothing doubles.
	again := s.drop("inbox/business/people/my file+1 ä.csv", people(2500))
	if again.State != run.Succeeded || again.Run == f.Run || len(s.rows("contacts?$select=emailaddress1", "emailaddress1")) != 2500 {
		t.Fatalf("dropped anew: %+v", again)
	}
}

// Every awkward key of real life, rows that we reject and rows that the service rejects.
func TestRejectedRowsAreAsideWithTheirReasons(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	good := strings.Split(strings.TrimSpace(people(100)), "\n")
	good[10] = "a+b@x.org,Plus,Sign"
	good[20] = "O'Neil@example.org,Quote,Inside"
	good[30] = "jörg@exämple.example,Um,Laut"
	good[40] = "sales/emea@example.org,Slash,Inside"
	good[50] = `"50%off&<more>:*?\\@example.org","Every, sign","A ""quoted"" one"`
	bad := []string{
		",No,Key",
		"too-long@example.org," + strings.Repeat("x", 51) + ",Long",
		"P0003@EXAMPLE.ORG ,Duplicate,Key", // the earlier row is rejected, this one written
		"ragged@example.org,Only two",
	}
	f := s.drop("inbox/admin/people/awkward.csv", strings.Join(append(good, bad...), "\n")+"\n")
	if f.State != run.Partial || f.Read != 104 || f.Written != 100 || f.Rejected != 4 {
		t.Fatalf("%+v", f)
	}
	rows := s.rows("contacts?$select=emailaddress1,firstname,lastname", "emailaddress1")
	for key, first := range map[string]string{"a+b@x.org": "Plus", "o'neil@example.org": "Quote", "jörg@exämple.example": "Um", "sales/emea@example.org": "Slash",
		`50%off&<more>:*?\\@example.org`: "Every, sign", "p0003@example.org": "Duplicate"} {
		if rows[key]["firstname"] != first {
			t.Errorf("%s is %v, want first name %s", key, rows[key], first)
		}
	}
	lines := s.csv(f.Rejects)
	if got := strings.Join(lines[0], ","); got != "emailaddress1,firstname,lastname,_line,_column,_code,_message" {
		t.Errorf("header of the rejects: %s", got)
	}
	codes := map[string]string{}
	for _, line := range lines[1:] {
		codes[line[len(line)-2]] = line[len(line)-4]
	}
	want := map[string]string{"duplicate_key": "5", "key_missing": "102", "too_long": "103", "ragged_row": "105"}
	if !maps.Equal(codes, want) {
		t.Errorf("codes and lines %v, want %v", codes, want)
	}
}

// A person corrects the reject file and drops it as it is.
func TestCorrectedRejectFileIsTaken(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	f := s.drop("inbox/admin/people/first.csv", people(50)+",Missing,Key\nx@example.org,"+strings.Repeat("y", 60)+",Long\n")
	if f.State != run.Partial || f.Rejected != 2 {
		t.Fatalf("%+v", f)
	}
	corrected := strings.Replace(s.object(f.Rejects), ",Missing,Key", "found@example.org,Missing,Key", 1)
	corrected = strings.Replace(corrected, strings.Repeat("y", 60), "Short", 1)
	f = s.drop("inbox/admin/people/corrected.csv", corrected)
	if f.State != run.Succeeded || f.Written != 2 {
		t.Fatalf("corrected: %+v\n%s", f, corrected)
	}
	r, err := s.Steps.Report(context.Background(), "people", f.Run)
	if err != nil || !slices.Equal(r.Ignored, []string{"_line", "_column", "_code", "_message"}) || len(r.Notes) == 0 {
		t.Errorf("the report does not say what was ignored: %+v, %v", r, err)
	}
	if len(s.rows("contacts?$select=emailaddress1", "emailaddress1")) != 52 {
		t.Error("the table has not 52 rows")
	}
}

// A run that is refused never touches the target.
func TestRefusedRunsTouchNothing(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	for name, c := range map[string]struct {
		key, body, code string
		read            int64
	}{
		"too many rejects":     {"inbox/admin/strict/x.csv", people(99) + ",no,key\n", "too_many_rejects", 100},
		"unknown destination":  {"inbox/admin/peple/x.csv", people(3), "unknown_destination", 0},
		"wrong audience":       {"inbox/restricted/people/x.csv", people(3), "wrong_audience", 0},
		"unknown column":       {"inbox/admin/people/x.csv", "emailaddress1,fristname\na@b.org,x\n", "unknown_column", 0},
		"no key column":        {"inbox/admin/people/x.csv", "firstname\nx\n", "missing_column", 0},
		"unknown table":        {"inbox/admin/nowhere/x.csv", people(3), "unknown_table", 0},
		"empty file":           {"inbox/admin/people/x.csv", "", "empty_file", 0},
		"unclosed quote":       {"inbox/admin/people/x.csv", people(3) + "\"a@b.org,x,y\n", "unclosed_quote", 3},
		"a document":           {"inbox/admin/people/x.csv", "%PDF-1.7 " + people(3), "unsupported_format", 0},
		"unknown JSON column":  {"inbox/admin/leads/x.jsonl", `{"subject":"a"}` + "\n" + `{"subjekt":"b"}` + "\n", "unknown_column", 2},
		"a workbook cut short": {"inbox/admin/people/x.csv", "PK\x03\x04 not a csv", "cut_short", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			f := s.drop(c.key, c.body)
			if f.State != run.Refused || f.Reason == nil || f.Reason.Code != c.code || f.Read != c.read || f.Written != 0 {
				t.Fatalf("%+v reason %+v", f, f.Reason)
			}
			if page := s.object(strings.TrimSuffix(f.Report, "json") + "html"); !strings.Contains(page, "refused") {
				t.Error("the report page does not say so")
			}
		})
	}
	s.t = t
	stats := s.Emulator.Server.Traffic().Stats(context.Background())
	for table, n := range stats.Tables {
		if n.Created+n.Updated+n.Deleted > 0 {
			t.Errorf("table %s was touched: %+v", table, n)
		}
	}
}

// Rows that only the service can judge count in the report and stop the run above the threshold.
func TestRowsThatTheServiceRejects(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	file := func(bad int) string {
		var b strings.Builder
		b.WriteString("emailaddress1,lastname,parentcustomerid\n")
		for i := range 1500 {
			account := ""
			if i%(1500/bad) == 1500/bad-1 {
				account = "7d9f3b52-0000-4000-8000-00000000dead"
			}
			fmt.Fprintf(&b, "p%04d@example.org,Last,%s\n", i, account)
		}
		return b.String()
	}
	strict := ""
	s.config = func() string {
		return strings.NewReplacer("audiences: [admin, business]",
			"columns: {emailaddress1: emailaddress1, lastname: lastname, parentcustomerid: {to: parentcustomerid, table: account}}"+strict,
			// With more calls in flight all rows would be there before the first is rejected.
			"credential: env:X", "credential: env:X, max_in_flight: 1").Replace(testConfig)
	}
	f := s.drop("inbox/admin/people/few.csv", file(20))
	if f.State != run.Partial || f.Written != 1480 || f.Rejected != 20 {
		t.Fatalf("%+v reason %+v", f, f.Reason)
	}
	for _, line := range s.csv(f.Rejects)[1:] {
		if line[5] != "0x80040217" {
			t.Errorf("reject %v", line)
		}
	}
	if rows := s.rows("contacts?$select=emailaddress1", "emailaddress1"); len(rows) != 1480 {
		t.Errorf("%d rows, want 1480", len(rows))
	}
	strict = "\n    rejects: {max_percent: 1}"
	f = s.drop("inbox/admin/people/many.csv", file(100))
	if f.State != run.Failed || f.Reason == nil || f.Reason.Code != "too_many_rejects" || f.NotAttempted == 0 {
		t.Fatalf("%+v reason %+v", f, f.Reason)
	}
}

// Rule I3: whatever happens on the wire, every row is there once.
func TestFaultsOnTheWireLoseAndDoubleNothing(t *testing.T) {
	faultsOnTheWire(t,
		"drop-after:every=3,path=Multiple",
		"status-after:status=500,every=2,path=Multiple",
		"throttle:every=5,times=4,path=Multiple,retry_after=1",
	)
}

func TestSoakFaultsOnTheWire(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("a soak: set PENSTOCK_SOAK=1")
	}
	faultsOnTheWire(t,
		"drop-before:every=3,path=Multiple",
		"cut:every=4,path=Multiple",
		"status-after:status=503,every=3,path=Multiple",
		"status-before:status=502,every=3,path=Multiple",
		"status-after:status=500,first=1,path=Multiple",
		"status-before:status=500,after=3,first=60,path=Multiple",
		"status-before:status=504,min_rows=30,path=Multiple",
		"deadlock:every=4,path=Multiple",
		"unauthorized:after=3,times=1,path=Multiple", // a call turned down twice is a credential refused
	)
}

func faultsOnTheWire(t *testing.T, faults ...string) {
	for _, text := range faults {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, t.TempDir())
			s.fault(text)
			f := s.drop("inbox/admin/leads/x.jsonl", enquiries(1500))
			if f.State != run.Succeeded || f.Created != 1500 {
				t.Errorf("append: %+v reason %+v", f, f.Reason)
			}
			if n := len(s.rows("leads?$select=subject", "subject")); n != 1500 {
				t.Errorf("%d leads", n)
			}
			f = s.drop("inbox/admin/people/x.csv", people(1500))
			if f.State != run.Succeeded || f.Written != 1500 {
				t.Errorf("upsert: %+v reason %+v", f, f.Reason)
			}
			if n := len(s.rows("contacts?$select=emailaddress1", "emailaddress1")); n != 1500 {
				t.Errorf("%d contacts", n)
			}
		})
	}
}

func TestAppendedContentIsNotAppendedAgain(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	if f := s.drop("inbox/admin/leads/a.jsonl", enquiries(30)); f.State != run.Succeeded || f.Created != 30 {
		t.Fatalf("%+v", f)
	}
	f := s.drop("inbox/admin/leads/b.jsonl", enquiries(30))
	if f.State != run.Refused || f.Reason.Code != "already_loaded" || f.NotAttempted != 30 {
		t.Fatalf("%+v reason %+v", f, f.Reason)
	}
	if n := len(s.rows("leads?$select=subject", "leadid")); n != 30 {
		t.Errorf("%d leads", n)
	}
}

// Rule I1: a duplicate event finds the run started.
func TestTheSameEventStartsOneRun(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	f := s.drop("inbox/admin/people/x.csv", people(10))
	var start run.Start
	if err := json.Unmarshal([]byte(s.object(only(t, s, "starts/"))), &start); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var event run.Event
		event.Source, event.DetailType, event.Time = "aws.s3", "Object Created", start.Arrived
		o := start.Delivery.Objects[0]
		event.Detail.Bucket.Name, event.Detail.Object.Key, event.Detail.Object.ETag = o.Bucket, o.Key, o.ETag
		event.Detail.Object.Sequencer, event.Detail.Object.Size = o.Sequencer, o.Size
		got, err := s.Steps.Receive(context.Background(), event)
		if err != nil || got.State != run.Known || got.Run != f.Run {
			t.Errorf("%+v, %v", got, err)
		}
	}
	only(t, s, "starts/")
}

func only(t *testing.T, s *stack, prefix string) string {
	t.Helper()
	var keys []string
	for info, err := range s.Steps.Work.List(context.Background(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	if len(keys) != 1 {
		t.Fatalf("%d objects under %s: %v", len(keys), prefix, keys)
	}
	return keys[0]
}

// Two deliveries for one table take turns; each sees the other's rows whole.
func TestRunsOfOneTableTakeTurns(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.fault("latency:delay=20ms,path=Multiple")
	for i := range 4 {
		s.put(fmt.Sprintf("inbox/admin/people/%d.csv", i), strings.ReplaceAll(people(600), "Last", fmt.Sprintf("Run%d-", i)))
	}
	for range 4 {
		if f := s.wait(); f.State != run.Succeeded || f.Written != 600 {
			t.Errorf("%+v reason %+v", f, f.Reason)
		}
	}
	runs := map[string]int{}
	for _, row := range s.rows("contacts?$select=emailaddress1,lastname", "emailaddress1") {
		name, _, _ := strings.Cut(fmt.Sprint(row["lastname"]), "-")
		runs[name]++
	}
	if len(runs) != 1 {
		t.Errorf("the table is a mixture of runs: %v", runs)
	}
}

func TestStoppedStackGoesOnAtItsNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startStack(t, dir)
	s.fault("latency:delay=100ms,path=Multiple")
	s.put("inbox/admin/leads/x.jsonl", enquiries(20_000))
	waitForRows(t, s, "lead", 300)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(now); err != nil {
		t.Fatal(err)
	}
	if f := s.wait2(t); f.State != run.Failed || f.NotAttempted == 0 || f.Created == 0 || !f.Stopped() {
		t.Fatalf("stopped: %+v reason %+v", f, f.Reason)
	}
	s = startStack(t, dir)
	f := s.wait()
	if f.State != run.Succeeded || f.Created != 20_000 {
		t.Fatalf("resumed: %+v reason %+v", f, f.Reason)
	}
	if n := len(s.rows("leads?$select=subject", "subject")); n != 20_000 {
		t.Errorf("%d leads", n)
	}
}

// wait2 takes a run's end from a stack that is closed: its objects are out of reach.
func (s *stack) wait2(t *testing.T) run.Finished {
	t.Helper()
	end := <-s.ended
	if end.err != nil {
		t.Fatal(end.err)
	}
	return end.finished
}

// waitForRows asks the emulator until a table has rows, without guessing at times.
func waitForRows(t *testing.T, s *stack, table string, n int64) {
	t.Helper()
	for {
		if stats := s.Emulator.Server.Traffic().Stats(t.Context()).Tables[table]; stats != nil && stats.Created >= n {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("no rows came")
		}
	}
}

func TestReportIsOnePageForPeople(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	f := s.drop("inbox/admin/people/x.csv", people(20)+",Missing,Key\n")
	page := s.object(strings.TrimSuffix(f.Report, "json") + "html")
	var r report.Report
	if err := json.Unmarshal([]byte(s.object(f.Report)), &r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{f.Run, "people", report.Sentence(r)[:20]} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(page, "http://") && strings.Contains(page, "src=") {
		t.Error("the page asks for something from outside")
	}
}
