package delivery

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

func people(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("emailaddress1,firstname,lastname,telephone1,address1_city,birthdate,revenue,donotemail\n")
	for i := range rows {
		fmt.Fprintf(&b, "person.%d@example.org,Ada,Lovelace-%d,+44 20 7946 %04d,London,1815-12-10,%d.50,false\n", i, i, i%10000, i*7)
	}
	return b.Bytes()
}

func quotedPeople(rows int) []byte {
	var b bytes.Buffer
	b.WriteString(`"emailaddress1","firstname","lastname","telephone1","address1_city","birthdate","revenue","donotemail"` + "\n")
	for i := range rows {
		fmt.Fprintf(&b, `"person.%d@example.org","Ada","Lovelace ""%d""","+44 20 7946 %04d","London, UK","1815-12-10","%d.50","false"`+"\n", i, i, i%10000, i*7)
	}
	return b.Bytes()
}

func jsonPeople(rows int) []byte {
	var b bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&b, `{"emailaddress1":"person.%d@example.org","firstname":"Ada","lastname":"Lovelace-%d","telephone1":"+44 20 7946 %04d","address1_city":"London","birthdate":"1815-12-10","revenue":%d.50,"donotemail":false}`+"\n", i, i, i%10000, i*7)
	}
	return b.Bytes()
}

func readAll(b *testing.B, data []byte, format Format) {
	b.Helper()
	reader, err := Open(bytes.NewReader(data), format, "bench", Limits{})
	for err == nil {
		_, err = reader.Next()
	}
	if err != io.EOF {
		b.Fatal(err)
	}
}

// BenchmarkCSV compares with encoding/csv, which merely splits.
func BenchmarkCSV(b *testing.B) {
	for _, file := range []struct {
		name string
		data []byte
	}{{"plain", people(20000)}, {"quoted", quotedPeople(20000)}} {
		b.Run(file.name+"/penstock", func(b *testing.B) {
			b.SetBytes(int64(len(file.data)))
			b.ReportAllocs()
			for b.Loop() {
				readAll(b, file.data, CSV)
			}
		})
		b.Run(file.name+"/encoding_csv", func(b *testing.B) {
			b.SetBytes(int64(len(file.data)))
			b.ReportAllocs()
			for b.Loop() {
				reader := csv.NewReader(bytes.NewReader(file.data))
				reader.ReuseRecord = true
				var err error
				for err == nil {
					_, err = reader.Read()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJSONL compares with a bare decode into a map.
func BenchmarkJSONL(b *testing.B) {
	data := jsonPeople(20000)
	b.Run("penstock", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			readAll(b, data, JSONL)
		}
	})
	b.Run("encoding_json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			decoder := json.NewDecoder(bytes.NewReader(data))
			for decoder.More() {
				var object map[string]any
				if err := decoder.Decode(&object); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
