package dataverse_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/dataverse"
	"penstock/internal/dataversetest"
)

// Every verb on a standard table, by bulk actions (v9.2) and without them (v8.2).
func TestEmulatorVerbs(t *testing.T) {
	for _, version := range []string{"v9.2", "v8.2"} {
		t.Run(version, func(t *testing.T) {
			user := dataversetest.DefaultUser
			c := open(t, emulator(t, dataversetest.Options{}), user.ClientID, user.Secrets[0], func(o *dataverse.Options) { o.APIVersion = version })
			table, err := c.Table(t.Context(), "contact")
			if err != nil {
				t.Fatal(err)
			}
			w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			set := json.RawMessage(`{"firstname":"F"}`)
			tooLong := json.RawMessage(`{"firstname":"` + strings.Repeat("x", 5000) + `"}`)
			write := func(want []dataverse.Result, ops ...dataverse.Operation) []dataverse.Outcome {
				t.Helper()
				out, err := w.Write(t.Context(), ops)
				if err != nil {
					t.Fatal(err)
				}
				got := make([]dataverse.Result, len(out))
				for i, o := range out {
					got[i] = o.Result
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff, out)
				}
				return out
			}
			type op = dataverse.Operation
			write([]dataverse.Result{dataverse.Created, dataverse.Created, dataverse.Upserted, dataverse.Created, dataverse.Rejected, dataverse.Created},
				op{Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"lastname":"L","emailaddress1":"a@x.org"}`)},
				op{Do: dataverse.Create, ID: id(2), Set: json.RawMessage(`{"lastname":"L","emailaddress1":"b@x.org"}`)},
				op{Do: dataverse.Upsert, Key: key("o'c@x.org"), New: id(3), Set: set},
				op{Do: dataverse.Upsert, Key: key("d+d@x.org"), New: id(4), Set: set},
				op{Do: dataverse.Create, ID: id(5), Set: tooLong},
				op{Do: dataverse.Create, ID: id(1), Set: set}, // as an earlier attempt did
			)
			out := write([]dataverse.Result{dataverse.Updated, dataverse.Rejected, dataverse.Updated, dataverse.Rejected, dataverse.Updated, dataverse.Rejected},
				op{Do: dataverse.Update, ID: id(1), Set: set}, op{Do: dataverse.Update, ID: id(77), Set: set},
				op{Do: dataverse.Update, Key: key("B@x.org"), Set: set}, op{Do: dataverse.Update, Key: key("nobody@x.org"), Set: set},
				op{Do: dataverse.Update, Key: key("D+d@x.org"), Set: set}, op{Do: dataverse.Update, Key: key("o'c@x.org"), Set: tooLong},
			)
			if out[1].Code != "not_found" || out[3].Code != "not_found" || out[5].Code != "0x80044331" {
				t.Errorf("%+v", out)
			}
			write([]dataverse.Result{dataverse.Deleted, dataverse.Unchanged, dataverse.Deleted, dataverse.Deleted, dataverse.Unchanged, dataverse.Deleted},
				op{Do: dataverse.Delete, ID: id(1)}, op{Do: dataverse.Delete, ID: id(77)}, op{Do: dataverse.Delete, Key: key("b@x.org")},
				op{Do: dataverse.Delete, Key: key("d+d@x.org")}, op{Do: dataverse.Delete, Key: key("nobody@x.org")}, op{Do: dataverse.Delete, Key: key("x+y@x.org"), Again: true},
			)
			if names := readNames(t, c); len(names) != 1 {
				t.Errorf("left %v", names)
			}
		})
	}
}

// A record that others hold on to cannot be deleted: 405, and a reject.
func TestEmulatorRestrictsDeletes(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "cr1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), []dataverse.Operation{{Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"cr1_name":"A"}`)}}); err != nil {
		t.Fatal(err)
	}
	bind := json.RawMessage(fmt.Sprintf(`{"cr1_name":"B","%s@odata.bind":"/cr1_parcels(%s)"}`, table.Column("cr1_parent").Targets[0].Navigation, id(1)))
	if _, err := w.Write(t.Context(), []dataverse.Operation{{Do: dataverse.Create, ID: id(2), Set: bind}}); err != nil {
		t.Fatal(err)
	}
	out, err := w.Write(t.Context(), []dataverse.Operation{{Do: dataverse.Delete, ID: id(1)}, {Do: dataverse.Delete, ID: id(2)}, {Do: dataverse.Delete, ID: id(3)}})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Result != dataverse.Rejected || out[0].Code != "0x80040227" || out[1].Result != dataverse.Deleted || out[2].Result != dataverse.Unchanged {
		t.Errorf("%+v", out)
	}
}

func TestEmulatorLinks(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "cr1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := c.Table(t.Context(), "cr1_tag")
	if err != nil {
		t.Fatal(err)
	}
	many, err := c.Collections(t.Context(), "cr1_parcel")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]dataverse.Collection{{Navigation: "cr1_parcel_tags", Table: "cr1_tag", Set: tags.Set}}, many); diff != "" {
		t.Error(diff)
	}
	write := func(table *dataverse.Table, ops ...dataverse.Operation) []dataverse.Result {
		t.Helper()
		w, err := c.NewWriter(t.Context(), table, dataverse.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		var got []dataverse.Result
		for _, o := range out {
			got = append(got, o.Result)
		}
		return got
	}
	write(tags, dataverse.Operation{Do: dataverse.Create, ID: id(11), Set: json.RawMessage(`{"cr1_name":"wet"}`)},
		dataverse.Operation{Do: dataverse.Create, ID: id(12), Set: json.RawMessage(`{"cr1_name":"dry"}`)})
	write(table, dataverse.Operation{Do: dataverse.Create, ID: id(1), Set: json.RawMessage(`{"cr1_name":"A","cr1_no":7}`)})
	dry, ok := tags.Reference([]dataverse.KeyPart{{Column: "cr1_name", Value: json.RawMessage(`"dry"`)}})
	if !ok {
		t.Fatal("no reference")
	}
	link := func(do dataverse.Verb, to string) dataverse.Operation {
		return dataverse.Operation{Do: do, ID: id(1), Link: &dataverse.Link{Navigation: many[0].Navigation, To: to}}
	}
	wet, none := tags.Set+"("+id(11)+")", tags.Set+"("+id(99)+")"
	byKey := link(dataverse.Associate, wet)
	byKey.ID, byKey.Key = "", []dataverse.KeyPart{{Column: "cr1_no", Value: json.RawMessage(`7`)}}
	got := write(table, link(dataverse.Associate, wet), link(dataverse.Associate, dry), byKey, link(dataverse.Associate, none))
	if diff := cmp.Diff([]dataverse.Result{dataverse.Updated, dataverse.Updated, dataverse.Unchanged, dataverse.Rejected}, got); diff != "" {
		t.Error(diff)
	}
	count := func() (n int) {
		for _, err := range c.Rows(t.Context(), table.Set+"("+id(1)+")/"+many[0].Navigation+"?$select=cr1_name", 0) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := count(); n != 2 {
		t.Errorf("%d tags", n)
	}
	got = write(table, link(dataverse.Disassociate, wet), link(dataverse.Disassociate, dry), link(dataverse.Disassociate, none))
	if diff := cmp.Diff([]dataverse.Result{dataverse.Updated, dataverse.Updated, dataverse.Unchanged}, got); diff != "" {
		t.Error(diff)
	}
	if n := count(); n != 0 {
		t.Errorf("%d tags left", n)
	}
}

func TestEmulatorElastic(t *testing.T) {
	c := openDefault(t)
	table, err := c.Table(t.Context(), "cr1_reading")
	if err != nil {
		t.Fatal(err)
	}
	write := func(opts dataverse.WriteOptions, want []dataverse.Result, ops ...dataverse.Operation) []dataverse.Outcome {
		t.Helper()
		w, err := c.NewWriter(t.Context(), table, opts)
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Write(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		var got []dataverse.Result
		for _, o := range out {
			got = append(got, o.Result)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff, out)
		}
		return out
	}
	type op = dataverse.Operation
	set := func(text string) json.RawMessage { return json.RawMessage(text) }
	full := set(`{"cr1_sensor":"A","cr1_value":1.5}`)
	write(dataverse.WriteOptions{}, []dataverse.Result{dataverse.Created, dataverse.Created, dataverse.Created, dataverse.Rejected},
		op{Do: dataverse.Create, ID: id(1), Partition: "p'1", Set: full}, op{Do: dataverse.Create, ID: id(1), Partition: "p2", Set: full},
		op{Do: dataverse.Create, ID: id(3), Set: full}, op{Do: dataverse.Create, ID: id(4), Set: set(`{"cr1_sensor":"A","cr1_value":5000}`)})
	out := write(dataverse.WriteOptions{}, []dataverse.Result{dataverse.Updated, dataverse.Updated, dataverse.Created, dataverse.Updated, dataverse.Rejected},
		op{Do: dataverse.Upsert, ID: id(1), Partition: "p'1", Set: set(`{"cr1_value":2}`)}, op{Do: dataverse.Upsert, ID: id(3), Set: set(`{"cr1_value":2}`)},
		op{Do: dataverse.Upsert, ID: id(3), Partition: "p3", Set: full}, op{Do: dataverse.Update, ID: id(1), Partition: "p2", Set: set(`{"cr1_value":3}`)},
		op{Do: dataverse.Update, ID: id(1), Partition: "p9", Set: set(`{"cr1_value":3}`)})
	if out[4].Code != "not_found" {
		t.Errorf("%+v", out[4])
	}
	read := func() map[string]string {
		t.Helper()
		rows := map[string]string{}
		for row, err := range c.Rows(t.Context(), table.Set+"?$select=partitionid,cr1_sensor,cr1_value", 0) {
			if err != nil {
				t.Fatal(err)
			}
			var in struct {
				Partition string       `json:"partitionid"`
				Sensor    *string      `json:"cr1_sensor"`
				Value     *json.Number `json:"cr1_value"`
			}
			if err := json.Unmarshal(row, &in); err != nil {
				t.Fatal(err)
			}
			text := "-"
			if in.Sensor != nil {
				text = *in.Sensor
			}
			if in.Value != nil {
				text += in.Value.String()
			}
			rows[in.Partition] = text
		}
		return rows
	}
	// An update keeps what it does not name.
	for partition, value := range map[string]string{"p'1": "A2", id(3): "A2", "p3": "A1.5", "p2": "A3"} {
		if got := read()[partition]; !strings.HasPrefix(got, value) {
			t.Errorf("%s: %s, want %s", partition, got, value)
		}
	}
	write(dataverse.WriteOptions{Replace: true}, []dataverse.Result{dataverse.Upserted}, op{Do: dataverse.Upsert, ID: id(1), Partition: "p2", Set: set(`{"cr1_sensor":"B"}`)})
	if got := read()["p2"]; got != "B" {
		t.Errorf("replaced: %s", got)
	}
	write(dataverse.WriteOptions{}, []dataverse.Result{dataverse.Deleted, dataverse.Unchanged, dataverse.Deleted, dataverse.Deleted},
		op{Do: dataverse.Delete, ID: id(1), Partition: "p'1"}, op{Do: dataverse.Delete, ID: id(77), Partition: "p2"},
		op{Do: dataverse.Delete, ID: id(3)}, op{Do: dataverse.Delete, ID: id(99), Again: true})
	if rows := read(); len(rows) != 2 {
		t.Errorf("left %v", rows)
	}
}
