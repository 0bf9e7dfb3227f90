package delivery

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"penstock/internal/delivery/charset"
	"penstock/internal/fault"
)

// metered counts the bytes that are read.
type metered struct {
	*memory
	read *int64
}

func (m metered) OpenFrom(ctx context.Context, o Object, offset int64) (io.ReadCloser, error) {
	body, err := m.memory.OpenFrom(ctx, o, offset)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, m), body}, nil
}

func (m metered) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.read += int64(len(p))
	return len(p), nil
}

func zipOf(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	w := zip.NewWriter(&b)
	f, err := w.Create("people.csv")
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

// stored is a cursor as the next invocation gets it.
func stored(t *testing.T, c Cursor) *Cursor {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again Cursor
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	return &again
}

// Rule P2: the hash goes on with reading, so the delivery is proved to be the one that was begun without being read again.
func TestSumGoesOnAtACursor(t *testing.T) {
	long := "n,m\n" + strings.Repeat("0123456789,Zoë\n", 30000)
	for _, tc := range []struct {
		name  string
		files []string
		again int64 // bytes that an invocation may read beyond what is left
	}{
		{"one", []string{"a", long}, streamBlock * (streamBlocks + 2)},
		{"UTF-16", []string{"a", encoded(charset.UTF16LE, "\ufeff"+long)}, 3 * streamBlock * (streamBlocks + 2)},
		{"several", []string{"a", "n,m\n1,2\n", "b", "", "c", long, "d", "n,m\n3,4\n"}, streamBlock * (streamBlocks + 2)},
		{"compressed", []string{"a", "n,m\n1,2\n", "b", gzipped(long), "c", long}, 1 << 30},
		{"an archive", []string{"a", zipOf(t, long), "b", gzipped(long)}, 1 << 30},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := delivered(tc.files...)
			inMemory := src.From.(*memory)
			how := detected(t, src, Hints{})
			whole := mustOpenAll(t, src, Hints{})
			var cursors []Cursor
			for n, err := 0, error(nil); err == nil; n++ {
				if _, err = whole.Next(); err != nil || n%14000 == 13000 || n == 1 {
					cursors = append(cursors, whole.Cursor())
				}
			}
			want, err := whole.Sum(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			last := cursors[len(cursors)-1]
			if !last.Ended {
				t.Errorf("behind the last row: %+v", last)
			}
			for _, at := range cursors {
				read, left := int64(0), int64(0)
				for i := at.Object; i < len(src.Objects); i++ {
					left += src.Objects[i].Size
				}
				src.From = metered{inMemory, &read}
				rows, err := Resume(t.Context(), src, how, Limits{}, stored(t, at))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := all(rows); err != nil {
					t.Fatal(err)
				}
				end := rows.Cursor()
				sum, err := rows.Sum(t.Context())
				if sum != want || err != nil {
					t.Errorf("from row %d: %s, not %s, %v", at.Row, sum, want, err)
				}
				rows.Close()
				if !end.Ended || end.Row != last.Row {
					t.Errorf("from row %d it ends at %+v, not %+v", at.Row, end, last)
				}
				if read > left-at.Offset+tc.again {
					t.Errorf("from row %d, byte %d of object %d: %d bytes were read, and %d are left", at.Row, at.Offset, at.Object, read, left-at.Offset)
				}
			}
		})
	}
}

// An object that is not read from its first to its last byte is hashed in as many steps as it takes.
func TestSumInSteps(t *testing.T) {
	defer func(n int64) { sumPiece = n }(sumPiece)
	sumPiece = 100
	src := delivered("a", zipOf(t, wordy(3000)), "b", "n,m\n1,2\n", "c", zipOf(t, wordy(500)))
	how := detected(t, src, Hints{})
	rows := mustOpenAll(t, src, Hints{})
	if _, err := all(rows); err != nil {
		t.Fatal(err)
	}
	want, err := rows.Sum(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows = mustOpenAll(t, src, Hints{})
	if _, err := all(rows); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for {
		sum, err := rows.SumUntil(t.Context(), func() bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if sum != "" {
			if sum != want || steps < 5 {
				t.Errorf("%s in %d steps, not %s", sum, steps, want)
			}
			return
		}
		if steps++; steps > 1000 {
			t.Fatal("it does not end")
		}
		at := stored(t, rows.Cursor())
		if steps == 3 {
			at.Hashed.State = []byte("of another program")
		}
		rows.Close()
		if rows, err = Resume(t.Context(), src, how, Limits{}, at); err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if r, err := rows.Next(); err != io.EOF {
			t.Fatalf("behind the last row: %+v, %v", r, err)
		}
	}
}

// What changed before the cursor is noticed behind it.
func TestSumNoticesAChangeBeforeTheCursor(t *testing.T) {
	text := "n\n" + strings.Repeat("0123456789\n", 50000)
	src := delivered("people", text)
	rows := mustOpenAll(t, src, Hints{})
	src.Objects[0].SHA256, _ = func() (string, error) { _, _ = all(rows); return rows.Sum(t.Context()) }()
	how := detected(t, src, Hints{})
	for name, other := range map[string]string{"as it was": text, "before": "n\n" + strings.Replace(text[2:], "01", "10", 1), "behind": text[:len(text)-2] + "x\n"} {
		first := delivered("people", other)
		first.Objects = src.Objects
		rows, err := OpenAll(t.Context(), first, how, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for range 30000 {
			if _, err := rows.Next(); err != nil {
				t.Fatal(err)
			}
		}
		at := stored(t, rows.Cursor())
		rows.Close()
		if rows, err = Resume(t.Context(), first, how, Limits{}, at); err != nil {
			t.Fatal(err)
		}
		_, err = all(rows)
		if e, _ := fault.As(err); (err == nil) != (name == "as it was") || err != nil && e.Code != "delivery_changed" {
			t.Errorf("%s: %v", name, err)
		}
		rows.Close()
	}
}

// A cursor behind the last row still says which columns there were.
func TestResumeBehindTheLastRow(t *testing.T) {
	src := delivered("a", "{\"a\":1}\n{\"b\":2,\"_line\":3}\n")
	rows := mustOpenAll(t, src, Hints{})
	if _, err := all(rows); err != nil {
		t.Fatal(err)
	}
	again, err := Resume(t.Context(), src, detected(t, src, Hints{}), Limits{}, stored(t, rows.Cursor()))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := fmt.Sprint(again.Columns(), again.Ignored()); got != "[a b] [_line]" {
		t.Errorf("columns %s", got)
	}
	if _, err := again.Next(); err != io.EOF {
		t.Errorf("%v", err)
	}
}
