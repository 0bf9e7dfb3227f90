package config

import (
	"sort"
	"strings"

	"penstock/internal/fault"
)

// Code is the fault code of everything that is wrong in a configuration file.
const Code = "config_invalid"

// Errors is everything that is wrong with one configuration file, in the
// file's order. fault.As finds the first of them; Error tells all, one a line.
type Errors []*fault.Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is and errors.As look into each problem.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, problem := range e {
		all[i] = problem
	}
	return all
}

// problems collects what is wrong while a file is read.
type problems struct {
	file string
	list Errors
}

func (p *problems) add(line int, format string, args ...any) *fault.Error {
	e := fault.New(fault.Refused, Code, format, args...).At(p.file, line, "")
	p.list = append(p.list, e)
	return e
}

// err is nil when nothing was found.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	sort.SliceStable(p.list, func(i, j int) bool { return p.list[i].Line < p.list[j].Line })
	return p.list
}
