package dataversetest_test

import (
	"testing"

	"penstock/internal/dataversetest"
)

func TestAssociateAndDisassociate(t *testing.T) {
	e := farm(t)
	ref := func(path string) string { return `{"@odata.id":"` + e.web.URL + "/api/data/v9.2/" + path + `"}` }
	e.want(204, "POST", "accounts("+id(101)+")/cr1_account_parcel/$ref", ref("cr1_parcels("+id(4)+")"))
	if got := e.names("accounts(" + id(101) + ")/cr1_account_parcel"); got != "Alpha delta" {
		t.Errorf("after POST: %q", got)
	}
	e.want(204, "PUT", "cr1_parcels("+id(5)+")/cr1_Owner_Account/$ref", ref("accounts("+id(101)+")"))
	has(t, e.want(200, "GET", "cr1_parcels("+id(5)+")", "").values(t), map[string]any{"_cr1_owner_account_value": id(101)})
	e.want(204, "DELETE", "accounts("+id(101)+")/cr1_account_parcel("+id(4)+")/$ref", "")
	e.want(204, "DELETE", "accounts("+id(101)+")/cr1_account_parcel/$ref?$id="+e.web.URL+"/api/data/v9.2/cr1_parcels("+id(1)+")", "")
	e.want(204, "DELETE", "cr1_parcels("+id(5)+")/cr1_Owner_Account/$ref", "")
	if got := e.names("accounts(" + id(101) + ")/cr1_account_parcel"); got != "" {
		t.Errorf("after DELETE: %q", got)
	}
	e.refused(404, "0x80040217", "Does Not Exist", "PUT", "cr1_parcels("+id(5)+")/cr1_Owner_Account/$ref", ref("accounts("+id(999)+")"))
}

func TestManyToMany(t *testing.T) {
	e := farm(t)
	e.want(204, "POST", "cr1_tags", `{"cr1_tagid":"`+id(301)+`","cr1_name":"wet"}`)
	link := `{"@odata.id":"` + e.web.URL + `/api/data/v9.2/cr1_tags(` + id(301) + `)"}`
	e.want(204, "POST", "cr1_parcels("+id(1)+")/cr1_parcel_tags/$ref", link)
	e.refused(412, "0x80040237", "", "POST", "cr1_parcels("+id(1)+")/cr1_parcel_tags/$ref", link)
	if got := e.names("cr1_parcels(" + id(1) + ")/cr1_parcel_tags"); got != "wet" {
		t.Errorf("tags %q", got)
	}
	if got := e.names("cr1_tags(" + id(301) + ")/cr1_parcel_tags"); got != "Alpha" {
		t.Errorf("parcels %q", got)
	}
	if got := e.names("cr1_parcels?$filter=" + q("cr1_parcel_tags/any(t:t/cr1_name eq 'wet')")); got != "Alpha" {
		t.Errorf("filtered %q", got)
	}
	e.want(204, "DELETE", "cr1_parcels("+id(1)+")/cr1_parcel_tags("+id(301)+")/$ref", "")
	if got := e.names("cr1_parcels(" + id(1) + ")/cr1_parcel_tags"); got != "" {
		t.Errorf("after delete %q", got)
	}
}

func TestDeepInsert(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A","primarycontactid":{"lastname":"Boss"},
		"cr1_account_parcel":[{"cr1_name":"p1"},{"cr1_name":"p2"}]}`)
	if got := e.names("accounts(" + id(1) + ")/cr1_account_parcel"); got != "p1 p2" {
		t.Errorf("children %q", got)
	}
	has(t, e.want(200, "GET", "accounts("+id(1)+")/primarycontactid", "").values(t), map[string]any{"fullname": "Boss"})
	e.want(400, "POST", "accounts", `{"name":"B","cr1_account_parcel":[{"cr1_name":"p3"},{"cr1_no":-5}]}`)
	if got := e.want(200, "GET", "accounts/$count", "").body; got != "1" {
		t.Errorf("%s accounts: a failed deep insert has to leave nothing", got)
	}
}

func TestDeletesCascadeAsTheRelationshipSays(t *testing.T) {
	e := farm(t)
	e.want(204, "PATCH", "cr1_parcels("+id(2)+")", `{"cr1_Parent@odata.bind":"/cr1_parcels(`+id(1)+`)"}`)
	e.refused(405, "0x80040227", "", "DELETE", "cr1_parcels("+id(1)+")", "")
	e.want(204, "DELETE", "accounts("+id(101)+")", "") // RemoveLink
	has(t, e.want(200, "GET", "cr1_parcels("+id(1)+")", "").values(t), map[string]any{"_cr1_owner_account_value": nil})
}

func TestOwnersAreUsersOrTeams(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "teams", `{"teamid":"`+id(1)+`","name":"Loaders","businessunitid@odata.bind":"/businessunits(b05e5500-0000-4000-8000-00000000c0de)"}`)
	e.want(204, "POST", "contacts", `{"contactid":"`+id(2)+`","lastname":"a","ownerid@odata.bind":"/teams(`+id(1)+`)"}`)
	v := e.want(200, "GET", "contacts("+id(2)+")", "", `Prefer: odata.include-annotations="*"`).values(t)
	has(t, v, map[string]any{"_ownerid_value": id(1), "_owningteam_value": id(1), "_owninguser_value": nil,
		"_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "team", "_ownerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "ownerid"})
	e.want(200, "GET", "teams(ownerid="+id(1)+")", "")
}
