package delivery

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"testing"
)

// endless repeats a piece after a head: an object of any size that nobody has to store.
type endless struct {
	head, piece []byte
	size        int64
}

func (e endless) OpenFrom(_ context.Context, _ Object, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(&endlessReader{endless: e, at: offset}), nil
}

func (e endless) OpenAt(context.Context, Object) (RandomAccess, error) { return nil, os.ErrInvalid }

type endlessReader struct {
	endless
	at int64
}

func (r *endlessReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	from := r.head
	if r.at >= int64(len(r.head)) {
		from = r.piece[(r.at-int64(len(r.head)))%int64(len(r.piece)):]
	} else {
		from = from[r.at:]
	}
	n := copy(p, from[:min(int64(len(from)), r.size-r.at)])
	r.at += int64(n)
	return n, nil
}

// TestSoakMemory reads 5 GB of each streamable format and holds the process to 150 MB.
func TestSoakMemory(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("takes a minute: set PENSTOCK_SOAK=1")
	}
	const size = 5 << 30
	csv := people(20000)
	header, rows, _ := bytes.Cut(csv, []byte("\n"))
	header = append(header, '\n')
	objects := bytes.TrimSpace(jsonPeople(20000))
	objects = append(bytes.ReplaceAll(objects, []byte("\n"), []byte(",\n")), ",\n"...)
	packed := []byte(gzipped(string(rows)))
	for _, tc := range []struct {
		name string
		how  Detected
		from endless
	}{
		{"csv", Detected{Format: CSV, Header: HeaderEach}, endless{header, rows, size}},
		{"jsonl", Detected{Format: JSONL}, endless{nil, jsonPeople(20000), size}},
		{"json", Detected{Format: JSON}, endless{[]byte("["), objects, size}},
		{"gzip", Detected{Format: CSV, Header: HeaderEach}, endless{[]byte(gzipped(string(header))), packed, int64(len(packed)) * size / int64(len(rows))}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := Source{Objects: []Object{{Key: "people", Size: tc.from.size}}, From: tc.from}
			reader, err := OpenAll(t.Context(), src, &tc.how, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			read := int64(0)
			for ; err == nil; read++ {
				_, err = reader.Next()
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			t.Logf("%d rows, %d MB of the system, ended by %v", read, m.Sys>>20, err)
			if m.Sys > 150<<20 || read < 10_000_000 {
				t.Errorf("%d rows with %d MB", read, m.Sys>>20)
			}
		})
	}
}
