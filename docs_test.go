// Package penstock_test holds the documentation against the program.
package penstock_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"penstock/internal/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// files are the names of all files that end so, hidden folders left out. It opens every folder, so
// that a cached result of these tests counts only while nothing has changed.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone since
		case err != nil:
			return err
		case entry.IsDir() && len(entry.Name()) > 1 && entry.Name()[0] == '.':
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, ending):
			names = append(names, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// fences are blocks of code, in which nothing is a link.
var fences = regexp.MustCompile("(?ms)^ *```.*?^ *```")

var links = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range files(t, ".md") {
		for _, match := range links.FindAllStringSubmatch(fences.ReplaceAllString(read(t, name), ""), -1) {
			link := match[1]
			if strings.Contains(link, "://") {
				continue
			}
			path, anchor, _ := strings.Cut(link, "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: nothing is at %s", name, link)
			} else if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s: no heading of %s is #%s", name, target, anchor)
			}
		}
	}
}

var (
	headings    = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are a page's headings as links name them.
func anchors(page string) []string {
	var all []string
	for _, match := range headings.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		all = append(all, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return all
}

var (
	commandLine = regexp.MustCompile("penstock ([a-z]+)([^\n`]*)")
	longFlag    = regexp.MustCompile(`(?:^|[\s(\[])(--[a-z][a-z0-9-]*)`)
	shortFlag   = regexp.MustCompile(`\s(-[a-z])\b`)
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z]+)  `)
	codeSpan    = regexp.MustCompile("`(--[^`]*)`")
)

// forUsers are the pages that speak of no program but penstock.
var forUsers = []string{"README.md", "docs/configuration.md", "docs/files.md"}

// Every command and flag that the pages name is one that --help names.
func TestCommandsAndFlagsExist(t *testing.T) {
	program := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	help := func(args ...string) string {
		out, err := exec.Command(program, append(args, "--help")...).Output()
		if err != nil {
			t.Fatalf("penstock %v --help: %v", args, err)
		}
		return string(out)
	}
	_, list, _ := strings.Cut(help(), "\nCommands:\n")
	commands, everything := map[string]string{}, ""
	for _, match := range helpCommand.FindAllStringSubmatch(list, -1) {
		commands[match[1]] = help(match[1])
		everything += commands[match[1]]
	}
	if len(commands) < 5 {
		t.Fatalf("--help lists %d commands:\n%s", len(commands), list)
	}
	named := map[string]bool{}
	for _, name := range files(t, ".md") {
		page := read(t, name)
		for _, line := range commandLine.FindAllStringSubmatch(page, -1) {
			text, known := commands[line[1]]
			if !known {
				continue // a sentence: "penstock leads …"
			}
			named[line[1]] = true
			for _, flag := range append(longFlag.FindAllStringSubmatch(line[2], -1), shortFlag.FindAllStringSubmatch(line[2], -1)...) {
				if !hasFlag(text, flag[1]) {
					t.Errorf("%s: penstock %s has no flag %s", name, line[1], flag[1])
				}
			}
		}
		if !slices.Contains(forUsers, name) {
			continue // other pages speak of other programs' flags
		}
		for _, span := range codeSpan.FindAllStringSubmatch(page, -1) {
			if flag, _, _ := strings.Cut(span[1], " "); !hasFlag(everything, flag) {
				t.Errorf("%s: no command has the flag %s", name, flag)
			}
		}
	}
	for command := range commands {
		if !named[command] {
			t.Errorf("no page names penstock %s", command)
		}
	}
}

func hasFlag(help, flag string) bool {
	return regexp.MustCompile(`(?m)(^|[\s,])` + regexp.QuoteMeta(flag) + `([\s=,]|$)`).MatchString(help)
}

var yamlBlock = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")

// The configurations that the pages show are ones that the program takes.
func TestShownConfigurationsAreTaken(t *testing.T) {
	shown := 0
	for _, name := range files(t, ".md") {
		for _, block := range yamlBlock.FindAllStringSubmatch(read(t, name), -1) {
			if !strings.Contains(block[1], "destinations:") {
				continue
			}
			shown++
			if _, err := config.Parse([]byte(block[1]), name); err != nil {
				t.Error(err)
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a configuration")
	}
}

// schema is the part of a JSON Schema that says which fields and values there are.
type schema struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Enum       []string                   `json:"enum"`
}

// Every field of the configuration, and every value that one may choose, stands in docs/configuration.md.
func TestConfigurationNamesEveryField(t *testing.T) {
	page := read(t, "docs/configuration.md")
	names := fieldsOf(t, json.RawMessage(read(t, "infra/penstock.schema.json")))
	if len(names) < 100 {
		t.Fatalf("only %d fields and values found in the schema: %v", len(names), names)
	}
	for _, name := range names {
		if !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, "{"+name+": ") && !strings.Contains(page, ", "+name+": ") {
			t.Errorf("docs/configuration.md does not name %q", name)
		}
	}
}

// fieldsOf collects the names of properties and the values of enums, however deep.
func fieldsOf(t *testing.T, raw json.RawMessage) []string {
	t.Helper()
	var names []string
	var s schema
	if json.Unmarshal(raw, &s) == nil {
		names = append(names, s.Enum...)
		for name := range s.Properties {
			names = append(names, name)
		}
	}
	var members map[string]json.RawMessage
	var items []json.RawMessage
	if json.Unmarshal(raw, &members) == nil {
		for _, member := range members {
			names = append(names, fieldsOf(t, member)...)
		}
	} else if json.Unmarshal(raw, &items) == nil {
		for _, item := range items {
			names = append(names, fieldsOf(t, item)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var (
	constant  = regexp.MustCompile(`(?m)^\t\w+ += "([a-z_]+)"`)
	firstCell = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|")
	word      = regexp.MustCompile("`([a-z_]+)`")
)

// explained are the codes in the first cells of a section's tables.
func explained(t *testing.T, name, heading string) []string {
	t.Helper()
	_, section, found := strings.Cut(read(t, name), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", name, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	section, _, _ = strings.Cut(section, "\n"+level+" ")
	section, _, _ = strings.Cut(section, "\n## ")
	var codes []string
	for _, cell := range firstCell.FindAllStringSubmatch(section, -1) {
		for _, code := range word.FindAllStringSubmatch(cell[1], -1) {
			codes = append(codes, code[1])
		}
	}
	return codes
}

// sources is the program without its tests.
func sources(t *testing.T, below string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range files(t, ".go") {
		if strings.HasPrefix(name, below) && !strings.HasSuffix(name, "_test.go") {
			all.WriteString(read(t, name))
		}
	}
	return all.String()
}

// Every code that a person may find in a reject file is explained, and so are those that readers give.
func TestEveryRejectCodeIsExplained(t *testing.T) {
	mapping, _, _ := strings.Cut(read(t, "internal/mapping/codes.go"), "// Why a file cannot be mapped")
	_, delivery, _ := strings.Cut(read(t, "internal/delivery/delivery.go"), "// Codes of the rejects")
	given := append(constant.FindAllStringSubmatch(mapping, -1), constant.FindAllStringSubmatch(delivery, -1)...)
	if len(given) < 30 {
		t.Fatalf("only %d codes found in the sources", len(given))
	}
	known := explained(t, "docs/files.md", "### Why a row is rejected")
	for _, code := range given {
		if !slices.Contains(known, code[1]) {
			t.Errorf("docs/files.md does not explain the reject code %s", code[1])
		}
	}
	program := sources(t, "internal/")
	for _, code := range known {
		if !strings.Contains(program, `"`+code+`"`) {
			t.Errorf("nothing in the program says %s", code)
		}
	}
}

var (
	newFault   = regexp.MustCompile(`fault\.New\(fault\.\w+, "([a-z_]+)"`)
	localFault = regexp.MustCompile(`(?:refuse|broken)\((?:in, )?"([a-z_]+)"`)
)

// Every code with which a run may be refused or fail stands in the runbook, and the runbook has no other.
func TestEveryCodeOfARunIsExplained(t *testing.T) {
	known := explained(t, "docs/deploy.md", "### Codes")
	if len(known) < 100 {
		t.Errorf("the section Codes explains %d codes; the test reads it wrongly", len(known))
	}
	_, mapping, _ := strings.Cut(read(t, "internal/mapping/codes.go"), "// Why a file cannot be mapped")
	given := constant.FindAllStringSubmatch(mapping, -1)
	for _, below := range []string{"run/", "delivery/", "snapshot/", "dataverse/", "secret/"} {
		text := sources(t, "internal/"+below)
		given = append(append(given, newFault.FindAllStringSubmatch(text, -1)...), localFault.FindAllStringSubmatch(text, -1)...)
	}
	for _, code := range given {
		if !slices.Contains(known, code[1]) && code[1] != ambiguous {
			t.Errorf("docs/deploy.md does not explain the code %s", code[1])
		}
	}
	program := sources(t, "")
	for _, code := range known {
		setting, isAmbiguous := strings.CutPrefix(code, ambiguous)
		if !strings.Contains(program, `"`+code+`"`) && !(isAmbiguous && strings.Contains(program, `"`+setting+`"`)) {
			t.Errorf("nothing in the program says %s", code)
		}
	}
}

// ambiguous is how the codes begin of files that can be read in two ways; the setting that decides follows.
const ambiguous = "ambiguous_"

var (
	testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	fileName = regexp.MustCompile("`((?:internal|functions|cmd|infra|events|examples|docs)/[\\w./-]+)`")
)

// Tests and files that the pages point to exist.
func TestNamedTestsAndFilesExist(t *testing.T) {
	var tests strings.Builder
	for _, name := range files(t, "_test.go") {
		tests.WriteString(read(t, name))
	}
	all := tests.String()
	for _, name := range files(t, ".md") {
		page := read(t, name)
		for _, match := range testName.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(all, "\nfunc "+match[1]+"(") {
				t.Errorf("%s: there is no test %s", name, match[1])
			}
		}
		for _, match := range fileName.FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(match[1]); err != nil && !planned[match[1]] {
				t.Errorf("%s: there is no %s", name, match[1])
			}
		}
	}
}

// planned are paths that a page names because they do not exist yet.
var planned = map[string]bool{"internal/segment": true}

// Every rule that the sources cite is one that docs/correctness.md has.
func TestCitedRulesExist(t *testing.T) {
	rules := read(t, "docs/correctness.md")
	cited := regexp.MustCompile(`[Rr]ules? ([CITPDHSMW][0-9])\b`)
	for _, ending := range []string{".go", ".yaml"} {
		for _, name := range files(t, ending) {
			for _, match := range cited.FindAllStringSubmatch(read(t, name), -1) {
				if !strings.Contains(rules, "**"+match[1]+".**") && !strings.Contains(rules, match[1]+" to ") {
					t.Errorf("%s cites rule %s, which docs/correctness.md does not have", name, match[1])
				}
			}
		}
	}
}

// Every package of internal/ stands in the tree of docs/architecture.md.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	_, tree, _ := strings.Cut(read(t, "docs/architecture.md"), "\n## The tree\n")
	tree, _, _ = strings.Cut(tree, "\n## ")
	entries, err := os.ReadDir("internal")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.Contains(tree, " "+entry.Name()+"/ ") {
			t.Errorf("the tree does not name internal/%s", entry.Name())
		}
	}
}

// docs/dependencies.md gives a reason for every module that go.mod requires directly, and for no other.
func TestDependenciesAreExplained(t *testing.T) {
	page := read(t, "docs/dependencies.md")
	explained := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^\| ([\w.-]+\.[a-z]+/\S+)`).FindAllStringSubmatch(page, -1) {
		explained[match[1]] = true
	}
	required := regexp.MustCompile(`(?m)^\t(\S+) v\S+( // indirect)?$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(required) < 20 {
		t.Fatalf("only %d modules found in go.mod", len(required))
	}
	present := map[string]bool{}
	for _, module := range required {
		present[module[1]] = true
		if module[2] == "" && !explained[module[1]] {
			t.Errorf("nothing says why go.mod requires %s", module[1])
		}
	}
	for module := range explained {
		if !present[module] {
			t.Errorf("docs/dependencies.md explains %s, which go.mod does not require", module)
		}
	}
}
