package odata

import "time"

// Expr is a node of a parsed expression: Binary, Not, Negate, Call, Lambda, Named, Path, Literal, List or Alias.
type Expr interface{ expr() }

// Binary is Left Op Right; Op is one of eq ne gt ge lt le in has and or add sub mul div mod.
type Binary struct {
	Op          string
	Left, Right Expr
}

// Not is a negated condition.
type Not struct{ Of Expr }

// Negate is a number with its sign turned.
type Negate struct{ Of Expr }

// Call is a function with its arguments; named ones are Named.
type Call struct {
	Name string
	Args []Expr
}

// Named is an argument given by name: PropertyName='x'.
type Named struct {
	Name  string
	Value Expr
}

// Lambda is any or all over a collection: contacts/any(c:c/firstname eq 'x'). Body is nil for any().
type Lambda struct {
	Over Path
	All  bool
	Var  string
	Body Expr
}

// Path leads to a property: ["primarycontactid" "fullname"].
type Path struct{ Segments []string }

// List is the operand of in, or a JSON array of a parameter.
type List struct{ Items []Expr }

// Alias is a parameter alias whose value was not given: "@p".
type Alias struct{ Name string }

// Kind says what a Literal is.
type Kind int

const (
	Null    Kind = iota
	Boolean      // Value bool
	String       // Value string, quotes undone
	Integer      // Value int64
	Decimal      // Value float64; Text keeps every digit
	GUID         // Value string in lower case
	Date         // Value time.Time
	Instant      // Value time.Time in UTC
	Enum         // Value string; Type is the enumeration
	JSON         // an object of a parameter; Value is its text
)

// Literal is a constant. Text is its source.
type Literal struct {
	Kind  Kind
	Text  string
	Value any
	Type  string
}

func (Binary) expr()  {}
func (Not) expr()     {}
func (Negate) expr()  {}
func (Call) expr()    {}
func (Named) expr()   {}
func (Lambda) expr()  {}
func (Path) expr()    {}
func (Literal) expr() {}
func (List) expr()    {}
func (Alias) expr()   {}

// Arg finds an argument by name; nil when it is not there.
func (c Call) Arg(name string) Expr {
	for _, a := range c.Args {
		if n, ok := a.(Named); ok && n.Name == name {
			return n.Value
		}
	}
	return nil
}

// Strings are the texts of a list of literals; false when it holds anything else.
func (l List) Strings() ([]string, bool) {
	out := make([]string, 0, len(l.Items))
	for _, item := range l.Items {
		lit, ok := item.(Literal)
		if !ok || lit.Kind == Null {
			return nil, false
		}
		out = append(out, lit.String())
	}
	return out, true
}

// String is the value as text, without quotes.
func (l Literal) String() string {
	if s, ok := l.Value.(string); ok {
		return s
	}
	return l.Text
}

// Time is the value of a Date or an Instant.
func (l Literal) Time() (time.Time, bool) {
	t, ok := l.Value.(time.Time)
	return t, ok
}

// EDM is the type of a constant of this kind, as error messages name it.
func (k Kind) EDM() string {
	return [...]string{Null: "Edm.Null", Boolean: "Edm.Boolean", String: "Edm.String", Integer: "Edm.Int32", Decimal: "Edm.Decimal",
		GUID: "Edm.Guid", Date: "Edm.Date", Instant: "Edm.DateTimeOffset", Enum: "Edm.Enum", JSON: "Edm.Untyped"}[k]
}
