package near

import "testing"

func TestName(t *testing.T) {
	known := []string{"columns", "connection", "key", "mode", "emailaddress1", "account", "contact", "cr1_parcel"}
	for name, want := range map[string]string{
		"colums": "columns", "Columns": "columns", "conection": "connection", "kye": "key", "mdoe": "mode", "emailadress": "emailaddress1",
		"contacts": "contact", "acount": "account", "cr1_parsel": "cr1_parcel", "table": "", "k": "", "": "", "completely": "", "lead": "",
	} {
		if got := Name(name, known); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}
