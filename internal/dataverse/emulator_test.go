package dataverse_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
	"penstock/internal/dataversetest"
	"penstock/internal/fault"
)

// The main flows against the emulator, which was written from Microsoft's
// documentation and not from this client.

func emulator(t *testing.T, opts dataversetest.Options) *httptest.Server {
	t.Helper()
	org, err := dataversetest.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(org)
	t.Cleanup(func() { server.Close(); org.Close() })
	return server
}

func open(t *testing.T, server *httptest.Server, clientID, secret string, change ...func(*dataverse.Options)) *dataverse.Client {
	t.Helper()
	text, _ := json.Marshal(map[string]string{"client_id": clientID, "client_secret": secret})
	credentials, err := dataverse.ParseCredential(text, false)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	opts := dataverse.Options{URL: server.URL, Authority: server.URL, Tenant: "contoso.example",
		RootCAs: roots, AllowCustomHost: true, Credentials: credentials}
	for _, f := range change {
		f(&opts)
	}
	c, err := dataverse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openDefault(t *testing.T) *dataverse.Client {
	user := dataversetest.DefaultUser
	return open(t, emulator(t, dataversetest.Options{}), user.ClientID, user.Secrets[0])
}

func TestEmulatorIsRead(t *testing.T) {
	c := openDefault(t)
	if id, err := c.WhoAmI(t.Context()); err != nil || id.OrganizationID == "" {
		t.Errorf("%+v %v", id, err)
	}
	if v, err := c.Version(t.Context()); err != nil || !strings.HasPrefix(v, "9.") {
		t.Errorf("%q %v", v, err)
	}
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	if table.Set != "contacts" || table.PrimaryID != "contactid" || table.Type != "Standard" {
		t.Errorf("%s %s %s", table.Set, table.PrimaryID, table.Type)
	}
	if key := table.Key([]string{"emailaddress1"}); key == nil || key.Status != "Active" {
		t.Errorf("key %+v", key)
	}
	if column := table.Column("firstname"); column == nil || column.Type != dataverse.String || column.MaxLength == 0 || !column.ForCreate {
		t.Errorf("firstname %+v", column)
	}
	if column := table.Column("gendercode"); column == nil || column.Type != dataverse.Picklist || len(column.Options) == 0 {
		t.Errorf("gendercode %+v", column)
	}
	parent := table.Column("parentcustomerid")
	if parent == nil || len(parent.Targets) != 2 {
		t.Fatalf("parentcustomerid %+v", parent)
	}
	navigation := dataverse.Target{Table: "account", Set: "accounts", Navigation: "parentcustomerid_account"}
	if !slices.Contains(parent.Targets, navigation) {
		t.Errorf("parentcustomerid %+v", parent.Targets)
	}
	for _, message := range []string{"CreateMultiple", "UpsertMultiple"} {
		if yes, err := c.Supports(t.Context(), message, "contact"); !yes || err != nil {
			t.Errorf("%s: %v %v", message, yes, err)
		}
	}
	if missing, err := c.Privileges(t.Context(), "contact", "Create", "Write", "Read"); err != nil || len(missing) > 0 {
		t.Errorf("missing %v %v", missing, err)
	}
	_, err = c.Table(t.Context(), "contacts")
	if f, ok := fault.As(err); !ok || f.Code != "unknown_table" || !strings.Contains(f.Advice, `"contact"`) {
		t.Errorf("%v", err)
	}
}

func key(mail string) []dataverse.KeyPart {
	value, _ := json.Marshal(mail)
	return []dataverse.KeyPart{{Column: "emailaddress1", Value: value}}
}

func id(n int) string { return fmt.Sprintf("6f1f0d9e-6d0f-4c67-9a55-%012d", n) }

func TestEmulatorDenies(t *testing.T) {
	reader := dataversetest.User{ClientID: "22222222-2222-3333-4444-555555555555", Secrets: []string{"s"},
		Roles: []dataversetest.Role{{Name: "Reader", Privileges: []string{"prvReadContact"}}}}
	outsider := dataversetest.User{ClientID: "33333333-2222-3333-4444-555555555555", Secrets: []string{"s"}, Outsider: true}
	server := emulator(t, dataversetest.Options{Users: []dataversetest.User{reader, outsider}})
	tests := []struct{ name, client, secret, code string }{
		{"wrong secret", reader.ClientID, "wrong", "wrong_secret"},
		{"unknown application", "44444444-2222-3333-4444-555555555555", "s", "unknown_application"},
		{"outsider", outsider.ClientID, "s", "not_a_user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, server, tt.client, tt.secret).WhoAmI(t.Context())
			if f, ok := fault.As(err); !ok || f.Kind != fault.Denied || f.Code != tt.code {
				t.Errorf("%v", err)
			}
		})
	}
	c := open(t, server, reader.ClientID, "s")
	missing, err := c.Privileges(t.Context(), "contact", "Create", "Write", "Read")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prvCreateContact", "prvWriteContact"}, missing); diff != "" {
		t.Error(diff)
	}
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(t.Context(), []dataverse.Operation{{Row: 1, Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"lastname":"L"}`)}})
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Denied || f.Code != "missing_privilege" || !strings.Contains(f.Safe(), "prvCreateContact") {
		t.Errorf("%v", err)
	}
}

func TestEmulatorSurveyAndBulkDelete(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{Warm: true})
	if err != nil {
		t.Fatal(err)
	}
	ops := make([]dataverse.Operation, 30)
	for n := range ops {
		ops[n] = dataverse.Operation{Do: dataverse.Create, ID: id(n), Set: json.RawMessage(fmt.Sprintf(`{"firstname":"F%d","lastname":"L","gendercode":%d}`, n/2, 1+n%2))}
	}
	if _, err := w.Write(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	women := dataverse.Filter{{Column: "gendercode", Value: json.RawMessage("2")}, {Column: "parentcustomerid", Value: json.RawMessage("null")}}
	count := func(filter dataverse.Filter) (n int) {
		t.Helper()
		for _, err := range c.Keys(t.Context(), table, []string{"firstname"}, filter) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if all, some := count(nil), count(women); all != 30 || some != 15 {
		t.Errorf("%d and %d records", all, some)
	}
	index, err := c.Match(t.Context(), table, []string{"firstname"}, nil, func(s string) []byte { return []byte(strings.ToLower(s)) }, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := index.Find([]json.RawMessage{json.RawMessage(`"f3"`)}); !cmp.Equal(got, []string{id(6), id(7)}) {
		t.Errorf("found %v", got)
	}
	job, err := c.BulkDelete(t.Context(), table, women, "")
	if err != nil {
		t.Fatal(err)
	}
	var status dataverse.JobStatus
	for deadline := time.Now().Add(10 * time.Second); status.State != dataverse.JobSucceeded; {
		if status, err = c.Job(t.Context(), job); err != nil || time.Now().After(deadline) {
			t.Fatal(status, err)
		}
	}
	if status.Deleted != 15 || status.Failed != 0 {
		t.Errorf("%+v", status)
	}
	if _, found, err := c.First(t.Context(), table, women); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	if first, found, err := c.First(t.Context(), table, nil); !found || err != nil || first == "" || count(nil) != 15 {
		t.Errorf("%v %v, %d left", found, err, count(nil))
	}
}
