package traffic

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"time"
)

// Costs say how long the server works on a request:
//
//	request + Σ over its operations (operation + rows × row × verb × alternate_key + rows × plug_in)
//
// Zero costs (the default) add nothing, and what is charged against the
// execution-time limit is then the time that the emulator itself took.
type Costs struct {
	Network   Duration `json:"network"`   // on the way: waited for, not charged
	Request   Duration `json:"request"`   // per HTTP request
	Operation Duration `json:"operation"` // per operation in it: one bulk action, or each part of a $batch
	Row       Duration `json:"row"`       // per row of an operation

	// Verbs multiply the cost of a row: {"upsert": 2}. A bulk action without its own
	// entry takes that of its single form; a verb without one takes 1.
	Verbs        map[string]float64   `json:"verbs,omitempty"`
	AlternateKey float64              `json:"alternate_key"` // multiplies rows found by alternate key; 0 means 1
	Tables       map[string]TableCost `json:"tables,omitempty"`

	// Timeout ends an operation that would cost more: nothing is written and the
	// answer is the SQL time-out 0x80044151. 0 means never.
	Timeout Duration `json:"timeout"`

	Scale      float64 `json:"scale"`       // multiplies every cost and the time-out, not the network; 0 means 1
	ChargeOnly bool    `json:"charge_only"` // charge without sleeping
}

// TableCost overrides costs for one table. Zero leaves the general value.
type TableCost struct {
	Row    Duration `json:"row"`
	PlugIn Duration `json:"plug_in"` // per row that is written, unless the request bypasses custom logic
	Factor float64  `json:"factor"`  // multiplies Row
}

// TypicalCosts are those of an easy custom table: 30 ms a call and 10 ms a created
// row; updates and upserts dearer, keys much dearer, as published measurements have it.
func TypicalCosts() Costs {
	return Costs{
		Network: Duration(50 * time.Millisecond),
		Request: Duration(30 * time.Millisecond),
		Row:     Duration(10 * time.Millisecond),
		Verbs: map[string]float64{
			"create": 1, "update": 2.5, "upsert": 2, "delete": 2, "retrieve": 0.5, "retrievemultiple": 0.01,
		},
		AlternateKey: 2.4,
		Timeout:      Duration(2 * time.Minute),
	}
}

// Validate says what is wrong with c.
func (c Costs) Validate() error {
	durations := []Duration{c.Network, c.Request, c.Operation, c.Row, c.Timeout}
	factors := []float64{c.AlternateKey, c.Scale}
	for _, f := range c.Verbs {
		factors = append(factors, f)
	}
	for _, t := range c.Tables {
		durations, factors = append(durations, t.Row, t.PlugIn), append(factors, t.Factor)
	}
	for _, d := range durations {
		if d < 0 || d > Duration(time.Hour) {
			return errors.New("a cost is between 0s and 1h")
		}
	}
	for _, f := range factors {
		if !(f >= 0 && f <= 1e6) {
			return errors.New("a factor is between 0 and 1000000")
		}
	}
	return nil
}

// model is Costs made ready: names in lower case, zero factors filled in.
type model struct {
	Costs
	free bool // no cost is modelled
}

func newModel(c Costs) *model {
	c.Scale = orOne(c.Scale)
	c.AlternateKey = orOne(c.AlternateKey)
	c.Verbs, c.Tables = lowerKeys(c.Verbs), lowerKeys(c.Tables)
	free := c.Request == 0 && c.Operation == 0 && c.Row == 0 && len(c.Tables) == 0
	return &model{c, free}
}

// lowerKeys copies m, since tables and verbs are the same in any case.
func lowerKeys[V any](m map[string]V) map[string]V {
	lower := make(map[string]V, len(m))
	for name, v := range m {
		lower[strings.ToLower(name)] = v
	}
	return lower
}

// withoutNames is c without what it says of single verbs and tables.
func (c Costs) withoutNames() Costs {
	c.Verbs, c.Tables = nil, nil
	return c
}

func orOne(f float64) float64 {
	if f == 0 {
		return 1
	}
	return f
}

// request is what a request costs whatever is in it.
func (m *model) request() time.Duration { return m.scale(float64(m.Request)) }

// operation is what w costs, and whether it runs into the time-out on the way.
func (m *model) operation(w Work, bypass bool) (cost time.Duration, timedOut bool) {
	if m.free {
		return 0, false
	}
	table := m.Tables[strings.ToLower(w.Table)]
	row := float64(m.Row)
	if table.Row > 0 {
		row = float64(table.Row)
	}
	row *= orOne(table.Factor) * m.verb(w.Verb)
	if w.AlternateKey {
		row *= m.AlternateKey
	}
	if !bypass && writes(w.Verb) {
		row += float64(table.PlugIn)
	}
	cost = m.scale(float64(m.Operation) + row*float64(w.Rows))
	if limit := m.scale(float64(m.Timeout)); limit > 0 && cost > limit {
		return limit, true
	}
	return cost, false
}

func (m *model) verb(name string) float64 {
	name = strings.ToLower(name)
	if f, ok := m.Verbs[name]; ok {
		return f
	}
	if f, ok := m.Verbs[strings.TrimSuffix(name, "multiple")]; ok {
		return f
	}
	return 1
}

func (m *model) scale(nanoseconds float64) time.Duration {
	return time.Duration(min(nanoseconds*m.Scale, math.MaxInt64/4))
}

// writes tells the verbs that run plug-ins from those that read.
func writes(verb string) bool {
	switch strings.TrimSuffix(strings.ToLower(verb), "multiple") {
	case "create", "update", "upsert", "delete", "associate", "disassociate":
		return true
	}
	return false
}

// bypasses tells whether the client asked that synchronous custom logic stays out.
func bypasses(h http.Header) bool {
	return strings.EqualFold(h.Get("MSCRM.BypassCustomPluginExecution"), "true") ||
		strings.Contains(h.Get("MSCRM.BypassBusinessLogicExecution"), "CustomSync")
}
