package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"penstock/internal/row"
	"penstock/internal/store"
)

func (p *preparation) reject(r row.Reject) error {
	p.plan.Rows.Rejected++
	return p.rejects.add(p.dir, r)
}

// storeRejects puts what prepare found wrong into the run's folder, also when the
// run is refused: in one object, whatever number of invocations found it.
func (p *preparation) storeRejects(ctx context.Context) error {
	if p.plan.Rows.Rejected == 0 {
		return nil
	}
	all := &p.rejects
	for _, one := range p.after.Pieces {
		if !one.Rejects {
			continue
		}
		if all == &p.rejects {
			all = &rejectSpool{}
			defer all.close()
		}
		if err := all.take(ctx, p.dir, p.Work, one.Prefix+"rejects"); err != nil {
			return err
		}
	}
	if all != &p.rejects {
		if err := all.copy(p.dir, &p.rejects); err != nil {
			return err
		}
	}
	p.plan.Rejects = rejectsKey(p.plan.folder(), p.own("prepare-"+p.plan.By))
	return all.put(ctx, p.Work, p.plan.Rejects+"000000")
}

// rejectSpool collects rejects as JSON Lines in a scratch file, so that a file of nothing but errors costs no memory.
type rejectSpool struct {
	first  row.Reject
	count  int
	file   *os.File
	buffer bytes.Buffer
}

func (s *rejectSpool) add(dir string, r row.Reject) error {
	if s.first.Row == 0 {
		s.first = r
	}
	s.count++
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("render a reject: %w", err)
	}
	s.buffer.Write(line)
	s.buffer.WriteByte('\n')
	if s.buffer.Len() < 1<<20 {
		return nil
	}
	return s.spill(dir)
}

func (s *rejectSpool) spill(dir string) error {
	if s.file == nil {
		f, err := os.CreateTemp(dir, "rejects-*")
		if err != nil {
			return spillFault(err)
		}
		s.file = f
	}
	_, err := s.file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = s.buffer.WriteTo(s.file)
	}
	if err != nil {
		return spillFault(err)
	}
	return nil
}

// take adds rejects that are an object.
func (s *rejectSpool) take(ctx context.Context, dir string, work store.Store, key string) error {
	body, err := work.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("read what was prepared: %w", err)
	}
	defer body.Close()
	return s.from(dir, storeReader{body})
}

// copy adds another spool's.
func (s *rejectSpool) copy(dir string, other *rejectSpool) error {
	body, err := other.reader()
	if err != nil {
		return err
	}
	return s.from(dir, body)
}

func (s *rejectSpool) from(dir string, r io.Reader) error {
	if err := s.spill(dir); err != nil {
		return err
	}
	if _, err := io.Copy(s.file, r); err != nil {
		return readFault(err)
	}
	return nil
}

// put stores what was collected.
func (s *rejectSpool) put(ctx context.Context, work store.Store, key string) error {
	body, err := s.reader()
	if err != nil {
		return err
	}
	return work.Put(ctx, key, body)
}

// reader reads from the first reject. It is valid until the next is added.
func (s *rejectSpool) reader() (io.ReadSeeker, error) {
	if s.file == nil {
		return bytes.NewReader(s.buffer.Bytes()), nil
	}
	if err := s.spill(""); err != nil {
		return nil, err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, spillFault(err)
	}
	return s.file, nil
}

func (s *rejectSpool) close() {
	if s.file != nil {
		s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
