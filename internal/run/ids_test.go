package run

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"
)

var arrived = time.Date(2026, 3, 1, 2, 0, 5, 0, time.UTC)

func testIDs() recordIDs {
	return newRecordIDs("org", "lead", "enquiries", "sha256:1", 0, arrived)
}

// The order in which SQL Server compares uniqueidentifiers: bytes 10–15, then
// 8–9, 6–7, 4–5, 0–3, each group from its first byte.
func sqlOrder(t *testing.T, id string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatalf("%s is no uuid: %v", id, err)
	}
	return bytes.Join([][]byte{b[10:16], b[8:10], b[6:8], b[4:6], b[0:4]}, nil)
}

func TestRecordIDsAscendInSQLServersOrder(t *testing.T) {
	ids := testIDs()
	rows := []int64{1, 2, 3, 255, 256, 1<<14 - 1, 1 << 14, 1<<14 + 1, 1 << 20, MaxRows - 1, MaxRows}
	for i := 1; i < len(rows); i++ {
		a, b := sqlOrder(t, ids.ID(rows[i-1])), sqlOrder(t, ids.ID(rows[i]))
		if bytes.Compare(a, b) >= 0 {
			t.Errorf("the id of row %d does not sort before that of row %d: %x, %x", rows[i-1], rows[i], a, b)
		}
	}
	later := newRecordIDs("org", "lead", "enquiries", "sha256:2", 0, arrived.Add(time.Second))
	if bytes.Compare(sqlOrder(t, ids.ID(MaxRows)), sqlOrder(t, later.ID(1))) >= 0 {
		t.Error("a later delivery's first id does not sort after an earlier one's last")
	}
}

func TestRecordIDsDependOnEveryPartOfTheirIdentity(t *testing.T) {
	id := testIDs().ID(7)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("%s is not a version 8 uuid", id)
	}
	if again := testIDs().ID(7); again != id {
		t.Errorf("the same row has ids %s and %s", id, again)
	}
	others := map[string]recordIDs{
		"organisation": newRecordIDs("org2", "lead", "enquiries", "sha256:1", 0, arrived),
		"table":        newRecordIDs("org", "leads", "enquiries", "sha256:1", 0, arrived),
		"destination":  newRecordIDs("org", "lead", "other", "sha256:1", 0, arrived),
		"delivery":     newRecordIDs("org", "lead", "enquiries", "sha256:2", 0, arrived),
		"ordinal":      newRecordIDs("org", "lead", "enquiries", "sha256:1", 1, arrived),
		"border":       newRecordIDs("orgl", "ead", "enquiries", "sha256:1", 0, arrived),
	}
	for part, ids := range others {
		if ids.ID(7) == id {
			t.Errorf("another %s gives the same id", part)
		}
	}
	seen := map[string]bool{}
	for row := int64(1); row < 100_000; row++ {
		seen[testIDs().ID(row)] = true
	}
	if len(seen) != 99_999 {
		t.Errorf("99999 rows have %d ids", len(seen))
	}
}
