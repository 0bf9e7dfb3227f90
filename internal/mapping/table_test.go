package mapping

import (
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

// contact is a table with a column of every type.
func contact() *dataverse.Table {
	column := func(name string, kind dataverse.Type, more func(*dataverse.Column)) dataverse.Column {
		c := dataverse.Column{Name: name, Type: kind, ForCreate: true, ForUpdate: true}
		if more != nil {
			more(&c)
		}
		return c
	}
	length := func(n int) func(*dataverse.Column) { return func(c *dataverse.Column) { c.MaxLength = n } }
	precision := func(n int) func(*dataverse.Column) { return func(c *dataverse.Column) { c.Precision = n } }
	options := func(o ...dataverse.Option) func(*dataverse.Column) {
		return func(c *dataverse.Column) { c.Options = o }
	}
	targets := func(t ...dataverse.Target) func(*dataverse.Column) {
		return func(c *dataverse.Column) { c.Targets = t }
	}
	account := dataverse.Target{Table: "account", Set: "accounts", Navigation: "parentcustomerid_account"}
	return &dataverse.Table{
		Name: "contact", Set: "contacts", PrimaryID: "contactid", PrimaryName: "fullname", Type: "Standard",
		Columns: []dataverse.Column{
			column("contactid", dataverse.Uniqueidentifier, func(c *dataverse.Column) { c.ForUpdate = false }),
			column("firstname", dataverse.String, length(50)),
			column("lastname", dataverse.String, length(50)),
			column("emailaddress1", dataverse.String, length(100)),
			column("description", dataverse.Memo, length(2000)),
			column("numberofchildren", dataverse.Integer, func(c *dataverse.Column) { c.Min, c.Max = "0", "1000000000" }),
			column("new_big", dataverse.BigInt, nil),
			column("new_score", dataverse.Decimal, precision(2)),
			column("new_ratio", dataverse.Double, precision(5)),
			column("creditlimit", dataverse.Money, func(c *dataverse.Column) { c.Min, c.Max, c.Precision = "0", "100000000000000", 2 }),
			column("donotemail", dataverse.Boolean, options(dataverse.Option{Value: 0, Label: "Allow"}, dataverse.Option{Value: 1, Label: "Do Not Allow"})),
			column("new_odd", dataverse.Boolean, options(dataverse.Option{Value: 0, Label: "Yes"}, dataverse.Option{Value: 1, Label: "Never"})),
			column("birthdate", dataverse.DateTime, func(c *dataverse.Column) { c.DateOnly = true }),
			column("lastonholdtime", dataverse.DateTime, nil),
			column("gendercode", dataverse.Picklist, options(dataverse.Option{Value: 1, Label: "Male"}, dataverse.Option{Value: 2, Label: "Female"})),
			column("new_tier", dataverse.Picklist, options(
				dataverse.Option{Value: 100000000, Label: "Gold"}, dataverse.Option{Value: 100000001, Label: "Gold "},
				dataverse.Option{Value: 100000002, Label: "Österreich"}, dataverse.Option{Value: -1, Label: "2024"})),
			column("new_topics", dataverse.MultiSelect, options(
				dataverse.Option{Value: 1, Label: "Wine"}, dataverse.Option{Value: 2, Label: "Food, drink"}, dataverse.Option{Value: 3, Label: "Travel"})),
			column("new_external", dataverse.Uniqueidentifier, nil),
			column("preferredsystemuserid", dataverse.Lookup, targets(dataverse.Target{Table: "systemuser", Set: "systemusers", Navigation: "preferredsystemuserid"})),
			column("parentcustomerid", dataverse.Customer, targets(account, dataverse.Target{Table: "contact", Set: "contacts", Navigation: "parentcustomerid_contact"})),
			column("ownerid", dataverse.Owner, targets(dataverse.Target{Table: "systemuser", Set: "systemusers", Navigation: "ownerid"}, dataverse.Target{Table: "team", Set: "teams", Navigation: "ownerid"})),
			column("statecode", dataverse.State, options(dataverse.Option{Value: 0, Label: "Active"})),
			column("statuscode", dataverse.Status, options(dataverse.Option{Value: 1, Label: "Active"})),
			column("entityimage", "Image", nil),
			column("fullname", dataverse.String, func(c *dataverse.Column) { c.Derived, c.ForCreate, c.ForUpdate = true, false, false }),
			column("createdon", dataverse.DateTime, func(c *dataverse.Column) { c.ForCreate, c.ForUpdate = false, false }),
			column("new_once", dataverse.String, func(c *dataverse.Column) { c.ForUpdate = false }),
			column("new_later", dataverse.String, func(c *dataverse.Column) { c.ForCreate = false }),
			column("new_no", dataverse.Integer, nil),
		},
		Keys: []dataverse.Key{
			{Name: "email", Columns: []string{"emailaddress1"}, Status: "Active"},
			{Name: "pair", Columns: []string{"lastname", "new_no"}, Status: "Active"},
			{Name: "company", Columns: []string{"preferredsystemuserid", "birthdate"}, Status: "Active"},
			{Name: "late", Columns: []string{"new_no"}, Status: "Pending"},
		},
	}
}

func upsert(key ...string) *config.Destination {
	return &config.Destination{Name: "d", Connection: "c", Table: "contact", Mode: config.Upsert, Key: key, Values: config.Values{Nulls: config.SkipNulls}}
}

func appendTo() *config.Destination {
	return &config.Destination{Name: "d", Connection: "c", Table: "contact", Mode: config.Append, Values: config.Values{Nulls: config.SkipNulls}}
}

func compile(t testing.TB, dest *config.Destination, columns ...string) *Mapping {
	t.Helper()
	m, err := Compile(dest, contact(), columns, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// csvRow is a row of text cells, as CSV has them.
func csvRow(cells ...string) *row.Row {
	r := &row.Row{Number: 7, Line: 9}
	for _, c := range cells {
		r.Cells = append(r.Cells, row.Cell{Kind: row.Text, Text: []byte(c)})
	}
	return r
}

// jsonRow is a row of cells as JSON has them; "-" is a column that the row lacks.
func jsonRow(cells ...string) *row.Row {
	r := &row.Row{Number: 7, Line: 9}
	for _, c := range cells {
		cell := row.Cell{Kind: row.Number, Text: []byte(c)}
		switch {
		case c == "-":
			cell = row.Cell{}
		case c == "null":
			cell = row.Cell{Kind: row.Null}
		case c == "true" || c == "false":
			cell.Kind = row.Bool
		case strings.HasPrefix(c, `"`):
			cell = row.Cell{Kind: row.Text, Text: []byte(strings.Trim(c, `"`))}
		case strings.HasPrefix(c, "{") || strings.HasPrefix(c, "["):
			cell.Kind = row.Nested
		}
		r.Cells = append(r.Cells, cell)
	}
	return r
}
