package dataversetest

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// validate checks a value against the limits of its column, and gives it the form that is kept.
func (c *column) validate(t *table, v driver.Value) (driver.Value, error) {
	if v == nil {
		return nil, nil
	}
	switch c.Type {
	case schema.TypeString, schema.TypeMemo:
		return v, c.validateText(t, v.(string))
	case schema.TypeInteger:
		return v, c.validateInteger(t, v.(int64))
	case schema.TypeDecimal, schema.TypeMoney:
		return c.validateDecimal(t, v.(string))
	case schema.TypeDouble:
		return c.validateDouble(t, v.(float64))
	case schema.TypePicklist, schema.TypeState, schema.TypeStatus:
		return v, c.validateChoice(t, v.(int64))
	case schema.TypeMultiSelect:
		return c.validateChoices(t, v.(string))
	case schema.TypeDateTime:
		return v, validateTime(v.(string))
	}
	return v, nil
}

func (c *column) validateText(t *table, s string) error {
	plain := true
	for i := 0; i < len(s); i++ {
		if b := s[i]; b >= utf8.RuneSelf || b < ' ' {
			plain = false
			break
		}
	}
	length := len(s)
	if !plain {
		length = 0
		for _, r := range s {
			if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
				return failf(400, "0x80040278", "Invalid character in field '%s': '%s', hexadecimal value 0x%02X, is an invalid character.", c.LogicalName, string(r), r)
			}
			length++
			if r > 0xFFFF { // the service counts UTF-16 code units
				length++
			}
		}
	}
	if c.MaxLength > 0 && length > c.MaxLength {
		return failf(400, "0x80044331", "A validation error occurred.  The length of the '%s' attribute of the '%s' entity exceeded the maximum allowed length of '%d'.",
			c.LogicalName, t.LogicalName, c.MaxLength)
	}
	return nil
}

func (c *column) validateInteger(t *table, n int64) error {
	if c.Min != nil && float64(n) < *c.Min || c.Max != nil && float64(n) > *c.Max {
		return failf(400, "0x8004432f", "A validation error occurred. The value %d of '%s' on record of type '%s' is outside the valid range. "+
			"Minimum Value: %s, Maximum value: %s", n, c.LogicalName, t.LogicalName, limitText(c.Min, math.MinInt32), limitText(c.Max, math.MaxInt32))
	}
	return nil
}

func limitText(limit *float64, otherwise float64) string {
	if limit == nil {
		limit = &otherwise
	}
	return strconv.FormatFloat(*limit, 'f', -1, 64)
}

// The widest ranges of the types, where a column knows no narrower one.
const (
	maxDecimal = 100_000_000_000
	maxMoney   = 922_337_203_685_477
)

func (c *column) validateDecimal(t *table, text string) (driver.Value, error) {
	limit, clr := float64(maxDecimal), "System.Decimal"
	if c.Type == schema.TypeMoney {
		limit, clr = maxMoney, "Microsoft.Xrm.Sdk.Money"
	}
	low, high := limitText(c.Min, -limit), limitText(c.Max, limit)
	value := canonicalDecimal(text, -1)
	if storage.CompareDecimals(value, low) < 0 || storage.CompareDecimals(value, high) > 0 {
		return nil, c.outOfRange(t, text, clr, low, high)
	}
	return canonicalDecimal(value, c.places()), nil // more places than the column has are rounded
}

func (c *column) places() int {
	if c.Type == schema.TypeMoney && c.PrecisionSource != 0 {
		return 4 // the organisation's or the currency's; never more
	}
	if c.Precision == 0 && c.Min == nil && c.Max == nil {
		return 10 // the schema's source knew nothing of the column
	}
	return c.Precision
}

func (c *column) outOfRange(t *table, value, clr, low, high string) error {
	return failf(400, "0x80044330", "A validation error occurred for %s.%s. The value %s of type %s is outside the valid range(%s to %s).",
		t.LogicalName, c.LogicalName, value, clr, low, high)
}

func (c *column) validateDouble(t *table, f float64) (driver.Value, error) {
	low, high := limitText(c.Min, -maxDecimal), limitText(c.Max, maxDecimal)
	lowest, _ := strconv.ParseFloat(low, 64)
	highest, _ := strconv.ParseFloat(high, 64)
	if f < lowest || f > highest {
		return nil, c.outOfRange(t, strconv.FormatFloat(f, 'f', -1, 64), "System.Double", low, high)
	}
	if c.Precision > 0 {
		scale := math.Pow10(c.Precision)
		f = math.Round(f*scale) / scale
	}
	return f, nil
}

func (c *column) validateChoice(t *table, n int64) error {
	if c.Options == nil || len(c.Options.Options) == 0 || c.Options.Option(int(n)) != nil {
		return nil
	}
	return failf(400, "0x8004431a", "A validation error occurred. The value %d of '%s' on record of type '%s' is outside the valid range. Accepted Values: %s",
		n, c.LogicalName, t.LogicalName, c.acceptedValues())
}

func (c *column) acceptedValues() string {
	var values []string
	for _, o := range c.Options.Options {
		values = append(values, strconv.Itoa(o.Value))
	}
	return strings.Join(values, ",")
}

const maxSelections = 150

func (c *column) validateChoices(t *table, text string) (driver.Value, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxSelections {
		return nil, failf(400, "0x80050222", "The number of selected values of '%s' exceeds the maximum of %d.", c.LogicalName, maxSelections)
	}
	for i, part := range parts {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil {
			return nil, errPayload(t.SetName, "Cannot convert the literal '%s' to the expected type 'Edm.String'.", text)
		}
		if err := c.validateChoice(t, n); err != nil {
			return nil, err
		}
		parts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(parts, ","), nil
}

// earliest is the first day of SQL Server's datetime.
const earliest = "1753-01-01"

func validateTime(text string) error {
	if text < earliest {
		return failf(400, "0x80040239", "DateTime is less than minimum value supported by CrmDateTime. Actual value: %s, Minimum value supported: 01/01/1753 00:00:00", text)
	}
	return nil
}

// checkStatus makes a pair of state and status that belong together, or refuses it.
func (d *draft) checkStatus(w *work, id string, row int64) error {
	t := d.table
	if t.state == nil || t.status == nil {
		return nil
	}
	stateSet, statusSet := d.filled[t.state.at], d.filled[t.status.at]
	if !stateSet && !statusSet {
		return nil
	}
	state, err := d.stateAfter(w, row)
	if err != nil {
		return err
	}
	if !statusSet || d.values[t.status.at] == nil {
		d.put(t.status, t.defaultStatus(state))
		return nil
	}
	status := d.values[t.status.at].(int64)
	option := t.status.Options.Option(int(status))
	if option == nil || int64(option.State) == state {
		return nil
	}
	return failf(400, "0x80048408", "%d is not a valid status code for state code %sState.%s on %s with Id %s.",
		status, t.LogicalName, t.stateName(state), t.LogicalName, id)
}

// stateAfter is the record's state once the draft is written.
func (d *draft) stateAfter(w *work, row int64) (int64, error) {
	t := d.table
	if d.filled[t.state.at] {
		state, _ := d.values[t.state.at].(int64)
		return state, nil
	}
	if row == 0 {
		return 0, nil
	}
	existing, err := w.tx.Row("SELECT "+t.state.quoted+" FROM "+storage.Quote(t.LogicalName)+" WHERE rowid = ?", row)
	if err != nil {
		return 0, err
	}
	state, _ := existing[0].(int64)
	return state, nil
}

func (t *table) defaultStatus(state int64) driver.Value {
	if o := t.state.Options.Option(int(state)); o != nil && t.status.Options.Option(o.DefaultStatus) != nil {
		return int64(o.DefaultStatus)
	}
	if t.status.Options != nil {
		for _, o := range t.status.Options.Options {
			if int64(o.State) == state {
				return int64(o.Value)
			}
		}
	}
	return state + 1
}

func (t *table) stateName(state int64) string {
	o := t.state.Options.Option(int(state))
	switch {
	case o == nil:
		return fmt.Sprint(state)
	case o.InvariantName != "":
		return o.InvariantName
	}
	return o.Label
}
