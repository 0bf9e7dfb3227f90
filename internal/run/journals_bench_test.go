package run

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"penstock/internal/store"
)

// A run of fifty million rows has five thousand chunks. What it costs to learn what
// became of one must not grow with how many there are.
func BenchmarkJournals(b *testing.B) {
	for _, chunks := range []int{500, 5000} {
		s, plan := written(b, chunks)
		b.Run(fmt.Sprintf("begin a chunk/%d", chunks), func(b *testing.B) {
			for range b.N { // one whose journals are not there yet, beside those of all others
				if j, err := s.readJournals(b.Context(), plan, loadPhase, ChunkRef{N: chunks, Operations: 10}); err != nil || j.attempt != 0 {
					b.Fatal(j, err)
				}
			}
		})
		b.Run(fmt.Sprintf("read one again/%d", chunks), func(b *testing.B) {
			for i := range b.N {
				if j, err := s.readJournals(b.Context(), plan, loadPhase, plan.Chunks[i%chunks]); err != nil || j.attempt != 1 {
					b.Fatal(j, err)
				}
			}
		})
		b.Run(fmt.Sprintf("read all/%d", chunks), func(b *testing.B) {
			for range b.N {
				read := 0
				err := s.eachJournal(b.Context(), plan, loadPhase, plan.Chunks, func(_ ChunkRef, j *journals) error {
					read += j.attempt
					return nil
				})
				if err != nil || read != chunks {
					b.Fatal(read, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*chunks), "µs/chunk")
		})
	}
}

// written is a run all of whose chunks were written, by an attempt each.
func written(b *testing.B, chunks int) (*Steps, *Plan) {
	b.Helper()
	dir := b.TempDir()
	work, err := store.Dir(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { work.Close() })
	plan := &Plan{By: "p1", State: Proven, Start: Start{Run: "r", Destination: "d"}}
	put := func(key, body string) { // without waiting for the disk
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for n := range chunks {
		plan.Chunks = append(plan.Chunks, ChunkRef{N: n, Operations: 10})
		attempt := attemptName(plan.By, chunkName(loadPhase, n), 1)
		put(resultsKey(plan.folder(), attempt)+"000000", `{"v":1,"worker":"w"}`)
		put(endedKey(plan.folder(), attempt, 0), `{"v":1,"spans":[{"first":0,"last":9,"state":"upserted"}]}`)
	}
	return &Steps{Work: work}, plan
}
