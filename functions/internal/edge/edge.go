// Package edge is where functions meet Lambda: the only code that knows how Lambda decodes, encodes and names errors.
package edge

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"penstock/internal/fault"
	"penstock/internal/heap"
	"penstock/internal/run"
)

// Start serves one step. The steps are wired once per cold start.
func Start[In, Out any](step func(*run.Steps, context.Context, In) (Out, error)) {
	heap.Keep(heap.Usual)
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: lambdaNames}))
	steps, err := wire(context.Background(), os.Getenv, log)
	if err != nil {
		_, message := fault.Name(err)
		log.Error("start", "error", message)
		os.Exit(1)
	}
	lambda.Start(named(func(ctx context.Context, in In) (Out, error) { return step(steps, ctx, in) }, log))
}

// named gives a step's error its name. Lambda tells the state machine only the
// outermost type of an error (a wrap would arrive as "wrapError"), so nothing
// may wrap it after this. Rule S2: the message holds no server text and no row value.
func named[In, Out any](step func(context.Context, In) (Out, error), log *slog.Logger) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		out, err := step(ctx, in)
		if err == nil {
			return out, nil
		}
		name, message := fault.Name(err)
		of := ""
		if event, ok := any(in).(interface{ RunID() string }); ok {
			of = event.RunID()
		}
		log.Error("step", "run", of, "kind", name, "error", message)
		return out, messages.InvokeResponse_Error{Type: name, Message: message}
	}
}

// lambdaNames gives slog's keys the names that Lambda's log format has.
func lambdaNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		a.Key = "timestamp"
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}
