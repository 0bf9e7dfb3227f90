package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// Which delivery was loaded last is kept for each target and destination (rule
// T5), as turns/TARGET/loaded/DESTINATION/MILLISECONDS-RUN: the newest counts,
// and nothing is ever overwritten, so a Finish that comes late changes nothing.

func (t *turns) loadedPrefix(destination string) string {
	return t.prefix + "loaded/" + destination + "/"
}

// writeLoaded notes that a run's delivery is in the table, and tidies what is older.
func (t *turns) writeLoaded(ctx context.Context, plan *Plan) error {
	prefix := t.loadedPrefix(plan.Start.Destination)
	key := fmt.Sprintf("%s%013d-%s", prefix, plan.Start.Arrived.UnixMilli(), plan.Start.Run)
	if err := t.Work.Put(ctx, key, strings.NewReader(plan.Start.Run)); err != nil {
		return err
	}
	newest := ""
	for info, err := range t.Work.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if newest != "" {
			_ = t.Work.Delete(ctx, newest) // or next time
		}
		newest = info.Key
	}
	return nil
}

// newer is a run of the same destination and target whose delivery arrived later
// and was loaded already; "" is none.
func (t *turns) newer(ctx context.Context, plan *Plan) (string, error) {
	prefix := t.loadedPrefix(plan.Start.Destination)
	found := ""
	for info, err := range t.Work.List(ctx, prefix) {
		if err != nil {
			return "", err
		}
		at, run, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), "-")
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil && ms > plan.Start.Arrived.UnixMilli() && run != plan.Start.Run {
			found = run
		}
	}
	return found, nil
}

// waiter is the content of waiting/RUN: a run that is prepared and waits for its turn.
type waiter struct {
	Run         string `json:"run"`
	Destination string `json:"destination"`
	Full        bool   `json:"full,omitempty"` // it replaces all that is there
}

// wait shows that a run waits. It is prepared, so its file has proved good.
func (t *turns) wait(ctx context.Context, plan *Plan) error {
	body, err := json.Marshal(waiter{Run: plan.Start.Run, Destination: plan.Start.Destination, Full: plan.Mode.Clears()})
	if err != nil {
		return err
	}
	return t.Work.Put(ctx, t.prefix+"waiting/"+plan.Start.Run, strings.NewReader(string(body)))
}

// needless is why a full load need not run: a newer one of its destination was
// loaded, or waits behind it and would replace all of its rows (rule T5). nil: it must run.
func (t *turns) needless(ctx context.Context, plan *Plan, ticket string) (*Reason, error) {
	if !plan.Mode.Clears() {
		return nil, nil
	}
	run, err := t.newer(ctx, plan)
	if err != nil {
		return nil, err
	}
	if run != "" {
		return reasonOf(fault.New(fault.Refused, "older_than_loaded", "run %s has loaded a file that arrived later", run).
			Advise("if the older file is meant to be loaded after all, drop it again")), nil
	}
	for info, err := range t.Work.List(ctx, t.prefix+"queue/") {
		if err != nil {
			return nil, err
		}
		_, run, ok := strings.Cut(strings.TrimPrefix(info.Key, t.prefix+"queue/"), "-")
		if !ok || info.Key <= ticket {
			continue
		}
		newer, err := t.waitsToReplace(ctx, run, plan.Start.Destination)
		if err != nil {
			return nil, err
		}
		if newer {
			return reasonOf(fault.New(fault.Refused, "superseded", "run %s waits with a file that arrived later and replaces all of this one", run)), nil
		}
	}
	return nil, nil
}

// waitsToReplace tells whether a run that waits is a live full load of a destination.
func (t *turns) waitsToReplace(ctx context.Context, run, destination string) (bool, error) {
	live, err := t.waits(ctx, run)
	if err != nil || !live {
		return false, err
	}
	data, err := store.ReadAll(ctx, t.Work, t.prefix+"waiting/"+run, 1<<16)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil // it has left since
	}
	if err != nil {
		return false, err
	}
	var w waiter
	return json.Unmarshal(data, &w) == nil && w.Full && w.Destination == destination, nil
}
