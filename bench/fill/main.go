// Command fill writes one large file of made-up contacts and prints how many rows
// it has. It is a process of its own, because what the bench itself holds would
// count as memory of the processes that it starts.
package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"penstock/bench/people"
)

func main() {
	format := flag.String("format", string(people.CSV), "how the file is written")
	pack := flag.String("pack", "", "gzip or zstd")
	size := flag.Int64("bytes", 0, "its size, before it is packed")
	flag.Parse()
	rows, err := fill(flag.Arg(0), people.Format(*format), *pack, *size)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		os.Exit(1)
	}
	fmt.Println(rows)
}

func fill(path string, format people.Format, pack string, size int64) (rows int64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<18)
	packer, err := packing(buffered, pack)
	if err != nil {
		return 0, err
	}
	rows, err = people.Fill(packer, format, size)
	return rows, errors.Join(err, packer.Close(), buffered.Flush())
}

func packing(w io.Writer, how string) (io.WriteCloser, error) {
	switch how {
	case "":
		return asItIs{w}, nil
	case "gzip":
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	}
	return nil, fmt.Errorf("there is no packing %q", how)
}

type asItIs struct{ io.Writer }

func (asItIs) Close() error { return nil }
