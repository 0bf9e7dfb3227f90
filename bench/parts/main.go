// Command parts measures one part of reading a file, with nobody beside it: what
// Penstock does, or the library that it is held against. It prints one JSON object.
//
//	csv-split      encoding/csv with ReuseRecord: cuts rows into cells
//	json-decode    encoding/json, each line into a map[string]any
//	parquet-rows   the library's own reading of rows
//	rows           Penstock's reading of rows, of whatever format
//	operations     rows, typed, validated and rendered as operations
//	prepare        the step of a run: all of that, partitions and chunks on disk, and the questions to the service
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

// part does its work on a file and says how many rows there were.
type part func(ctx context.Context, b *bench, file string) (rows int64, err error)

var parts = map[string]part{
	"csv-split": csvSplit, "json-decode": jsonDecode, "parquet-rows": parquetRows,
	"rows": rowsOf, "operations": operations, "prepare": prepare,
}

func main() {
	var b bench
	flag.StringVar(&b.config, "config", "penstock.yaml", "the configuration")
	flag.StringVar(&b.destination, "d", "contacts", "the destination")
	flag.StringVar(&b.dir, "dir", "", "a directory for the run of prepare; it should be new")
	name := flag.String("part", "", "what to measure")
	flag.Parse()
	if err := measure(&b, *name, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		os.Exit(1)
	}
}

func measure(b *bench, name, file string) error {
	do := parts[name]
	if do == nil {
		return fmt.Errorf("there is no part %q", name)
	}
	if err := b.open(context.Background()); err != nil {
		return err
	}
	defer b.close()
	b.mark()
	start := time.Now()
	rows, err := do(context.Background(), b, file)
	seconds := time.Since(start).Seconds()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	before := b.mallocs
	b.mark()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": rows, "seconds": seconds, "allocations": b.mallocs - before})
}

// mark begins to count allocations: looking at a file's sample, once, makes many, and is none of its rows.
func (b *bench) mark() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.mallocs = m.Mallocs
}
