package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

func csvSplit(_ context.Context, _ *bench, file string) (rows int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	reader := csv.NewReader(f)
	reader.ReuseRecord = true
	for rows = -1; ; rows++ { // the header is none
		if _, err := reader.Read(); err != nil {
			return rows, unlessEnd(err)
		}
	}
}

func jsonDecode(_ context.Context, _ *bench, file string) (rows int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	decoder := json.NewDecoder(bufio.NewReaderSize(f, 1<<18))
	for ; ; rows++ {
		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			return rows, unlessEnd(err)
		}
	}
}

func parquetRows(_ context.Context, _ *bench, file string) (rows int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	opened, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return 0, err
	}
	buffer := make([]parquet.Row, 128)
	for _, group := range opened.RowGroups() {
		reader := group.Rows()
		for err = nil; err == nil; {
			var n int
			n, err = reader.ReadRows(buffer)
			rows += int64(n)
		}
		if err = errors.Join(unlessEnd(err), reader.Close()); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
