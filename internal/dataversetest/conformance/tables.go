package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// world is the service with the suite's tables in it.
type world struct {
	service *Service
	root    string
	first   int // of the numbers of this run
	cases   int
	missing map[string]string // a table that could not be made, and why
	shared  *probe            // whose records are read only
}

// object is JSON to be sent.
type object = map[string]any

func label(text string) object {
	return object{"@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": []any{
		object{"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": 1033}}}
}

func column(kind, schemaName, displayName string, more object) object {
	c := object{"@odata.type": "Microsoft.Dynamics.CRM." + kind + "AttributeMetadata", "SchemaName": schemaName,
		"DisplayName": label(displayName), "RequiredLevel": object{"Value": "None"}}
	for name, v := range more {
		c[name] = v
	}
	return c
}

func text(schemaName, displayName string, length int) object {
	return column("String", schemaName, displayName, object{"MaxLength": length, "FormatName": object{"Value": "Text"}})
}

func choices(labels ...string) object {
	options := []any{}
	for n, text := range labels {
		options = append(options, object{"Value": 727000000 + n, "Label": label(text)})
	}
	return object{"OptionSet": object{"@odata.type": "Microsoft.Dynamics.CRM.OptionSetMetadata", "IsGlobal": false,
		"OptionSetType": "Picklist", "Options": options}}
}

func table(schemaName, displayName string, more object, columns ...object) object {
	name := text("cnf_Name", "Name", 100)
	name["IsPrimaryName"] = true
	attributes := []any{name}
	for _, c := range columns {
		attributes = append(attributes, c)
	}
	t := object{"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": schemaName, "DisplayName": label(displayName),
		"DisplayCollectionName": label(displayName + "s"), "OwnershipType": "UserOwned", "HasActivities": false, "HasNotes": false,
		"IsActivity": false, "Attributes": attributes}
	for name, v := range more {
		t[name] = v
	}
	return t
}

func farmTable() object {
	return table("cnf_Farm", "Farm", object{"ChangeTrackingEnabled": true}, text("cnf_Code", "Code", 20), text("cnf_Batch", "Batch", 50))
}

func parcelTable() object {
	boolean := object{"OptionSet": object{"@odata.type": "Microsoft.Dynamics.CRM.BooleanOptionSetMetadata", "OptionSetType": "Boolean",
		"TrueOption": object{"Value": 1, "Label": label("Leased")}, "FalseOption": object{"Value": 0, "Label": label("Owned")}}}
	date := func(format, behavior string) object {
		return object{"Format": format, "DateTimeBehavior": object{"Value": behavior}}
	}
	return table("cnf_Parcel", "Parcel", nil,
		text("cnf_Batch", "Batch", 50), text("cnf_Code", "Code", 50), text("cnf_Region", "Region", 50),
		column("Integer", "cnf_No", "Number", object{"MinValue": 0, "MaxValue": 1000000000, "Format": "None"}),
		column("Integer", "cnf_Row", "Row", object{"MinValue": 0, "MaxValue": 1000000000, "Format": "None"}),
		column("Decimal", "cnf_AreaHa", "Area", object{"MinValue": 0, "MaxValue": 100000, "Precision": 3}),
		column("Double", "cnf_Slope", "Slope", object{"MinValue": -90, "MaxValue": 90, "Precision": 2}),
		column("Money", "cnf_Value", "Value", object{"MinValue": 0, "MaxValue": 1000000000, "Precision": 2, "PrecisionSource": 0}),
		column("BigInt", "cnf_Visits", "Visits", nil),
		column("Boolean", "cnf_IsLeased", "Leased", boolean),
		column("DateTime", "cnf_SurveyedOn", "Surveyed on", date("DateAndTime", "UserLocal")),
		column("DateTime", "cnf_HarvestAt", "Harvest at", date("DateAndTime", "TimeZoneIndependent")),
		column("DateTime", "cnf_Day", "Day", date("DateOnly", "DateOnly")),
		column("Picklist", "cnf_Kind", "Kind", choices("Arable", "Meadow", "Forest")),
		column("MultiSelectPicklist", "cnf_Crops", "Crops", choices("Wheat", "Rye", "Maize")),
		column("Memo", "cnf_Notes", "Notes", object{"MaxLength": 2000, "Format": "TextArea"}),
		column("String", "cnf_Ticket", "Ticket", object{"MaxLength": 100, "FormatName": object{"Value": "Text"}, "AutoNumberFormat": "P-{SEQNUM:6}"}),
		column("File", "cnf_Plan", "Plan", object{"MaxSizeInKB": 32768}))
}

func lookup(schemaName, from, to, column, onDelete string) object {
	return object{"@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata", "SchemaName": schemaName,
		"ReferencedEntity": to, "ReferencingEntity": from, "ReferencedAttribute": to + "id",
		"CascadeConfiguration": object{"Assign": "NoCascade", "Delete": onDelete, "Merge": "NoCascade", "Reparent": "NoCascade",
			"Share": "NoCascade", "Unshare": "NoCascade"},
		"Lookup": object{"@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata", "SchemaName": column,
			"DisplayName": label(strings.TrimPrefix(column, "cnf_")), "RequiredLevel": object{"Value": "None"}}}
}

// prepare makes the tables, or takes those that an earlier run has left, and removes them at the end.
func prepare(t *testing.T, s *Service) *world {
	t.Helper()
	w := &world{service: s, root: s.URL + "/api/data/v9.2/", first: 1000 * rand.IntN(800_000), missing: map[string]string{}}
	if a := w.send(t, "GET", "WhoAmI", ""); a.status != 200 {
		t.Fatalf("cannot sign in: %d %s", a.status, a.body)
	}
	t.Cleanup(func() { w.remove(t) })
	w.make(t, "cnf_farm", farmTable())
	w.make(t, "cnf_tag", table("cnf_Tag", "Tag", nil))
	w.make(t, "cnf_parcel", parcelTable())
	for _, r := range []object{
		lookup("cnf_farm_parcel", "cnf_parcel", "cnf_farm", "cnf_Farm", "RemoveLink"),
		lookup("cnf_parcel_parcel", "cnf_parcel", "cnf_parcel", "cnf_Parent", "Restrict"),
		{"@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata", "SchemaName": "cnf_parcel_tag",
			"Entity1LogicalName": "cnf_parcel", "Entity2LogicalName": "cnf_tag", "IntersectEntityName": "cnf_parcel_tag"},
	} {
		name := r["SchemaName"].(string)
		w.ensure(t, "RelationshipDefinitions(SchemaName='"+name+"')", "RelationshipDefinitions", r)
	}
	w.key(t, "cnf_farm", "cnf_FarmCode", "Farm Code", "cnf_code")
	w.key(t, "cnf_parcel", "cnf_ParcelNo", "Parcel Number", "cnf_no")
	w.key(t, "cnf_parcel", "cnf_ParcelPlace", "Parcel Place", "cnf_code", "cnf_region")
	w.key(t, "cnf_parcel", "cnf_ParcelFarm", "Parcel Farm", "cnf_farm", "cnf_row")
	elastic := table("cnf_Reading", "Reading", object{"TableType": "Elastic"}, text("cnf_Sensor", "Sensor", 50),
		column("Decimal", "cnf_Amount", "Amount", object{"MinValue": 0, "MaxValue": 1000, "Precision": 2}))
	if a := w.define(t, "EntityDefinitions(LogicalName='cnf_reading')", "EntityDefinitions", elastic); a.status >= 400 {
		w.missing["cnf_reading"] = a.problem(t).Message
	}
	return w
}

func (w *world) make(t *testing.T, name string, definition object) {
	t.Helper()
	w.ensure(t, "EntityDefinitions(LogicalName='"+name+"')", "EntityDefinitions", definition)
	w.until(t, "table "+name, func() bool { return w.send(t, "GET", name+"s?$top=1", "").status == 200 })
}

// set is the name of a table's set.
func (p *probe) set(table string) string {
	p.t.Helper()
	return p.read("EntityDefinitions(LogicalName='"+table+"')?$select=EntitySetName", "Consistency: Strong")["EntitySetName"].(string)
}

func (w *world) ensure(t *testing.T, path, collection string, definition object) {
	t.Helper()
	if a := w.define(t, path, collection, definition); a.status >= 400 {
		t.Fatalf("create %s: %d %s", definition["SchemaName"], a.status, a.body)
	}
}

// define creates what is not there. A metadata write that meets another one is repeated.
func (w *world) define(t *testing.T, path, collection string, definition object) answer {
	t.Helper()
	if a := w.send(t, "GET", path+"?$select=MetadataId", "", "Consistency: Strong"); a.status == 200 {
		return a
	}
	body, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	w.until(t, fmt.Sprintf("create %s", definition["SchemaName"]), func() bool {
		a = w.send(t, "POST", collection, string(body))
		return !strings.Contains(a.body, "0x80071151")
	})
	return a
}

func (w *world) key(t *testing.T, table, name, displayName string, columns ...string) {
	t.Helper()
	at := "EntityDefinitions(LogicalName='" + table + "')/Keys"
	find := func() (status string) {
		a := w.send(t, "GET", at+"?$select=SchemaName,EntityKeyIndexStatus", "", "Consistency: Strong")
		for _, k := range a.list(t) {
			if k["SchemaName"] == name {
				status = fmt.Sprint(k["EntityKeyIndexStatus"])
			}
		}
		return status
	}
	if find() == "" {
		body, err := json.Marshal(object{"@odata.type": "Microsoft.Dynamics.CRM.EntityKeyMetadata", "SchemaName": name,
			"DisplayName": label(displayName), "KeyAttributes": columns})
		if err != nil {
			t.Fatal(err)
		}
		if a := w.send(t, "POST", at, string(body)); a.status >= 400 {
			t.Fatalf("create key %s: %d %s", name, a.status, a.body)
		}
	}
	w.until(t, "key "+name, func() bool {
		status := find()
		if status == "Failed" {
			t.Fatalf("key %s: index failed", name)
		}
		return status == "Active"
	})
}

// until asks again for as long as the service is given.
func (w *world) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	end := time.Now().Add(w.service.Patience)
	for wait := 10 * time.Millisecond; !done(); wait = min(2*wait, 3*time.Second) {
		if time.Now().After(end) {
			t.Fatalf("%s: not ready in %v", what, w.service.Patience)
		}
		pause(t, wait)
	}
}

func (w *world) remove(t *testing.T) {
	if w.service.Keep {
		return
	}
	// The test's own context has ended when its cleanup runs.
	for _, name := range []string{"cnf_reading", "cnf_parcel", "cnf_tag", "cnf_farm"} {
		if w.missing[name] != "" {
			continue
		}
		a, err := w.exchange(afterwards{t}, "DELETE", w.root+"EntityDefinitions(LogicalName='"+name+"')", "", nil)
		if err != nil || a.status >= 400 && a.status != 404 {
			t.Errorf("remove table %s: %v %d %.500s", name, err, a.status, a.body)
		}
	}
}

// afterwards is a test whose context has not ended.
type afterwards struct{ testing.TB }

func (afterwards) Context() context.Context { return context.Background() }
