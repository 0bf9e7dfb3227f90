package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"penstock/internal/report"
	"penstock/internal/run"
	"penstock/internal/store"
)

// printSummary tells a person how a run ended and where to look.
func printSummary(ctx context.Context, s streams, steps *run.Steps, dir string, f run.Finished) error {
	r, err := steps.Report(ctx, f.Destination, f.Run)
	if err != nil {
		return err
	}
	return summarize(s.out, *r, dir)
}

// summarize writes a report's summary with the places where its objects lie under dir.
func summarize(out io.Writer, r report.Report, dir string) error {
	for _, key := range []*string{&r.Report, &r.Page, &r.Rejects, &r.Warnings, &r.Undeleted, &r.Doubts} {
		*key = pathIn(dir, *key)
	}
	return report.Text(out, r)
}

// fetchReport copies what a person wants of a run's folder out of the embedded S3 to a directory, under the same names.
func fetchReport(ctx context.Context, steps *run.Steps, dir string, f run.Finished) (*report.Report, error) {
	r, err := steps.Report(ctx, f.Destination, f.Run)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{r.Page, r.Report, r.Rejects, r.Warnings, r.Undeleted, r.Doubts} {
		if key == "" {
			continue
		}
		to := pathIn(dir, key)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, fmt.Errorf("make a directory for the report: %w", err)
		}
		if err := fetch(ctx, steps.Work, key, to); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", key, err)
		}
	}
	return r, nil
}

func fetch(ctx context.Context, from store.Store, key, to string) (err error) {
	body, err := from.Open(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, body)
	return err
}
