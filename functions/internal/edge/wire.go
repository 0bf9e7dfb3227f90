package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

const (
	configKey      = "config/penstock.yaml" // in the work bucket
	maxConfigBytes = 1 << 20
	// longestFunction is the functions' Timeout in template.yaml: nothing cancels
	// a function when its execution dies, so the next holder of a turn waits that long.
	longestFunction = 15 * time.Minute
)

// wire connects the steps to AWS. The environment names the bucket and the state machine.
func wire(ctx context.Context, getenv func(string) string, log *slog.Logger) (*run.Steps, error) {
	bucket := getenv("WORK_BUCKET")
	if bucket == "" {
		return nil, fault.New(fault.Broken, "not_configured", "the environment variable WORK_BUCKET is not set")
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	objects := s3.NewFromConfig(cfg)
	work := store.S3(objects, bucket)
	connections := &run.Connections{
		UserAgent: "penstock",
		Work:      work,
		Secrets: secret.Reader{
			Getenv:  getenv,
			Secrets: func(context.Context) (*secretsmanager.Client, error) { return secretsmanager.NewFromConfig(cfg), nil },
		},
	}
	return &run.Steps{
		Work:    work,
		Inbox:   delivery.Bucket{Client: objects},
		Config:  func(ctx context.Context) (*config.Config, error) { return readConfig(ctx, work) },
		Connect: connections.Connect,
		Launch:  launcher{client: sfn.NewFromConfig(cfg), machine: getenv("STATE_MACHINE_ARN")}.launch,
		Log:     log,
		Limits:  delivery.DefaultLimits,
		Worker:  longestFunction,
	}, nil
}

func readConfig(ctx context.Context, work store.Store) (*config.Config, error) {
	data, err := store.ReadAll(ctx, work, configKey, maxConfigBytes)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fault.New(fault.Refused, "no_config", "the work bucket holds no %s", configKey).
			Advise("copy your penstock.yaml there")
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return config.Parse(data, configKey)
}

// launcher starts executions.
type launcher struct {
	client  *sfn.Client
	machine string
}

// launch starts an execution by name. A Standard execution is idempotent by name
// and input while it runs; afterwards the name is taken for 90 days, and the
// run's pinned start (rule I1) keeps the name the same for ever.
func (l launcher) launch(ctx context.Context, name string, input []byte) (started bool, err error) {
	if l.machine == "" {
		return false, fault.New(fault.Broken, "not_configured", "the environment variable STATE_MACHINE_ARN is not set")
	}
	_, err = l.client.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &l.machine, Name: &name, Input: aws.String(string(input)),
	})
	var exists *sfntypes.ExecutionAlreadyExists
	if errors.As(err, &exists) {
		return false, nil
	}
	if err != nil {
		return false, fault.New(fault.Interrupted, "not_started", "the state machine did not start").Because(err)
	}
	return true, nil
}
