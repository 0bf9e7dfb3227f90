package delivery

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"penstock/internal/delivery/charset"
)

// memory is objects in memory; it counts how often each was opened.
type memory struct {
	data   map[string]string
	mu     sync.Mutex
	opened map[string]int
}

func (m *memory) OpenFrom(_ context.Context, o Object, offset int64) (io.ReadCloser, error) {
	m.mu.Lock()
	if m.opened != nil {
		m.opened[o.Key]++
	}
	m.mu.Unlock()
	data, there := m.data[o.Key]
	if !there {
		return nil, changed(o, "is gone")
	}
	return io.NopCloser(strings.NewReader(data[min(offset, int64(len(data))):])), nil
}

func (m *memory) OpenAt(_ context.Context, o Object) (RandomAccess, error) {
	return closing{bytes.NewReader([]byte(m.data[o.Key]))}, nil
}

type closing struct{ io.ReaderAt }

func (closing) Close() error { return nil }

// delivered is a delivery of files, given as name, content, name, content …
func delivered(files ...string) Source {
	m := &memory{data: map[string]string{}}
	src := Source{From: m}
	for i := 0; i < len(files); i += 2 {
		m.data[files[i]] = files[i+1]
		src.Objects = append(src.Objects, Object{Key: files[i], Size: int64(len(files[i+1]))})
	}
	return src
}

func detected(t testing.TB, src Source, hints Hints) *Detected {
	t.Helper()
	how, err := Detect(t.Context(), src, hints, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return how
}

func mustOpenAll(t testing.TB, src Source, hints Hints) *Rows {
	t.Helper()
	rows, err := OpenAll(t.Context(), src, detected(t, src, hints), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rows.Close)
	return rows
}

// cellsOf reads a delivery to its end; a reject shows as its code.
func cellsOf(t testing.TB, src Source, hints Hints) [][]string {
	t.Helper()
	rows, err := all(mustOpenAll(t, src, hints))
	if err != nil {
		t.Fatal(err)
	}
	var cells [][]string
	for _, r := range rows {
		if r.Code != "" {
			r.Cells = []string{"!" + r.Code}
		}
		cells = append(cells, r.Cells)
	}
	return cells
}

func encoded(e charset.Encoding, text string) string { return string(e.Append(nil, []byte(text))) }
