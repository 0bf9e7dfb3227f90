package run

import (
	"penstock/internal/row"
)

// A block is some rows of the file in memory of their own, on their way from the
// reader through a mapper to the collector, and what the mapper made of them.
// Blocks are used again and again.
type block struct {
	rows    []row.Row
	cells   []row.Cell
	text    []byte
	columns []string // the file's, as far as they are known behind the last row

	lines   []byte // of operations and their links, one behind the other
	mapped  []mapped
	rejects []row.Reject
	keys    []byte // short hashes of the rows' keys, when they are kept
	keyless int64  // rows without a key that can be read
	err     error
	done    chan struct{} // one word: mapped
}

// mapped is a row among a block's lines: its operation's line and those of its links end there.
type mapped struct {
	label
	partition, op, end int
}

const (
	blockRows  = 512
	blockBytes = 256 << 10
	blockCells = 16 << 10
)

func newBlock() *block { return &block{done: make(chan struct{}, 1)} }

func (b *block) reset() {
	b.rows, b.cells, b.text = b.rows[:0], b.cells[:0], b.text[:0]
	b.lines, b.mapped, b.rejects, b.keys, b.keyless, b.err = b.lines[:0], b.mapped[:0], b.rejects[:0], b.keys[:0], 0, nil
}

func (b *block) full() bool {
	return len(b.rows) >= blockRows || len(b.text) >= blockBytes || len(b.cells) >= blockCells
}

// reject notes why a row is not mapped.
func (b *block) reject(r *row.Row, reject *row.Reject) {
	why := *reject
	why.Object = r.Object
	b.rejects = append(b.rejects, why)
}

// addPacked copies the cells of a row in one go.
func (b *block) addPacked(r *row.Row) {
	at := len(b.text)
	b.text = append(b.text, r.Raw...)
	text, cells := b.text, b.cells
	for i := range r.Cells {
		end := at + len(r.Cells[i].Text)
		cells = append(cells, row.Cell{Kind: r.Cells[i].Kind, Text: text[at:end:end]})
		at = end + 1
	}
	b.cells = cells
}

func (b *block) addCells(r *row.Row) {
	text, cells := b.text, b.cells
	for i := range r.Cells {
		c, start := &r.Cells[i], len(text)
		text = append(text, c.Text...)
		cells = append(cells, row.Cell{Kind: c.Kind, Text: text[start:len(text):len(text)]})
	}
	b.text, b.cells = text, cells
}

// add copies a row: its slices are the reader's and used again. Raw is not
// needed. Rows whose slices were cut from memory that has been outgrown keep it.
func (b *block) add(r *row.Row) {
	from := len(b.cells)
	if r.Packed {
		b.addPacked(r)
	} else {
		b.addCells(r)
	}
	own := row.Row{Number: r.Number, Object: r.Object, Line: r.Line, Cells: b.cells[from:len(b.cells):len(b.cells)]}
	if r.Reject != nil {
		why := *r.Reject
		own.Reject = &why
	}
	b.rows = append(b.rows, own)
}
