package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/mapping"
)

func TestLookupsAreFoundForManyRowsAtOnce(t *testing.T) {
	d := newDesk(t, "table: contact\nmode: append\nrejects: {max_percent: 100}\ncolumns:\n  name: lastname\n  Account: {to: parentcustomerid, table: account, by: accountnumber}")
	accounts := 3500
	seed := bytes.NewBufferString("accountid,accountnumber,name\n")
	for n := range accounts {
		number := fmt.Sprintf("A-%d", n)
		if n == 1 {
			number = "A-0" // two of one number
		}
		fmt.Fprintf(seed, "7d9f3b52-0000-4000-8000-%012d,%s,Account\n", n, number)
	}
	_ = seed
	unique := strings.Replace(seed.String(), ",A-0,Account\n", ",A-0,Account\n", 1)
	if err := d.server.Seed("account.csv", strings.NewReader(strings.Replace(unique, "7d9f3b52-0000-4000-8000-000000000001,A-0,", "7d9f3b52-0000-4000-8000-000000000001,A-1,", 1))); err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	body.WriteString("name,Account\n")
	for n := range accounts {
		fmt.Fprintf(&body, "One %d,a-%d\nTwo %d,A-%d \n", n, n, n, accounts-1-n)
	}
	body.WriteString("Nobody's,A-none\n")
	got := d.prepare("people.csv", body.Bytes())
	if got.State != Proven || len(got.Load) != 2*accounts || len(got.Reasons) != 1 || got.Reasons[0].Code != mapping.LookupNotFound {
		t.Fatalf("%+v, %d operations, rejects %+v", got.Reason, len(got.Load), got.Reasons[:min(3, len(got.Reasons))])
	}
	for n, line := range got.Load {
		account := n / 2
		if n%2 == 1 {
			account = accounts - 1 - n/2
		}
		if want := fmt.Sprintf("/accounts(7d9f3b52-0000-4000-8000-%012d)", account); !strings.Contains(line, want) {
			t.Fatalf("operation %d is %s, without %s", n, line, want)
		}
	}
	if !slices.ContainsFunc(d.notes, func(s string) bool { return strings.Contains(s, "looking up") }) ||
		!slices.ContainsFunc(d.notes, func(s string) bool { return strings.Contains(s, "reading table account") }) {
		t.Errorf("told: %q", d.notes[:min(5, len(d.notes))])
	}
}

func TestReferencesAreBounded(t *testing.T) {
	d := newDesk(t, "")
	table, err := d.client.Table(t.Context(), "account")
	if err != nil {
		t.Fatal(err)
	}
	f := newReferences(d.client, nil)
	f.most = 10
	w := &wanted{table: table, column: "accountnumber", values: map[question]json.RawMessage{}}
	for n := range 11 {
		value := json.RawMessage(fmt.Sprintf(`"x%d"`, n))
		q, ok := questionOf(table, "accountnumber", value)
		if !ok {
			t.Fatal(n)
		}
		w.values[q] = value
	}
	if err := f.inquire(t.Context(), w); !fault.Is(err, fault.Refused) {
		t.Errorf("%v", err)
	}
}
