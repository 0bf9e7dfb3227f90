package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/examples"
	"penstock/internal/local"
	"penstock/internal/run"
)

type demoCommand struct {
	Dir string `default:".penstock/demo" help:"Where everything is kept; what an earlier demo left there is removed (${default})." type:"path"`
}

// Help is shown below the flags.
func (demoCommand) Help() string {
	return `Starts an S3 endpoint, the state machine and the Dataverse emulator in this process,
drops the example files, tells what became of every row, and reads the rows back with
a plain HTTP client. It ends by itself.`
}

// delivered is one file that the demo drops and how its run must end.
type delivered struct {
	file, destination, state string
	why                      string // told before
}

var story = []delivered{
	{"airports.csv", "airports", run.Succeeded, "3,376 airports become accounts, found again by their code"},
	{"members.csv", "members", run.Partial, "64 people become contacts by e-mail address; six rows are wrong on purpose"},
	{"enquiries.jsonl", "enquiries", run.Succeeded, "40 enquiries are appended as leads, from JSON Lines"},
	{"airports.csv", "airports", run.Succeeded, "the airports once more: nothing may double"},
	{"enquiries.jsonl", "enquiries", run.Refused, "the enquiries once more: appending them again would double them, so they are refused"},
}

func (c *demoCommand) Run(ctx context.Context, s streams) error {
	if err := clearDemo(c.Dir); err != nil {
		return err
	}
	type ending struct {
		finished run.Finished
		err      error
	}
	ends := make(chan ending, 1)
	watch := newWatcher(s.out, false)
	watch.bars = nil
	stack, err := local.StartStack(local.StackOptions{Dir: c.Dir, Config: configOf(""), UserAgent: "penstock/" + version, Progress: watch.see,
		Ended: func(_ run.Start, f run.Finished, err error) { ends <- ending{f, err} }})
	if err != nil {
		return err
	}
	defer stack.Close(context.Background())
	fmt.Fprintf(s.out, "Everything in one process, state in %s:\n  S3         %s\n  Dataverse  %s/api/data/v9.2/\n", c.Dir, stack.S3.URL(), stack.Emulator.URL)
	d := &developer{streams: s, stack: stack, reports: c.Dir, watch: watch}
	for i, step := range story {
		fmt.Fprintf(s.out, "\n%d. s3://%s/inbox/admin/%s/%s\n   %s.\n", i+1, local.InboxBucket, step.destination, step.file, step.why)
		if err := drop(ctx, stack, step); err != nil {
			return err
		}
		select {
		case end := <-ends:
			if end.err != nil {
				return end.err
			}
			d.ended(run.Start{}, end.finished, nil)
			if end.finished.State != step.state {
				return fmt.Errorf("the run should have %s but %s", step.state, end.finished.State)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	fmt.Fprintf(s.out, "\nReading the rows back from Dataverse with a plain HTTP client:\n")
	if err := readBack(ctx, s.out, stack.Emulator); err != nil {
		return fmt.Errorf("the rows are not as they should be: %w", err)
	}
	fmt.Fprintf(s.out, "\nEvery row is accounted for. Reports and rejects are in %s.\nNext: penstock dev keeps all this up for your own files.\n", filepath.Join(d.reports, "runs"))
	return nil
}

// clearDemo removes what an earlier demo left, and nothing else: it refuses a directory that is not one of its own.
func clearDemo(dir string) error {
	mark := filepath.Join(dir, "penstock-demo")
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(mark); err != nil {
			return errors.New(dir + " holds something else than a demo; say another --dir")
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the earlier demo: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	return os.WriteFile(mark, []byte("The state of `penstock demo`; removed at its next start.\n"), 0o644)
}

// drop uploads a file as any S3 client does.
func drop(ctx context.Context, stack *local.Stack, step delivered) error {
	data, err := examples.Files.ReadFile(step.file)
	if err != nil {
		return fmt.Errorf("read the example: %w", err)
	}
	_, err = stack.Objects().PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(local.InboxBucket), Key: aws.String("inbox/admin/" + step.destination + "/" + step.file), Body: bytes.NewReader(data),
	})
	if err != nil {
		return fmt.Errorf("drop %s: %w", step.file, err)
	}
	return nil
}
