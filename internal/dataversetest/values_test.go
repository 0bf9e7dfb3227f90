package dataversetest_test

import (
	"testing"

	"penstock/internal/dataversetest"
)

// Whether the service takes reserved characters in a key that stands in a body is not known: it is an option.
func TestReservedCharactersInReferences(t *testing.T) {
	const path = "contacts/Microsoft.Dynamics.CRM.UpsertMultiple"
	body := targets(`{"@odata.type":"Microsoft.Dynamics.CRM.contact","@odata.id":"contacts(emailaddress1='a+b/c%40x.org')","lastname":"n"}`)
	strict := start(t, dataversetest.Options{})
	strict.refused(400, "0x80060888", "Bad Request - Error in query syntax.", "POST", path, body)
	lenient := start(t, dataversetest.Options{LenientReferences: true})
	lenient.want(204, "POST", path, body)
	has(t, lenient.want(200, "GET", "contacts?$filter="+q("emailaddress1 eq 'a+b/c@x.org'"), "").list(t)[0], map[string]any{"lastname": "n"})
}
