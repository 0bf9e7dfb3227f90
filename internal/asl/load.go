package asl

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// largestDefinition is the quota of Step Functions.
const largestDefinition = 1 << 20

// Machine is a checked definition, ready to run any number of times at once.
type Machine struct {
	name    string
	timeout time.Duration // 0 is none
	flow    *flow
	names   names
}

// flow is a StartAt with its States: the machine itself, a Map's ItemProcessor or a branch of a Parallel.
type flow struct {
	start  string
	states map[string]*state
}

// Load reads a definition in YAML or JSON and checks it as Step Functions does
// when a machine is created. It refuses what this package does not implement.
// The error joins all that is wrong, each with file name and line. Name is the
// file's; the machine is called after it, without the directory and endings.
func Load(data []byte, name string, substitutions map[string]string) (*Machine, error) {
	c := &checker{file: name, substitutions: substitutions, lines: map[string]int{}}
	m := &Machine{}
	m.name, _, _ = strings.Cut(filepath.Base(name), ".")
	if len(data) > largestDefinition {
		c.fail(1, "the definition is larger than %d bytes", largestDefinition)
	} else if root := c.parseTree(data); root != nil {
		c.machine(m, root)
	}
	if err := c.result(); err != nil {
		return nil, err
	}
	m.names = c.names
	return m, nil
}

func (c *checker) machine(m *Machine, root *node) {
	f := c.fields("the state machine", root)
	f.string("Comment")
	c.version(f)
	c.language(f)
	m.timeout = time.Duration(f.integer("TimeoutSeconds", 0, 1, longestSeconds)) * time.Second
	m.flow = c.flow(f)
	f.done()
}

func (c *checker) version(f *fields) {
	if v := f.of("Version", stringNode); v != nil && v.text != "1.0" {
		f.fail("Version", "must be \"1.0\"")
	}
}

func (c *checker) language(f *fields) {
	if l := f.of("QueryLanguage", stringNode); l != nil && l.text != "JSONPath" {
		f.fail("QueryLanguage", "%q is not supported", l.text)
	}
}

// Name is the machine's name, as the context object shows it.
func (m *Machine) Name() string { return m.name }

// names is what a definition mentions, each once, in the order of the file.
type names struct{ resources, errors, states, substitutions []string }

// Resources lists the Resource of each Task, after substitution.
func (m *Machine) Resources() []string { return slices.Clone(m.names.resources) }

// ErrorNames lists the names that Retry and Catch wait for.
func (m *Machine) ErrorNames() []string { return slices.Clone(m.names.errors) }

// StateNames lists all states, those inside Map and Parallel too.
func (m *Machine) StateNames() []string { return slices.Clone(m.names.states) }

// Substitutions lists the names in ${…}.
func (m *Machine) Substitutions() []string { return slices.Clone(m.names.substitutions) }

// checker compiles a definition and collects what is wrong with it.
type checker struct {
	file          string
	substitutions map[string]string
	problems      []problem
	names         names
	lines         map[string]int // of states, whose names are unique in the whole machine
}

type problem struct {
	line int
	err  error
}

func (c *checker) fail(line int, format string, args ...any) {
	c.problems = append(c.problems, problem{line, fmt.Errorf("%s:%d: %w", c.file, line, fmt.Errorf(format, args...))})
}

func (c *checker) result() error {
	slices.SortStableFunc(c.problems, func(a, b problem) int { return compareInts(a.line, b.line) })
	var all []error
	for _, p := range c.problems {
		all = append(all, p.err)
	}
	return errors.Join(all...)
}

func addOnce(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}
