package dataversetest

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var autoNumberPattern = regexp.MustCompile(`\{(SEQNUM|RANDSTRING|DATETIMEUTC):([^}]*)\}`)

// firstNumber is where the service starts counting.
const firstNumber int64 = 1000

// number makes the next value of an autonumber column, as in P-{SEQNUM:6}-{RANDSTRING:4}.
func (w *work) number(t *table, c *column) (string, error) {
	var failure error
	text := autoNumberPattern.ReplaceAllStringFunc(c.AutoNumber, func(piece string) string {
		m := autoNumberPattern.FindStringSubmatch(piece)
		switch m[1] {
		case "SEQNUM":
			n, err := w.nextNumber("autonumber " + t.LogicalName + "." + c.LogicalName)
			if err != nil {
				failure = err
			}
			digits, _ := strconv.Atoi(m[2])
			return fmt.Sprintf("%0*d", digits, n)
		case "RANDSTRING":
			n, _ := strconv.Atoi(m[2])
			return randomString(n)
		}
		return w.s.now().Format(goLayout(m[2]))
	})
	return text, failure
}

// nextNumber counts in the database, so that a file goes on where it stopped.
func (w *work) nextNumber(name string) (int64, error) {
	row, err := w.tx.Row(`INSERT INTO "`+countersTable+`" VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`, name, firstNumber)
	if err != nil {
		return 0, err
	}
	return row[0].(int64), nil
}

func randomString(n int) string {
	text := rand.Text()
	for len(text) < n {
		text += rand.Text()
	}
	return text[:max(0, n)]
}

// goLayout turns a .NET date format into Go's.
func goLayout(format string) string {
	return strings.NewReplacer("yyyy", "2006", "yy", "06", "MM", "01", "dd", "02", "HH", "15", "hh", "03", "mm", "04", "ss", "05").Replace(format)
}
