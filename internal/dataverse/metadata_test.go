package dataverse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

// pages answers each request target (below the service root, decoded) with a fixed text.
type pages struct {
	t      *testing.T
	server *httptest.Server
	mu     sync.Mutex
	bodies map[string]string
	asked  []string
}

func newPages(t *testing.T, bodies map[string]string) (*pages, *Client) {
	p := &pages{t: t, bodies: bodies}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	c, err := Open(Options{URL: p.server.URL, AllowCustomHost: true, Clock: newTestClock(), Credentials: []Credential{{token: hidden("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return p, c
}

func (p *pages) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	target := strings.TrimPrefix(r.RequestURI, "/api/data/v9.2/")
	target, _ = url.QueryUnescape(target)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, target)
	body, ok := p.bodies[target]
	if !ok {
		out.WriteHeader(404)
		fmt.Fprintf(out, `{"error":{"code":"0x80040217","message":"not here: %s"}}`, url.QueryEscape(target))
		return
	}
	fmt.Fprint(out, strings.ReplaceAll(body, "ORIGIN", p.server.URL))
}

const parcel = "EntityDefinitions(LogicalName='cr1_parcel')"

var parcelPages = map[string]string{
	parcel + "?$select=LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,TableType,IsActivity": `{"LogicalName":"cr1_parcel","EntitySetName":"cr1_parcels",
		"PrimaryIdAttribute":"cr1_parcelid","PrimaryNameAttribute":"cr1_name","TableType":"Standard","IsActivity":false}`,
	parcel + "/Attributes?$select=LogicalName,AttributeType,AttributeTypeName,AttributeOf,IsValidForCreate,IsValidForUpdate,RequiredLevel,SourceType": `{"value":[
		{"LogicalName":"cr1_parcelid","AttributeTypeName":{"Value":"UniqueidentifierType"},"AttributeOf":null,"IsValidForCreate":true,"IsValidForUpdate":false,"RequiredLevel":{"Value":"SystemRequired"},"SourceType":null},
		{"LogicalName":"cr1_name","AttributeTypeName":{"Value":"StringType"},"AttributeOf":null,"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"ApplicationRequired","CanBeChanged":true},"SourceType":0},
		{"LogicalName":"cr1_areaha","AttributeTypeName":{"Value":"DecimalType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"cr1_total","AttributeTypeName":{"Value":"DecimalType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"},"SourceType":2},
		{"LogicalName":"cr1_day","AttributeTypeName":{"Value":"DateTimeType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"cr1_kind","AttributeTypeName":{"Value":"PicklistType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"cr1_kindname","AttributeTypeName":{"Value":"VirtualType"},"AttributeOf":"cr1_kind","RequiredLevel":{"Value":"None"}},
		{"LogicalName":"cr1_open","AttributeTypeName":{"Value":"BooleanType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"statuscode","AttributeTypeName":{"Value":"StatusType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"cr1_owner_account","AttributeTypeName":{"Value":"LookupType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"cr1_party","AttributeTypeName":{"Value":"CustomerType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
		{"LogicalName":"ownerid","AttributeTypeName":{"Value":"OwnerType"},"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"SystemRequired"}}]}`,
	parcel + "/Keys?$select=LogicalName,KeyAttributes,EntityKeyIndexStatus":     `{"value":[{"LogicalName":"cr1_parcelno","KeyAttributes":["cr1_no"],"EntityKeyIndexStatus":"Active","MetadataId":"m"}]}`,
	parcel + castPath + "StringAttributeMetadata?$select=LogicalName,MaxLength": `{"value":[{"LogicalName":"cr1_name","MaxLength":100}]}`,
	parcel + castPath + "DecimalAttributeMetadata?$select=LogicalName,MinValue,MaxValue,Precision": `{"value":[
		{"LogicalName":"cr1_areaha","MinValue":-100000000000,"MaxValue":100000000000.5,"Precision":2},{"LogicalName":"cr1_total","MinValue":null,"MaxValue":null,"Precision":null}]}`,
	parcel + castPath + "DateTimeAttributeMetadata?$select=LogicalName,DateTimeBehavior": `{"value":[{"LogicalName":"cr1_day","DateTimeBehavior":{"Value":"DateOnly"}}]}`,
	parcel + castPath + "PicklistAttributeMetadata?" + choices: `{"value":[{"LogicalName":"cr1_kind","OptionSet":{"Options":[]},"GlobalOptionSet":{"Options":[
		{"Value":727000000,"Label":{"UserLocalizedLabel":{"Label":"Arable","LanguageCode":1033}}},{"Value":727000001,"Label":{"UserLocalizedLabel":null}}]}}]}`,
	parcel + castPath + "BooleanAttributeMetadata?" + choices: `{"value":[{"LogicalName":"cr1_open","OptionSet":{"TrueOption":{"Value":1,"Label":{"UserLocalizedLabel":{"Label":"Yes"}}},
		"FalseOption":{"Value":0,"Label":{"UserLocalizedLabel":{"Label":"No"}}}},"GlobalOptionSet":null}]}`,
	parcel + castPath + "StatusAttributeMetadata?" + choices:                  `{"value":[{"LogicalName":"statuscode","OptionSet":{"Options":[{"Value":1,"State":0,"Label":{"UserLocalizedLabel":{"Label":"Active"}}}]}}]}`,
	parcel + castPath + "LookupAttributeMetadata?$select=LogicalName,Targets": `{"value":[{"LogicalName":"cr1_owner_account","Targets":["account"]},{"LogicalName":"cr1_party","Targets":["account","contact"]},{"LogicalName":"ownerid","Targets":["systemuser","team"]}]}`,
	parcel + "/ManyToOneRelationships?$select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName": `{"value":[
		{"ReferencingAttribute":"cr1_owner_account","ReferencedEntity":"account","ReferencingEntityNavigationPropertyName":"cr1_Owner_Account"},
		{"ReferencingAttribute":"cr1_party","ReferencedEntity":"account","ReferencingEntityNavigationPropertyName":"cr1_party_account"},
		{"ReferencingAttribute":"cr1_party","ReferencedEntity":"contact","ReferencingEntityNavigationPropertyName":"cr1_party_contact"},
		{"ReferencingAttribute":"ownerid","ReferencedEntity":"owner","ReferencingEntityNavigationPropertyName":"ownerid"}]}`,
	"EntityDefinitions?$select=LogicalName,EntitySetName&$filter=LogicalName eq 'account' or LogicalName eq 'contact' or LogicalName eq 'systemuser' or LogicalName eq 'team'": `{"value":[
		{"LogicalName":"account","EntitySetName":"accounts"},{"LogicalName":"contact","EntitySetName":"contacts"},{"LogicalName":"systemuser","EntitySetName":"systemusers"},{"LogicalName":"team","EntitySetName":"teams"}]}`,
	"EntityDefinitions?$select=LogicalName&$filter=IsIntersect eq false": `{"value":[{"LogicalName":"account"},{"LogicalName":"cr1_parcel"},{"LogicalName":"contact"}]}`,
}

const castPath = "/Attributes/Microsoft.Dynamics.CRM."

func TestTable(t *testing.T) {
	_, c := newPages(t, parcelPages)
	got, err := c.Table(t.Context(), "CR1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	zero := 0
	want := &Table{
		Name: "cr1_parcel", Set: "cr1_parcels", PrimaryID: "cr1_parcelid", PrimaryName: "cr1_name", Type: "Standard",
		Keys: []Key{{Name: "cr1_parcelno", Columns: []string{"cr1_no"}, Status: "Active"}},
		Columns: []Column{
			{Name: "cr1_areaha", Type: Decimal, Min: "-100000000000", Max: "100000000000.5", Precision: 2, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "cr1_day", Type: DateTime, DateOnly: true, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "cr1_kind", Type: Picklist, Options: []Option{{Value: 727000000, Label: "Arable"}, {Value: 727000001}}, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "cr1_kindname", Type: "Virtual", Derived: true, Required: "None"},
			{Name: "cr1_name", Type: String, MaxLength: 100, ForCreate: true, ForUpdate: true, Required: "ApplicationRequired"},
			{Name: "cr1_open", Type: Boolean, Options: []Option{{Value: 0, Label: "No"}, {Value: 1, Label: "Yes"}}, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "cr1_owner_account", Type: Lookup, Targets: []Target{{"account", "accounts", "cr1_Owner_Account"}}, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "cr1_parcelid", Type: Uniqueidentifier, ForCreate: true, Required: "SystemRequired"},
			{Name: "cr1_party", Type: Customer, Targets: []Target{{"account", "accounts", "cr1_party_account"}, {"contact", "contacts", "cr1_party_contact"}}, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "cr1_total", Type: Decimal, Derived: true, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "ownerid", Type: Owner, Targets: []Target{{"systemuser", "systemusers", "ownerid"}, {"team", "teams", "ownerid"}}, ForCreate: true, ForUpdate: true, Required: "SystemRequired"},
			{Name: "statuscode", Type: Status, Options: []Option{{Value: 1, Label: "Active", State: &zero}}, ForCreate: true, ForUpdate: true, Required: "None"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownTableNamesTheNearest(t *testing.T) {
	p, c := newPages(t, parcelPages)
	_, err := c.Table(t.Context(), "cr1_parsel")
	wantFault(t, err, fault.Refused, "unknown_table")
	if f, _ := fault.As(err); !strings.Contains(f.Advice, `"cr1_parcel"`) {
		t.Errorf("advice %q", f.Advice)
	}
	_, err = c.Table(t.Context(), "x') or (LogicalName='contact")
	wantFault(t, err, fault.Refused, "unknown_table")
	for _, asked := range p.asked {
		if strings.Contains(asked, "x')") {
			t.Errorf("asked for %s", asked)
		}
	}
}

func TestSupportsAsksOnce(t *testing.T) {
	query := "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @m and primaryobjecttypecode eq @t&@m='CreateMultiple'&@t='"
	p, c := newPages(t, map[string]string{query + "contact'": `{"value":[{"sdkmessagefilterid":"x"}]}`, query + "queue'": `{"value":[]}`})
	for range 2 {
		if yes, err := c.Supports(t.Context(), "CreateMultiple", "contact"); !yes || err != nil {
			t.Error(yes, err)
		}
		if yes, err := c.Supports(t.Context(), "CreateMultiple", "queue"); yes || err != nil {
			t.Error(yes, err)
		}
	}
	if len(p.asked) != 2 {
		t.Errorf("asked %d times", len(p.asked))
	}
}

func TestPrivileges(t *testing.T) {
	_, c := newPages(t, map[string]string{
		"WhoAmI": `{"UserId":"u1","OrganizationId":"o"}`,
		"EntityDefinitions(LogicalName='contact')?$select=Privileges": `{"Privileges":[{"Name":"prvCreateContact","PrivilegeId":"AA","PrivilegeType":"Create"},
			{"Name":"prvWriteContact","PrivilegeId":"BB","PrivilegeType":"Write"},{"Name":"prvReadContact","PrivilegeId":"CC","PrivilegeType":"Read"}]}`,
		"systemusers(u1)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()": `{"RolePrivileges":[{"Depth":"Global","PrivilegeId":"bb"},{"PrivilegeId":"dd"}]}`,
	})
	missing, err := c.Privileges(t.Context(), "contact", "Create", "Write", "AppendTo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prvCreateContact"}, missing); diff != "" {
		t.Error(diff)
	}
	wantFault(t, MissingPrivilege(missing...), fault.Denied, "missing_privilege")
}

// Today's service names what it grants; an older one does not, and then nobody is said to lack anything.
func TestPrivilegesNamed(t *testing.T) {
	for grants, want := range map[string][]string{
		`{"PrivilegeId":"bb"},{"PrivilegeId":"dd"}`:                                               nil,
		`{"PrivilegeId":"bb","PrivilegeName":"prvReadContact"}`:                                   {"prvBulkDelete"},
		`{"PrivilegeId":"bb","PrivilegeName":"prvBulkDelete"},{"PrivilegeName":"prvReadContact"}`: nil,
	} {
		_, c := newPages(t, map[string]string{
			"WhoAmI": `{"UserId":"u1","OrganizationId":"o"}`,
			"systemusers(u1)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()": `{"RolePrivileges":[` + grants + `]}`,
		})
		if missing, err := c.PrivilegesNamed(t.Context(), "prvBulkDelete"); err != nil || !slices.Equal(missing, want) {
			t.Errorf("%s: %q lacking, %v; want %q", grants, missing, err, want)
		}
	}
}

func TestRowsFollowsPages(t *testing.T) {
	_, c := newPages(t, map[string]string{
		"contacts?$select=a":        `{"value":[{"a":1},{"a":2}],"@odata.nextLink":"ORIGIN/api/data/v9.2/contacts?$skiptoken=%3Cc%202%3E"}`,
		"contacts?$skiptoken=<c 2>": `{"value":[{"a":3}]}`,
		"thief":                     `{"value":[],"@odata.nextLink":"https://evil.example/api/data/v9.2/contacts"}`,
		"loop":                      `{"value":[],"@odata.nextLink":"ORIGIN/api/data/v9.2/loop"}`,
	})
	var got []string
	for row, err := range c.Rows(t.Context(), "contacts?$select=a", 2) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(row))
	}
	if diff := cmp.Diff([]string{`{"a":1}`, `{"a":2}`, `{"a":3}`}, got); diff != "" {
		t.Error(diff)
	}
	for path, code := range map[string]string{"thief": "foreign_link", "loop": "unexpected_answer"} {
		var last error
		for _, err := range c.Rows(t.Context(), path, 0) {
			last = err
		}
		if f, ok := fault.As(last); !ok || f.Code != code {
			t.Errorf("%s: %v", path, last)
		}
	}
}

func TestIdentityAndVersion(t *testing.T) {
	_, c := newPages(t, map[string]string{"WhoAmI": `{"UserId":"u","OrganizationId":"o","BusinessUnitId":"b"}`, "RetrieveVersion": `{"Version":"9.2.1.2"}`})
	if id, err := c.WhoAmI(t.Context()); err != nil || id != (Identity{"u", "o", "b"}) {
		t.Errorf("%+v %v", id, err)
	}
	if v, err := c.Version(t.Context()); err != nil || v != "9.2.1.2" {
		t.Errorf("%s %v", v, err)
	}
	_, c = newPages(t, map[string]string{"WhoAmI": `<html>`})
	_, err := c.WhoAmI(t.Context())
	wantFault(t, err, fault.Refused, "not_dataverse")
}

func TestUnreachable(t *testing.T) {
	s := newService(t)
	c := s.client()
	s.server.Close()
	_, err := c.WhoAmI(t.Context())
	wantFault(t, err, fault.Interrupted, "unreachable")
	if n := len(s.clock.slept); n != firstAttempts-1 {
		t.Errorf("%d waits for a service that never answered", n)
	}
}

func TestExistsAndResolve(t *testing.T) {
	s := newService(t)
	c, table := s.client(), contactTable()
	var ids []string
	for i := range 100 {
		ids = append(ids, testID(i))
		if i%3 == 0 {
			s.rows[testID(i)] = map[string]any{"emailaddress1": fmt.Sprintf("P%d'x@x.org ", i)}
		}
	}
	failures := 0
	s.fate = func(received) fate {
		if failures++; failures == 1 {
			return fate{status: 503, body: "<html>"}
		}
		return fate{}
	}
	there, err := c.Exists(t.Context(), table, ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if there[id] != (i%3 == 0) {
			t.Errorf("%d: %v", i, there[id])
		}
	}
	found, err := c.Resolve(t.Context(), table, [][]KeyPart{mailKey("p3'X@x.org"), mailKey("p4'x@x.org"), mailKey("p6'x@x.org")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{testID(3)}, {}, {testID(6)}}, found); diff != "" {
		t.Error(diff)
	}
	if _, err := c.Exists(t.Context(), table, []string{"x or true"}); !fault.Is(err, fault.Broken) {
		t.Errorf("%v", err)
	}
	if _, err := c.Resolve(t.Context(), table, [][]KeyPart{{{Column: "nosuch", Value: json.RawMessage(`1`)}}}); !fault.Is(err, fault.Broken) {
		t.Errorf("%v", err)
	}
}
