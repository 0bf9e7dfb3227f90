package dataverse

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func linkOps(do Verb, n int) []Operation {
	ops := make([]Operation, n)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Do: do, ID: testID(i + 1), Link: &Link{Navigation: "cr1_Tags", To: "cr1_tags(" + testID(50+i) + ")"}}
	}
	return ops
}

// Rule I3: adding what is there and removing what is not are done.
func TestLinksAreSettled(t *testing.T) {
	there := refusal{412, "0x80040237", "A record with matching key values already exists."}
	absent := refusal{404, "0x80040217", "cr1_tag With Id = x Does Not Exist"}
	lost := refusal{status: 502}
	tests := []struct {
		name  string
		do    Verb
		fates []partFate // of the parts in the order of sending; the first three are of the first call
		fate  fate       // of the first call
		want  []Result
	}{
		{"added", Associate, nil, fate{}, []Result{Updated, Updated, Updated}},
		{"added already", Associate, []partFate{{}, {refuse: there}, {}}, fate{}, []Result{Updated, Unchanged, Updated}},
		{"added by a lost call", Associate, []partFate{{}, {}, {}, {refuse: there}, {refuse: there}, {refuse: there}}, fate{cutAfter: true}, []Result{Updated, Updated, Updated}},
		{"added by a lost part", Associate, []partFate{{}, {refuse: lost}, {}, {refuse: there}}, fate{}, []Result{Updated, Updated, Updated}},
		{"to what does not exist", Associate, []partFate{{}, {refuse: absent}}, fate{}, []Result{Updated, Rejected, Updated}},
		{"removed", Disassociate, nil, fate{}, []Result{Updated, Updated, Updated}},
		{"removed already", Disassociate, []partFate{{refuse: absent}}, fate{}, []Result{Unchanged, Updated, Updated}},
		{"removed by a lost part", Disassociate, []partFate{{refuse: lost}, {}, {}, {refuse: absent}}, fate{}, []Result{Updated, Updated, Updated}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			s.links = true
			s.fate = func(in received) fate {
				if in.number == 1 {
					return tt.fate
				}
				return fate{}
			}
			s.partFate = func(n int, _, _ string) partFate {
				if n <= len(tt.fates) {
					return tt.fates[n-1]
				}
				return partFate{}
			}
			out, err := s.writer(s.client(), WriteOptions{}).Write(t.Context(), linkOps(tt.do, 3))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, results(out)); diff != "" {
				t.Error(out, diff)
			}
		})
	}
}

func TestLinkOnTheWire(t *testing.T) {
	w := &Writer{client: &Client{root: "https://x/api/data/v9.2/", path: "/api/data/v9.2/"}, table: contactTable(), query: "?tag=a"}
	byKey := &Operation{Key: mailKey("a@x.org"), Link: &Link{Navigation: "cr1_Tags", To: "cr1_tags(cr1_name='o''b%C3%A4')"}}
	byID := &linkOps(Associate, 1)[0]
	tests := []struct {
		name    string
		message *message
		op      *Operation
		want    string
	}{
		{"add", associating, byID, "POST /api/data/v9.2/contacts(" + testID(1) + ")/cr1_Tags/$ref?tag=a HTTP/1.1\nAccept: application/json\n" +
			"Content-Type: application/json\n\n{\"@odata.id\":\"https://x/api/data/v9.2/cr1_tags(" + testID(50) + ")\"}\n"},
		{"remove", disassociating, byID, "DELETE /api/data/v9.2/contacts(" + testID(1) + ")/cr1_Tags(" + testID(50) + ")/$ref?tag=a HTTP/1.1\nAccept: application/json\n\n\n"},
		{"remove by key", disassociating, byKey, "DELETE /api/data/v9.2/contacts(emailaddress1='a@x.org')/cr1_Tags/$ref?$id=" +
			"https%3A%2F%2Fx%2Fapi%2Fdata%2Fv9.2%2Fcr1_tags%28cr1_name%3D%27o%27%27b%25C3%25A4%27%29&tag=a HTTP/1.1\nAccept: application/json\n\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.appendOperation(nil, "b", tt.message, &record{op: tt.op, id: tt.op.ID})
			if err != nil {
				t.Fatal(err)
			}
			head := "--b\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\n"
			if diff := cmp.Diff(crlf(head+tt.want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadLinks(t *testing.T) {
	s := newService(t)
	w := s.writer(s.client(), WriteOptions{})
	for _, link := range []*Link{nil, {}, {"a b", "tags(x)"}, {"nav", "tags"}, {"nav", "tags(a b)"}, {"nav", "tags(x)\r\nX: y"}, {"nav", `tags("x")`}, {"nav", "../tags(x)"}} {
		_, err := w.Write(t.Context(), []Operation{{Do: Associate, ID: testID(1), Link: link}})
		if !fault.Is(err, fault.Broken) {
			t.Errorf("%+v: %v", link, err)
		}
	}
}

func TestReference(t *testing.T) {
	table := contactTable()
	if got, ok := table.Reference(mailKey("o'b@x.org")); !ok || got != "contacts(emailaddress1='o''b@x.org')" || !linkTo.MatchString(got) {
		t.Errorf("%q %v", got, ok)
	}
	if got, ok := table.Reference(mailKey("a+b@x.org")); ok {
		t.Errorf("%q", got)
	}
}
