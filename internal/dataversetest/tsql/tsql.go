// Package tsql parses the SELECT statements that the Web API takes as ?sql=: a read-only part of Transact-SQL.
package tsql

import "fmt"

// Select is a parsed statement.
type Select struct {
	Distinct bool
	Top      int // 0 is all
	Items    []Item
	From     Table
	Joins    []Join
	Where    Condition // nil is none
	GroupBy  []Column
	OrderBy  []Order
	Offset   int
	Fetch    int // rows after OFFSET; 0 is all
}

// Item is a column of the result.
type Item struct {
	Column   Column // with an empty Name and Function COUNT: COUNT(*)
	Function string // COUNT, SUM, AVG, MIN, MAX; "" is the column itself
	Distinct bool   // COUNT(DISTINCT …)
	Alias    string
}

// Column is a name, with the alias of its table where one was written.
type Column struct{ Table, Name string }

// Table is a table with its alias.
type Table struct{ Name, Alias string }

// Join is an INNER or LEFT JOIN on equal columns.
type Join struct {
	Table
	Left bool
	On   [][2]Column
}

// Order is a term of ORDER BY: a column, or the alias of an item.
type Order struct {
	Column
	Desc bool
}

// Condition is And, Or, Not, Compare, In, Between, Like or IsNull.
type Condition interface{ condition() }

// And holds when both do.
type And struct{ Left, Right Condition }

// Or holds when one does.
type Or struct{ Left, Right Condition }

// Not holds when the other does not.
type Not struct{ Of Condition }

// Compare compares a column with a constant; Op is one of = <> < <= > >=.
type Compare struct {
	Column
	Op    string
	Value Value
}

// In holds for the values of a list.
type In struct {
	Column
	Values []Value
}

// Between holds from Low to High, both included.
type Between struct {
	Column
	Low, High Value
}

// Like compares with a pattern of % and _.
type Like struct {
	Column
	Pattern string
}

// IsNull holds for columns without a value.
type IsNull struct{ Column }

// Value is a constant: a text, or a number as written.
type Value struct {
	Text   string
	Number bool
}

func (And) condition()     {}
func (Or) condition()      {}
func (Not) condition()     {}
func (Compare) condition() {}
func (In) condition()      {}
func (Between) condition() {}
func (Like) condition()    {}
func (IsNull) condition()  {}

// Error says where a statement stops being understood.
type Error struct {
	Offset      int
	Message     string
	Unsupported bool // it is SQL, but not of the part that the service takes
}

func (e *Error) Error() string { return fmt.Sprintf("%s (at position %d)", e.Message, e.Offset) }
