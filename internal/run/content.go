package run

import (
	"context"
	"fmt"
	"strings"

	"penstock/internal/config"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// Appending the same content twice doubles every row, so a run of mode append
// claims its content and refuses when another run has written from the same one
// (rule I1). Claims are objects content/DESTINATION/SHA256/RUN.

func contentPrefix(plan *Plan) string {
	return "content/" + plan.Start.Destination + "/" + plan.SHA256 + "/"
}

// claimContent is the early look, for a quick answer; the turn looks again when nobody else can write.
func (p *preparation) claimContent(ctx context.Context) error {
	if p.plan.Mode != config.Append {
		return nil
	}
	if err := p.checkContent(ctx, p.plan); err != nil {
		return err
	}
	return store.PutJSON(ctx, p.Work, contentPrefix(p.plan)+p.plan.Start.Run, map[string]string{"run": p.plan.Start.Run})
}

// checkContent refuses when another run has already written from the same content.
// A run that wrote has results, whether or not it came to its end.
func (s *Steps) checkContent(ctx context.Context, plan *Plan) error {
	if plan.Mode != config.Append || plan.Start.Again {
		return nil
	}
	for info, err := range s.Work.List(ctx, contentPrefix(plan)) {
		if err != nil {
			return fmt.Errorf("look for earlier runs of this content: %w", err)
		}
		other := info.Key[strings.LastIndexByte(info.Key, '/')+1:]
		if other == plan.Start.Run {
			continue
		}
		wrote, err := s.any(ctx, folder(plan.Start.Destination, other)+"results/")
		if err != nil {
			return err
		}
		if !wrote {
			continue
		}
		refusal := fault.New(fault.Refused, "already_loaded", "run %s has already appended rows from a file with the very same content", other).
			Advise("if the rows are really meant to be there twice, run again with --again")
		if !s.complete(ctx, plan.Start.Destination, other) {
			// Going on is right; appending anew would double what is there.
			refusal.Advise("it did not come to its end: resume run %s, and it goes on where it was", other)
		}
		return refusal
	}
	return nil
}

// complete tells whether a run came to its end. Where that cannot be told it has not.
func (s *Steps) complete(ctx context.Context, destination, run string) bool {
	ended, err := s.Finished(ctx, destination, run)
	return err == nil && (ended.State == Succeeded || ended.State == Partial)
}
