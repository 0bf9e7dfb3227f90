package dataverse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"penstock/internal/fault"
	"penstock/internal/near"
)

var logicalName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Table reads what a loader must know of a table, live.
func (c *Client) Table(ctx context.Context, name string) (*Table, error) {
	t, err := c.table(ctx, strings.ToLower(name))
	if err != nil {
		return nil, fmt.Errorf("read the metadata of table %q: %w", name, err)
	}
	return t, nil
}

func (c *Client) table(ctx context.Context, name string) (*Table, error) {
	t, err := c.definition(ctx, name)
	if err != nil {
		return nil, err
	}
	var relations []relationship
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) { t.Columns, err = c.columns(inner, name); return err })
	group.Go(func() (err error) { t.Keys, err = c.keys(inner, name); return err })
	group.Go(func() (err error) { relations, err = c.relationships(inner, name); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := c.details(ctx, t); err != nil {
		return nil, err
	}
	return t, c.targets(ctx, t, relations)
}

// describe reads metadata. Older versions of the Web API do not know every
// property that is asked for by name and refuse the whole: they are asked for all there is.
func (c *Client) describe(ctx context.Context, path string, into any) error {
	err := c.get(ctx, path, into)
	var api *APIError
	if !errors.As(err, &api) || api.Status != http.StatusBadRequest || !strings.Contains(api.Message, "ould not find a property named") {
		return err
	}
	base, query, _ := strings.Cut(path, "?")
	options := slices.DeleteFunc(strings.Split(query, "&"), func(o string) bool { return strings.HasPrefix(o, "$select=") })
	if len(options) > 0 {
		base += "?" + strings.Join(options, "&")
	}
	return c.get(ctx, base, into)
}

// typeOf is a column's type. The name is preferred: for newer types the old
// property says Virtual. Where only that one is told its words are the same.
func typeOf(name, old string) Type {
	if name == "" {
		return Type(old)
	}
	return Type(strings.TrimSuffix(name, "Type"))
}

// definitionPath is the path of a table's definition below the service root.
func definitionPath(table, rest string) string {
	return "EntityDefinitions(LogicalName='" + table + "')" + rest
}

func (c *Client) definition(ctx context.Context, name string) (*Table, error) {
	if !logicalName.MatchString(name) {
		return nil, c.unknownTable(ctx, name, nil)
	}
	var in struct {
		LogicalName, EntitySetName, PrimaryIDAttribute, PrimaryNameAttribute, TableType string
		IsActivity                                                                      bool
	}
	err := c.describe(ctx, definitionPath(name, "?$select=LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,TableType,IsActivity"), &in)
	var api *APIError
	if errors.As(err, &api) && api.Status == http.StatusNotFound && api.structured {
		return nil, c.unknownTable(ctx, name, api)
	}
	if err != nil {
		return nil, err
	}
	t := &Table{Name: in.LogicalName, Set: in.EntitySetName, PrimaryID: in.PrimaryIDAttribute, PrimaryName: in.PrimaryNameAttribute, Type: in.TableType}
	switch {
	case in.IsActivity:
		t.Type = "Activity"
	case t.Type == "":
		t.Type = "Standard" // older versions do not say
	}
	return t, nil
}

func (c *Client) unknownTable(ctx context.Context, name string, cause error) error {
	f := fault.New(fault.Refused, "unknown_table", "the environment has no table %q", name)
	if cause != nil {
		f = f.Because(cause)
	}
	var all collection[struct{ LogicalName string }]
	if c.get(ctx, "EntityDefinitions?$select=LogicalName&$filter=IsIntersect%20eq%20false", &all) != nil {
		return f // without a hint
	}
	names := make([]string, len(all.Value))
	for i, t := range all.Value {
		names[i] = t.LogicalName
	}
	if like := near.Name(name, names); like != "" {
		f = f.Advise("did you mean %q?", like)
	}
	return f
}

// collection is how the service wraps rows.
type collection[T any] struct {
	Value []T    `json:"value"`
	Next  string `json:"@odata.nextLink"`
}

type value[T any] struct{ Value T }

func (c *Client) columns(ctx context.Context, table string) ([]Column, error) {
	var in collection[struct {
		LogicalName, AttributeOf           string
		AttributeType                      string
		AttributeTypeName, RequiredLevel   value[string]
		IsValidForCreate, IsValidForUpdate bool
		SourceType                         int
	}]
	err := c.describe(ctx, definitionPath(table, "/Attributes?$select=LogicalName,AttributeType,AttributeTypeName,AttributeOf,"+
		"IsValidForCreate,IsValidForUpdate,RequiredLevel,SourceType"), &in)
	if err != nil {
		return nil, err
	}
	columns := make([]Column, len(in.Value))
	for i, a := range in.Value {
		columns[i] = Column{
			Name: a.LogicalName, Type: typeOf(a.AttributeTypeName.Value, a.AttributeType),
			ForCreate: a.IsValidForCreate, ForUpdate: a.IsValidForUpdate, Required: a.RequiredLevel.Value,
			Derived: a.AttributeOf != "" || a.SourceType != 0,
		}
	}
	slices.SortFunc(columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	return columns, nil
}

func (c *Client) keys(ctx context.Context, table string) ([]Key, error) {
	var in collection[struct {
		LogicalName, EntityKeyIndexStatus string
		KeyAttributes                     []string
	}]
	err := c.describe(ctx, definitionPath(table, "/Keys?$select=LogicalName,KeyAttributes,EntityKeyIndexStatus"), &in)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(in.Value))
	for i, k := range in.Value {
		keys[i] = Key{Name: k.LogicalName, Columns: k.KeyAttributes, Status: k.EntityKeyIndexStatus}
	}
	return keys, nil
}

// A cast is one type-specific view of a table's columns; the service gives the
// properties of a type only through its cast.
type cast struct {
	metadata string
	query    string
	types    []Type
}

var casts = []cast{
	{"StringAttributeMetadata", "$select=LogicalName,MaxLength", []Type{String}},
	{"MemoAttributeMetadata", "$select=LogicalName,MaxLength", []Type{Memo}},
	{"IntegerAttributeMetadata", "$select=LogicalName,MinValue,MaxValue", []Type{Integer}},
	{"BigIntAttributeMetadata", "$select=LogicalName,MinValue,MaxValue", []Type{BigInt}},
	{"DecimalAttributeMetadata", "$select=LogicalName,MinValue,MaxValue,Precision", []Type{Decimal}},
	{"DoubleAttributeMetadata", "$select=LogicalName,MinValue,MaxValue,Precision", []Type{Double}},
	{"MoneyAttributeMetadata", "$select=LogicalName,MinValue,MaxValue,Precision", []Type{Money}},
	{"DateTimeAttributeMetadata", "$select=LogicalName,DateTimeBehavior", []Type{DateTime}},
	{"LookupAttributeMetadata", "$select=LogicalName,Targets", []Type{Lookup, Customer, Owner}},
	{"PicklistAttributeMetadata", choices, []Type{Picklist}},
	{"MultiSelectPicklistAttributeMetadata", choices, []Type{MultiSelect}},
	{"StateAttributeMetadata", choices, []Type{State}},
	{"StatusAttributeMetadata", choices, []Type{Status}},
	{"BooleanAttributeMetadata", choices, []Type{Boolean}},
}

const choices = "$select=LogicalName&$expand=OptionSet,GlobalOptionSet"

// detail is the union of what the casts tell of a column.
type detail struct {
	LogicalName                string
	MaxLength, Precision       int
	MinValue, MaxValue         json.Number
	DateTimeBehavior           value[string]
	Targets                    []string
	OptionSet, GlobalOptionSet *optionSet
}

type optionSet struct {
	Options                 []option
	TrueOption, FalseOption *option
}

type option struct {
	Value int
	State *int
	Label struct{ UserLocalizedLabel *struct{ Label string } }
}

// details asks once per type that the table has.
func (c *Client) details(ctx context.Context, t *Table) error {
	present := make(map[Type]bool)
	for _, column := range t.Columns {
		present[column.Type] = true
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, k := range casts {
		if !slices.ContainsFunc(k.types, func(of Type) bool { return present[of] }) {
			continue
		}
		group.Go(func() error {
			var in collection[detail]
			path := definitionPath(t.Name, "/Attributes/Microsoft.Dynamics.CRM."+k.metadata+"?"+k.query)
			if err := c.describe(inner, path, &in); err != nil {
				return err
			}
			for _, d := range in.Value {
				// Each column belongs to one cast, so no two goroutines meet.
				if column := t.Column(d.LogicalName); column != nil && slices.Contains(k.types, column.Type) {
					d.describe(column)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (d *detail) describe(column *Column) {
	column.MaxLength, column.Precision = d.MaxLength, d.Precision
	column.Min, column.Max = d.MinValue, d.MaxValue
	column.DateOnly = d.DateTimeBehavior.Value == "DateOnly"
	column.WallTime = d.DateTimeBehavior.Value == "TimeZoneIndependent"
	for _, name := range d.Targets {
		column.Targets = append(column.Targets, Target{Table: name})
	}
	set := d.OptionSet
	if set == nil || set.empty() {
		set = d.GlobalOptionSet
	}
	if set == nil {
		return
	}
	options := set.Options
	for _, o := range []*option{set.FalseOption, set.TrueOption} {
		if o != nil {
			options = append(options, *o)
		}
	}
	for _, o := range options {
		out := Option{Value: o.Value, State: o.State}
		if o.Label.UserLocalizedLabel != nil {
			out.Label = o.Label.UserLocalizedLabel.Label
		}
		column.Options = append(column.Options, out)
	}
}

func (s *optionSet) empty() bool {
	return len(s.Options) == 0 && s.TrueOption == nil && s.FalseOption == nil
}

type relationship struct {
	ReferencingAttribute, ReferencedEntity, ReferencingEntityNavigationPropertyName string
}

func (c *Client) relationships(ctx context.Context, table string) ([]relationship, error) {
	var in collection[relationship]
	err := c.describe(ctx, definitionPath(table, "/ManyToOneRelationships?$select=ReferencingAttribute,ReferencedEntity,"+
		"ReferencingEntityNavigationPropertyName"), &in)
	return in.Value, err
}

// targets gives each lookup the navigation property and the entity set per
// table it may point to; targets that cannot be written are left out.
func (c *Client) targets(ctx context.Context, t *Table, relations []relationship) error {
	navigation := make(map[[2]string]string, len(relations))
	for _, r := range relations {
		navigation[[2]string{r.ReferencingAttribute, r.ReferencedEntity}] = r.ReferencingEntityNavigationPropertyName
	}
	var names []string
	for i := range t.Columns {
		column := &t.Columns[i]
		for j := range column.Targets {
			target := &column.Targets[j]
			target.Navigation = navigation[[2]string{column.Name, target.Table}]
			if column.Type == Owner {
				// One property serves users and teams: the relationship is to the abstract table owner.
				target.Navigation = column.Name
			}
			names = append(names, target.Table)
		}
	}
	sets, err := c.sets(ctx, names)
	if err != nil {
		return err
	}
	for i := range t.Columns {
		column := &t.Columns[i]
		for j := range column.Targets {
			column.Targets[j].Set = sets[column.Targets[j].Table]
		}
		column.Targets = slices.DeleteFunc(column.Targets, func(x Target) bool { return x.Set == "" || x.Navigation == "" })
		if len(column.Targets) == 0 {
			column.Targets = nil
		}
	}
	return nil
}

// setsPerCall keeps the filter far below the limit of a URL (32,768 characters).
const setsPerCall = 50

// sets finds the entity set names of tables.
func (c *Client) sets(ctx context.Context, tables []string) (map[string]string, error) {
	slices.Sort(tables)
	tables = slices.Compact(tables)
	found := make(map[string]string, len(tables))
	for some := range slices.Chunk(tables, setsPerCall) {
		var conditions []string
		for _, name := range some {
			if logicalName.MatchString(name) {
				conditions = append(conditions, "LogicalName eq '"+name+"'")
			}
		}
		var in collection[struct{ LogicalName, EntitySetName string }]
		path := "EntityDefinitions?$select=LogicalName,EntitySetName&$filter=" + escapeQuery(strings.Join(conditions, " or "))
		if err := c.get(ctx, path, &in); err != nil {
			return nil, err
		}
		for _, t := range in.Value {
			found[t.LogicalName] = t.EntitySetName
		}
	}
	return found, nil
}

// escapeQuery encodes a query option's value; blanks become %20, which every parser takes for a blank.
func escapeQuery(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// Supports reports whether a table takes a message such as UpsertMultiple. The answer is kept.
func (c *Client) Supports(ctx context.Context, message, table string) (bool, error) {
	if !logicalName.MatchString(table) || !logicalName.MatchString(message) {
		return false, nil
	}
	if known, ok := c.offered.Load(message + "/" + table); ok {
		return known.(bool), nil
	}
	ready(ctx)
	select { // calls that begin together ask together
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return false, cancelled(ctx.Err())
	}
	if known, ok := c.offered.Load(message + "/" + table); ok {
		return known.(bool), nil
	}
	var in collection[json.RawMessage]
	path := "sdkmessagefilters?$select=sdkmessagefilterid&$filter=" +
		escapeQuery("sdkmessageid/name eq @m and primaryobjecttypecode eq @t") + "&@m='" + message + "'&@t='" + table + "'"
	if err := c.get(ctx, path, &in); err != nil {
		return false, fmt.Errorf("ask whether table %q takes %s: %w", table, message, err)
	}
	c.offer(message, table, len(in.Value) > 0)
	return len(in.Value) > 0, nil
}

// AskAhead asks which bulk actions a table takes, for calls that come later. It
// only saves their time: what cannot be asked now they ask themselves.
func (c *Client) AskAhead(ctx context.Context, table string, verbs ...Verb) {
	for _, m := range messages {
		if m.name != "" && !m.elastic && !c.old && slices.Contains(verbs, m.verb) {
			_, _ = c.Supports(ctx, m.name, table)
		}
	}
}

// offer keeps whether a table takes a message.
func (c *Client) offer(message, table string, takes bool) { c.offered.Store(message+"/"+table, takes) }
