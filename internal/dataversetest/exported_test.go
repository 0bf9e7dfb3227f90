package dataversetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/schema"
)

func exported(t *testing.T, name string) *schema.Organization {
	t.Helper()
	file, err := os.Open(filepath.Join("schema", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	org, err := schema.Load(file, schema.Default())
	if err != nil {
		t.Fatal(err)
	}
	return org
}

// Documents that real organisations have exported serve as they are: hundreds of tables, in full.
func TestExportedMetadataCanBeWrittenTo(t *testing.T) {
	for name, tables := range map[string]int{"dataverse-metadata-v9.1.xml.gz": 100, "dynamics-crm-metadata-v8-de.xml.gz": 250} {
		t.Run(name, func(t *testing.T) {
			org := exported(t, name)
			if len(org.Tables) < tables {
				t.Fatalf("%d tables", len(org.Tables))
			}
			e := start(t, dataversetest.Options{Schema: org})
			e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A","accountnumber":"1"}`)
			e.want(200, "POST", "contacts/Microsoft.Dynamics.CRM.CreateMultiple", targets(
				`{"@odata.type":"Microsoft.Dynamics.CRM.contact","contactid":"`+id(2)+`","lastname":"Roe","parentcustomerid_account@odata.bind":"/accounts(`+id(1)+`)"}`,
				`{"@odata.type":"Microsoft.Dynamics.CRM.contact","contactid":"`+id(3)+`","lastname":"Poe","parentcustomerid_contact@odata.bind":null}`))
			e.want(204, "PATCH", "contacts("+id(3)+")", `{"parentcustomerid_contact@odata.bind":"/contacts(`+id(2)+`)"}`)
			has(t, e.want(200, "GET", "contacts("+id(3)+")", "", `Prefer: odata.include-annotations="*"`).values(t), map[string]any{
				"_parentcustomerid_value": id(2), "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "contact",
				"_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "parentcustomerid_contact"})
			rows := e.want(200, "GET", "accounts?$select=name&$expand=contact_customer_accounts($select=lastname)", "").list(t)
			if got := fmt.Sprint(rows[0]["contact_customer_accounts"]); len(rows[0]["contact_customer_accounts"].([]any)) != 1 {
				t.Errorf("expanded %s", got)
			}
			// Every set takes a record, unless the service says why not, and gives it back.
			written, made := 0, 0
			for set, table := range org.Sets {
				if table.IsIntersect || table.PrimaryID == "" || table.Column(table.PrimaryID) == nil {
					continue
				}
				made++ // activities share their ids
				own := id(1000 + made)
				body := `{"` + table.PrimaryID + `":"` + own + `"}`
				if a := e.send("POST", set, body); a.status == 204 {
					e.want(200, "GET", set+"("+own+")", "")
					written++
				} else if a.status >= 500 {
					t.Errorf("POST %s: %d %s", set, a.status, a.body)
				}
			}
			if written < tables*3/4 {
				t.Errorf("only %d tables took a record", written)
			}
			for _, path := range []string{"$metadata", "", "EntityDefinitions?$select=LogicalName,EntitySetName", "EntityDefinitions(LogicalName='contact')?$expand=Attributes,Keys,ManyToOneRelationships"} {
				e.want(200, "GET", path, "")
			}
		})
	}
}

// Exported tables and built-in ones stand beside each other.
func TestExportedMetadataExtendsTheBuiltIn(t *testing.T) {
	org := schema.Default()
	org.Merge(exported(t, "dataverse-metadata-v9.1.xml.gz"))
	e := start(t, dataversetest.Options{Schema: org})
	e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A"}`)
	e.want(204, "POST", "cr1_parcels", `{"cr1_name":"p","cr1_Owner_Account@odata.bind":"/accounts(`+id(1)+`)"}`)
	e.want(204, "POST", "lists", `{"listname":"l","createdfromcode":2}`)
	e.want(200, "GET", "$metadata", "")
}
