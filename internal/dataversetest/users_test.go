package dataversetest_test

import (
	"net/url"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

func TestTokensOpenTheDoor(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.token = ""
	a := e.want(401, "GET", "WhoAmI", "")
	if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer authorization_uri="+e.web.URL+"/") ||
		!strings.Contains(got, "/oauth2/authorize, resource_id="+e.web.URL+"/") {
		t.Errorf("challenge %q", got)
	}
	e.token = "nonsense"
	e.want(401, "GET", "WhoAmI", "")
	form := url.Values{"client_id": {dataversetest.DefaultUser.ClientID}, "client_secret": {dataversetest.DefaultUser.Secrets[0]},
		"grant_type": {"client_credentials"}, "scope": {e.web.URL + "/.default openid"}}
	got := e.want(200, "POST", e.web.URL+"/7e9a0700-0000-4000-8000-00000000c0de/oauth2/v2.0/token", form.Encode(),
		"Content-Type: application/x-www-form-urlencoded").values(t)
	e.token = got["access_token"].(string)
	who := e.want(200, "GET", "WhoAmI", "").values(t)
	if who["UserId"] == nil || who["BusinessUnitId"] == nil || !strings.HasSuffix(who["@odata.context"].(string), "/api/data/v9.2/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse") {
		t.Errorf("got %v", who)
	}
	e.want(200, "GET", "systemusers("+who["UserId"].(string)+")", "")
}

func TestRolesAndPrivileges(t *testing.T) {
	user := func(id string, roles ...dataversetest.Role) dataversetest.User {
		return dataversetest.User{ClientID: id, Secrets: []string{"s"}, Roles: roles}
	}
	outsider := user(id(1))
	outsider.Outsider = true
	disabled := user(id(2), dataversetest.SystemAdministrator)
	disabled.Disabled = true
	loader := dataversetest.Role{Name: "Loader", Privileges: []string{"prvCreateContact", "prvReadContact", "prvAppendContact"}}
	e := start(t, dataversetest.Options{Users: []dataversetest.User{dataversetest.DefaultUser, outsider, disabled, user(id(3)), user(id(4), loader)}})
	e.want(204, "POST", "accounts", `{"accountid":"`+id(50)+`","name":"A"}`)

	e.signIn(id(1))
	e.refused(403, "0x80072560", "The user is not a member of the organization.", "GET", "WhoAmI", "")
	e.signIn(id(2))
	e.refused(403, "0x80040225", "disabled", "GET", "WhoAmI", "")
	e.signIn(id(3))
	e.refused(403, "0x80042f09", "roles", "GET", "WhoAmI", "")
	e.signIn(id(4))
	e.want(204, "POST", "contacts", `{"contactid":"`+id(60)+`","lastname":"a"}`)
	e.want(200, "GET", "contacts", "")
	for _, c := range []struct{ method, path, body, privilege string }{
		{"POST", "accounts", `{"name":"x"}`, "prvCreateAccount"},
		{"GET", "accounts", "", "prvReadAccount"},
		{"PATCH", "contacts(" + id(60) + ")", `{"firstname":"b"}`, "prvWriteContact"},
		{"DELETE", "contacts(" + id(60) + ")", "", "prvDeleteContact"},
		{"POST", "contacts", `{"lastname":"x","parentcustomerid_account@odata.bind":"/accounts(` + id(50) + `)"}`, "prvAppendToAccount"},
		{"POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", `{"Targets":[]}`, "prvCreateAccount"},
		{"POST", "contacts/Microsoft.Dynamics.CRM.UpsertMultiple",
			`{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.contact","contactid":"` + id(60) + `","lastname":"x"}]}`, "prvWriteContact"},
	} {
		e.refused(403, "0x80040220", "is missing "+c.privilege+" privilege (Id=", c.method, c.path, c.body)
	}
	e.refused(403, "0x80040220", "prvBypassCustomPlugins", "GET", "contacts", "", "MSCRM.BypassCustomPluginExecution: true")
	who := e.want(200, "GET", "WhoAmI", "").values(t)
	body := e.want(200, "GET", "systemusers("+who["UserId"].(string)+")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()", "").body
	if !strings.Contains(body, `"PrivilegeName":"prvCreateContact"`) || strings.Contains(body, "prvCreateAccount") || !strings.Contains(body, `{"Depth":"Global","PrivilegeId":"`) {
		t.Errorf("privileges %s", body)
	}
}

func TestImpersonation(t *testing.T) {
	other := dataversetest.User{ClientID: id(9), ID: id(99), Roles: []dataversetest.Role{dataversetest.SystemAdministrator}}
	e := start(t, dataversetest.Options{Users: []dataversetest.User{dataversetest.DefaultUser, other}})
	has(t, e.want(200, "GET", "WhoAmI", "", "MSCRMCallerID: "+id(99)).values(t), map[string]any{"UserId": id(99)})
	e.refused(400, "0x80048d1a", "", "GET", "WhoAmI", "", "MSCRMCallerID: "+id(98))
}
