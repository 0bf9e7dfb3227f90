package run

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"penstock/internal/store"
)

// contacts are rows of ten columns, each with a key of its own.
func contacts(rows int) []byte {
	b := bytes.NewBufferString("emailaddress1,firstname,lastname,jobtitle,telephone1,address1_line1,address1_city,address1_postalcode,birthdate,numberofchildren\n")
	for n := range rows {
		fmt.Fprintf(b, "person.%07d@example.org,First%d,\"Last, %d\",Clerk,+49 30 %07d,Some Street %d,Berlin,%05d,19%02d-%02d-%02d,%d\n",
			n*7919%rows, n%1000, n%5000, n, n%300, n%99999, n%90+10, n%12+1, n%28+1, n%5)
	}
	return b.Bytes()
}

// The whole of prepare, chunks in a directory, against the emulator's metadata.
func BenchmarkPrepare(b *testing.B) {
	const rows = 200_000
	body := contacts(rows)
	path := filepath.Join(b.TempDir(), "people.csv")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		b.Fatal(err)
	}
	for name, destination := range map[string]string{
		"upsert":       "table: contact\nmode: upsert\nkey: emailaddress1",
		"only-changes": "table: contact\nmode: upsert\nkey: emailaddress1\nonly_changes: true",
		"mirror":       "table: contact\nmode: mirror\nkey: emailaddress1\nallow_whole_table: true",
		"append":       "table: contact\nmode: append",
	} {
		b.Run(name, func(b *testing.B) {
			d := newDesk(b, destination)
			work, err := store.Dir(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer work.Close()
			d.Work = work
			d.prepare("warm.csv", contacts(10))
			b.SetBytes(int64(len(body)))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				start := d.deliver("unused", nil)
				start.Delivery.Objects[0].Key, start.Delivery.Objects[0].Size = path, int64(len(body))
				if p, err := d.Prepare(b.Context(), PrepareIn{Start: start}); err != nil || p.State != Proven || p.Rows.Read != rows {
					b.Fatalf("%+v, %v", p, err)
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/rows, "allocs/row")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/rows, "B/row")
		})
	}
	b.Run("encoding-csv", func(b *testing.B) { // merely splits
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(body))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err != nil {
					break
				}
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
