package dataversetest_test

import (
	"testing"

	"penstock/internal/dataversetest"
)

func TestOwnersAreUsersOrTeams(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "teams", `{"teamid":"`+id(1)+`","name":"Loaders","businessunitid@odata.bind":"/businessunits(b05e5500-0000-4000-8000-00000000c0de)"}`)
	e.want(204, "POST", "contacts", `{"contactid":"`+id(2)+`","lastname":"a","ownerid@odata.bind":"/teams(`+id(1)+`)"}`)
	v := e.want(200, "GET", "contacts("+id(2)+")", "", `Prefer: odata.include-annotations="*"`).values(t)
	has(t, v, map[string]any{"_ownerid_value": id(1), "_owningteam_value": id(1), "_owninguser_value": nil,
		"_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "team", "_ownerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "ownerid"})
	e.want(200, "GET", "teams(ownerid="+id(1)+")", "")
}
