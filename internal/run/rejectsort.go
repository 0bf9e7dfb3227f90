package run

import (
	"bufio"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"penstock/internal/report"
	"penstock/internal/row"
)

// A rejectSorter takes rejects as they come and gives them back by row number. A
// file may be nothing but errors, so what is more than a few thousand waits in
// scratch files.
type rejectSorter struct {
	dir     string
	most    int // held in memory; zero is mostHeld
	count   int64
	held    []row.Reject
	runs    []*os.File // each sorted
	reasons map[reasonKind]*reasonCount
}

const mostHeld = 40_000

type reasonKind struct{ code, column string }

type reasonCount struct {
	report.RejectReason
	row int64 // of the example
}

func newRejectSorter(dir string) *rejectSorter {
	return &rejectSorter{dir: dir, most: mostHeld, reasons: map[reasonKind]*reasonCount{}}
}

func (s *rejectSorter) add(r row.Reject) error {
	s.count++
	kind := reasonKind{r.Code, r.Column}
	c := s.reasons[kind]
	if c == nil {
		c = &reasonCount{RejectReason: report.RejectReason{Code: r.Code, Column: r.Column, Line: r.Line}, row: r.Row}
		s.reasons[kind] = c
	}
	c.Count++
	if r.Row < c.row {
		c.row, c.Line = r.Row, r.Line
	}
	s.held = append(s.held, r)
	if len(s.held) < s.most {
		return nil
	}
	return s.spill()
}

func byRow(a, b row.Reject) int { return int(a.Row - b.Row) }

func (s *rejectSorter) spill() error {
	slices.SortStableFunc(s.held, byRow)
	f, err := os.CreateTemp(s.dir, "penstock-sort-*")
	if err != nil {
		return spillFault(err)
	}
	s.runs = append(s.runs, f)
	w := bufio.NewWriterSize(f, 1<<16)
	lines := json.NewEncoder(w)
	for i := range s.held {
		if err := lines.Encode(&s.held[i]); err != nil {
			return spillFault(err)
		}
	}
	s.held = s.held[:0]
	if err := w.Flush(); err != nil {
		return spillFault(err)
	}
	return nil
}

// sorted yields the rejects by row number. It may be asked for again.
func (s *rejectSorter) sorted() iter.Seq2[row.Reject, error] {
	return func(yield func(row.Reject, error) bool) {
		slices.SortStableFunc(s.held, byRow)
		var queue merge
		sources := []func() (row.Reject, error){fromMemory(s.held)}
		for _, f := range s.runs {
			sources = append(sources, fromFile(f))
		}
		for _, next := range sources {
			if err := queue.take(next); err != nil {
				yield(row.Reject{}, err)
				return
			}
		}
		for len(queue) > 0 {
			first := heap.Pop(&queue).(head)
			if !yield(first.Reject, nil) {
				return
			}
			if err := queue.take(first.next); err != nil {
				yield(row.Reject{}, err)
				return
			}
		}
	}
}

// rows counts the rows that have a reject.
func (s *rejectSorter) rows() (n int64, err error) {
	last := int64(0)
	for r, err := range s.sorted() {
		if err != nil {
			return 0, err
		}
		if r.Row != last {
			n++
		}
		last = r.Row
	}
	return n, nil
}

func fromMemory(held []row.Reject) func() (row.Reject, error) {
	n := 0
	return func() (row.Reject, error) {
		if n == len(held) {
			return row.Reject{}, io.EOF
		}
		n++
		return held[n-1], nil
	}
}

func fromFile(f *os.File) func() (row.Reject, error) {
	info, err := f.Stat()
	if err != nil {
		return func() (row.Reject, error) { return row.Reject{}, spillFault(err) }
	}
	lines := json.NewDecoder(bufio.NewReaderSize(io.NewSectionReader(f, 0, info.Size()), 1<<14))
	return func() (r row.Reject, err error) {
		err = lines.Decode(&r)
		if err != nil && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read the sorted rejects: %w", spillFault(err))
		}
		return r, err
	}
}

// reasonsFirst groups the rejects by code and column, the most frequent first.
func (s *rejectSorter) reasonsFirst() []report.RejectReason {
	var counts []*reasonCount
	for _, c := range s.reasons {
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b *reasonCount) int {
		switch {
		case a.Count != b.Count:
			return int(b.Count - a.Count)
		case a.row != b.row:
			return int(a.row - b.row)
		}
		return slices.Compare([]string{a.Code, a.Column}, []string{b.Code, b.Column})
	})
	var reasons []report.RejectReason
	for _, c := range counts {
		reasons = append(reasons, c.RejectReason)
	}
	return reasons
}

func (s *rejectSorter) close() {
	for _, f := range s.runs {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
}

// head is the next reject of a source.
type head struct {
	row.Reject
	next func() (row.Reject, error)
}

// merge is a heap of sources by their next row.
type merge []head

func (m *merge) take(next func() (row.Reject, error)) error {
	r, err := next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		heap.Push(m, head{r, next})
	}
	return err
}

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].Row < m[j].Row }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(head)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
