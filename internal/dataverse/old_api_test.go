package dataverse

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The metadata of API v8.2 lack what came later: asked for it by name, it refuses.
func TestTableOfOldAPI(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, "/api/data/v8.2/")
		if !ok {
			t.Errorf("asked %s", r.URL)
		}
		chosen := r.URL.Query().Get("$select")
		for _, unknown := range []string{"TableType", "AttributeTypeName", "SourceType", "DateTimeBehavior"} {
			if strings.Contains(chosen, unknown) {
				out.WriteHeader(400)
				fmt.Fprintf(out, `{"error":{"code":"","message":"Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.EntityMetadata'."}}`, unknown)
				return
			}
		}
		_, rest, _ := strings.Cut(path, ")")
		switch rest {
		case "":
			if path == "EntityDefinitions" {
				fmt.Fprint(out, `{"value":[{"LogicalName":"account","EntitySetName":"accounts"}]}`)
				return
			}
			fmt.Fprint(out, `{"LogicalName":"contact","EntitySetName":"contacts","PrimaryIdAttribute":"contactid","PrimaryNameAttribute":"fullname","IsActivity":false,"CanBeRelatedEntityInRelationship":{"Value":true}}`)
		case "/Attributes":
			fmt.Fprint(out, `{"value":[{"LogicalName":"firstname","AttributeType":"String","AttributeOf":null,"IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}},
				{"LogicalName":"contactid","AttributeType":"Uniqueidentifier","IsValidForCreate":true,"RequiredLevel":{"Value":"SystemRequired"}},
				{"LogicalName":"accountid","AttributeType":"Lookup","IsValidForCreate":true,"IsValidForUpdate":true,"RequiredLevel":{"Value":"None"}}]}`)
		case "/Keys":
			fmt.Fprint(out, `{"value":[{"LogicalName":"mail","KeyAttributes":["firstname"],"EntityKeyIndexStatus":"Active"}]}`)
		case "/ManyToOneRelationships":
			fmt.Fprint(out, `{"value":[{"ReferencingAttribute":"accountid","ReferencedEntity":"account","ReferencingEntityNavigationPropertyName":"accountid"}]}`)
		case "/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata":
			fmt.Fprint(out, `{"value":[{"LogicalName":"firstname","MaxLength":50}]}`)
		case "/Attributes/Microsoft.Dynamics.CRM.LookupAttributeMetadata":
			fmt.Fprint(out, `{"value":[{"LogicalName":"accountid","Targets":["account"]}]}`)
		default:
			t.Errorf("asked %s", r.URL)
		}
	}))
	defer server.Close()
	c, err := Open(Options{URL: server.URL, AllowCustomHost: true, APIVersion: "v8.2", Clock: newTestClock(), Credentials: []Credential{{token: hidden("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Table(t.Context(), "contact")
	if err != nil {
		t.Fatal(err)
	}
	want := &Table{Name: "contact", Set: "contacts", PrimaryID: "contactid", PrimaryName: "fullname", Type: "Standard",
		Columns: []Column{
			{Name: "accountid", Type: Lookup, Targets: []Target{{"account", "accounts", "accountid"}}, ForCreate: true, ForUpdate: true, Required: "None"},
			{Name: "contactid", Type: Uniqueidentifier, ForCreate: true, Required: "SystemRequired"},
			{Name: "firstname", Type: String, MaxLength: 50, ForCreate: true, ForUpdate: true, Required: "None"},
		},
		Keys: []Key{{Name: "mail", Columns: []string{"firstname"}, Status: "Active"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
