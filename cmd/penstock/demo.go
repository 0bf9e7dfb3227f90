package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/examples"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
)

type demoCommand struct {
	Dir string `default:".penstock/demo" placeholder:"DIR" help:"Where everything is kept; what an earlier demo left there is removed (${default})." type:"path"`
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

func (c *demoCommand) Run(ctx context.Context, hurry haste, s streams) error {
	leave, err := clearDemo(c.Dir)
	if err != nil {
		return err
	}
	defer leave()
	type ending struct {
		finished run.Finished
		err      error
	}
	ends := make(chan ending, 1)
	watch := newWatcher(s.out, false)
	stack, err := local.StartStack(local.StackOptions{Dir: c.Dir, Config: configOf(""), UserAgent: "penstock/" + version, Progress: watch.see,
		Ended: func(_ run.Start, f run.Finished, err error) { ends <- ending{f, err} }})
	if err != nil {
		return err
	}
	defer stack.Close(hurry)
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
			if err := d.summarize(end.finished); err != nil {
				return err
			}
			if end.finished.State != step.state {
				return fmt.Errorf("the run of %s is %s and should be %s", step.file, end.finished.State, step.state)
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

// clearDemo takes the directory for this demo and removes what an earlier one
// left there, and nothing else: it refuses a directory that is not one of its own.
func clearDemo(dir string) (leave func(), err error) {
	const mark = "penstock-demo"
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
			return nil, fault.New(fault.Refused, "usage", "%s holds something else than a demo", dir).Advise("say another --dir")
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the demo's directory: %w", err)
	}
	if leave, err = claim(dir, "demo"); err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if entry.Name() == "demo.lock" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			leave()
			return nil, fmt.Errorf("remove the earlier demo: %w", err)
		}
	}
	return leave, os.WriteFile(filepath.Join(dir, mark), []byte("The state of `penstock demo`; removed at its next start.\n"), 0o644)
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
