package delivery

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"penstock/internal/delivery/charset"
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

// BenchmarkDelivery reads as a run does: opened, decoded ahead in another goroutine, hashed.
func BenchmarkDelivery(b *testing.B) {
	plain, array := people(20000), append(append([]byte{'['}, bytes.Join(bytes.Split(bytes.TrimSpace(jsonPeople(20000)), []byte("\n")), []byte(",\n"))...), ']')
	for _, file := range []struct {
		name string
		data string
		how  Detected
	}{
		{"csv", string(plain), Detected{Format: CSV, Header: HeaderEach}},
		{"csv_quoted", string(quotedPeople(20000)), Detected{Format: CSV, Header: HeaderEach}},
		{"csv_backslash", string(bytes.ReplaceAll(plain, []byte("Love"), []byte(`Love\,`))), Detected{Format: CSV, Header: HeaderEach, Dialect: Dialect{Escape: Backslash}}},
		{"csv_windows1252", string(plain), Detected{Format: CSV, Header: HeaderEach, Encoding: charset.Windows1252}},
		{"csv_utf16", encoded(charset.UTF16LE, string(plain)), Detected{Format: CSV, Header: HeaderEach, Encoding: charset.UTF16LE}},
		{"csv_gzip", gzipped(string(plain)), Detected{Format: CSV, Header: HeaderEach}},
		{"json_array", string(array), Detected{Format: JSON}},
		{"xlsx", peopleSheet(b, 5000), Detected{Format: XLSX}},
	} {
		b.Run(file.name, func(b *testing.B) {
			src := delivered("a", file.data)
			b.SetBytes(int64(len(file.data)))
			b.ReportAllocs()
			for b.Loop() {
				readDelivery(b, src, file.how)
			}
		})
	}
}

func readDelivery(b *testing.B, src Source, how Detected) (rows int) {
	b.Helper()
	reader, err := OpenAll(b.Context(), src, &how, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	defer reader.Close()
	for err == nil {
		_, err = reader.Next()
		rows++
	}
	if err != io.EOF {
		b.Fatal(err)
	}
	return rows - 1
}

func peopleSheet(b *testing.B, n int) string {
	b.Helper()
	f := excelize.NewFile()
	defer f.Close()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		b.Fatal(err)
	}
	_ = w.SetRow("A1", []any{"emailaddress1", "firstname", "lastname", "revenue", "donotemail"})
	for i := range n {
		_ = w.SetRow(fmt.Sprint("A", i+2), []any{fmt.Sprintf("person.%d@example.org", i), "Ada", "Lovelace", float64(i) / 4, i%2 == 0})
	}
	_ = w.Flush()
	data, err := f.WriteToBuffer()
	if err != nil {
		b.Fatal(err)
	}
	return data.String()
}

type parquetPerson struct {
	Email   string  `parquet:"emailaddress1"`
	First   string  `parquet:"firstname,dict"`
	Last    *string `parquet:"lastname,optional"`
	City    string  `parquet:"address1_city,dict"`
	Born    int32   `parquet:"birthdate,date"`
	Revenue int64   `parquet:"revenue,decimal(2:18)"`
	Quiet   bool    `parquet:"donotemail"`
	Seen    int64   `parquet:"seen,timestamp(microsecond)"`
}

// BenchmarkParquet compares with the library's own reading of rows, which makes no text of them.
func BenchmarkParquet(b *testing.B) {
	var file bytes.Buffer
	w := pq.NewGenericWriter[parquetPerson](&file, pq.Compression(&pq.Snappy), pq.MaxRowsPerRowGroup(25000))
	for i := range 50000 {
		last := fmt.Sprint("Lovelace-", i)
		_, _ = w.Write([]parquetPerson{{fmt.Sprintf("person.%d@example.org", i), "Ada", &last, "London", int32(i), int64(i) * 7, i%2 == 0, int64(i) * 1e6}})
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	src := delivered("a", file.String())
	b.Run("penstock", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(file.Len()))
		for b.Loop() {
			if n := readDelivery(b, src, Detected{Format: Parquet}); n != 50000 {
				b.Fatal(n)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(file.Len()))
		buffer := make([]pq.Row, 128)
		for b.Loop() {
			f, err := pq.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for _, group := range f.RowGroups() {
				rows := group.Rows()
				for err = nil; err == nil; {
					var read int
					read, err = rows.ReadRows(buffer)
					n += read
				}
				rows.Close()
			}
			if err != io.EOF || n != 50000 {
				b.Fatal(n, err)
			}
		}
	})
}
