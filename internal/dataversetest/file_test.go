package dataversetest_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
)

// A database file goes on where it was left, and any SQLite tool can read and check it.
func TestDatabaseFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "org 1.db")
	first, err := dataversetest.New(dataversetest.Options{File: file, Traffic: traffic.Options{Limits: &traffic.Limits{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	e := start(t, dataversetest.Options{File: file})
	e.want(204, "PATCH", "cr1_parcels(cr1_no=42)", `{"cr1_name":"North","cr1_areaha":12.5}`)
	e.want(204, "POST", "accounts", `{"accountid":"`+id(1)+`","name":"A","cr1_account_parcel":[{"cr1_name":"South"}]}`)
	version := e.want(200, "GET", "cr1_parcels(cr1_no=42)", "").values(t)["versionnumber"]

	plain, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var name, check string
	if err := plain.QueryRow(`SELECT cr1_name FROM cr1_parcel WHERE cr1_no = 42`).Scan(&name); err != nil || name != "North" {
		t.Errorf("%q %v", name, err)
	}
	if err := plain.QueryRow(`PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
		t.Errorf("%q %v", check, err)
	}
	plain.Close()

	again := start(t, dataversetest.Options{File: file})
	has(t, again.want(200, "GET", "cr1_parcels(cr1_no=42)", "").values(t), map[string]any{"cr1_name": "North", "versionnumber": version})
	again.want(412, "POST", "cr1_parcels", `{"cr1_no":42}`)
	again.want(204, "DELETE", "accounts("+id(1)+")", "")
	has(t, again.want(200, "GET", "cr1_parcels?$filter="+q("cr1_name eq 'South'"), "").list(t)[0], map[string]any{"_cr1_owner_account_value": nil})
}
