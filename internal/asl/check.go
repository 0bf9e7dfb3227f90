package asl

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// longestSeconds and longestName are quotas of Step Functions.
const (
	longestSeconds = 99_999_999
	longestName    = 80
)

// state is one compiled state. It is either a worker, which makes a result and
// may Retry and Catch, or a router, which only says what comes next.
type state struct {
	name       string
	kind       string // its Type
	line       int
	inputPath  *path // nil: an empty object
	outputPath *path // nil: an empty object
	next       string

	worker     worker
	parameters expression // nil: the input as it is
	selector   expression // nil: the result as it is
	resultPath *reference // nil: the result is dropped
	retry      []retrier
	catch      []catcher

	router router
}

// flow compiles StartAt and States and checks how the states hang together.
func (c *checker) flow(f *fields) *flow {
	out := &flow{start: f.requiredString("StartAt"), states: map[string]*state{}}
	states := f.required("States", objectNode)
	if states == nil {
		return out
	}
	for _, m := range states.members {
		c.stateName(m)
		out.states[m.name] = c.state(m)
	}
	if len(out.states) == 0 {
		f.fail("States", "must have at least one state")
		return out
	}
	if out.start != "" && out.states[out.start] == nil {
		f.fail("StartAt", "names state %q, which is not there", out.start)
		return out
	}
	c.transitions(f, out, states)
	return out
}

func (c *checker) stateName(m member) {
	if m.name == "" || utf8.RuneCountInString(m.name) > longestName {
		c.fail(m.line, "state %q: a name has 1 to %d characters", m.name, longestName)
	}
	if line, there := c.lines[m.name]; there {
		c.fail(m.line, "state %q: the name is taken by the state on line %d", m.name, line)
	}
	c.lines[m.name] = m.line
	c.names.states = append(c.names.states, m.name)
}

// transitions checks that every target exists, every state can be reached, and one ends the flow.
func (c *checker) transitions(f *fields, flow *flow, states *node) {
	reached := map[string]bool{flow.start: true}
	for queue := []string{flow.start}; len(queue) > 0; queue = queue[1:] {
		if s := flow.states[queue[0]]; s != nil {
			for _, target := range s.targets() {
				if !reached[target] {
					reached[target] = true
					queue = append(queue, target)
				}
			}
		}
	}
	ends := false
	for _, m := range states.members {
		s := flow.states[m.name]
		ends = ends || reached[m.name] && s.terminal()
		for _, target := range s.targets() {
			if flow.states[target] == nil {
				c.fail(m.line, "state %q: goes on to %q, which is not there", m.name, target)
			}
		}
		if !reached[m.name] && flow.start != "" {
			c.fail(m.line, "state %q: cannot be reached", m.name)
		}
	}
	if !ends {
		f.fail("States", "must have a state that ends and can be reached")
	}
}

// targets lists where a state may go, in the order of the file and each once.
func (s *state) targets() []string {
	var all []string
	add := func(name string) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	if c, ok := s.router.(*choice); ok {
		for _, r := range c.rules {
			add(r.next)
		}
		add(c.fallback)
	}
	for _, c := range s.catch {
		add(c.next)
	}
	add(s.next)
	return all
}

func (s *state) terminal() bool {
	switch s.kind {
	case "Succeed", "Fail":
		return true
	case "Choice", "":
		return false
	}
	return s.next == ""
}

// state compiles one state by its Type. A broken one stays in the flow, so that
// what points to it is not reported too.
func (c *checker) state(m member) *state {
	f := c.fields(fmt.Sprintf("state %q", m.name), m.value)
	s := &state{name: m.name, line: m.line}
	f.string("Comment")
	c.language(f)
	kind := f.requiredString("Type")
	compile, known := compilers[kind]
	if !known {
		if kind != "" {
			f.fail("Type", "%q is not supported", kind)
		}
		return s
	}
	s.kind = kind
	compile(f, s)
	f.done()
	return s
}

var compilers map[string]func(*fields, *state)

func init() { // the compilers of Map and Parallel lead back to this table
	compilers = map[string]func(*fields, *state){
		"Task":     compileTask,
		"Map":      compileMap,
		"Parallel": compileParallel,
		"Pass":     compilePass,
		"Choice":   compileChoice,
		"Wait":     compileWait,
		"Succeed":  compileSucceed,
		"Fail":     compileFail,
	}
}

// ways reads InputPath and OutputPath.
func (f *fields) ways(s *state) {
	s.inputPath, s.outputPath = f.way("InputPath"), f.way("OutputPath")
}

// way reads a path that is "$" by default and selects nothing when it is null.
func (f *fields) way(name string) *path {
	if n := f.take(name); n != nil && n.kind == nullNode {
		return nil
	}
	if p := f.path(name); p != nil {
		return p
	}
	return &path{text: "$"}
}

// onward reads Next or End, of which there must be one.
func (f *fields) onward(s *state) {
	s.next = f.string("Next")
	end := f.bool("End")
	switch {
	case f.has("Next") && f.has("End"):
		f.fail("End", "cannot stand beside Next")
	case f.has("Next") && s.next == "":
		f.fail("Next", "must name a state")
	case f.has("End") && !end:
		f.fail("End", "must be true")
	case !f.has("Next") && !f.has("End"):
		f.checker.fail(f.node.line, "%s: needs Next or End", f.where)
	}
}

// resultWay reads ResultPath, which drops the result when it is null.
func (f *fields) resultWay() *reference {
	n := f.take("ResultPath")
	if n != nil && n.kind == nullNode {
		return nil
	}
	whole := &reference{text: "$"}
	if n = f.of("ResultPath", stringNode); n == nil {
		return whole
	}
	r, err := parseReference(n.text)
	if err != nil {
		f.fail("ResultPath", "has %s", err)
		return whole
	}
	return r
}

// payload reads a payload template; nil where there is none.
func (f *fields) payload(name string) expression {
	n := f.of(name, objectNode)
	if n == nil {
		return nil
	}
	return f.checker.template(f.where, n)
}

// work reads what Task, Map and Parallel have in common.
func (f *fields) work(s *state) {
	f.ways(s)
	f.onward(s)
	s.selector = f.payload("ResultSelector")
	s.resultPath = f.resultWay()
	s.retry = f.retriers()
	s.catch = f.catchers()
}
