package parquet

import (
	"bufio"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pageCheck walks along a column's page headers ahead of the library, which believes whatever sizes they
// say and makes room for them: a page must fit into its column's part of the row group.
type pageCheck struct {
	r        io.ReaderAt
	offset   int64
	end      int64
	packed   int64
	unpacked int64
	rows     int64

	page, dictionary int64 // unpacked: what the library holds of this column
}

func (p *pageCheck) held() int64 { return p.page + p.dictionary }

// headerSlack is what pages may be larger than their column says: some writers count without headers.
const headerSlack = 64 << 10

func checkPages(r io.ReaderAt, chunk *format.ColumnChunk, rows int64) pageCheck {
	m := &chunk.MetaData
	start := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		start = m.DictionaryPageOffset
	}
	return pageCheck{r: r, offset: start, end: start + m.TotalCompressedSize, packed: m.TotalCompressedSize,
		unpacked: m.TotalUncompressedSize + headerSlack, rows: rows}
}

// next checks the headers up to and including the next page of data.
func (p *pageCheck) next() error {
	for p.offset < p.end {
		header, err := p.header()
		if err != nil {
			return err
		}
		values := max(header.DataPageHeader.V.NumValues, header.DataPageHeaderV2.V.NumValues, header.DataPageHeaderV2.V.NumRows)
		switch {
		case header.CompressedPageSize < 0 || int64(header.CompressedPageSize) > p.packed:
			return fmt.Errorf("a page of %d bytes in a column of %d", header.CompressedPageSize, p.packed)
		case header.UncompressedPageSize < 0 || int64(header.UncompressedPageSize) > p.unpacked:
			return fmt.Errorf("a page of %d bytes unpacked in a column of %d", header.UncompressedPageSize, p.unpacked)
		case int64(values) > p.rows:
			return fmt.Errorf("a page of %d values in a row group of %d rows", values, p.rows)
		case int64(header.DictionaryPageHeader.V.NumValues) > p.unpacked:
			return fmt.Errorf("a dictionary of %d values in a column of %d bytes", header.DictionaryPageHeader.V.NumValues, p.unpacked)
		}
		p.offset += int64(header.CompressedPageSize)
		if header.Type != format.DictionaryPage {
			p.page = int64(header.UncompressedPageSize)
			return nil
		}
		p.dictionary = int64(header.UncompressedPageSize)
	}
	return nil
}

// all checks every header, for seeking, which reads pages that nobody sees. The largest one counts for all of them.
func (p *pageCheck) all() error {
	largest := p.page
	for p.offset < p.end {
		if err := p.next(); err != nil {
			return err
		}
		largest = max(largest, p.page)
	}
	p.page = largest
	return nil
}

func (p *pageCheck) header() (*format.PageHeader, error) {
	section := io.NewSectionReader(p.r, p.offset, p.end-p.offset)
	buffered := bufio.NewReaderSize(section, 256)
	header := new(format.PageHeader)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(buffered)).Decode(header); err != nil {
		return nil, err
	}
	read, err := section.Seek(0, io.SeekCurrent)
	p.offset += read - int64(buffered.Buffered())
	return header, err
}

// openPages begins a column of a row group.
func (c *column) openPages(r io.ReaderAt, chunk pq.ColumnChunk, described *format.ColumnChunk, rows int64) {
	c.pages = chunk.Pages()
	c.check = checkPages(r, described, rows)
}
