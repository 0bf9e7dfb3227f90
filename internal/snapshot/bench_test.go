package snapshot

import (
	"context"
	"encoding/binary"
	"iter"
	"testing"

	"penstock/internal/store"
)

func BenchmarkMark(b *testing.B) {
	m := NewMarker(testSecret)
	key, content := []byte("someone@example.org"), make([]byte, 250) // a row of ten columns
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		binary.LittleEndian.PutUint64(content, uint64(i))
		m.Mark(key, content)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "marks/s")
}

const benchRows = 1_000_000

// benchMark is spread as marks are, and cheaper to make.
func benchMark(i, content int) (m Mark) {
	binary.BigEndian.PutUint64(m.Key[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(m.Row[:], uint64(content))
	return m
}

func benchChanges(content, epoch int) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for i := range benchRows {
			if !yield(Change{Mark: benchMark(i, content), Fate: Confirmed, Epoch: epoch}, nil) {
				return
			}
		}
	}
}

func benchPlace(b *testing.B) Place {
	work, err := store.Dir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { work.Close() })
	return At(work, "members", "org/contact")
}

func benchFold(b *testing.B, p Place, epoch int) {
	f := Folding{Hold: hold("R", epoch, 1), Terms: testTerms, KeepOthers: true, Changes: benchChanges(epoch, epoch), Dir: b.TempDir()}
	if folded, err := p.Fold(context.Background(), f); err != nil || folded.Rows != benchRows {
		b.Fatal(folded, err)
	}
}

func BenchmarkFoldMillionOverMillion(b *testing.B) {
	p := benchPlace(b)
	benchFold(b, p, 1)
	b.ReportAllocs()
	for epoch := 2; b.Loop(); epoch++ {
		benchFold(b, p, epoch)
	}
}

func BenchmarkSameTenThousandOfMillion(b *testing.B) {
	p := benchPlace(b)
	benchFold(b, p, 1)
	s, err := p.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for name, of := range map[string]func(i int) Mark{
		"anywhere": func(i int) Mark { return benchMark(i, 1) },
		// As prepare cuts chunks when it parts rows by the leading bits of their mark's key.
		"neighbours": func(i int) Mark { m := benchMark(i, 1); m.Key[0], m.Key[1] = 7, m.Key[1]&1; return m },
	} {
		b.Run(name, func(b *testing.B) {
			marks := make([]Mark, 10_000)
			for i := range marks {
				marks[i] = of(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, why, err := s.Same(b.Context(), marks); err != nil || why != "" {
					b.Fatal(why, err)
				}
			}
		})
	}
}
