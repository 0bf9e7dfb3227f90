package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schemaFile = "../../infra/penstock.schema.json"

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s is not JSON: %v", schemaFile, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("penstock.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("penstock.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON shows a YAML document as an editor's schema validator sees it.
func asJSON(t *testing.T, doc string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(doc), &value); err != nil {
		t.Fatalf("sample is not YAML: %v", err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	inst, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

func TestSchemaAndParseAgree(t *testing.T) {
	schema := compileSchema(t)
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			_, parse := Parse([]byte(s.doc), "penstock.yaml")
			if got := parse == nil; got != s.good {
				t.Errorf("Parse accepts: %v, want %v (%v)\n%s", got, s.good, parse, s.doc)
			}
			check := schema.Validate(asJSON(t, s.doc))
			if got := check == nil; got != s.good {
				t.Errorf("the schema accepts: %v, want %v (%v)\n%s", got, s.good, check, s.doc)
			}
		})
	}
}

// definitions are the schema's sections and their fields.
func definitions(t *testing.T) map[string]map[string]string {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for def, section := range schema.Defs {
		all[def] = map[string]string{}
		for name, p := range section.Properties {
			all[def][name] = p.Description
		}
	}
	return all
}

// TestSchemaTeaches keeps a description at every field that an editor offers,
// and the fields those that Parse knows: what it says of a field unlike all others.
func TestSchemaTeaches(t *testing.T) {
	stranger := "{qwertzuiopasdf: 1}"
	for def, doc := range map[string]string{
		"connection":  "connections: {a: " + stranger + "}\n",
		"destination": "destinations: {a: " + stranger + "}\n",
		"options":     withDestination("mode: append, options: " + stranger),
		"mapped":      withColumns("      A: " + stranger + "\n"),
	} {
		_, err := Parse([]byte(doc), "penstock.yaml")
		_, list, found := strings.Cut(fmt.Sprint(err), "(known are ")
		list, _, _ = strings.Cut(list, ")")
		if !found {
			t.Fatalf("%s: Parse does not list its fields: %v", def, err)
		}
		known := slices.DeleteFunc(strings.Split(list, ", "), func(name string) bool { return name == "segment" }) // refused by both
		fields := definitions(t)[def]
		if diff := cmp.Diff(slices.Sorted(slices.Values(known)), slices.Sorted(maps.Keys(fields))); diff != "" {
			t.Errorf("%s: the schema has other fields than Parse:\n%s", def, diff)
		}
		for name, description := range fields {
			if description == "" {
				t.Errorf("%s.%s has no description", def, name)
			}
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	schema := compileSchema(t)
	for _, file := range files {
		if _, err := Load(file); err != nil {
			t.Error(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, string(data))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
