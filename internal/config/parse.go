package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"penstock/internal/fault"
)

// maxSize bounds a configuration file; a real one is a few kilobytes.
const maxSize = 1 << 20

// Load reads the configuration file at path.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Refused, "config_missing", "there is no such configuration file").
			At(path, 0, "").Advise("name another one with --config")
	}
	if err != nil {
		return nil, fault.New(fault.Refused, "config_unreadable", "the configuration file cannot be read").At(path, 0, "").Because(err)
	}
	return Parse(data, path)
}

// Parse reads a configuration. file is its path, for messages and because
// relative paths in it (ca_file, credential: file:…) start at its directory. The
// error is an Errors: everything that is wrong, each with its line.
func Parse(data []byte, file string) (*Config, error) {
	r := &reader{problems: problems{file: file}, connectionLine: map[string]int{}}
	c := &Config{File: file, Connections: map[string]*Connection{}, Destinations: map[string]*Destination{}}
	if root := r.root(data); root != nil {
		r.config(root, c)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// root is the one mapping that the file consists of, or nil with the problem told.
func (r *reader) root(data []byte) ast.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > maxSize {
		r.add(0, "the file has more than %d bytes: this is no configuration", maxSize)
		return nil
	}
	if line := badLine(data); line > 0 {
		r.add(line, "the line is not UTF-8 text").Advise("save the file as UTF-8")
		return nil
	}
	if line := tabLine(data); line > 0 {
		r.add(line, "the line is indented with a tab").Advise("YAML wants spaces")
		return nil
	}
	docs, ok := r.documents(data)
	switch {
	case !ok:
		return nil
	case len(docs) == 0:
		r.add(1, "the file is empty").Advise("it needs at least a connection: see examples/penstock.yaml")
		return nil
	case len(docs) > 1:
		r.add(docs[1].GetToken().Position.Line, "the file holds a second YAML document").Advise("remove the line \"---\" and what follows it")
		return nil
	}
	return docs[0]
}

func (r *reader) documents(data []byte) ([]ast.Node, bool) {
	// Duplicate keys are allowed here and refused by reader.object, beside the other problems.
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil, false
	}
	var docs []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil {
			docs = append(docs, d.Body)
		}
	}
	return docs, true
}

// syntax reports a parser's error without the excerpt of the file that its
// text carries: a secret may stand there by mistake (rule S2).
func (r *reader) syntax(err error) {
	line, message := 0, "it cannot be read"
	var at yaml.Error
	if errors.As(err, &at) {
		message = at.GetMessage()
		if tk := at.GetToken(); tk != nil && tk.Position != nil {
			line = tk.Position.Line
		}
	}
	r.add(line, "this is not YAML: %s", message).
		Advise("check indentation, brackets and quotes; a value that holds \": \" or \" #\" needs quotes")
}

func badLine(data []byte) int {
	if utf8.Valid(data) {
		return 0
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			return i + 1
		}
	}
	return 1
}

func tabLine(data []byte) int {
	for i, line := range strings.Split(string(data), "\n") {
		text := strings.TrimLeft(line, " \t")
		if text != "" && text != "\r" && strings.ContainsRune(line[:len(line)-len(text)], '\t') {
			return i + 1
		}
	}
	return 0
}

// beside resolves a path of the file against the file's directory.
func (r *reader) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(r.file), path)
}
