package dataverse

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

var (
	// linkTo is a record below the service root. Blanks and control characters would break a part's request line.
	linkTo = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}\([^\x00-\x20"\\\x7f]+\)$`)
	linkID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\(([0-9A-Fa-f-]{36})\)$`)
)

// appendLink writes the adding or the removing of a reference as a part of a $batch.
func (w *Writer) appendLink(dst []byte, boundary string, m *message, r *record) ([]byte, error) {
	method := http.MethodPost
	if m == disassociating {
		method = http.MethodDelete
	}
	dst = w.client.openPart(dst, boundary, method)
	dst = append(dst, w.table.Set...)
	dst, err := w.appendAddress(dst, r)
	if err != nil {
		return dst, err
	}
	link, query := r.op.Link, w.query
	dst = append(append(dst, '/'), link.Navigation...)
	id := linkID.FindStringSubmatch(link.To)
	if m == disassociating && id != nil {
		dst = append(append(append(dst, '('), id[1]...), ')')
	}
	dst = append(dst, "/$ref"...)
	if m == disassociating && id == nil {
		dst = append(append(dst, "?$id="...), escapeQuery(w.client.root+link.To)...)
		query = strings.Replace(query, "?", "&", 1)
	}
	dst = closeHead(append(dst, query...))
	dst = append(dst, w.lines...)
	if m == disassociating {
		return append(dst, "\r\n\r\n"...), nil
	}
	// The address is percent-encoded: nothing in it needs escaping in JSON. It has to be absolute.
	dst = append(dst, "Content-Type: application/json\r\n\r\n{\"@odata.id\":\""...)
	dst = append(append(dst, w.client.root...), link.To...)
	return append(dst, "\"}\r\n"...), nil
}

// Collection is a many-to-many relationship of a table, as Link's Navigation names it.
type Collection struct {
	Navigation string `json:"navigation"`
	Table      string `json:"table"` // logical name of the records on the other side
	Set        string `json:"set"`   // entity set name of these
}

// Collections reads the many-to-many relationships of a table.
func (c *Client) Collections(ctx context.Context, table string) ([]Collection, error) {
	var in collection[struct {
		Entity1LogicalName, Entity1NavigationPropertyName string
		Entity2LogicalName, Entity2NavigationPropertyName string
	}]
	table = strings.ToLower(table)
	if !logicalName.MatchString(table) {
		return nil, c.unknownTable(ctx, table, nil)
	}
	err := c.describe(ctx, definitionPath(table, "/ManyToManyRelationships?$select=Entity1LogicalName,Entity1NavigationPropertyName,"+
		"Entity2LogicalName,Entity2NavigationPropertyName"), &in)
	var names []string
	var found []Collection
	for _, r := range in.Value {
		// A relationship of a table with itself has two names, one for each direction.
		if r.Entity1LogicalName == table {
			found = append(found, Collection{Navigation: r.Entity1NavigationPropertyName, Table: r.Entity2LogicalName})
		}
		if r.Entity2LogicalName == table && (r.Entity1LogicalName != table || r.Entity2NavigationPropertyName != r.Entity1NavigationPropertyName) {
			found = append(found, Collection{Navigation: r.Entity2NavigationPropertyName, Table: r.Entity1LogicalName})
		}
	}
	for _, f := range found {
		names = append(names, f.Table)
	}
	var sets map[string]string
	if err == nil {
		sets, err = c.sets(ctx, names)
	}
	if err != nil {
		return nil, fmt.Errorf("read the many-to-many relationships of table %q: %w", table, err)
	}
	for i := range found {
		found[i].Set = sets[found[i].Table]
	}
	found = slices.DeleteFunc(found, func(f Collection) bool { return f.Set == "" || f.Navigation == "" })
	slices.SortFunc(found, func(a, b Collection) int { return strings.Compare(a.Navigation, b.Navigation) })
	return found, nil
}
