package snapshot

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// stage is one place with what tests do to it.
type stage struct {
	*testing.T
	Place
	terms Terms
}

// inMemory is for tests of so many stages that a disk would be slow.
func inMemory(t *testing.T) *stage {
	return &stage{T: t, Place: At(newMemory(), "members", "org/contact"), terms: testTerms}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	work, err := store.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	return &stage{T: t, Place: At(work, "members", "org/contact"), terms: testTerms}
}

var testTerms = Terms{Organization: "org", Table: "contact", Mode: "upsert", Key: []string{"emailaddress1"}, Mapping: "m1", Secret: "s1"}

// row is "key=content"; its mark.
func mark(row string) Mark {
	key, content, _ := strings.Cut(row, "=")
	return NewMarker(testSecret).Mark([]byte(key), []byte(content))
}

// changesOf makes changes of words such as "a=1" (confirmed), "a=1?" (doubtful) and "a=1-" (untouched).
func changesOf(epoch int, words string) []Change {
	var changes []Change
	for _, word := range strings.Fields(words) {
		c := Change{Fate: Confirmed, Epoch: epoch}
		if row, ok := strings.CutSuffix(word, "?"); ok {
			c.Fate, word = Doubtful, row
		} else if row, ok := strings.CutSuffix(word, "-"); ok {
			c.Fate, word = Untouched, row
		}
		c.Mark = mark(word)
		changes = append(changes, c)
	}
	return changes
}

func sequence(changes []Change) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func hold(run string, epoch, since int) Hold { return Hold{Run: run, Epoch: epoch, Since: since} }

func (s *stage) begin(h Hold) {
	s.Helper()
	if err := s.Begin(s.Context(), h); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) fold(h Hold, changes ...Change) Folded {
	s.Helper()
	folded, err := s.Fold(s.Context(), s.folding(h, changes...))
	if err != nil {
		s.Fatal(err)
	}
	return folded
}

func (s *stage) folding(h Hold, changes ...Change) Folding {
	return Folding{Hold: h, Terms: s.terms, KeepOthers: true, Changes: sequence(changes), Dir: s.TempDir()}
}

// load is a whole run that writes these rows.
func (s *stage) load(h Hold, words string) Folded {
	s.Helper()
	s.begin(h)
	return s.fold(h, changesOf(h.Epoch, words)...)
}

func (s *stage) open() *Snapshot {
	s.Helper()
	snapshot, err := s.Open(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return snapshot
}

// skipped is which of the rows a worker with this turn would not send; "all are sent: WHY" when it may not rely on the snapshot.
func (s *stage) skipped(h Hold, words string) string {
	s.Helper()
	snapshot := s.open()
	if ok, why := snapshot.Usable(s.terms, h); !ok {
		return "all are sent: " + why
	}
	var marks []Mark
	for _, word := range strings.Fields(words) {
		marks = append(marks, mark(word))
	}
	same, why, err := snapshot.Same(s.Context(), marks)
	if err != nil {
		s.Fatal(err)
	}
	var skipped []string
	for i, word := range strings.Fields(words) {
		if same[i] {
			skipped = append(skipped, word)
		}
	}
	if why != "" {
		skipped = append(skipped, "("+why+")")
	}
	return strings.Join(skipped, " ")
}

func (s *stage) wantSkipped(h Hold, words, want string) {
	s.Helper()
	if got := s.skipped(h, words); got != want {
		s.Errorf("of %s are not sent: %q, want %q", words, got, want)
	}
}

// objects are the names below the place that start with prefix.
func (s *stage) objects(prefix string) []string {
	s.Helper()
	var names []string
	for info, err := range s.work.List(s.Context(), s.prefix+prefix) {
		if err != nil {
			s.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(info.Key, s.prefix))
	}
	return names
}

func (s *stage) wantOpen(want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.objects("open/")); diff != "" {
		s.Errorf("open (-want +got):\n%s", diff)
	}
}

func TestSecretIsMadeOnce(t *testing.T) {
	s := newStage(t)
	secrets := make([][]byte, 8)
	var group sync.WaitGroup
	for i := range secrets {
		group.Go(func() {
			var err error
			if secrets[i], err = s.Secret(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, secret := range secrets {
		if len(secret) != secretBytes || !bytes.Equal(secret, secrets[0]) {
			t.Errorf("%d bytes, the same as the first's: %t", len(secret), bytes.Equal(secret, secrets[0]))
		}
	}
	if err := s.work.Put(t.Context(), s.prefix+"secret", strings.NewReader("short")); err != nil {
		t.Fatal(err)
	}
	_, err := s.Secret(t.Context())
	if f, ok := fault.As(err); !ok || f.Code != "snapshot_secret_damaged" {
		t.Errorf("a damaged secret: %v", err)
	}
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	s := newStage(t)
	s.wantSkipped(hold("A", 1, 1), "a=1", "all are sent: nothing that was loaded before is remembered")
	if folded := s.load(hold("A", 1, 1), "a=1 b=1 c=1"); !folded.Published || folded.Rows != 3 {
		t.Errorf("%+v", folded)
	}
	s.wantSkipped(hold("B", 2, 1), "a=1 b=2 c=1 d=1", "a=1 c=1")
	s.begin(hold("B", 2, 1))
	s.fold(hold("B", 2, 1), slices.Concat(changesOf(2, "b=2 d=1"), changesOf(2, "a=1-"))...)
	s.wantOpen()
	s.wantSkipped(hold("C", 3, 1), "a=1 b=2 b=1 c=1 d=1", "a=1 b=2 c=1 d=1")
}

// A mirror's table holds what its file has: what was not in it is forgotten.
func TestMirrorForgetsWhatItDoesNotMention(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1 b=1 c=1 d=1")
	f := s.folding(hold("B", 2, 1), changesOf(2, "a=1- b=2 c=2? e=1-")...)
	f.KeepOthers = false
	folded, err := s.Fold(t.Context(), f)
	if err != nil || folded.Rows != 2 {
		t.Errorf("%+v %v", folded, err)
	}
	s.wantSkipped(hold("C", 3, 1), "a=1 b=2 c=1 c=2 d=1 e=1", "a=1 b=2")
}

func TestFatesOfOneKey(t *testing.T) {
	for words, want := range map[string]string{
		"":              "a=1",
		"a=2":           "a=2",
		"a=2?":          "",
		"a=1?":          "",
		"a=1-":          "a=1",
		"a=1- a=1-":     "a=1",
		"a=1- a=1?":     "",
		"a=2-":          "", // it may have been sent all the same
		"a=2- a=2":      "a=2",
		"a=2? a=2":      "",
		"a=2 a=2?":      "",
		"a=2 a=2":       "a=2",
		"a=2 a=3":       "",
		"a=2 a=3 a=2":   "",
		"a=1- a=2":      "",
		"a=2 a=1-":      "",
		"a=2? a=2 a=2-": "",
	} {
		s := inMemory(t)
		s.load(hold("A", 1, 1), "a=1 z=1")
		s.load(hold("B", 2, 1), words)
		s.wantSkipped(hold("C", 3, 1), "a=1 a=2 a=3 z=1", strings.TrimSpace(want+" z=1"))
	}
}

// Rule H1.
func TestSnapshotHoldsForItsTerms(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 5, 5), "a=1")
	snapshot := s.open()
	for change, want := range map[*Terms]string{
		{}:                      "",
		{Organization: "other"}: "the environment has changed since the last load",
		{Table: "lead"}:         "the table has changed since the last load",
		{Mode: "mirror"}:        "the mode has changed since the last load",
		{Key: []string{"emailaddress1", "telephone1"}}: "the key has changed since the last load",
		{Mapping: "m2"}: "the mapping has changed since the last load",
		{Secret: "s2"}:  "the secret of the comparison has changed since the last load",
	} {
		terms := s.terms
		for _, field := range []struct{ to, from *string }{{&terms.Organization, &change.Organization}, {&terms.Table, &change.Table},
			{&terms.Mode, &change.Mode}, {&terms.Mapping, &change.Mapping}, {&terms.Secret, &change.Secret}} {
			if *field.from != "" {
				*field.to = *field.from
			}
		}
		if change.Key != nil {
			terms.Key = change.Key
		}
		if ok, why := snapshot.Usable(terms, hold("B", 6, 1)); ok != (want == "") || why != want {
			t.Errorf("%+v: %t %q", change, ok, why)
		}
	}
	// A run with other terms builds on nothing, and what it publishes is for its own terms.
	s.terms.Mapping = "m2"
	s.load(hold("B", 6, 1), "b=1")
	s.wantSkipped(hold("C", 7, 1), "a=1 b=1", "b=1")
}

func TestSnapshotHoldsWhileNobodyElseWrites(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 5, 5), "a=1")
	snapshot := s.open()
	const other = "something else may have written to the table since the last load"
	for _, c := range []struct {
		hold Hold
		want string
	}{
		{hold("A", 5, 5), ""}, // its own, once more
		{hold("B", 5, 5), "run A has loaded since"},
		{hold("B", 4, 1), "run A has loaded since"},
		{hold("B", 6, 5), ""},
		{hold("B", 6, 6), ""}, // another destination had 4 or so, and ours 5
		{hold("B", 7, 6), ""},
		{hold("B", 7, 7), other},
		{hold("B", 12, 1), ""}, // runs between that wrote nothing
		{hold("B", 12, 6), ""},
		{hold("B", 12, 7), other},
		{hold("B", 6, 0), ""}, // unknown counts as only this epoch
		{hold("B", 7, 0), other},
		{hold("B", 0, 0), "the run holds no turn"},
		{hold("", 6, 5), "the run holds no turn"},
	} {
		if ok, why := snapshot.Usable(s.terms, c.hold); ok != (c.want == "") || why != c.want {
			t.Errorf("%+v: %t %q, want %q", c.hold, ok, why, c.want)
		}
	}
}

func TestWithoutATurnNothingIsWritten(t *testing.T) {
	s := newStage(t)
	for _, h := range []Hold{hold("A", 0, 0), hold("", 1, 1), hold("A", maxEpoch+1, 1)} {
		err := s.Begin(t.Context(), h)
		_, folding := s.Fold(t.Context(), s.folding(h))
		for _, err := range []error{err, folding} {
			if f, ok := fault.As(err); !ok || f.Code != "snapshot_without_turn" {
				t.Errorf("%+v: %v", h, err)
			}
		}
	}
	if left := s.objects(""); left != nil {
		t.Errorf("there are %v", left)
	}
}

func TestVoid(t *testing.T) {
	s := newStage(t)
	if err := s.Void(t.Context(), "nothing to forget"); err != nil || s.objects("") != nil {
		t.Errorf("%v, %v", err, s.objects(""))
	}
	s.load(hold("A", 1, 1), "a=1")
	for range 2 {
		if err := s.Void(t.Context(), "the table was restored from a backup"); err != nil {
			t.Fatal(err)
		}
	}
	s.wantSkipped(hold("B", 2, 1), "a=1", "all are sent: the table was restored from a backup")
	// The Finish of a run before that does not bring it back.
	if folded := s.fold(hold("A", 1, 1), changesOf(1, "a=1")...); folded.Published {
		t.Error("a late fold brought a void snapshot back")
	}
	// Nor does that of a run which was under way, folded now or when it went on.
	s.begin(hold("B", 2, 1))
	if err := s.Void(t.Context(), "and once more"); err != nil {
		t.Fatal(err)
	}
	if folded := s.fold(hold("B", 2, 1), changesOf(2, "a=1")...); folded.Published || folded.Why != "and once more" {
		t.Errorf("%+v", folded)
	}
	s.begin(hold("B", 3, 1))
	s.fold(hold("B", 3, 1), slices.Concat(changesOf(2, "a=1"), changesOf(3, "b=1"))...)
	s.wantSkipped(hold("C", 4, 1), "a=1 b=1", "b=1")
	s.wantOpen()
}

func TestVoidOfAFirstRun(t *testing.T) {
	s := newStage(t)
	s.begin(hold("A", 1, 1))
	if err := s.Void(t.Context(), "restored"); err != nil {
		t.Fatal(err)
	}
	s.begin(hold("A", 2, 1))
	s.fold(hold("A", 2, 1), slices.Concat(changesOf(1, "a=1"), changesOf(2, "b=1"))...)
	s.wantSkipped(hold("B", 3, 1), "a=1 b=1", "b=1")
}

func TestOldGenerationsGo(t *testing.T) {
	s := newStage(t)
	s.load(hold("A", 1, 1), "a=1")
	old := s.open()
	s.load(hold("B", 2, 1), "b=1")
	// A worker that has opened the one before can still read it.
	if same, why, err := old.Same(t.Context(), []Mark{mark("a=1")}); err != nil || why != "" || !same[0] {
		t.Errorf("%v %q %v", same, why, err)
	}
	for i := 3; i < 6; i++ {
		s.load(hold(fmt.Sprint("R", i), i, 1), "b=1")
	}
	if got := s.objects("generations/"); !slices.Equal(got, []string{"generations/00000004", "generations/00000005"}) {
		t.Errorf("%v", got)
	}
	if got := s.objects("parts/"); len(got) != 2 || !strings.HasPrefix(got[0], "parts/00000004-") || !strings.HasPrefix(got[1], "parts/00000005-") {
		t.Errorf("%v", got)
	}
	// What is gone is no error: its rows are sent.
	if same, why, err := old.Same(t.Context(), []Mark{mark("a=1")}); err != nil || why == "" || same[0] {
		t.Errorf("%v %q %v", same, why, err)
	}
}

// With many parts and many pieces the result is as in memory.
func TestFoldSpillsAndCutsParts(t *testing.T) {
	s := newStage(t)
	s.held, s.partRows = 7, 10
	model := map[int]int{}
	for epoch := 1; epoch <= 4; epoch++ {
		var changes []Change
		for i := epoch * 40; i < epoch*40+100; i++ {
			changes = append(changes, Change{Mark: mark(fmt.Sprintf("%d=%d", i, epoch)), Fate: Confirmed, Epoch: epoch})
			model[i] = epoch
		}
		h := hold(fmt.Sprint("R", epoch), epoch, 1)
		s.begin(h)
		f := s.folding(h, changes...)
		folded, err := s.Fold(t.Context(), f)
		if err != nil || folded.Rows != int64(len(model)) {
			t.Fatalf("%+v %v, want %d rows", folded, err, len(model))
		}
	}
	snapshot := s.open()
	if snapshot.head.Parts != 32 { // for the 180 rows before, though only 100 came
		t.Errorf("%d parts", snapshot.head.Parts)
	}
	var marks []Mark
	var want []bool
	for i := range 300 {
		for epoch := 1; epoch <= 4; epoch++ {
			marks = append(marks, mark(fmt.Sprintf("%d=%d", i, epoch)))
			want = append(want, model[i] == epoch)
		}
	}
	same, why, err := snapshot.Same(t.Context(), marks)
	if err != nil || why != "" {
		t.Fatal(why, err)
	}
	if diff := cmp.Diff(want, same); diff != "" {
		t.Error(diff)
	}
}

func TestFoldLeavesNoScratchFiles(t *testing.T) {
	s := newStage(t)
	s.held = 2
	dir := t.TempDir()
	f := s.folding(hold("A", 1, 1), changesOf(1, "a=1 b=1 c=1 d=1 e=1")...)
	f.Dir = dir
	if _, err := s.Fold(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	broken := s.folding(hold("B", 2, 1))
	broken.Dir = dir
	broken.Changes = func(yield func(Change, error) bool) {
		for _, c := range changesOf(2, "a=2 b=2 c=2 d=2") {
			if !yield(c, nil) {
				return
			}
		}
		yield(Change{}, errCrash)
	}
	if _, err := s.Fold(t.Context(), broken); err == nil {
		t.Error("changes that cannot be read were folded")
	}
	if left := mustRead(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	f = s.folding(hold("C", 3, 1), changesOf(3, "a=1 b=1 c=1")...)
	f.Dir = dir + "/absent"
	_, err := s.Fold(t.Context(), f)
	if fail, ok := fault.As(err); !ok || fail.Code != "scratch_unwritable" {
		t.Errorf("without a scratch directory: %v", err)
	}
}

// Stored objects outlive a deploy: what earlier versions wrote must be understood.
func TestStoredPlace(t *testing.T) {
	s := newStage(t)
	s.put("generations/00000003", []byte(`{"v":1,"folder":"00000003-abc","parts":1,"rows":1,`+
		`"terms":{"organization":"org","table":"contact","mode":"upsert","key":["emailaddress1"],"mapping":"m1","secret":"s1"},"epoch":7,"run":"A","from":6}`))
	part, err := hex.DecodeString("505370617274000101000000af47a33d5b20bf94eb6b5cee0b62c82027dde49ce1c0755b7ea92b68e1f7a7f626ca28fe")
	if err != nil {
		t.Fatal(err)
	}
	s.put("parts/00000003-abc/000", part)
	s.wantSkipped(hold("B", 8, 5), "a=1 a=2", "a=1")
	s.put("open/00000008-B", []byte(`{"saw":["00000006-Z"],"generation":3}`))
	s.wantSkipped(hold("C", 9, 5), "a=1", "all are sent: what run B wrote is not accounted for")
	content, err := s.begun(t.Context(), s.open().openings[0])
	if diff := cmp.Diff(begun{Saw: []string{"00000006-Z"}, Generation: 3}, content); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
