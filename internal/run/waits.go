package run

import (
	"context"
	"time"

	"penstock/internal/dataverse"
)

// explained is a context whose waits for the service are told to who watches the
// run; leave it when done. A Writer's calls have an observer of their own.
func (s *Steps) explained(ctx context.Context, start Start, step string) (_ context.Context, leave func()) {
	watch, leave := s.crew.watching(start.Run)
	waiting := func(reason string, until time.Time) {
		now := s.now()
		if news, _ := watch.add(reason, now, until); news {
			s.progress(Progress{Run: start.Run, Destination: start.Destination, Step: step, Note: waitWords(reason, now, until)})
		}
	}
	return dataverse.Watched(ctx, &dataverse.Observer{Waiting: waiting}), leave
}

// tellWritten tells who watches how much of a run an earlier execution has done:
// workers tell only what they do themselves.
func (s *Steps) tellWritten(ctx context.Context, plan *Plan) error {
	if s.Progress == nil {
		return nil
	}
	for _, phase := range []struct {
		name  string
		refs  []ChunkRef
		total int64
	}{{loadPhase, plan.Chunks, plan.toLoad()}, {linkPhase, plan.Links, operationsOf(plan.Links)}} {
		begun, err := s.any(ctx, plan.folder()+"results/"+plan.By+"/"+phase.name+"-")
		if err != nil {
			return err
		}
		if !begun {
			continue
		}
		p := Progress{Run: plan.Start.Run, Destination: plan.Start.Destination, Step: phase.name, Total: phase.total}
		err = s.eachJournal(ctx, plan, phase.name, phase.refs, func(_ ChunkRef, j *journals) error {
			for _, state := range j.states {
				if state >= rejected {
					p.Rows++
				}
				if state == rejected {
					p.Rejected++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.progress(p)
	}
	return nil
}

func operationsOf(refs []ChunkRef) (n int64) {
	for _, ref := range refs {
		n += int64(ref.Operations)
	}
	return n
}
