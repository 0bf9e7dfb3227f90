package delivery

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"penstock/internal/delivery/charset"
	"penstock/internal/fault"
)

func TestDetect(t *testing.T) {
	for _, tc := range []struct {
		name, file, text string
		hints            Hints
		want             Detected
	}{
		{"commas", "a.csv", "name,age\nAda,36\nJo,5\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"the name does not matter", "a", "name,age\nAda,36\nJo,5\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"semicolons and decimal commas", "a.csv", "name;price\nAda;1,5\nJo;2,5\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Delimiter: ";"}}},
		{"tabs", "a.tsv", "name\tage\nAda, Countess\t36\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Delimiter: "\t"}}},
		{"bars", "a.txt", "name|age\nAda, Countess|36\nJo|5\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Delimiter: "|"}}},
		{"Hive's own", "a", "name\x01age\nAda\x0136\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Delimiter: "\x01"}}},
		{"a custom one by hint", "a.csv", "name^age\nAda^36\n", Hints{Delimiter: "^"}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Delimiter: "^"}}},
		{"one column", "a.csv", "email\na@b.org\nc@d.org\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"delimiters inside quotes", "a.csv", "name;note\n\"a,b\";\"c,d\"\n\"e,f\";\"g,h\"\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Delimiter: ";"}}},
		{"single quotes", "a.csv", "'name','age'\n'Ada, Countess','36'\n'O''Neil','5'\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Quote: "'"}}},
		{"apostrophes are no quotes", "a.csv", "name,city\nAda,'s-Hertogenbosch\nO'Neil,x\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"escaped quotes", "a.csv", "name,age\n\"Ada \\\"Countess\\\" L.\",36\n\"x\",1\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Escape: Backslash}}},
		{"Redshift's UNLOAD with ESCAPE", "a", "Ada\\|Countess|36\n5\" pipe|7\nx|8\n", Hints{}, Detected{Format: CSV, Header: HeaderNone, Dialect: Dialect{Delimiter: "|", Escape: Backslash, Quote: "none"}}},
		{"backslashes of paths are text", "a.csv", "name,path\nAda,C:\\temp\nJo,\\\\server\\x\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"nulls of MySQL", "a.tsv", "Ada\t36\t\\N\nJo\t5\tx\n", Hints{}, Detected{Format: CSV, Header: HeaderNone, Dialect: Dialect{Delimiter: "\t", Escape: MySQL, Quote: "none"}}},
		{"nulls of Snowflake", "a.csv", "name,age\nAda,\\N\n\"x\",1\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Null: `\N`}}},
		{"no header", "a.csv", "a@b.org,36\nc@d.org,5\n", Hints{}, Detected{Format: CSV, Header: HeaderNone}},
		{"no header, one row", "a.csv", "Ada,a@b.org\n", Hints{}, Detected{Format: CSV, Header: HeaderNone}},
		{"no header, with names", "a.csv", "Ada,Lovelace\nJo,March\n", Hints{Names: []string{"first", "last"}, Columns: []string{"first"}},
			Detected{Format: CSV, Header: HeaderNone, Names: []string{"first", "last"}}},
		{"a header of words", "a.csv", "first,last\nAda,Lovelace\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"a header that the destination knows", "a.csv", "2024,2025\n1,2\n", Hints{Columns: []string{"2025"}}, Detected{Format: CSV, Header: HeaderEach}},
		{"the destination settles the delimiter", "a.csv", "a|b,c|d\n1|2,3|4\n1|2,3|4\n", Hints{Columns: []string{"c|d"}}, Detected{Format: CSV, Header: HeaderEach}},
		{"JSON Lines", "a.json", "{\"a\":1}\n{\"a\":2}\n", Hints{}, Detected{Format: JSONL}},
		{"a JSON array", "a.json", " [ {\"a\":1}]", Hints{}, Detected{Format: JSON}},
		{"names in brackets", "a.csv", "[id],[name]\n1,2\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"empty", "a.jsonl", "", Hints{}, Detected{Format: JSONL, Header: HeaderEach}},
		{"UTF-16 with a mark", "a.csv", encoded(charset.UTF16LE, "\ufeffname,age\nZoë,36\n"), Hints{}, Detected{Format: CSV, Header: HeaderEach, Encoding: charset.UTF16LE}},
		{"UTF-16 without", "a.csv", encoded(charset.UTF16BE, "name,age\nZoë,36\n日本,5\n"), Hints{}, Detected{Format: CSV, Header: HeaderEach, Encoding: charset.UTF16BE}},
		{"Windows-1252", "a.csv", "name;city\nM\xfcller;K\xf6ln\nO\x92Neil;x\n", Hints{}, Detected{Format: CSV, Header: HeaderEach, Encoding: charset.Windows1252, Dialect: Dialect{Delimiter: ";"}}},
		{"UTF-8 with a broken byte", "a.csv", "name\nZoë Grünwälder äöüäöüäöü\nM\xfcller\n", Hints{}, Detected{Format: CSV, Header: HeaderEach}},
		{"a hint", "a.csv", "name,age\nM\x81ller,5\n", Hints{Encoding: "latin-1", Header: HeaderFirst}, Detected{Format: CSV, Header: HeaderFirst, Encoding: charset.Windows1252}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := detected(t, delivered(tc.file, tc.text), tc.hints)
			if len(got.Evidence) == 0 {
				t.Error("no evidence")
			}
			got.Evidence = nil
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func zipped(pack func(*bytes.Buffer)) string {
	var b bytes.Buffer
	pack(&b)
	return b.String()
}

func gzipped(texts ...string) string {
	return zipped(func(b *bytes.Buffer) {
		for _, text := range texts {
			w := gzip.NewWriter(b)
			_, _ = w.Write([]byte(text))
			_ = w.Close()
		}
	})
}

func zstandard(text string, options ...zstd.EOption) string {
	return zipped(func(b *bytes.Buffer) {
		w, _ := zstd.NewWriter(b, options...)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	})
}

func TestDetectRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		hints      Hints
		code, says string
	}{
		{"two delimiters", "a,b;c,d\n1,2;3,4\n", Hints{}, "ambiguous_delimiter", "a comma (3 columns) or a semicolon (2 columns)"},
		{"a header or not", "name,2024,x\nAda,5,7\nJo,6,8\n", Hints{}, "ambiguous_header", "header"},
		{"old code page", "name\nM\x81ller\n", Hints{}, "ambiguous_encoding", "Windows-1252"},
		{"Macintosh", "name\nM\x9fller K\x9aln\n", Hints{}, "", ""},
		{"both encodings", "name\nZoë\nM\xfcller\n", Hints{}, "ambiguous_encoding", "1 is valid UTF-8 and 1 byte is not"},
		{"HTML", "<html>", Hints{}, "unsupported_format", "HTML"},
		{"PDF", "%PDF-1.7", Hints{}, "unsupported_format", "PDF"},
		{"old Excel", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", Hints{}, "unsupported_format", ".xls"},
		{"UTF-32", "\xff\xfe\x00\x00a\x00\x00\x00", Hints{}, "unsupported_format", "UTF-32"},
		{"gzip in gzip", gzipped(gzipped("a,b\n")), Hints{}, "packed_twice", "once more"},
		{"Parquet in gzip", gzipped("PAR1...."), Hints{}, "packed_twice", "Parquet"},
		{"gzip cut short", gzipped(strings.Repeat("a,b\n", 100))[:30], Hints{}, "cut_short", "gzip"},
		{"no Parquet", "a,b\n", Hints{Format: Parquet}, "other_format", "parquet"},
		{"Parquet by mistake", "PAR1xxxxPAR1", Hints{Format: CSV}, "other_format", "parquet"},
		{"no such format", "a,b\n", Hints{Format: "xml"}, "unknown_format", "xml"},
		{"no such encoding", "a,b\n", Hints{Encoding: "ebcdic"}, "unknown_encoding", "ebcdic"},
		{"no such header", "a,b\n", Hints{Header: "maybe"}, "unknown_header", "maybe"},
		{"a delimiter of two characters", "a,b\n", Hints{Delimiter: "||"}, "bad_dialect", "one ASCII character"},
		{"a quote that is the delimiter", "a,b\n", Hints{Quote: ","}, "bad_dialect", "delimiter too"},
		{"no such escape", "a,b\n", Hints{Escape: "caret"}, "bad_dialect", "backslash"},
	} {
		if tc.code == "" {
			continue
		}
		_, err := Detect(t.Context(), delivered("people", tc.text), tc.hints, Limits{})
		e := wantFault(t, err, tc.code, 0)
		if !strings.Contains(e.Safe(), tc.says) {
			t.Errorf("%s: %s", tc.name, e.Safe())
		}
		if strings.HasPrefix(tc.code, "ambiguous") && !strings.Contains(e.Advice, strings.TrimPrefix(tc.code, "ambiguous_")) {
			t.Errorf("%s: no advice about the setting: %s", tc.name, e.Advice)
		}
	}
}

func TestDialectCells(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		hints      Hints
		want       [][]string
	}{
		{"semicolons", "a;b\n1,5;\"x;\"\"y\"\"\n\"\n", Hints{}, [][]string{{"1,5", "x;\"y\"\n"}}},
		{"Redshift ESCAPE", "a|b\nx\\|y|two\\\nlines\np\\\\q|\\N\n", Hints{Delimiter: "|", Escape: "backslash", Quote: "none"},
			[][]string{{"x|y", "two\nlines"}, {`p\q`, "null"}}},
		{"Redshift ADDQUOTES ESCAPE", "\"a\"|\"b\"\n\"x|\\\"y\\\"\"|\"C:\\temp\\\\\"\n", Hints{Escape: "backslash"}, [][]string{{`x|"y"`, `C:\temp\`}}},
		{"MySQL", "a\tb\nx\\ty\\n\t\\N\n\\\\N\t\\Z\\q\n", Hints{Escape: "mysql"}, [][]string{{"x\ty\n", "null"}, {`\N`, "\x1aq"}}},
		{"a NUL of MySQL is a reject", "a\tb\nx\\0\ty\n1\t2\n", Hints{Escape: "mysql"}, [][]string{{"!bad_encoding"}, {"1", "2"}}},
		{"CRLF behind an escape", "a|b\r\nx\\\\|y\r\nz\\\r\n", Hints{Delimiter: "|", Escape: "backslash"}, [][]string{{`x\`, "y"}, {"!ragged_row"}}},
		{"null by word", "a,b\nNULL,\"NULL\"\nx,y\n\"\",NULL\n", Hints{Null: "NULL"}, [][]string{{"null", "NULL"}, {"x", "y"}, {"", "null"}}},
		{"no quotes", "a,b\n5\" pipe,\"x\n", Hints{Quote: "none"}, [][]string{{`5" pipe`, `"x`}}},
		{"other quotes", "a,b\n'x,y','it''s'\n", Hints{Quote: "'"}, [][]string{{"x,y", "it's"}}},
		{"by place", "1,a@b.org\n2,c@d.org\n", Hints{}, [][]string{{"1", "a@b.org"}, {"2", "c@d.org"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cellsOf(t, delivered("people", tc.text), tc.hints)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInvalidCharactersAreRejectsWithTheirPlace(t *testing.T) {
	for _, tc := range []struct{ name, text, encoding, why string }{
		{"Windows-1252", "name,city\nx,K\xf6ln \x81\n", "windows-1252", "line 2, character 8: byte 0x81 is no character in Windows-1252"},
		{"UTF-16", encoded(charset.UTF16LE, "name,city\nx,\xed\xa0\x80\n"), "utf-16le", "line 2, character 3: half a surrogate pair"},
		{"UTF-8", "name,city\nx,K\xf6ln\n", "utf-8", "line 2, character 4: byte 0xF6 is not UTF-8"},
		{"a NUL", "name,city\nx,\x00\n", "utf-8", "line 2, character 3: byte 0x00 is a NUL byte"},
	} {
		rows, err := all(mustOpenAll(t, delivered("people", tc.text), Hints{Encoding: tc.encoding}))
		if err != nil || len(rows) != 1 || rows[0].Code != CodeBadEncoding || rows[0].Why != tc.why || rows[0].Column != "city" {
			t.Errorf("%s: %+v, %v", tc.name, rows, err)
		}
	}
	cut := encoded(charset.UTF16LE, "name\nx\n") + "y"
	src := delivered("people", cut)
	_, err := OpenAll(t.Context(), src, detected(t, src, Hints{}), Limits{})
	if e, ok := fault.As(err); !ok || e.Code != "cut_short" || e.File != "people" {
		t.Errorf("a file that ends inside a character: %v", err)
	}
}

// Whatever arrives is read or refused, and nothing else happens.
func FuzzDetect(f *testing.F) {
	for _, seed := range append(slices.Concat(csvSeeds, jsonlSeeds), gzipped("a,b\n1,2\n"), zstandard("a,b\n1,2\n"), "[{\"a\":1}]", encoded(charset.UTF16LE, "\ufeffa;b\n1;2\n"),
		"M\xfcller;x\n", "PAR1", "PK\x03\x04", peopleParquet(f, 0, 3), sheetOf(f, []any{"a"}, []any{1})) {
		f.Add([]byte(seed), false)
	}
	limits := Limits{RowBytes: 4 << 10, FieldBytes: 1 << 10, Columns: 20, HeaderBytes: 200, Nesting: 5, ObjectBytes: 1 << 20, GroupBytes: 1 << 20, StringBytes: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte, twice bool) {
		src := delivered("people", string(data))
		if twice {
			src = delivered("people", string(data), "others", string(data))
		}
		how, err := Detect(t.Context(), src, Hints{}, limits)
		if err == nil {
			var rows *Rows
			if rows, err = OpenAll(t.Context(), src, how, limits); err == nil {
				for n := 0; err == nil && n < 1000; n++ {
					_, err = rows.Next()
				}
				rows.Close()
			}
		}
		if err != nil && err != io.EOF && !fault.Is(err, fault.Refused) {
			t.Fatalf("no refusal: %v", err)
		}
	})
}
