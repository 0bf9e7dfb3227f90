package config

import (
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

// bypasses are the kinds of custom logic that can be bypassed, as the service's header names them.
var bypasses = map[string]string{"sync": "CustomSync", "async": "CustomAsync", "all": "CustomSync,CustomAsync"}

// maxTag is as much as fits into a URL beside everything else.
const maxTag = 1000

var guidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// readOptions reads what is passed on to the service with each write.
func (r *reader) readOptions(o *Options, n ast.Node, where string) map[string]int {
	guid := func(to *string) func(ast.Node, string) {
		return r.pattern(to, guidPattern, "is not a GUID", "write it as 5c1d7a42-6f0e-4b7e-9d1a-2f6f3f1f8a11")
	}
	var bypass string
	lines := r.section(n, where,
		field{"detect_duplicates", r.boolean(&o.DetectDuplicates)},
		field{"bypass_logic", r.oneOf(&bypass, "sync", "async", "all")},
		field{"bypass_plugins", r.boolean(&o.BypassPlugins)},
		field{"suppress_flows", r.boolean(&o.SuppressFlows)},
		field{"caller_object_id", guid(&o.CallerObjectID)},
		field{"caller_id", guid(&o.CallerID)},
		field{"tag", r.text(&o.Tag)},
		field{"by_id", r.boolean(&o.ByID)},
		field{"replace", r.boolean(&o.Replace)},
	)
	o.BypassLogic = bypasses[bypass]
	if len(o.Tag) > maxTag {
		r.add(lines["tag"], "%s: tag: has %d bytes", where, len(o.Tag)).Advise("%d at most: it travels in each request's address", maxTag)
	}
	switch {
	case o.BypassLogic != "" && o.BypassPlugins:
		r.add(lines["bypass_plugins"], "%s: both bypass_logic and bypass_plugins are given", where).
			Advise("keep bypass_logic: bypass_plugins is its older form, for synchronous logic only")
	case lines["caller_object_id"] != 0 && lines["caller_id"] != 0:
		r.add(lines["caller_id"], "%s: both caller_object_id and caller_id are given", where).
			Advise("keep caller_object_id, the user's id in Entra: caller_id (systemuserid) is the older form")
	}
	return lines
}
