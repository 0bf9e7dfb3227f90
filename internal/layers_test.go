// Package internal_test keeps the direction of imports (docs/architecture.md).
package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers are our packages from the lowest to the highest. A package imports
// only from layers below its own: neighbours do not know each other. A name
// that ends in /… stands for the packages below it too.
var layers = [][]string{
	{"internal/fault", "internal/row", "internal/near", "internal/heap", "internal/cloud", "internal/asl", "internal/dataversetest/…", "internal/local/bucket", "infra", "examples"},
	{"internal/config", "internal/dataverse", "internal/store", "internal/secret",
		"internal/delivery/charset", "internal/delivery/unpack", "internal/delivery/parquet", "internal/delivery/xlsx"},
	{"internal/delivery", "internal/mapping", "internal/report", "internal/snapshot", "internal/store/storetest"},
	{"internal/run"},
	{"internal/local", "functions/internal/edge"},
	{"cmd/penstock", "functions/receive", "functions/prepare", "functions/turn", "functions/survey", "functions/apply", "functions/finish", "bench/…"},
}

// alone import nothing of ours outside themselves.
var alone = []string{"internal/asl", "internal/dataversetest", "internal/local/bucket"}

// families may import one another within themselves.
var families = []string{"internal/dataversetest", "bench"}

// reserved says who may import what; tests may import anything.
var reserved = map[string][]string{
	"github.com/aws/aws-lambda-go":                        {"functions/internal/edge"},
	"github.com/aws/aws-sdk-go-v2/service/sfn":            {"functions/internal/edge"},
	"penstock/internal/asl":                               {"internal/local"},
	"penstock/internal/local":                             {"cmd/penstock", "bench/…", "internal/local"}, // bucket is below local
	"penstock/internal/dataversetest":                     {"internal/local", "cmd/penstock", "internal/dataversetest/…"},
	"penstock/functions/internal/edge":                    {"functions/receive", "functions/prepare", "functions/turn", "functions/survey", "functions/apply", "functions/finish"},
	"github.com/AzureAD":                                  {"internal/dataverse"},
	"github.com/alecthomas/kong":                          {"cmd/penstock"},
	"github.com/johannesboyne/gofakes3":                   {"internal/local/bucket"},
	"modernc.org/sqlite":                                  {"internal/local/bucket", "internal/dataversetest/storage"},
	"github.com/google/go-cmp":                            {"internal/store/storetest"},
	"github.com/aws/aws-sdk-go-v2/service/s3":             {"internal/store", "internal/delivery", "internal/local", "functions/internal/edge", "cmd/penstock"},
	"github.com/aws/aws-sdk-go-v2/config":                 {"functions/internal/edge", "cmd/penstock"},
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager": {"internal/secret", "functions/internal/edge", "cmd/penstock"},
}

type goPackage struct {
	ImportPath string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	lookAround(t)
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,GoFiles,Imports,Deps"}, patterns...)...)
	command.Dir = ".."
	out, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// lookAround opens every folder, so that a cached result of this test counts only while no file has
// changed: what the go command reads for us, the test cache does not see.
func lookAround(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && len(entry.Name()) > 2 && entry.Name()[0] == '.' {
			return filepath.SkipDir // .git and the like
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// within tells whether a package is name, or below it where name ends in /….
func within(path, name string) bool {
	path = strings.TrimPrefix(path, "penstock/")
	root, below := strings.CutSuffix(name, "/…")
	return path == root || below && strings.HasPrefix(path, root+"/")
}

func layerOf(path string) int {
	return slices.IndexFunc(layers, func(layer []string) bool {
		return slices.ContainsFunc(layer, func(name string) bool { return within(path, name) })
	})
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.GoFiles) == 0 { // a folder of tests only
			continue
		}
		own := layerOf(p.ImportPath)
		if own < 0 {
			t.Errorf("%s is in no layer: decide where it belongs", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, "penstock/") || sameFamily(p.ImportPath, imported) {
				continue
			}
			if layerOf(imported) >= own {
				t.Errorf("%s imports %s, which is not below it", p.ImportPath, imported)
			}
			if slices.ContainsFunc(alone, func(name string) bool { return within(p.ImportPath, name+"/…") }) {
				t.Errorf("%s imports %s; it is to know nothing of ours", p.ImportPath, imported)
			}
		}
	}
}

func sameFamily(a, b string) bool {
	return slices.ContainsFunc(families, func(name string) bool { return within(a, name+"/…") && within(b, name+"/…") })
}

func TestImportsThatFewMayHave(t *testing.T) {
	used := map[string]bool{}
	for _, p := range list(t, "./...") {
		for _, imported := range p.Imports {
			for what, allowed := range reserved {
				if imported != what && !strings.HasPrefix(imported, what+"/") {
					continue
				}
				used[what] = true
				if !slices.ContainsFunc(allowed, func(name string) bool { return within(p.ImportPath, name) }) {
					t.Errorf("%s imports %s, which is for %s", p.ImportPath, imported, strings.Join(allowed, ", "))
				}
			}
		}
	}
	for what := range reserved {
		if !used[what] {
			t.Errorf("nobody imports %s: take the line away", what)
		}
	}
}

// A function's binary is downloaded at every cold start: what serves the laptop stays out of it.
func TestFunctionsStaySmall(t *testing.T) {
	for _, p := range list(t, "./functions/...") {
		for _, dep := range p.Deps {
			for _, heavy := range []string{"modernc.org/", "github.com/johannesboyne/", "github.com/alecthomas/", "github.com/vbauerster/",
				"penstock/internal/dataversetest", "penstock/internal/local", "penstock/internal/asl", "penstock/cmd", "penstock/examples", "testing"} {
				if dep == heavy || strings.HasSuffix(heavy, "/") && strings.HasPrefix(dep, heavy) || strings.HasPrefix(dep, heavy+"/") {
					t.Errorf("%s contains %s", p.ImportPath, dep)
				}
			}
		}
	}
}
