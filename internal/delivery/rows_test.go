package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"penstock/internal/delivery/charset"
	"penstock/internal/fault"
	"penstock/internal/row"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSeveralObjects(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files []string
		hints Hints
		want  [][]string
	}{
		{"a header in each", []string{"a", "n,m\n1,x\n", "b", "n,m\r\n2,y", "c", "n,m\n", "d", "n,m\n3,z\n"}, Hints{}, [][]string{{"1", "x"}, {"2", "y"}, {"3", "z"}}},
		{"a header in the first", []string{"a", "n,m\n1,x\n", "b", "2,y\n", "c", "3,z"}, Hints{}, [][]string{{"1", "x"}, {"2", "y"}, {"3", "z"}}},
		{"no header", []string{"a", "1,x@y.org\n", "b", "2,y@y.org\n"}, Hints{}, [][]string{{"1", "x@y.org"}, {"2", "y@y.org"}}},
		{"empty parts", []string{"a", "", "b", "n\n1\n", "c", "", "d", "n\n2\n", "e", ""}, Hints{}, [][]string{{"1"}, {"2"}}},
		{"a packed part of nothing first", []string{"a", gzipped(""), "b", gzipped("n\n1\n")}, Hints{}, [][]string{{"1"}}},
		{"packed and unpacked", []string{"a", gzipped("n\n1\n", "2\n"), "b", zstandard("n\n3\n"), "c", "n\n4\n"}, Hints{}, [][]string{{"1"}, {"2"}, {"3"}, {"4"}}},
		{"UTF-16", []string{"a", encoded(charset.UTF16LE, "\ufeffn;m\nZoë;1\n"), "b", encoded(charset.UTF16LE, "\ufeffn;m\n日本;2\n")}, Hints{}, [][]string{{"Zoë", "1"}, {"日本", "2"}}},
		{"JSON Lines", []string{"a", "{\"n\":\"1\"}\n", "b", "{\"m\":\"x\"}\n{\"n\":\"2\",\"m\":\"y\"}"}, Hints{}, [][]string{{"1"}, {"absent", "x"}, {"2", "y"}}},
		{"JSON arrays", []string{"a", "[{\"n\":\"1\"}]", "b", "[]", "c", "[\n{\"n\":\"2\"} ]"}, Hints{}, [][]string{{"1"}, {"2"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cellsOf(t, delivered(tc.files...), tc.hints)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRowsSayWhereTheyAre(t *testing.T) {
	rows := mustOpenAll(t, delivered("in/a.csv", "n,m\n1,\"x\ny\"\n2\n", "in/b.csv", "", "in/c.csv", "n,m\n3,x\n\n4\n"), Hints{})
	var got []string
	for {
		r, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		place := fmt.Sprintf("%d:%d:%d", r.Number, r.Object, r.Line)
		if r.Reject != nil {
			place += fmt.Sprintf(" %d:%d:%d %s", r.Reject.Row, r.Reject.Object, r.Reject.Line, r.Reject.Code)
		}
		got = append(got, place)
	}
	want := []string{"1:0:2", "2:0:4 2:0:4 ragged_row", "3:2:2", "4:2:4 4:2:4 ragged_row"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSeveralObjectsRefused(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files []string
		code  string
		file  string
	}{
		{"other columns", []string{"a", "n,m\n1,x\n", "b", "n,m\n1,x\n", "people", "n,o\n2,y\n"}, "header_differs", "people"},
		{"columns in another order, seen at once", []string{"a", "n,m\n1,x\n", "people", "m,n\ny,2\n"}, "ambiguous_header", "people"},
		{"all empty", []string{"people", "", "people", ""}, "empty_file", "people"},
		{"a quote that never closes", []string{"a", "n,m\n1,x\n", "people", "n,m\n\"1,x\n"}, "unclosed_quote", "people"},
		{"another encoding", []string{"a", "n,m\n1,x\n", "b", "n,m\n1,x\n", "people", encoded(charset.UTF16LE, "\ufeffn,m\n1,x\n")}, "unsupported_encoding", "people"},
		{"a packed one cut short", []string{"a", "n,m\n1,x\n", "people", gzipped("n,m\n1,x\n")[:20]}, "cut_short", "people"},
		{"Parquet among text", []string{"a", "n,m\n1,x\n", "people", "PAR1...."}, "other_format", "people"},
	} {
		src := delivered(tc.files...)
		how, err := Detect(t.Context(), src, Hints{}, Limits{})
		var rows *Rows
		if err == nil {
			rows, err = OpenAll(t.Context(), src, how, Limits{})
		}
		if err == nil {
			_, err = all(rows)
			rows.Close()
		}
		if e, ok := fault.As(err); !ok || e.Kind != fault.Refused || e.Code != tc.code || e.File != tc.file {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := OpenAll(t.Context(), Source{}, &Detected{Format: CSV}, Limits{}); !fault.Is(err, fault.Refused) {
		t.Errorf("a delivery of nothing: %v", err)
	}
	many := delivered("a", "n\n", "b", "n\n", "c", "n\n")
	if _, err := Detect(t.Context(), many, Hints{}, Limits{Objects: 2}); !fault.Is(err, fault.Refused) {
		t.Errorf("too many objects: %v", err)
	}
}

// A part that vanishes between steps fails the run, and so does one whose manifest counts other rows.
func TestPartsThatChanged(t *testing.T) {
	src := delivered("a", "n\n1\n", "b", "n\n2\n", "c", "n\n3\n")
	how := detected(t, src, Hints{})
	delete(src.From.(*memory).data, "c")
	rows, err := OpenAll(t.Context(), src, how, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got, err := all(rows)
	if e, ok := fault.As(err); !ok || e.Code != "delivery_changed" || len(got) != 2 {
		t.Errorf("%d rows, %v", len(got), err)
	}

	src = delivered("a", "n\n1\n", "b", "n\n2\n3\n")
	src.Objects[0].Rows, src.Objects[1].Rows = 1, 3
	if _, err := all(mustOpenAll(t, src, Hints{})); err == nil || !strings.Contains(err.Error(), "promises 3 rows and the file has 2") {
		t.Errorf("missing rows: %v", err)
	}
	src = delivered("a", "n\n1\n")
	src.Objects[0].SHA256 = "other"
	how = detected(t, src, Hints{})
	rows, err = OpenAll(t.Context(), src, how, Limits{})
	if err == nil {
		_, err = all(rows)
		rows.Close()
	}
	if e, ok := fault.As(err); !ok || e.Code != "delivery_changed" {
		t.Errorf("other content: %v", err)
	}
}

func TestSum(t *testing.T) {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	one, packed := "n\n1\n", gzipped("n\n2\n")
	for _, tc := range []struct {
		files []string
		want  string
	}{
		{[]string{"a", one}, hash(one)},
		{[]string{"a", one, "b", packed, "c", ""}, hash(hash(one) + "\n" + hash(packed) + "\n" + hash("") + "\n")},
	} {
		src := delivered(tc.files...)
		src.From.(*memory).opened = map[string]int{}
		rows := mustOpenAll(t, src, Hints{})
		if _, err := all(rows); err != nil {
			t.Fatal(err)
		}
		before := fmt.Sprint(src.From.(*memory).opened)
		sum, err := rows.Sum(t.Context())
		if err != nil || sum != tc.want {
			t.Errorf("%d objects: %s, %v", len(src.Objects), sum, err)
		}
		if after := fmt.Sprint(src.From.(*memory).opened); after != before {
			t.Errorf("read again for the sum: %s, %s", before, after)
		}
	}
}

func TestReadingStopsWithItsContext(t *testing.T) {
	var files []string
	for i := range 5 {
		files = append(files, fmt.Sprint(i), "n\n"+strings.Repeat("0123456789\n", 1<<18))
	}
	src := delivered(files...)
	how := detected(t, src, Hints{})
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := OpenAll(ctx, src, how, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	_, _ = rows.Next()
	cancel()
	for err == nil {
		_, err = rows.Next()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, again := rows.Next(); again != err {
		t.Errorf("then %v", again)
	}
}

// breaking gives an error in the middle of an object.
type breaking struct {
	*memory
	err error
}

func (b breaking) OpenFrom(ctx context.Context, o Object, offset int64) (io.ReadCloser, error) {
	body, err := b.memory.OpenFrom(ctx, o, offset)
	if err != nil || o.Key != "b" {
		return body, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(body, 10), iotest.ErrReader(b.err))), nil
}

func TestErrorsOfOpenersComeThrough(t *testing.T) {
	broken := fault.New(fault.Interrupted, "inbox_unreachable", "reset")
	for _, text := range []string{"n\n1\n2\n3\n4\n5\n6\n", gzipped("n\n1\n2\n3\n")} {
		src := delivered("a", "n\n1\n", "b", text)
		src.From = breaking{src.From.(*memory), broken}
		rows, err := OpenAll(t.Context(), src, &Detected{Format: CSV, Header: HeaderEach}, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = all(rows); !errors.Is(err, broken) || !fault.Is(err, fault.Interrupted) {
			t.Errorf("got %v", err)
		}
		rows.Close()
	}
}

// Rule P2: reading that goes on at any cursor gives the same rows as reading in one go.
func checkResume(t testing.TB, src Source, how *Detected, limits Limits) {
	t.Helper()
	whole, err := OpenAll(t.Context(), src, how, limits)
	if err != nil {
		return
	}
	defer whole.Close()
	type placed struct {
		Seen   seen
		Object int
	}
	rest := func(rows *Rows) (got []placed, text string) {
		for {
			r, err := rows.Next()
			if err == io.EOF {
				return got, strings.Join(rows.Columns(), ",")
			}
			if err != nil {
				return got, err.Error()
			}
			got = append(got, placed{noted(r), r.Object})
		}
	}
	cursors := []Cursor{whole.Cursor()}
	var want []placed
	text := ""
	for {
		r, err := whole.Next()
		if err != nil {
			text = strings.Join(whole.Columns(), ",")
			if err != io.EOF {
				text = err.Error()
			}
			break
		}
		want = append(want, placed{noted(r), r.Object})
		cursors = append(cursors, whole.Cursor())
	}
	step := 1 + len(cursors)/20
	for i := 0; i < len(cursors); i += step {
		cursor := cursors[i]
		stored, err := json.Marshal(cursor)
		if err != nil {
			t.Fatal(err)
		}
		var again Cursor
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		rows, err := Resume(t.Context(), src, how, limits, &again)
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		var got []placed
		if i+1 < len(cursors) { // and once more, from a cursor of what was resumed
			r, err := rows.Next()
			if err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			got = append(got, placed{noted(r), r.Object})
			further := rows.Cursor()
			rows.Close()
			if rows, err = Resume(t.Context(), src, how, limits, &further); err != nil {
				t.Fatalf("row %d: %v", i+1, err)
			}
		}
		more, gotText := rest(rows)
		rows.Close()
		got = append(got, more...)
		if diff := cmp.Diff(append([]placed(nil), want[i:]...), got); diff != "" || gotText != text {
			t.Fatalf("from %s (-whole +resumed):\n%s%q, %q", stored, diff, text, gotText)
		}
	}
}

func TestResume(t *testing.T) {
	long := strings.Repeat("n,m\nZoë,\"x\ny\"\n1,2,3\n日本,\"\"\n\nq\"r,s\n", 1)
	for _, files := range [][]string{
		{"a.csv", long},
		{"a.csv", long, "b.csv", "", "c.csv", long},
		{"a.csv", gzipped(long), "b.csv", zstandard(long)},
		{"a.csv", encoded(charset.UTF16LE, "\ufeff"+long)},
		{"a.csv", encoded(charset.UTF16BE, long), "b.csv", encoded(charset.UTF16BE, long)},
		{"a.csv", encoded(charset.Windows1252, "n,m\nZoë,\x81\nM\u00fcller,\u20ac\n")},
		{"a.jsonl", "\xef\xbb\xbf{\"a\":1}\n{\"b\":2,\"_line\":3}\nx\n{\"c\":4}\n", "b.jsonl", "{\"d\":1}\n"},
		{"a.json", "[{\"a\":1},\n  {\"b\":2,\"_line\":3} , 7,\n{\"c\":\n4}, {\"a\":nul}]", "b.json", "[]", "c.json", "[ {\"d\":5}\n]\n"},
		{"a.csv", "1,a@b.org\n2,c@d.org\n", "b.csv", "3,e@f.org\n"},
	} {
		src := delivered(files...)
		hints := Hints{}
		if strings.Contains(files[1], "\x81") {
			hints.Encoding = "latin1"
		}
		checkResume(t, src, detected(t, src, hints), Limits{})
	}
}

// With files larger than a block, the place of a row in other encodings is far from the block's beginning.
func TestResumeFarIntoAFile(t *testing.T) {
	var text strings.Builder
	text.WriteString("n,m\n")
	for i := range 60000 {
		fmt.Fprintf(&text, "Zoë %d,é\n", i)
	}
	for _, e := range []charset.Encoding{charset.UTF8, charset.Windows1252, charset.UTF16BE} {
		src := delivered("a.csv", encoded(e, text.String()))
		how := detected(t, src, Hints{Encoding: map[charset.Encoding]string{charset.UTF8: "utf-8", charset.Windows1252: "cp1252", charset.UTF16BE: "utf-16be"}[e]})
		rows, err := OpenAll(t.Context(), src, how, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for range 45678 {
			_, _ = rows.Next()
		}
		cursor := rows.Cursor()
		rows.Close()
		rows, err = Resume(t.Context(), src, how, Limits{}, &cursor)
		if err != nil {
			t.Fatal(err)
		}
		r, err := rows.Next()
		if err != nil || string(r.Cells[0].Text) != "Zoë 45678" || r.Number != 45679 || r.Line != 45680 {
			t.Errorf("%s: %+v, %v", e, r, err)
		}
		if cursor.Offset < 400000 {
			t.Errorf("%s: the cursor begins again at byte %d", e, cursor.Offset)
		}
		rows.Close()
	}
}

func TestRejectsInTheFilesOwnWriting(t *testing.T) {
	why := row.Reject{Column: "n", Code: "too_long", Message: "a;b|c\td \"q\" 'r' \\"}
	for _, tc := range []struct {
		name, file string
		hints      Hints
		want       string
	}{
		{"semicolons", "n;m\r\nx;\"y;z\"\r\n", Hints{}, "n;m;_line;_column;_code;_message\r\nx;\"y;z\";2;n;too_long;\"a;b|c d \"\"q\"\" 'r' \\\"\r\n"},
		{"escapes", "n|m\nx\\|y|2\n", Hints{Escape: "backslash"}, "n|m|_line|_column|_code|_message\nx\\|y|2|2|n|too_long|\"a;b|c d \"\"q\"\" 'r' \\\\\"\n"},
		{"no quotes", "n|m\nx\\|y|2\n", Hints{Escape: "backslash", Quote: "none"}, "n|m|_line|_column|_code|_message\nx\\|y|2|2|n|too_long|a;b\\|c d \"q\" 'r' \\\\\n"},
		{"neither", "n|m\nx|2\n", Hints{Quote: "none"}, "n|m|_line|_column|_code|_message\nx|2|2|n|too_long|a;b c d \"q\" 'r' \\\n"},
		{"no header", "1,a@b.org\n2,c@d.org\n", Hints{}, "1,2,_line,_column,_code,_message\n1,a@b.org,1,n,too_long,\"a;b|c d \"\"q\"\" 'r' \\\"\n2,c@d.org,2,n,too_long,\"a;b|c d \"\"q\"\" 'r' \\\"\n"},
		{"Windows-1252", "n;m\nM\xfcller;x\n", Hints{}, "n;m;_line;_column;_code;_message\nM\xfcller;x;2;n;too_long;\"a;b|c d \"\"q\"\" 'r' \\\"\n"},
		{"UTF-16", encoded(charset.UTF16LE, "\ufeffn,m\n日,x\n"), Hints{}, encoded(charset.UTF16LE, "\ufeffn,m,_line,_column,_code,_message\n日,x,2,n,too_long,\"a;b|c d \"\"q\"\" 'r' \\\"\n")},
		{"a JSON array", "[{\"n\":1},\n7]", Hints{}, "[\n{\"n\":1,\"_line\":1,\"_column\":\"n\",\"_code\":\"too_long\",\"_message\":\"a;b|c\\td \\\"q\\\" 'r' \\\\\"},\n" +
			"{\"_raw\":\"7\",\"_line\":2,\"_column\":\"\",\"_code\":\"not_an_object\",\"_message\":\"line 2, character 1: the element is a number, not an object\"}\n]\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := delivered("people", tc.file)
			written := rejectedAll(t, src, tc.hints, why)
			if diff := cmp.Diff(tc.want, written); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Dropped again uncorrected it gives the same rows and the same file but for the lines.
			again := rejectedAll(t, delivered("people", written), tc.hints, why)
			if len(again) != len(written) {
				t.Errorf("written again:\n%q\n%q", written, again)
			}
			before, after := cellsOf(t, src, tc.hints), cellsOf(t, delivered("people", written), tc.hints)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("read again (-before +after):\n%s", diff)
			}
		})
	}
}

func rejectedAll(t testing.TB, src Source, hints Hints, why row.Reject) string {
	t.Helper()
	rows := mustOpenAll(t, src, hints)
	var out strings.Builder
	w := NewRejectWriter(&out, rows.Style())
	for {
		r, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		reason := why
		if r.Reject != nil {
			reason = *r.Reject
		}
		if err := w.Write(r, &reason); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
