package dataversetest_test

import (
	"fmt"
	"testing"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/schema"
)

// What all activities have shows in activitypointer, and follows the activity.
func TestActivitiesShowAsPointers(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "contacts", `{"contactid":"`+id(1)+`","lastname":"Roe"}`)
	e.want(204, "POST", "phonecalls", `{"activityid":"`+id(2)+`","subject":"Hi","phonenumber":"1","regardingobjectid_contact@odata.bind":"/contacts(`+id(1)+`)",
		"phonecall_activity_parties":[{"partyid_contact@odata.bind":"/contacts(`+id(1)+`)","participationtypemask":2}]}`)
	e.want(200, "POST", "tasks/Microsoft.Dynamics.CRM.CreateMultiple", targets(`{"@odata.type":"Microsoft.Dynamics.CRM.task","activityid":"`+id(3)+`","subject":"Do"}`))
	pointers := func() string {
		text := ""
		for _, row := range e.want(200, "GET", "activitypointers?$select=subject,activitytypecode,statecode,_regardingobjectid_value&$orderby=subject&$expand=activitypointer_activity_parties($select=participationtypemask)", "").list(t) {
			text += fmt.Sprint(row["activitytypecode"], " ", row["subject"], " ", row["statecode"], " ", row["_regardingobjectid_value"] != nil, " ", len(row["activitypointer_activity_parties"].([]any)), "; ")
		}
		return text
	}
	if got, want := pointers(), "task Do 0 false 0; phonecall Hi 0 true 1; "; got != want {
		t.Errorf("pointers: %s, want %s", got, want)
	}
	e.want(204, "PATCH", "phonecalls("+id(2)+")", `{"subject":"Ho","statecode":1,"regardingobjectid_contact@odata.bind":null}`)
	if got, want := pointers(), "task Do 0 false 0; phonecall Ho 1 false 1; "; got != want {
		t.Errorf("pointers after the update: %s, want %s", got, want)
	}
	e.refused(412, "0x80040237", "", "POST", "emails", `{"activityid":"`+id(2)+`","subject":"the call's id"}`)
	e.want(204, "DELETE", "phonecalls("+id(2)+")", "")
	if got, want := pointers(), "task Do 0 false 0; "; got != want {
		t.Errorf("pointers after the delete: %s, want %s", got, want)
	}
	if left := e.want(200, "GET", "activityparties", "").list(t); len(left) != 0 {
		t.Errorf("people are left: %v", left)
	}
}

// Pointers and people are written by way of the activity only.
func TestPointersAndPartiesAreNotWritten(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "tasks", `{"activityid":"`+id(1)+`","subject":"Do"}`)
	for _, c := range []struct{ method, path, body, verb, table string }{
		{"POST", "activityparties", `{"participationtypemask":2}`, "Create", "activityparty"},
		{"DELETE", "activityparties(" + id(2) + ")", "", "Delete", "activityparty"},
		{"POST", "activitypointers", `{"subject":"x"}`, "Create", "activitypointer"},
		{"PATCH", "activitypointers(" + id(1) + ")", `{"subject":"x"}`, "Update", "activitypointer"},
	} {
		e.refused(400, "0x80040800", "The '"+c.verb+"' method does not support entities of type '"+c.table+"'.", c.method, c.path, c.body)
	}
	e.want(204, "POST", "contacts", `{"contactid":"`+id(3)+`","lastname":"Roe"}`)
	e.want(405, "PUT", "contacts("+id(3)+")/contact_customer_contacts", `{"value":[]}`) // no other collection is put
}

// An organisation that somebody wrote down without activitypointer works without.
func TestActivitiesWithoutPointers(t *testing.T) {
	org := schema.Default()
	delete(org.Tables, "activitypointer")
	org.Reindex()
	e := start(t, dataversetest.Options{Schema: org})
	e.want(204, "POST", "tasks", `{"activityid":"`+id(1)+`","subject":"Do"}`)
	e.want(204, "PATCH", "tasks("+id(1)+")", `{"subject":"Done"}`)
	e.want(204, "DELETE", "tasks("+id(1)+")", "")
}
