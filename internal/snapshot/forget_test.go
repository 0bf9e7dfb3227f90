package snapshot

import "testing"

// All places of a destination are forgotten, and of no other.
func TestForget(t *testing.T) {
	s := newStage(t)
	elsewhere := &stage{T: t, Place: At(s.work, "members", "org/account"), terms: testTerms}
	other := &stage{T: t, Place: At(s.work, "members-2", "org/contact"), terms: testTerms}
	for _, one := range []*stage{s, elsewhere, other} {
		if _, err := one.Secret(t.Context()); err != nil {
			t.Fatal(err)
		}
		one.load(hold("A", 1, 1), "a=1 b=2")
	}
	s.begin(hold("B", 2, 1)) // and died
	n, err := Forget(t.Context(), s.work, "members")
	if err != nil || n < 7 { // of both a secret, a generation, a part; an opening
		t.Errorf("%d objects, %v", n, err)
	}
	for _, one := range []*stage{s, elsewhere} {
		if left := one.objects(""); len(left) > 0 {
			t.Errorf("%s has %v left", one.prefix, left)
		}
		one.wantSkipped(hold("C", 3, 1), "a=1 b=2", "all are sent: nothing that was loaded before is remembered")
	}
	other.wantSkipped(hold("C", 3, 1), "a=1 b=2", "a=1 b=2")
	if n, err := Forget(t.Context(), s.work, "members"); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
}
