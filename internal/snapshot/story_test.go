package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/store"
)

var errCrash = errors.New("the power went")

// meddled is a store in which something happens before, or instead of, each access.
type meddled struct {
	store.Store
	before func(verb, key string) error // an error instead of the access
	after  func(verb, key string) error // an error although it was done
}

func (m *meddled) ask(f func(verb, key string) error, verb, key string) error {
	if f == nil {
		return nil
	}
	return f(verb, key)
}

func (m *meddled) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := m.ask(m.before, "open", key); err != nil {
		return nil, err
	}
	return m.Store.Open(ctx, key)
}

func (m *meddled) do(verb, key string, f func() error) error {
	if err := m.ask(m.before, verb, key); err != nil {
		return err
	}
	return errors.Join(f(), m.ask(m.after, verb, key))
}

func (m *meddled) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	return m.do("put", key, func() error { return m.Store.Put(ctx, key, body) })
}

func (m *meddled) Create(ctx context.Context, key string, body []byte) error {
	return m.do("create", key, func() error { return m.Store.Create(ctx, key, body) })
}

func (m *meddled) Delete(ctx context.Context, key string) error {
	return m.do("delete", key, func() error { return m.Store.Delete(ctx, key) })
}

func (m *meddled) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if err := m.ask(m.before, "list", prefix); err != nil {
			yield(store.Info{}, err)
			return
		}
		m.Store.List(ctx, prefix)(yield)
	}
}

func mustRead(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// Rule H2: a run that dies costs a resend, never a wrong skip.
func TestRunThatDiesCostsAResend(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1")
	s.begin(hold("B", 2, 1)) // writes a=2, and is gone
	s.wantSkipped(hold("C", 3, 1), "a=1 b=1", "all are sent: what run B wrote is not accounted for")
	s.load(hold("C", 3, 1), "a=1 b=1")
	s.wantOpen() // C sent everything after B had ended: B is settled
	s.wantSkipped(hold("D", 4, 1), "a=1 a=2 b=1", "a=1 b=1")
	// B, if it goes on now, may rely on what C left.
	s.wantSkipped(hold("B", 4, 1), "a=2 b=1", "b=1")
}

// A run that died does not lead astray those that follow it with fewer rows.
func TestRowsOfARunThatDiedStayInDoubt(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1")
	s.begin(hold("B", 2, 1)) // writes b=2
	s.load(hold("C", 3, 1), "a=1")
	s.wantSkipped(hold("D", 4, 1), "a=1 b=1 b=2", "a=1")
}

func TestRunThatWritesNothingLeavesTheSnapshot(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 3, 3), "a=1")
	for epoch := 4; epoch < 30; epoch++ {
		s.wantSkipped(hold(fmt.Sprint("R", epoch), epoch, 3), "a=1", "a=1")
	}
	// Folded all the same, it does no harm.
	s.fold(hold("Z", 30, 3), changesOf(30, "a=1-")...)
	s.wantSkipped(hold("Y", 31, 3), "a=1", "a=1")
}

func TestFoldThatCrashesAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			s := inMemory(t)
			s.partRows = 2
			s.load(hold("A", 1, 1), "a=1 b=1 c=1 d=1 e=1")
			s.begin(hold("B", 2, 1))
			count := 0
			crash := func(verb, key string) error {
				if count++; count >= n {
					return errCrash
				}
				return nil
			}
			m := &meddled{Store: s.work, before: crash}
			if after {
				m.before, m.after = nil, crash
			}
			whole := s.work
			s.work = m
			changes := changesOf(2, "a=2 b=1- d=2?")
			_, err := s.Fold(t.Context(), s.folding(hold("B", 2, 1), changes...))
			s.work = whole
			if count < n {
				if n < 5 {
					t.Fatalf("a fold has only %d accesses", n)
				}
				break
			}
			got := s.skipped(hold("C", 3, 1), "a=1 a=2 b=1 d=1 d=2 e=1")
			if inDoubt := strings.HasPrefix(got, "all are sent: what run B wrote"); !inDoubt && got != "a=2 b=1 e=1" {
				t.Errorf("crash at access %d (after %t, error %v): not sent are %q", n, after, err, got)
			}
			s.fold(hold("B", 2, 1), changes...)
			s.wantSkipped(hold("C", 3, 1), "a=1 a=2 b=1 d=1 d=2 e=1", "a=2 b=1 e=1")
			s.wantOpen()
		}
	}
}

func TestFinishTwice(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1 c=1 d=1")
	s.begin(hold("B", 2, 1))
	// The first does not know yet what became of b, and takes c for not sent.
	s.fold(hold("B", 2, 1), changesOf(2, "a=2 b=2? c=2-")...)
	s.wantSkipped(hold("C", 3, 1), "a=2 b=1 b=2 c=1 c=2 d=1", "a=2 d=1")
	// The second knows more.
	s.fold(hold("B", 2, 1), changesOf(2, "a=2 b=2 c=2")...)
	s.wantSkipped(hold("C", 3, 1), "a=2 b=1 b=2 c=1 c=2 d=1", "a=2 b=2 c=2 d=1")
	s.wantOpen()
}

func TestTwoFinishesInterleaved(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1 c=1")
	s.begin(hold("B", 2, 1))
	other, met := *s, false
	s.work = &meddled{Store: s.work, before: func(verb, key string) error {
		if verb == "create" && strings.Contains(key, "generations/") && !met {
			met = true
			other.fold(hold("B", 2, 1), changesOf(2, "a=2 b=2? c=2-")...)
		}
		return nil
	}}
	s.fold(hold("B", 2, 1), changesOf(2, "a=2 b=2 c=2-")...)
	if !met {
		t.Fatal("nothing was interleaved")
	}
	s.wantSkipped(hold("C", 3, 1), "a=2 b=2 c=1 c=2", "a=2 b=2")
	if got := s.objects("parts/"); len(got) != 2 {
		t.Errorf("parts of a generation that was not published are left: %v", got)
	}
}

func TestManyFinishesAtOnce(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1")
	s.begin(hold("B", 2, 1))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := s.Fold(context.Background(), s.folding(hold("B", 2, 1), changesOf(2, "a=2 b=1-")...))
			if err != nil && !fault.Is(err, fault.Interrupted) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	s.wantSkipped(hold("C", 3, 1), "a=1 a=2 b=1", "a=2 b=1")
}

// A Finish that comes when a later run was folded has nothing to say.
func TestLateFinish(t *testing.T) {
	s := newStage(t)
	s.begin(hold("A", 1, 1))
	s.load(hold("B", 2, 1), "a=2")
	if folded := s.fold(hold("A", 1, 1), changesOf(1, "a=1 b=1")...); folded.Published || folded.Why != "run B has loaded since" {
		t.Errorf("%+v", folded)
	}
	s.wantSkipped(hold("C", 3, 1), "a=1 a=2 b=1", "a=2")
}

// One that comes while the next run writes is in time: that one is open.
func TestFinishWhileTheNextRunWrites(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1 c=1")
	s.begin(hold("A", 1, 1))
	s.begin(hold("B", 2, 1))
	s.fold(hold("A", 1, 1), changesOf(1, "a=2 b=1-")...)
	s.wantOpen("open/00000002-B")
	s.wantSkipped(hold("C", 3, 1), "a=2", "all are sent: what run B wrote is not accounted for")
	s.fold(hold("B", 2, 1), changesOf(2, "c=2")...)
	s.wantSkipped(hold("C", 3, 1), "a=2 b=1 c=2", "a=2 b=1 c=2")
}

// A late fold that was about to publish when the next run's did loses.
func TestLateFinishInterleaved(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1")
	other, met := *s, false
	s.work = &meddled{Store: s.work, before: func(verb, key string) error {
		if verb == "create" && strings.Contains(key, "generations/") && !met {
			met = true
			for epoch := 2; epoch < 5; epoch++ { // so many that the number is free again
				other.load(hold(fmt.Sprint("R", epoch), epoch, 1), fmt.Sprintf("a=%d", epoch))
			}
		}
		return nil
	}}
	if folded := s.fold(hold("A", 1, 1), changesOf(1, "a=1 b=1")...); !met || folded.Published {
		t.Errorf("%+v, met %t", folded, met)
	}
	s.wantSkipped(hold("C", 5, 1), "a=1 a=4 b=1", "a=4 b=1")
}

// What a worker that is left sends after the run was folded is in no snapshot as something else.
func TestWorkerThatIsLeftAfterTheFold(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1")
	s.begin(hold("B", 2, 1))
	s.fold(hold("B", 2, 1), changesOf(2, "a=2- b=1-")...) // a=2 is under way, and nobody wrote that down
	s.wantSkipped(hold("C", 3, 1), "a=1 a=2 b=1", "b=1")
}

// The failed attempt of a run was folded; then it goes on.
func TestRunThatGoesOnAfterItsFold(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1 c=1 d=1")
	s.begin(hold("B", 2, 1))
	s.fold(hold("B", 2, 1), changesOf(2, "a=2 b=2? c=2- d=1-")...)
	s.wantSkipped(hold("B", 3, 1), "a=2 b=2 c=2 d=1", "a=2 d=1")
	s.begin(hold("B", 3, 1))
	s.fold(hold("B", 3, 1), slices.Concat(changesOf(2, "a=2 d=1-"), changesOf(3, "b=2 c=2"))...)
	s.wantSkipped(hold("C", 4, 1), "a=2 b=2 c=2 d=1", "a=2 b=2 c=2 d=1")
}

// Three attempts of the first run of all, each folded: what the first confirmed still counts.
func TestAttemptsOfOneRunAddUp(t *testing.T) {
	s := newStage(t)
	var changes []Change
	for epoch, words := range []string{"a=1 b=1?", "c=1", "b=1 d=1"} {
		s.begin(hold("A", epoch+1, 1))
		changes = append(slices.DeleteFunc(changes, func(c Change) bool { return c.Fate == Doubtful }), changesOf(epoch+1, words)...)
		s.fold(hold("A", epoch+1, 1), changes...)
	}
	s.wantSkipped(hold("B", 4, 1), "a=1 b=1 c=1 d=1", "a=1 b=1 c=1 d=1")
}

// Between two attempts of a run another one wrote the same keys.
func TestRunThatGoesOnAfterAnotherRun(t *testing.T) {
	for name, accounted := range map[string]bool{"folded": true, "not folded": false} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.load(hold("A", 1, 1), "a=1 b=1 z=1")
			if accounted {
				s.begin(hold("A", 1, 1))
				s.fold(hold("A", 1, 1), changesOf(1, "a=1 b=1 z=1")...)
			} else {
				s.begin(hold("A", 1, 1))
			}
			s.load(hold("B", 2, 1), "a=2") // the table has a=2 now
			// A goes on with what is left; what it knows of a is older than B's.
			s.begin(hold("A", 3, 1))
			s.fold(hold("A", 3, 1), slices.Concat(changesOf(1, "a=1 b=1"), changesOf(3, "c=1"))...)
			want := "c=1"
			if accounted {
				want = "c=1 z=1" // a and b are resent: their confirmations are older than B's run
			}
			s.wantSkipped(hold("C", 4, 1), "a=1 a=2 b=1 c=1 z=1", want)
		})
	}
}

// Attempts that were never folded count as long as nobody else wrote after them.
func TestConfirmationsOfEarlierAttempts(t *testing.T) {
	confirmed := slices.Concat(changesOf(2, "a=1"), changesOf(4, "b=1"))
	t.Run("undisturbed", func(t *testing.T) {
		s := newStage(t)
		s.begin(hold("A", 2, 2))
		s.begin(hold("A", 4, 2))
		s.fold(hold("A", 4, 2), confirmed...)
		s.wantSkipped(hold("C", 5, 2), "a=1 b=1", "a=1 b=1")
		s.wantOpen()
	})
	t.Run("another run began", func(t *testing.T) {
		s := newStage(t)
		s.begin(hold("A", 2, 2))
		s.begin(hold("B", 3, 2))
		s.begin(hold("A", 4, 2))
		s.fold(hold("A", 4, 2), confirmed...)
		s.wantSkipped(hold("C", 5, 2), "a=1 b=1", "b=1")
		s.wantOpen()
	})
	t.Run("another destination held the turn", func(t *testing.T) {
		s := newStage(t)
		s.begin(hold("A", 2, 2))
		s.begin(hold("A", 4, 4))
		s.fold(hold("A", 4, 4), confirmed...)
		s.wantSkipped(hold("C", 5, 4), "a=1 b=1", "b=1")
	})
	t.Run("nothing was left to write", func(t *testing.T) {
		s := newStage(t)
		s.begin(hold("Z", 1, 1))
		s.begin(hold("A", 2, 1))
		s.fold(hold("A", 4, 1), confirmed...)
		s.wantSkipped(hold("C", 5, 1), "a=1 b=1", "a=1 b=1")
		s.wantOpen()
	})
}

// A later attempt is under way when the Finish of an earlier one comes late.
func TestLateFinishOfAnEarlierAttempt(t *testing.T) {
	s := newStage(t)
	s.load(hold("Z", 1, 1), "a=1 b=1 c=1")
	s.begin(hold("A", 2, 1))
	s.begin(hold("A", 3, 1))
	s.fold(hold("A", 2, 1), slices.Concat(changesOf(2, "a=2"), changesOf(3, "b=2"), changesOf(2, "c=2-"))...)
	s.wantOpen("open/00000003-A")
	s.wantSkipped(hold("C", 4, 1), "a=2", "all are sent: what run A wrote is not accounted for")
	s.fold(hold("A", 3, 1), slices.Concat(changesOf(2, "a=2"), changesOf(3, "b=2 c=2"))...)
	s.wantSkipped(hold("C", 4, 1), "a=2 b=2 c=2", "a=2 b=2 c=2")
}

// A worker of an earlier run, against all rules, begins while a later run writes.
func TestStragglerKeepsEverythingInDoubt(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1")
	s.begin(hold("B", 2, 1))
	s.begin(hold("A", 1, 1)) // and writes b=9
	folded := s.fold(hold("B", 2, 1), changesOf(2, "a=2 b=1-")...)
	if folded.Why != "what run A wrote is not accounted for" {
		t.Errorf("%+v", folded)
	}
	s.wantOpen("open/00000001-A") // B cannot speak for it: it did not begin after it
	s.wantSkipped(hold("C", 3, 1), "a=2 b=1", "all are sent: what run A wrote is not accounted for")
	s.load(hold("C", 3, 1), "a=2 b=1")
	s.wantOpen()
	s.wantSkipped(hold("D", 4, 1), "a=2 b=1", "a=2 b=1")
}

// A fold that ends between two looks of Open must not be seen by half.
func TestOpenSeesAFoldWholeOrNotAtAll(t *testing.T) {
	for _, moment := range []string{"list open/", "list generations/", "open generations/"} {
		verb, folder, _ := strings.Cut(moment, " ")
		s := newStage(t)
		s.load(hold("A", 1, 1), "a=1 b=1")
		s.begin(hold("B", 2, 1)) // writes a=2
		reader, met := *s, false
		reader.work = &meddled{Store: s.work, before: func(v, key string) error {
			if v == verb && strings.Contains(key, "/"+folder) && !met {
				met = true
				s.fold(hold("B", 2, 1), changesOf(2, "a=2")...)
			}
			return nil
		}}
		got := reader.skipped(hold("C", 3, 1), "a=1 a=2 b=1")
		if !met || got != "a=2 b=1" && !strings.HasPrefix(got, "all are sent: what run B wrote") {
			t.Errorf("a fold before %s: not sent are %q (met %t)", moment, got, met)
		}
	}
}

func (s *stage) put(name string, data []byte) {
	s.Helper()
	if err := s.work.Put(s.Context(), s.prefix+name, bytes.NewReader(data)); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) read(name string) []byte {
	s.Helper()
	data, err := store.ReadAll(s.Context(), s.work, s.prefix+name, 1<<20)
	if err != nil {
		s.Fatal(err)
	}
	return data
}

func TestDamagedPartCostsAResendOfItsRows(t *testing.T) {
	var words []string
	for i := range 40 {
		words = append(words, fmt.Sprintf("r%d=1", i))
	}
	all := strings.Join(words, " ")
	for name, damage := range map[string]func(s *stage, parts []string){
		"a flipped bit": func(s *stage, parts []string) { data := s.read(parts[1]); data[20] ^= 4; s.put(parts[1], data) },
		"cut short":     func(s *stage, parts []string) { data := s.read(parts[1]); s.put(parts[1], data[:len(data)-markBytes]) },
		"another's":     func(s *stage, parts []string) { s.put(parts[1], s.read(parts[2])) },
		"empty":         func(s *stage, parts []string) { s.put(parts[1], nil) },
		"out of order": func(s *stage, parts []string) {
			data := s.read(parts[1])
			copy(data[headerBytes:], data[headerBytes+markBytes:][:markBytes])
			_, label, _ := strings.Cut(parts[1], "/")
			s.put(parts[1], format{magic: partMagic, label: label}.end(data))
		},
		"gone": func(s *stage, parts []string) {
			if err := s.work.Delete(s.Context(), s.prefix+parts[1]); err != nil {
				s.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.partRows = 10
			s.load(hold("A", 1, 1), all)
			parts := s.objects("parts/")
			if len(parts) != 4 {
				t.Fatalf("%v", parts)
			}
			damage(s, parts)
			want := ""
			for _, word := range words {
				if m := mark(word); m.Key[0]>>6 != 1 {
					want += word + " "
				}
			}
			if len(want) == len(all)+1 || want == "" {
				t.Fatal("no row or every row is in the damaged part")
			}
			s.wantSkipped(hold("B", 2, 1), all, want+"("+whyDamaged+")")
			// The next fold has no more, and is whole.
			if folded := s.fold(hold("B", 2, 1)); folded.Why != whyDamaged {
				t.Errorf("%+v", folded)
			}
			s.wantSkipped(hold("C", 3, 1), all, strings.TrimSpace(want))
		})
	}
}

func TestDamagedHeadCostsAResendOfEverything(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1")
	sound := string(s.read("generations/00000001"))
	for name, damaged := range map[string]string{
		"no JSON": "{", "empty": "", "another version": strings.Replace(sound, `"v":1`, `"v":2`, 1),
		"another's folder": strings.Replace(sound, `"folder":"00000001`, `"folder":"00000002`, 1), "no parts": strings.Replace(sound, `"parts":1`, `"parts":0`, 1),
		"three parts": strings.Replace(sound, `"parts":1`, `"parts":3`, 1), "out of the folder": strings.Replace(sound, `"folder":"00000001-`, `"folder":"00000001-/../`, 1),
		"too large": sound + strings.Repeat(" ", maxHead), "wrong types": strings.Replace(sound, `"epoch":1`, `"epoch":"1"`, 1),
	} {
		if damaged == sound {
			t.Fatal(name)
		}
		s.put("generations/00000001", []byte(damaged))
		if got := s.skipped(hold("B", 2, 1), "a=1"); got != "all are sent: what was remembered of the last load is damaged" {
			t.Errorf("%s: %q", name, got)
		}
		if same, _, err := s.open().Same(t.Context(), []Mark{mark("a=1")}); err != nil || same[0] {
			t.Errorf("%s: %v %v", name, same, err)
		}
	}
	// The next run mends it.
	s.load(hold("B", 2, 1), "a=1")
	s.wantOpen()
	s.wantSkipped(hold("C", 3, 1), "a=1", "a=1")
}

// A generation that cannot be read may be of a later run than a fold that comes late.
func TestLateFinishOverDamage(t *testing.T) {
	for name, void := range map[string]bool{"damaged": false, "damaged and void": true} {
		s := newStage(t)
		s.begin(hold("A", 1, 1))
		s.load(hold("B", 2, 1), "a=2")
		s.begin(hold("C", 3, 1))
		s.load(hold("D", 4, 1), "a=4")
		s.put("generations/00000002", nil)
		if void {
			s.begin(hold("E", 5, 1))
			if err := s.Void(t.Context(), "restored"); err != nil {
				t.Fatal(err)
			}
		}
		for _, late := range []Hold{hold("A", 1, 1), hold("B", 2, 1), hold("C", 3, 1), hold("D", 4, 1)} {
			if folded := s.fold(late, changesOf(late.Epoch, "a=1")...); folded.Published {
				t.Errorf("%s: the fold of %s was published", name, late.Run)
			}
		}
		if void { // this one was under way
			if folded := s.fold(hold("E", 5, 1), changesOf(5, "a=1")...); folded.Published {
				t.Error("the fold of E was published over a void snapshot")
			}
		}
		s.load(hold("F", 6, 1), "a=6")
		s.wantOpen()
		s.wantSkipped(hold("G", 7, 1), "a=1 a=4 a=6", "a=6")
	}
}

func TestDamagedOpeningIsAnOpening(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1")
	s.put("open/something", []byte("else"))
	s.put("open/00000002-B", []byte("no JSON"))
	s.wantSkipped(hold("C", 3, 1), "a=1", "all are sent: what run B wrote is not accounted for")
	s.fold(hold("B", 2, 1)) // what it followed is unknown
	s.wantOpen("open/something")
	s.load(hold("C", 3, 1), "a=1")
	s.wantOpen()
	s.wantSkipped(hold("D", 4, 1), "a=1", "a=1")
}

// Errors of the store are errors, not empty snapshots.
func TestStoreErrorsAreTold(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1")
	snapshot := s.open()
	whole := s.work
	down := fault.New(fault.Interrupted, "store_unreachable", "down")
	for _, verb := range []string{"open", "list"} {
		s.work = &meddled{Store: whole, before: func(v, key string) error {
			if v == verb && !strings.HasSuffix(key, "secret") {
				return down
			}
			return nil
		}}
		if _, err := s.Open(t.Context()); !fault.Is(err, fault.Interrupted) {
			t.Errorf("%s: open: %v", verb, err)
		}
		if _, err := s.Fold(t.Context(), s.folding(hold("B", 2, 1))); !fault.Is(err, fault.Interrupted) {
			t.Errorf("%s: fold: %v", verb, err)
		}
		if err := s.Void(t.Context(), "x"); !fault.Is(err, fault.Interrupted) {
			t.Errorf("%s: void: %v", verb, err)
		}
	}
	if err := s.Begin(t.Context(), hold("B", 2, 1)); !fault.Is(err, fault.Interrupted) {
		t.Errorf("begin: %v", err)
	}
	snapshot.place.work = &meddled{Store: whole, before: func(verb, key string) error { return down }}
	if _, _, err := snapshot.Same(t.Context(), []Mark{mark("a=1")}); !fault.Is(err, fault.Interrupted) {
		t.Errorf("same: %v", err)
	}
}
