package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// head is the content of a generation.
type head struct {
	V      int    `json:"v"`
	Folder string `json:"folder,omitempty"` // below parts/
	Parts  int    `json:"parts,omitempty"`  // a power of two
	Rows   int64  `json:"rows"`
	Terms  Terms  `json:"terms"`
	Epoch  int    `json:"epoch"` // at whose end the entries were true
	Run    string `json:"run"`
	From   int    `json:"from,omitempty"` // Run's confirmations from this epoch on are among the entries
	Void   string `json:"void,omitempty"` // why there is none
}

const (
	headVersion = 1
	maxParts    = 4096
	maxHead     = 1 << 20
	// maxTries bounds how often others may publish while we look or fold.
	maxTries = 10
)

// Snapshot is the latest one of a place, and what was open when it was read. It
// never changes; several goroutines may ask it.
type Snapshot struct {
	place    Place
	number   int // of the generation; 0 when there is none
	head     head
	damaged  bool // the head cannot be read
	openings []opening
}

// Open reads the latest snapshot. One that is absent, void or damaged is no
// error: it is not usable. Open it under the turn, not before.
func (p Place) Open(ctx context.Context) (*Snapshot, error) {
	s, err := p.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the snapshot: %w", err)
	}
	return s, nil
}

func (p Place) open(ctx context.Context) (*Snapshot, error) {
	for range maxTries {
		// Openings first: a fold publishes before it closes, so a run whose opening is
		// gone by now is in the generation that is read after this.
		openings, err := p.openings(ctx)
		if err != nil {
			return nil, err
		}
		number, err := p.latest(ctx)
		if err != nil {
			return nil, err
		}
		s := &Snapshot{place: p, number: number, openings: openings}
		if number == 0 {
			return s, nil
		}
		data, err := store.ReadAll(ctx, p.work, p.generationKey(number), maxHead)
		switch fail, _ := fault.As(err); {
		case errors.Is(err, store.ErrNotExist):
			continue // others have published twice since, and tidied
		case fail != nil && fail.Code == "object_too_large":
			s.damaged = true
		case err != nil:
			return nil, err
		default:
			s.damaged = json.Unmarshal(data, &s.head) != nil || !s.head.sound(number)
		}
		if s.damaged {
			s.head = head{}
		}
		return s, nil
	}
	return nil, busy()
}

func busy() error {
	return fault.New(fault.Interrupted, "snapshot_busy", "other runs published a snapshot %d times while this one tried", maxTries)
}

// sound tells whether the head can be what we wrote; a later version's is not.
func (h *head) sound(number int) bool {
	if h.V != headVersion || h.Epoch < 0 || h.Rows < 0 {
		return false
	}
	if h.Void != "" {
		return true
	}
	n, nonce, ok := strings.Cut(h.Folder, "-")
	return ok && n == fmt.Sprintf("%08d", number) && nonce != "" && !strings.Contains(nonce, "/") &&
		h.Parts >= 1 && h.Parts <= maxParts && h.Parts&(h.Parts-1) == 0 && h.From >= 1 && h.From <= h.Epoch && h.Run != ""
}

func (p Place) generationKey(n int) string { return fmt.Sprintf("%sgenerations/%08d", p.prefix, n) }

// latest is the highest generation; 0 when there is none.
func (p Place) latest(ctx context.Context) (int, error) {
	highest := 0
	prefix := p.prefix + "generations/"
	for info, err := range p.work.List(ctx, prefix) {
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(info.Key, prefix)); err == nil && n > highest {
			highest = n
		}
	}
	return highest, nil
}

// Rows is how many rows it has.
func (s *Snapshot) Rows() int64 { return s.head.Rows }

// Usable tells whether a run with these terms and this turn may rely on the
// snapshot (rules H1, H2); why is a short sentence for its report when it may not.
func (s *Snapshot) Usable(terms Terms, h Hold) (ok bool, why string) {
	if why = s.unusable(terms, h, math.MaxInt); why != "" {
		return false, why
	}
	return true, ""
}

// unusable is Usable's sentence. Openings of other runs above epoch upTo do not count.
func (s *Snapshot) unusable(terms Terms, h Hold, upTo int) string {
	switch {
	case h.check() != nil:
		return "the run holds no turn"
	case s.number == 0:
		return "nothing that was loaded before is remembered"
	case s.damaged:
		return "what was remembered of the last load is damaged"
	case s.head.Void != "":
		return s.head.Void
	}
	if what := terms.differ(s.head.Terms); what != "" {
		return what + " has changed since the last load"
	}
	switch {
	case s.head.Epoch > h.Epoch || s.head.Epoch == h.Epoch && s.head.Run != h.Run:
		return fmt.Sprintf("run %s has loaded since", s.head.Run)
	case s.head.Epoch < h.since()-1:
		return "something else may have written to the table since the last load"
	}
	// A run's own openings do no harm: all its attempts write the same content.
	for _, o := range s.openings {
		if o.run != h.Run && o.epoch <= upTo {
			return fmt.Sprintf("what run %s wrote is not accounted for", o.run)
		}
	}
	return ""
}
