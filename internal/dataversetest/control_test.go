package dataversetest_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

func (e *env) tokenWith(secret string) answer {
	e.t.Helper()
	form := url.Values{"client_id": {dataversetest.DefaultUser.ClientID}, "client_secret": {secret}, "grant_type": {"client_credentials"}, "scope": {e.web.URL + "/.default"}}
	return e.send("POST", e.web.URL+"/7e9a0700-0000-4000-8000-00000000c0de/oauth2/v2.0/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
}

func TestSecretsRotateWhileItRuns(t *testing.T) {
	e := start(t, dataversetest.Options{})
	control := e.web.URL + "/_emulator/"
	old := dataversetest.DefaultUser.Secrets[0]
	e.want(204, "POST", control+"secrets", `{"client_id":"`+dataversetest.DefaultUser.ClientID+`","add":"second"}`)
	if a, b := e.tokenWith(old), e.tokenWith("second"); a.status != 200 || b.status != 200 {
		t.Fatalf("both secrets: %d and %d", a.status, b.status)
	}
	e.want(204, "POST", control+"secrets", `{"client_id":"`+dataversetest.DefaultUser.ClientID+`","revoke":"`+old+`"}`)
	if a := e.tokenWith(old); a.status != 401 || !strings.Contains(a.body, "AADSTS7000215") {
		t.Errorf("revoked secret: %d %s", a.status, a.body)
	}
	e.want(204, "POST", control+"secrets", `{"client_id":"`+dataversetest.DefaultUser.ClientID+`","add":"third","expires":"2001-01-01T00:00:00Z"}`)
	if a := e.tokenWith("third"); !strings.Contains(a.body, "AADSTS7000222") {
		t.Errorf("expired secret: %s", a.body)
	}
	e.want(204, "POST", control+"tokens", `{"lifetime":"90s"}`)
	has(t, e.tokenWith("second").values(t), map[string]any{"expires_in": 90})
	for path, body := range map[string]string{"secrets": `{"client_id":"nobody","add":"x"}`, "tokens": `{"lifetime":"0s"}`, "duplicates": `[{"table":"nothing"}]`, "snapshot?name=../x": ``} {
		method := "POST"
		if path == "duplicates" {
			method = "PUT"
		}
		e.want(400, method, control+path, body)
	}
	if got := e.want(200, "GET", control+"users", "").body; !strings.Contains(got, dataversetest.DefaultUser.ClientID) || strings.Contains(got, "second") {
		t.Errorf("users %s", got)
	}
	if got := e.want(200, "GET", control, "").body; !strings.Contains(got, "/_emulator/secrets") || !strings.Contains(got, "/_emulator/faults") {
		t.Errorf("guide %s", got)
	}
}

func TestSnapshots(t *testing.T) {
	for name, o := range map[string]dataversetest.Options{"in memory": {}, "in files": {File: filepath.Join(t.TempDir(), "a.db"), SnapshotDir: filepath.Join(t.TempDir(), "kept")}} {
		t.Run(name, func(t *testing.T) {
			e := start(t, o)
			control := e.web.URL + "/_emulator/"
			e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A","accountnumber":"1"}`)
			e.want(204, "POST", "EntityDefinitions", `{"@odata.type":"Microsoft.Dynamics.CRM.EntityMetadata","SchemaName":"new_Crop","DisplayName":`+label("Crop")+`,"OwnershipType":"UserOwned","Attributes":[`+stringColumn("new_Name", true)+`]}`)
			e.want(204, "POST", "new_crops", `{"new_name":"Wheat"}`)
			e.want(204, "POST", control+"snapshot?name=before", "")
			version := e.want(200, "GET", "accounts("+id(1)+")", "").values(t)["versionnumber"]

			e.want(204, "PATCH", "accounts("+id(1)+")", `{"name":"B"}`)
			e.want(204, "POST", "accounts", `{"accountid":"`+id(2)+`","name":"C","accountnumber":"2"}`)
			e.want(204, "DELETE", "EntityDefinitions(LogicalName='new_crop')", "")
			e.want(204, "POST", control+"restore?name=before", "")
			has(t, e.want(200, "GET", "accounts("+id(1)+")", "").values(t), map[string]any{"name": "A", "versionnumber": version})
			e.want(404, "GET", "accounts("+id(2)+")", "")
			has(t, e.want(200, "GET", "new_crops", "").list(t)[0], map[string]any{"new_name": "Wheat"})
			e.want(412, "POST", "accounts", `{"name":"D","accountnumber":"1"}`) // keys hold again
			e.want(204, "POST", "new_crops", `{"new_name":"Rye"}`)
			e.want(404, "POST", control+"restore?name=never", "")
		})
	}
}

func TestPagesOfBrowsersAreKeptOut(t *testing.T) {
	e := start(t, dataversetest.Options{})
	for _, c := range []struct {
		method, host, header, value string
		status                      int
	}{
		{"POST", "", "Origin", "https://evil.example", 403},
		{"POST", "", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "", "Sec-Fetch-Site", "same-origin", 204},
		{"POST", "", "", "", 204},
		{"GET", "evil.example", "", "", 403}, // a name that its owner makes lead here
		{"GET", "localhost:80", "", "", 200},
		{"GET", "dataverse:8443", "", "", 200},
	} {
		path := "stats"
		if c.method == "POST" {
			path = "reset?keep=data"
		}
		req, err := http.NewRequest(c.method, e.web.URL+"/_emulator/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		resp, err := e.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%+v: %d", c, resp.StatusCode)
		}
	}
}

func TestSeed(t *testing.T) {
	e := start(t, dataversetest.Options{})
	csv := "\ufeffcontactid,lastname,emailaddress1,gendercode,donotemail,birthdate,parentcustomerid_account@odata.bind\n" +
		id(1) + ",\"Roe, Jo\",a@x.org,Female,true,1980-01-02,/accounts(accountnumber='A1')\n" +
		id(2) + ",Poe,,1,,,\n"
	json := `{"account":[{"accountid":"` + id(50) + `","name":"A","accountnumber":"A1"}],"cr1_parcel":[{"cr1_name":"p","cr1_Owner_Account@odata.bind":"/accounts(` + id(50) + `)"}]}`
	for _, f := range []struct{ name, text string }{{"rows.json", json}, {"contact.csv", csv}, {"contact.csv", csv}} { // twice: ids that are there are updated
		if err := e.server.Seed(f.name, strings.NewReader(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	has(t, e.want(200, "GET", "contacts("+id(1)+")", "").values(t), map[string]any{"lastname": "Roe, Jo", "gendercode": 2, "donotemail": true, "birthdate": "1980-01-02", "_parentcustomerid_value": id(50)})
	if rows := e.want(200, "GET", "contacts", "").list(t); len(rows) != 2 {
		t.Errorf("%d contacts", len(rows))
	}
	for name, text := range map[string]string{
		"nothing.csv": "a\n1\n", "contact.csv": "nope\n1\n", "x.json": `{"nothing":[]}`, "y.json": `{"contact":{}}`,
		"account.csv": "name,numberofemployees\nx,many\n", "contact2.csv": "",
	} {
		if err := e.server.Seed(name, strings.NewReader(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	err := e.server.Seed("account.csv", strings.NewReader("name,revenue\na,1\nb,-1e\n"))
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
}

func TestUsersAndRolesAsText(t *testing.T) {
	loader, err := dataversetest.ParseRole("Loader=prvCreateContact, prvRead*")
	if err != nil {
		t.Fatal(err)
	}
	u, err := dataversetest.ParseUser("client_id="+id(1)+",secret=s,name=L,role=loader", []dataversetest.Role{loader})
	if err != nil || len(u.Roles) != 1 || u.Secrets[0] != "s" {
		t.Fatalf("%+v %v", u, err)
	}
	e := start(t, dataversetest.Options{Users: []dataversetest.User{dataversetest.DefaultUser, u}})
	e.signIn(id(1))
	e.want(204, "POST", "contacts", `{"lastname":"a"}`)
	e.want(200, "GET", "accounts", "")
	e.want(403, "POST", "accounts", `{"name":"a"}`)
	for _, text := range []string{"", "client_id=", "secret=s", "client_id=a,role=nobody", "client_id=a,shoes=2", "client_id=a,certificate=/none.pem", "client_id=a,late"} {
		if _, err := dataversetest.ParseUser(text, nil); err == nil {
			t.Errorf("user %q was taken", text)
		}
	}
	for _, text := range []string{"x", "=prvRead", "x=read"} {
		if _, err := dataversetest.ParseRole(text); err == nil {
			t.Errorf("role %q was taken", text)
		}
	}
	if u, _ = dataversetest.ParseUser("client_id=a,role=none", nil); len(u.Roles) != 0 {
		t.Errorf("roles %v", u.Roles)
	}
}
