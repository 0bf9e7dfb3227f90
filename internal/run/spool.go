package run

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"

	"penstock/internal/fault"
	"penstock/internal/row"
)

// A spool holds mapped operations until the whole file is read, spread over
// partitions by the hash of their normalised key, so that rows with one key meet
// in one partition (rules I6, P3). It keeps what fits into memory and spills the
// rest to files; the results are the same.
type spool struct {
	dir        string
	keyed      bool
	partitions []partition
	seed       maphash.Seed
	held       int // bytes in memory
	budget     int
}

type partition struct {
	buffer  []byte
	file    string // "" until the first spill
	spilled int64  // bytes in file
}

// partitionBytes is about how much of the input one partition covers: sealing
// one holds it in memory whole, as operations, which are about four times as long.
const partitionBytes = 4 << 20

// unknownBytes is taken for an input whose size nobody told.
const unknownBytes = 1 << 30

// newSpool sizes the spool for an input of so many bytes. Operations without a
// key stay in order in one partition that is only ever streamed.
func newSpool(dir string, inputBytes int64, keyed bool, budget int) *spool {
	n := int64(1)
	if inputBytes <= 0 {
		inputBytes = unknownBytes
	}
	if keyed {
		n = min(max(inputBytes/partitionBytes, 1), 512)
	}
	return &spool{dir: dir, keyed: keyed, partitions: make([]partition, n), seed: maphash.MakeSeed(), budget: budget}
}

// entry is one operation in the spool.
type entry struct {
	row  int64
	line int
	key  []byte // normalised; empty when the operation has none
	op   []byte // its line
}

// add spools an operation; key and op are copied.
func (s *spool) add(e entry) error {
	p := &s.partitions[0]
	if len(s.partitions) > 1 {
		p = &s.partitions[maphash.Bytes(s.seed, e.key)%uint64(len(s.partitions))]
	}
	before := len(p.buffer)
	b := p.buffer
	b = binary.AppendUvarint(b, uint64(e.row))
	b = binary.AppendUvarint(b, uint64(e.line))
	b = binary.AppendUvarint(b, uint64(len(e.key)))
	b = binary.AppendUvarint(b, uint64(len(e.op)))
	b = append(b, e.key...)
	b = append(b, e.op...)
	p.buffer = b
	s.held += len(b) - before
	if s.held > s.budget {
		return s.spill()
	}
	return nil
}

// spill appends every partition's buffer to its file.
func (s *spool) spill() error {
	for i := range s.partitions {
		p := &s.partitions[i]
		if len(p.buffer) == 0 {
			continue
		}
		if p.file == "" {
			p.file = filepath.Join(s.dir, fmt.Sprintf("partition-%03d", i))
		}
		f, err := os.OpenFile(p.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return spillFault(err)
		}
		_, err = f.Write(p.buffer)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return spillFault(err)
		}
		p.spilled += int64(len(p.buffer))
		p.buffer = p.buffer[:0]
	}
	s.held = 0
	return nil
}

func spillFault(err error) error {
	return fault.New(fault.Broken, "scratch_unwritable", "the scratch directory cannot be written").
		Advise("make room, or set TMPDIR to a directory with at least twice the file's size").Because(err)
}

// seal gives each surviving operation to keep, partition by partition in row
// order, and each earlier row of a repeated key to drop.
func (s *spool) seal(keep func(line []byte) error, drop func(row.Reject) error) error {
	for i := range s.partitions {
		p := &s.partitions[i]
		var err error
		if !s.keyed {
			err = p.stream(keep)
		} else {
			err = p.resolve(keep, drop)
		}
		if err != nil {
			return err
		}
		*p = partition{}
	}
	return nil
}

// stream passes operations without keys on, in order and without holding what was spilled.
func (p *partition) stream(keep func([]byte) error) error {
	if err := p.streamFile(keep); err != nil {
		return err
	}
	var e entry
	for b := p.buffer; len(b) > 0; {
		var err error
		if b, err = e.decode(b); err != nil {
			return err
		}
		if err := keep(e.op); err != nil {
			return err
		}
	}
	return nil
}

func (p *partition) streamFile(keep func([]byte) error) error {
	if p.spilled == 0 {
		return nil
	}
	f, err := os.Open(p.file)
	if err != nil {
		return spillFault(err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var e entry
	var buffer []byte
	for {
		buffer, err = e.read(r, buffer)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return spillFault(err)
		}
		if err := keep(e.op); err != nil {
			return err
		}
	}
}

// resolve loads a partition, lets the last row of each key win and rejects the earlier ones.
func (p *partition) resolve(keep func([]byte) error, drop func(row.Reject) error) error {
	data, err := p.load()
	if err != nil {
		return err
	}
	winners := make(map[string]winner)
	for at, b := 0, data; len(b) > 0; at++ {
		var e entry
		rest, err := e.decode(b)
		if err != nil {
			return err
		}
		if len(e.key) > 0 {
			winners[string(e.key)] = winner{at: at, line: e.line}
		}
		b = rest
	}
	for at, b := 0, data; len(b) > 0; at++ {
		var e entry
		rest, err := e.decode(b)
		if err != nil {
			return err
		}
		b = rest
		if w, ok := winners[string(e.key)]; ok && w.at != at {
			err = drop(row.Reject{Row: e.row, Line: e.line, Code: "duplicate_key",
				Message: fmt.Sprintf("the same key stands again on line %d, and the last one wins; remove one of the two", w.line)})
		} else {
			err = keep(e.op)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type winner struct{ at, line int }

// load is the whole partition, file and buffer, in one piece of memory.
func (p *partition) load() ([]byte, error) {
	if p.spilled == 0 {
		return p.buffer, nil
	}
	f, err := os.Open(p.file)
	if err != nil {
		return nil, spillFault(err)
	}
	defer f.Close()
	data := make([]byte, p.spilled, p.spilled+int64(len(p.buffer)))
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, spillFault(err)
	}
	return append(data, p.buffer...), nil
}

// decode takes one entry off b; its slices point into b.
func (e *entry) decode(b []byte) (rest []byte, err error) {
	var v [4]uint64
	for i := range v {
		n := 0
		if v[i], n = binary.Uvarint(b); n <= 0 {
			return nil, errSpool
		}
		b = b[n:]
	}
	if v[2] > uint64(len(b)) || v[3] > uint64(len(b))-v[2] {
		return nil, errSpool
	}
	e.row, e.line = int64(v[0]), int(v[1])
	e.key, e.op = b[:v[2]], b[v[2]:v[2]+v[3]]
	return b[v[2]+v[3]:], nil
}

// read takes one entry off r into buffer, which it returns for the next call.
func (e *entry) read(r *bufio.Reader, buffer []byte) ([]byte, error) {
	var v [4]uint64
	for i := range v {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			if i > 0 {
				err = io.ErrUnexpectedEOF
			}
			return buffer, err
		}
		v[i] = n
	}
	size := int(v[2] + v[3])
	if cap(buffer) < size {
		buffer = make([]byte, size)
	}
	buffer = buffer[:size]
	if _, err := io.ReadFull(r, buffer); err != nil {
		return buffer, io.ErrUnexpectedEOF
	}
	e.row, e.line, e.key, e.op = int64(v[0]), int(v[1]), buffer[:v[2]], buffer[v[2]:]
	return buffer, nil
}

var errSpool = fault.New(fault.Broken, "scratch_damaged", "a spill file is not as it was written")
