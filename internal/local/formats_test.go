package local_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"

	"penstock/internal/report"
	"penstock/internal/run"
)

// person is a row as several writers write it.
type person struct {
	Email string `json:"emailaddress1" parquet:"emailaddress1"`
	First string `json:"firstname" parquet:"firstname"`
	Last  string `json:"lastname" parquet:"lastname"`
}

// crowd is n people whose names are not plain ASCII and hold what separates cells.
func crowd(of string, n int) (people []person) {
	for i := range n {
		people = append(people, person{fmt.Sprintf("%s-%02d@example.org", of, i), "Zoë", fmt.Sprintf("Größe; %d, \"x\"", i)})
	}
	return people
}

func separated(people []person, delimiter string) string {
	cell := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	text := strings.Join([]string{"emailaddress1", "firstname", "lastname"}, delimiter) + "\r\n"
	for _, p := range people {
		text += strings.Join([]string{p.Email, p.First, cell(p.Last)}, delimiter) + "\r\n"
	}
	return text
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func zstandard(t *testing.T, text string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

func windows1252(t *testing.T, text string) string {
	text, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func utf16le(text string) string {
	b := []byte("\xff\xfe")
	for _, unit := range utf16.Encode([]rune(text)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}

func jsonArray(t *testing.T, people []person) string {
	data, err := json.MarshalIndent(people, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func jsonLines(t *testing.T, people []person) string {
	var b strings.Builder
	for _, p := range people {
		if err := json.NewEncoder(&b).Encode(p); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func parquetFile(t *testing.T, people []person) string {
	var b bytes.Buffer
	if err := parquet.Write(&b, people); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func workbook(t *testing.T, people []person) string {
	f := excelize.NewFile()
	defer f.Close()
	rows := [][]any{{"emailaddress1", "firstname", "lastname"}}
	for _, p := range people {
		rows = append(rows, []any{p.Email, p.First, p.Last})
	}
	for i := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprint("A", i+1), &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What warehouses and people export lands as it is, whatever wrote it.
func TestEveryFormatLands(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	const n = 20
	total := 0
	for _, c := range []struct {
		file, format, evidence string
		body                   func(people []person) string
	}{
		{"semicolon.csv", "csv", "Windows-1252", func(p []person) string { return windows1252(t, separated(p, ";")) }},
		{"tab.csv.gz", "csv", "gzip", func(p []person) string { return gzipped(separated(p, "\t")) }},
		{"pipe.txt.zst", "csv", "zstd", func(p []person) string { return zstandard(t, separated(p, "|")) }},
		{"excel-says-unicode.txt", "csv", "UTF-16", func(p []person) string { return utf16le(separated(p, "\t")) }},
		{"array.json", "json", "JSON array", func(p []person) string { return jsonArray(t, p) }},
		{"lines.json", "jsonl", "JSON Lines", func(p []person) string { return jsonLines(t, p) }},
		{"rows.parquet", "parquet", "Parquet", func(p []person) string { return parquetFile(t, p) }},
		{"book.xlsx", "xlsx", "Excel", func(p []person) string { return workbook(t, p) }},
	} {
		t.Run(c.file, func(t *testing.T) {
			s.t = t
			of, _, _ := strings.Cut(c.file, ".")
			f := s.drop("inbox/admin/people/"+c.file, c.body(crowd(of, n)))
			if f.State != run.Succeeded || f.Written != n {
				t.Fatalf("%+v reason %+v", f, f.Reason)
			}
			total += n
			r, err := s.Steps.Report(t.Context(), "people", f.Run)
			if err != nil || r.Format != c.format || !strings.Contains(strings.ToLower(strings.Join(r.Evidence, " ")), strings.ToLower(c.evidence)) {
				t.Errorf("format %s, evidence %q, %v", r.Format, r.Evidence, err)
			}
			if page := s.object(r.Page); !strings.Contains(page, "Why the files were read like this") {
				t.Error("the page does not say why")
			}
		})
	}
	s.t = t
	rows := s.rows("contacts?$select=emailaddress1,firstname,lastname", "emailaddress1")
	if len(rows) != total {
		t.Fatalf("%d rows, want %d", len(rows), total)
	}
	for key, row := range rows {
		number := strings.TrimPrefix(key[strings.LastIndex(key, "-")+1:len(key)-len("@example.org")], "0")
		if row["firstname"] != "Zoë" || row["lastname"] != fmt.Sprintf("Größe; %s, \"x\"", number) {
			t.Errorf("%s is %v", key, row)
		}
	}
}

// A person corrects a reject file, whatever it came from, and drops it as it is: without a hint, in its own dialect.
func TestCorrectedRejectsOfEveryFormatAreTaken(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	broken := func(of string) []person {
		people := crowd(of, 12)
		people[7].Email = ""
		return people
	}
	for i, c := range []struct{ file, body, rejects, wrong, right string }{
		{"a.csv.gz", gzipped(windows1252(t, separated(broken("a"), ";"))), "rejects.csv", "\n;Zo\xeb;", "\na-07@example.org;Zo\xeb;"},
		{"b.json", jsonArray(t, broken("b")), "rejects.json", `"emailaddress1": ""`, `"emailaddress1": "b-07@example.org"`},
		{"c.parquet", parquetFile(t, broken("c")), "rejects.csv", "\n,Zoë,", "\nc-07@example.org,Zoë,"},
		{"d.xlsx", workbook(t, broken("d")), "rejects.csv", "\n,Zoë,", "\nd-07@example.org,Zoë,"},
	} {
		s.put("inbox/admin/people/"+c.file, c.body)
		f := s.wait2(t)
		if f.State != run.Partial || f.Rejected != 1 || !strings.HasSuffix(f.Rejects, c.rejects) {
			t.Fatalf("%s: %+v reason %+v", c.file, f, f.Reason)
		}
		corrected := strings.Replace(s.object(f.Rejects), c.wrong, c.right, 1)
		f = s.drop("inbox/admin/people/corrected-"+c.file[:1]+strings.TrimPrefix(c.rejects, "rejects"), corrected)
		if f.State != run.Succeeded || f.Written != 1 {
			t.Errorf("%s corrected: %+v reason %+v\n%q", c.file, f, f.Reason, corrected)
		}
		if n := len(s.rows("contacts?$select=emailaddress1", "emailaddress1")); n != 12*(i+1) {
			t.Errorf("%s: %d rows", c.file, n)
		}
	}
}

const unloaded = "inbox/admin/people/2026-03-01/"

// A Redshift UNLOAD: parts without endings, headers in each, and the manifest last.
func TestUnloadBeginsWithItsManifest(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	var entries []string
	for i := range 3 {
		key := fmt.Sprintf(unloaded+"x%04d_part_00.gz", i)
		body := gzipped(separated(crowd(fmt.Sprint("p", i), 10+i), "|"))
		s.put(key, body)
		entries = append(entries, fmt.Sprintf(`{"url":"s3://penstock-inbox/%s","meta":{"content_length":%d,"record_count":%d}}`, key, len(body), 10+i))
	}
	s.put(unloaded+"leftover_part_of_another_unload.gz", "not read: no manifest names it")
	manifest := `{"entries":[` + strings.Join(entries, ",") + `]}`
	f := s.drop(unloaded+"x_manifest", manifest)
	if f.State != run.Succeeded || f.Written != 33 {
		t.Fatalf("%+v reason %+v", f, f.Reason)
	}
	r, err := s.Steps.Report(t.Context(), "people", f.Run)
	if err != nil || len(r.Files) != 3 || r.Files[1] != unloaded+"x0001_part_00.gz" {
		t.Errorf("files %q, %v", r.Files, err)
	}
	only(t, s, "starts/")
}

// A folder that Spark or Trino fills: nothing begins before _SUCCESS, whatever lies beside the parts.
func TestFolderBeginsWithItsMarker(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.put(unloaded+"part-00001-7f.json", jsonLines(t, crowd("b", 5)))
	s.put(unloaded+"_temporary/0/part-00009-7f.json", jsonLines(t, crowd("t", 5)))
	s.put(unloaded+"part-00000-7f.json", jsonLines(t, append(crowd("a", 5), person{Last: "Nobody"})))
	s.put(unloaded+"part-00002-7f.json", "")
	s.put(unloaded+"_SUCCESS", "")
	f := s.wait()
	if f.State != run.Failed && f.State != run.Refused && f.State != run.Partial || f.Read != 11 {
		t.Fatalf("%+v reason %+v", f, f.Reason)
	}
	if f.State != run.Partial || f.Written != 10 || !strings.Contains(s.object(f.Rejects), `"_line":6`) {
		t.Errorf("%+v reason %+v\n%s", f, f.Reason, s.object(f.Rejects))
	}
	only(t, s, "starts/")
	// Told again, also after the folder has changed, it is the same run.
	var start run.Start
	if err := json.Unmarshal([]byte(s.object(only(t, s, "starts/"))), &start); err != nil {
		t.Fatal(err)
	}
	s.put(unloaded+"part-00003-7f.json", jsonLines(t, crowd("late", 5)))
	var event run.Event
	o := start.Delivery.Objects[0]
	event.Source, event.DetailType, event.Time = "aws.s3", "Object Created", start.Arrived
	event.Detail.Bucket.Name, event.Detail.Object.Key, event.Detail.Object.ETag = o.Bucket, o.Key, o.ETag
	event.Detail.Object.Sequencer = o.Sequencer
	if got, err := s.Steps.Receive(t.Context(), event); err != nil || got.State != run.Known || got.Run != f.Run {
		t.Errorf("told again: %+v, %v", got, err)
	}
	// Completed anew, it is a new delivery of all that is there.
	s.put(unloaded+"_SUCCESS", "")
	if f := s.wait(); f.Read != 16 || f.Written != 15 {
		t.Errorf("completed anew: %+v reason %+v", f, f.Reason)
	}
}

// What a manifest may not say, and what is not where it must be: refused, with a report.
func TestDeliveriesThatAreNotWhole(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.put("inbox/business/people/run/secret.csv", people(3))
	s.put("inbox/admin/people/run/a.csv", people(3))
	entry := func(url, meta string) string {
		return fmt.Sprintf(`{"entries":[{"url":"s3://penstock-inbox/inbox/admin/people/run/a.csv"},{"url":%q%s}]}`, url, meta)
	}
	for _, c := range []struct{ name, key, body, code string }{
		{"a file of another audience", "inbox/admin/people/run/1_manifest", entry("s3://penstock-inbox/inbox/business/people/run/secret.csv", ""), "bad_manifest"},
		{"a file of another bucket", "inbox/admin/people/run/2_manifest", entry("s3://penstock-work/config/penstock.yaml", ""), "bad_manifest"},
		{"a file that is not there", "inbox/admin/people/run/3_manifest", entry("s3://penstock-inbox/inbox/admin/people/run/b.csv", ""), "delivery_changed"},
		{"a file of another size", "inbox/admin/people/run/4_manifest", strings.Replace(entry("s3://penstock-inbox/inbox/admin/people/run/deep/c.csv", ""), `a.csv"`, `a.csv","meta":{"content_length":5}`, 1), "delivery_changed"},
		{"no manifest", "inbox/admin/people/run/5_manifest", "{", "bad_manifest"},
		{"a manifest without a folder", "inbox/admin/people/x_manifest", entry("s3://penstock-inbox/inbox/admin/people/run/a.csv", ""), "needs_folder"},
		{"a marker without a folder", "inbox/admin/people/_SUCCESS", "", "needs_folder"},
		{"a folder of nothing", "inbox/admin/people/empty/_SUCCESS", "", "nothing_delivered"},
		{"rows missing", "inbox/admin/people/run/6_manifest", `{"entries":[{"url":"s3://penstock-inbox/inbox/admin/people/run/a.csv","meta":{"record_count":4}}]}`, "rows_missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			f := s.drop(c.key, c.body)
			if f.State != run.Refused || f.Reason.Code != c.code || f.Written != 0 {
				t.Errorf("%+v reason %+v", f, f.Reason)
			}
		})
	}
	s.t = t
	for _, n := range s.Emulator.Server.Traffic().Stats(context.Background()).Tables {
		if n.Created > 0 {
			t.Errorf("something was written: %+v", n)
		}
	}
}

// Why files were read as they were is told on the command line, too.
func TestEvidenceInTheSummary(t *testing.T) {
	var b strings.Builder
	if err := report.Text(&b, report.Report{State: report.Succeeded, Evidence: []string{"Encoding UTF-8: assumed."}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if i := slices.Index(lines, "Why the files were read like this"); i < 0 || lines[i+1] != "  - Encoding UTF-8: assumed." {
		t.Errorf("%s", b.String())
	}
}
