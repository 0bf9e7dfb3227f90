package run

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// A key object has the keys of all source rows of a run, rejected ones included,
// so that the sweep of mode mirror can tell which records are not in the file
// (rule D4). Of each normalised key it holds the first eight bytes of the
// SHA-256, ascending: two keys with the same ones can only ever keep a record.
//
//	8 bytes  magic
//	8 bytes  how many
//	8 bytes  each
//	32 bytes SHA-256 of all before
//
// Numbers are big-endian.
const keysMagic = "PSkeys\x00\x01"

// shortHash is what a key object holds of a key.
func shortHash(h keyHash) uint64 { return binary.BigEndian.Uint64(h[:8]) }

func keysKey(folder, by string) string { return folder + "keys/" + by }

// A keySpool collects short hashes while rows are mapped, by their leading bits,
// so that sorting them takes the memory of one bin.
type keySpool struct{ *bins }

const (
	keyBits   = 4
	keyBudget = 4 << 20
)

func newKeySpool(dir string) *keySpool { return &keySpool{newBins(dir, 1<<keyBits, keyBudget)} }

// add takes short hashes, eight bytes each.
func (s *keySpool) add(hashes []byte) error {
	for one := range slices.Chunk(hashes, 8) {
		if err := s.put(int(one[0]>>(8-keyBits)), one, nil); err != nil {
			return err
		}
	}
	return nil
}

// storeKeys writes the key object of a mirror: its bins are ranges of hashes, so
// that one after the other is sorted in memory.
func (p *preparation) storeKeys(ctx context.Context) error {
	if p.keys == nil {
		return nil
	}
	total := int64(0)
	for n := range p.keys.all {
		total += int64(p.keys.all[n].items)
		for _, one := range p.after.Pieces {
			total += int64(find(one.Keys, n).Items)
		}
	}
	w, err := newKeyWriter(p.dir, total)
	if err != nil {
		return err
	}
	defer w.close()
	var hashes []uint64
	for n := range p.keys.all {
		hashes = hashes[:0]
		collect := func(item []byte) error {
			if len(item) != 8 {
				return errSpool
			}
			hashes = append(hashes, binary.BigEndian.Uint64(item))
			return nil
		}
		for _, one := range p.after.Pieces {
			if err := p.eachStored(ctx, find(one.Keys, n), one.Prefix, "keys", collect); err != nil {
				return err
			}
		}
		if err := p.keys.each(n, collect); err != nil {
			return err
		}
		slices.Sort(hashes)
		for _, hash := range hashes {
			w.write(hash)
		}
	}
	body, err := w.end()
	if err != nil {
		return err
	}
	p.plan.Keys = keysKey(p.plan.folder(), p.own(p.plan.By))
	return p.Work.Put(ctx, p.plan.Keys, body)
}

// A keyWriter writes a key object to a scratch file: its hashes come sorted.
type keyWriter struct {
	file *os.File
	w    *bufio.Writer
	sum  hash.Hash
}

func newKeyWriter(dir string, count int64) (*keyWriter, error) {
	f, err := os.CreateTemp(dir, "keys-*")
	if err != nil {
		return nil, spillFault(err)
	}
	w := &keyWriter{file: f, sum: sha256.New()}
	w.w = bufio.NewWriterSize(io.MultiWriter(f, w.sum), 1<<16)
	w.w.WriteString(keysMagic) // the writer keeps the error for Flush
	w.write(uint64(count))
	return w, nil
}

func (w *keyWriter) write(hash uint64) {
	w.w.Write(binary.BigEndian.AppendUint64(w.w.AvailableBuffer(), hash))
}

// end completes the object and rewinds it.
func (w *keyWriter) end() (io.ReadSeeker, error) {
	err := w.w.Flush()
	if err == nil {
		_, err = w.file.Write(w.sum.Sum(nil))
	}
	if err == nil {
		_, err = w.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, spillFault(err)
	}
	return w.file, nil
}

func (w *keyWriter) close() {
	w.file.Close()
	_ = os.Remove(w.file.Name())
}

// A keySet is a key object in memory: eight bytes a key.
type keySet struct{ hashes []uint64 }

// has tells whether a row of the file has this normalised key (mapping.Key,
// mapping.RecordKey). It may say yes of one that no row has, once in very many times.
func (s *keySet) has(normalised []byte) bool {
	_, found := s.find(normalised)
	return found
}

// find is the place of a key among the file's: the same for all that have its normal form.
func (s *keySet) find(normalised []byte) (at int, found bool) {
	return slices.BinarySearch(s.hashes, shortHash(hashKey(normalised)))
}

// readKeys reads a key object and proves that it is whole.
func readKeys(ctx context.Context, work store.Store, key string) (*keySet, error) {
	body, err := work.Open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read the keys of the file: %w", err)
	}
	defer body.Close()
	set, err := decodeKeys(body)
	if err != nil {
		return nil, fmt.Errorf("read the keys of the file: %w", err)
	}
	return set, nil
}

// decodeKeys reads the format. Memory grows with what is there, not with what the header says.
func decodeKeys(r io.Reader) (*keySet, error) {
	set := &keySet{}
	err := eachHash(r, keysMagic, func(hash uint64) { set.hashes = append(set.hashes, hash) })
	if errors.Is(err, errHashes) {
		return nil, fault.New(fault.Broken, "keys_damaged", "the object with the file's keys is not as it was written").Advise("start a new run")
	}
	if err != nil {
		return nil, err
	}
	return set, nil
}

// errHashes says that an object of hashes is not as it was written.
var errHashes = errors.New("damaged hashes")

// eachHash reads an object of hashes as its header comment says, in little memory.
// Only its end proves it: what visit was told before an error must be forgotten.
func eachHash(r io.Reader, magic string, visit func(uint64)) error {
	sum := sha256.New()
	in := bufio.NewReaderSize(r, 1<<16)
	body := io.TeeReader(in, sum)
	read := func(p []byte, from io.Reader) error {
		_, err := io.ReadFull(from, p)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errHashes
		}
		return err
	}
	var head [16]byte
	if err := read(head[:], body); err != nil {
		return err
	}
	left := binary.BigEndian.Uint64(head[8:])
	if string(head[:8]) != magic || left > MaxRows {
		return errHashes
	}
	piece := make([]byte, 1<<15)
	for last := uint64(0); left > 0; {
		some := piece[:min(left*8, uint64(len(piece)))]
		if err := read(some, body); err != nil {
			return err
		}
		for one := range slices.Chunk(some, 8) {
			hash := binary.BigEndian.Uint64(one)
			if hash < last {
				return errHashes
			}
			last = hash
			visit(hash)
		}
		left -= uint64(len(some) / 8)
	}
	want := sum.Sum(nil)
	if err := read(piece[:sha256.Size], in); err != nil {
		return err
	}
	if string(want) != string(piece[:sha256.Size]) {
		return errHashes
	}
	if _, err := in.ReadByte(); err == nil {
		return errHashes
	}
	return nil
}
