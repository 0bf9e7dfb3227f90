package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/mapping"
	"penstock/internal/row"
)

// liveWorld is what a mapping sees beyond its own table: the environment, read live and remembered.
type liveWorld struct {
	ctx    context.Context
	client *dataverse.Client
	table  string

	mu          sync.Mutex
	tables      map[string]*dataverse.Table
	collections []dataverse.Collection
	collected   bool
}

var _ mapping.World = (*liveWorld)(nil)

func (w *liveWorld) Table(name string) (*dataverse.Table, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.tables[name]; t != nil {
		return t, nil
	}
	t, err := w.client.Table(w.ctx, name)
	if err != nil {
		return nil, err
	}
	if w.tables == nil {
		w.tables = make(map[string]*dataverse.Table)
	}
	w.tables[name] = t
	return t, nil
}

func (w *liveWorld) Collections() ([]dataverse.Collection, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.collected {
		return w.collections, nil
	}
	all, err := w.client.Collections(w.ctx, w.table)
	if err != nil {
		return nil, err
	}
	w.collections, w.collected = all, true
	return all, nil
}

// references finds the records that rows name by other than their id, for many
// rows at once, and remembers them. Several goroutines use it.
type references struct {
	client *dataverse.Client
	tell   func(note string) // what is waited for; nil tells nobody
	most   int               // values and records remembered; beyond that the run is refused

	mu    sync.RWMutex
	known map[question]answer
	ids   map[question][]string // of questions with several answers
	about map[subject]*inquiry
}

// question is a hash of table, column and normalised value: 16 bytes are a value's name for certain.
type question [16]byte

// answer is a record's id; zero is that there is none, all ones that there are several.
type answer [16]byte

var several = answer(slices.Repeat([]byte{0xff}, 16))

// subject is what questions are about.
type subject struct{ table, column string }

// inquiry is how far the records of one table are known by one column. Its lock is held while the service is asked.
type inquiry struct {
	sync.Mutex
	asked int  // values, one by one
	until int  // beyond so many the table is read
	whole bool // the table was read: what is not known is not there
}

const (
	// askAtFirst is how many values are asked for one by one before a table is read instead.
	askAtFirst = 3000
	// recordsPerQuestion: reading so many records, page by page, costs about as much as one question.
	// Reading a table therefore never costs more than the questions that went before it.
	recordsPerQuestion = 30
	// mostReferences is about 500 MB of them.
	mostReferences = 5_000_000
)

func newReferences(client *dataverse.Client, tell func(string)) *references {
	return &references{client: client, tell: tell, most: mostReferences,
		known: make(map[question]answer), ids: make(map[question][]string), about: make(map[subject]*inquiry)}
}

// questionOf names a reference. Values that the database takes for one have one name (rule I5).
func questionOf(table *dataverse.Table, column string, value json.RawMessage) (question, bool) {
	key := mapping.RecordKey(table, []string{column}, []json.RawMessage{value})
	if len(key) == 0 {
		return question{}, false
	}
	text := append(append(make([]byte, 0, 128), table.Name...), 0)
	text = append(append(text, column...), 0)
	sum := sha256.Sum256(append(text, key...))
	return question(sum[:16]), true
}

// find is mapping's Finder. What was never learned is not there.
func (f *references) find(ref mapping.Reference) []string {
	q, ok := questionOf(ref.Table, ref.Column, ref.Value)
	if !ok {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch a := f.known[q]; a {
	case answer{}:
		return nil
	case several:
		return f.ids[q]
	default:
		return []string{a.String()}
	}
}

func (a answer) String() string {
	text := hex.EncodeToString(a[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// wanted are values of one column that are not known yet.
type wanted struct {
	table  *dataverse.Table
	column string
	values map[question]json.RawMessage
}

// learn finds whatever rows name, so that they can be mapped.
func (f *references) learn(ctx context.Context, m *mapping.Mapping, rows []row.Row) error {
	var list []*wanted
	want := func(ref mapping.Reference) {
		q, ok := questionOf(ref.Table, ref.Column, ref.Value)
		if !ok || f.knows(q) {
			return
		}
		at := slices.IndexFunc(list, func(w *wanted) bool { return w.table.Name == ref.Table.Name && w.column == ref.Column })
		if at < 0 {
			list, at = append(list, &wanted{ref.Table, ref.Column, make(map[question]json.RawMessage)}), len(list)
		}
		if _, there := list[at].values[q]; !there {
			list[at].values[q] = slices.Clone(ref.Value)
		}
	}
	for i := range rows {
		m.References(&rows[i], want)
	}
	for _, w := range list {
		if err := f.inquire(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (f *references) knows(q question) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	_, known := f.known[q]
	return known
}

// inquire asks for values one by one while they are few. When there are many the
// table is read, if that is not dearer than what was asked so far.
func (f *references) inquire(ctx context.Context, w *wanted) error {
	inq := f.inquiry(subject{w.table.Name, w.column})
	inq.Lock()
	defer inq.Unlock()
	if inq.whole {
		return nil
	}
	for q := range w.values { // what another goroutine has learned meanwhile
		if f.knows(q) {
			delete(w.values, q)
		}
	}
	if len(w.values) == 0 {
		return nil
	}
	if inq.asked+len(w.values) > inq.until {
		if err := f.read(ctx, w, inq); err != nil || inq.whole {
			return err
		}
		inq.until *= 4
	}
	inq.asked += len(w.values)
	return f.ask(ctx, w)
}

func (f *references) inquiry(s subject) *inquiry {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.about[s] == nil {
		f.about[s] = &inquiry{until: askAtFirst}
	}
	return f.about[s]
}

// ask lets the service compare: each value is a query, many to a call.
func (f *references) ask(ctx context.Context, w *wanted) error {
	f.say("looking up %s of %s in table %s", fault.Count(len(w.values), "value"), w.column, w.table.Name)
	questions, keys := make([]question, 0, len(w.values)), make([][]dataverse.KeyPart, 0, len(w.values))
	for q, value := range w.values {
		questions, keys = append(questions, q), append(keys, []dataverse.KeyPart{{Column: w.column, Value: value}})
	}
	found, err := f.client.Resolve(ctx, w.table, keys)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, q := range questions {
		f.known[q] = answer{}
		for _, id := range found[i] {
			f.add(q, id)
		}
	}
	return f.bound(w)
}

// read learns a table's records by one column, unless there are too many to be worth it.
func (f *references) read(ctx context.Context, w *wanted, inq *inquiry) error {
	f.say("reading table %s to look up %s", w.table.Name, w.column)
	limit := recordsPerQuestion * (inq.asked + len(w.values))
	records := 0
	type record struct {
		q  question
		id answer
	}
	var read []record
	for key, err := range f.client.Keys(ctx, w.table, []string{w.column}, nil) {
		if err != nil {
			return err
		}
		if records++; records > limit {
			return nil
		}
		if q, ok := questionOf(w.table, w.column, key.Values[0]); ok {
			if id, ok := parseAnswer(key.ID); ok {
				read = append(read, record{q, id})
			}
		}
		if len(read) > f.most {
			return f.tooMany(w)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range read {
		f.add(r.q, r.id.String())
	}
	inq.whole = true
	return f.bound(w)
}

// add notes that a record answers a question. A record that moved between two pages is the same one.
func (f *references) add(q question, id string) {
	a, ok := parseAnswer(id)
	if !ok {
		return
	}
	switch before := f.known[q]; {
	case before == answer{}:
		f.known[q] = a
	case before == a || before == several && slices.Contains(f.ids[q], id):
	case before == several:
		f.ids[q] = append(f.ids[q], id)
	default:
		f.known[q], f.ids[q] = several, []string{before.String(), id}
	}
}

func parseAnswer(id string) (a answer, ok bool) {
	n, err := hex.Decode(a[:], []byte(strings.ReplaceAll(id, "-", "")))
	return a, err == nil && n == len(a)
}

func (f *references) bound(w *wanted) error {
	if len(f.known) > f.most {
		return f.tooMany(w)
	}
	return nil
}

func (f *references) tooMany(w *wanted) error {
	return fault.New(fault.Refused, "too_many_references", "the rows name more than %d different records by other than their id, at last by %s of table %s", f.most, w.column, w.table.Name).
		Advise("split the file, or have it name the records by their ids")
}

func (f *references) say(format string, args ...any) {
	if f.tell != nil {
		f.tell(fmt.Sprintf(format, args...))
	}
}
