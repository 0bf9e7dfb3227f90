package delivery

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/delivery/charset"
	"penstock/internal/row"
)

var fragments = []string{"a", "B7", " ", ",", ";", "\t", "|", "\"", "'", "\\", "\n", "\r\n", "é", "日", "🙂", "-1.5", "=x", "NULL", "\\N", "_line", "0", "/"}

func randomText(r *rand.Rand, without string) string {
	var b strings.Builder
	for range r.IntN(5) {
		if f := fragments[r.IntN(len(fragments))]; !strings.ContainsAny(f, without) {
			b.WriteString(f)
		}
	}
	return b.String()
}

// What encoding/csv writes, in any of its dialects and in any encoding, is read back.
func TestWhatEncodingCSVWrites(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var want [][]string
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		w.Comma = []rune(",;\t|^")[r.IntN(5)]
		w.UseCRLF = r.IntN(2) == 0
		columns := 2 + r.IntN(4)
		_ = w.Write([]string{"c1", "c2", "c3", "c4", "c5"}[:columns])
		for range 1 + r.IntN(20) {
			cells := make([]string, columns)
			for i := range cells {
				cells[i] = randomText(r, "\r") // encoding/csv drops CR before LF when it writes, and we keep it
			}
			want = append(want, cells)
			_ = w.Write(cells)
		}
		w.Flush()
		e := []charset.Encoding{charset.UTF8, charset.UTF16LE, charset.UTF16BE}[r.IntN(3)]
		name := map[charset.Encoding]string{charset.UTF8: "utf-8", charset.UTF16LE: "utf-16le", charset.UTF16BE: "utf-16be"}[e]
		src := delivered("people", encoded(e, file.String()))
		got := cellsOf(t, src, Hints{Delimiter: string(w.Comma), Header: HeaderEach, Encoding: name, Quote: `"`, Escape: "doubled"})
		if w.UseCRLF { // it also writes line ends inside cells so
			for _, cells := range got {
				for i := range cells {
					cells[i] = strings.ReplaceAll(cells[i], "\r\n", "\n")
				}
			}
		}
		if diff := cmp.Diff(withNulls(want, got), got); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s%q", seed, diff, file.String())
		}
	}
}

// withNulls: a cell \N is a null when it was detected so.
func withNulls(want, got [][]string) [][]string {
	for i, cells := range want {
		for j, cell := range cells {
			if cell == `\N` && i < len(got) && j < len(got[i]) && got[i][j] == "null" {
				cells[j] = "null"
			}
		}
	}
	return want
}

// What encoding/json writes, as lines or as an array, is read back.
func TestWhatEncodingJSONWrites(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		var objects []map[string]any
		for range r.IntN(20) {
			object := map[string]any{}
			for range 1 + r.IntN(5) {
				object["n"+randomText(r, "")] = []any{randomText(r, ""), r.Float64(), r.IntN(100), true, nil, []any{1, "x"}}[r.IntN(6)]
			}
			objects = append(objects, object)
		}
		var lines bytes.Buffer
		encoder := json.NewEncoder(&lines)
		for _, object := range objects {
			_ = encoder.Encode(object)
		}
		array, _ := json.MarshalIndent(objects, "", []string{"", "\t", "  "}[r.IntN(3)])
		if objects == nil {
			array = []byte("[]")
		}
		for format, file := range map[Format]string{JSONL: lines.String(), JSON: string(array)} {
			rows := mustOpenAll(t, delivered("people", file), Hints{Format: format})
			for i, object := range objects {
				next, err := rows.Next()
				if err != nil || next.Reject != nil {
					t.Fatalf("seed %d, %s, row %d: %v, %v", seed, format, i, next, err)
				}
				compareObject(t, rows.Columns(), next, object)
			}
		}
	}
}

func compareObject(t *testing.T, columns []string, r *row.Row, object map[string]any) {
	t.Helper()
	text, _ := json.Marshal(object)
	var theirs map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	_ = decoder.Decode(&theirs)
	compareMembers(t, string(text), columns, r, theirs)
	for name := range theirs {
		if i := slices.Index(columns, name); i < 0 || i >= len(r.Cells) || r.Cells[i].Kind == row.Absent {
			t.Fatalf("member %q is lost", name)
		}
	}
}

func FuzzDialects(f *testing.F) {
	for i, seed := range append(csvSeeds, "a|b\nx\\|y|two\\\nlines\np\\\\q|\\N\n", "a\t'b'\n'x''y'\t\\N\n", "a;b\r\nx\\;\"\\\"\"\r\n", "1,2\n3,4\n") {
		f.Add(seed, uint16(i))
	}
	limits := Limits{RowBytes: 4 << 10, FieldBytes: 1 << 10, Columns: 20, HeaderBytes: 200}
	f.Fuzz(func(t *testing.T, file string, choice uint16) {
		how := &Detected{Format: CSV, Dialect: Dialect{
			Delimiter: []string{"", ";", "\t", "|"}[choice&3],
			Quote:     []string{"", "'", NoQuote, ""}[choice>>2&3],
			Escape:    []Escape{Doubled, Backslash, MySQL, Backslash}[choice>>4&3],
			Null:      []string{"", "NULL"}[choice>>6&1],
		}, Header: []Header{HeaderEach, HeaderNone}[choice>>7&1], Encoding: []charset.Encoding{charset.UTF8, charset.Windows1252, charset.UTF16LE, charset.UTF16BE}[choice>>8&3]}
		src := delivered("people", file)
		checkResume(t, src, how, limits)
		_, _ = Detect(t.Context(), src, Hints{}, limits)
	})
}
