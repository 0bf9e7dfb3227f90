// Package people makes up contacts: the same file for the same size, whoever asks and wherever.
package people

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// Header is the file's header row: logical names of a contact's columns, the key first.
const Header = "emailaddress1,firstname,lastname,telephone1,address1_city,address1_postalcode,birthdate,gendercode,creditlimit,donotemail"

// Options describe a file.
type Options struct {
	Rows int
	// Lookup adds an eleventh column, parentcustomerid, which is empty in every good row.
	Lookup bool
	// Bad is the share of rows that point to an account that is not there: nothing
	// in the file is wrong, only the service can tell. It needs Lookup.
	Bad float64
}

var (
	firstNames = []string{"Ada", "Farid", "Katja", "Pavel", "Noor", "Inés", "Jürgen", "Siobhán", "Luca", "Mei", "Tomasz", "Amara"}
	lastNames  = []string{"Adler", "Lindqvist", "Weiß", "Hansen", "Okafor", "García López", "Müller", "Ní Bhriain", "Rossi", "Tanaka", "Wiśniewski", "O'Neil"}
	cities     = []string{"Wien", "København", "Lyon", "Köln", "Praha", "Sevilla", "Graz", "Galway", "Torino", "Kyoto", "Łódź", "Accra"}
)

// absent is an account that nobody has.
const absent = "0badc0de-0000-4000-8000-000000000000"

// Write writes a file and says how many of its rows are bad.
func Write(w io.Writer, o Options) (bad int, err error) {
	out := bufio.NewWriterSize(w, 1<<18)
	out.WriteString(Header)
	if o.Lookup {
		out.WriteString(",parentcustomerid")
	}
	out.WriteByte('\n')
	culprits := rand.New(rand.NewPCG(3, 4)) // of its own, so that all files share their good rows
	var line []byte
	for i, p := range everyone(o.Rows) {
		line = p.appendCSV(line[:0])
		if o.Lookup {
			line = append(line, ',')
			if culprits.Float64() < o.Bad {
				line = append(line, absent...)
				bad++
			}
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return bad, fmt.Errorf("write row %d: %w", i+1, err)
		}
	}
	return bad, out.Flush()
}

// person is one row, with values as a file of types has them.
type person struct {
	Email    string `json:"emailaddress1" parquet:"emailaddress1"`
	First    string `json:"firstname" parquet:"firstname,dict"`
	Last     string `json:"lastname" parquet:"lastname,dict"`
	Phone    string `json:"telephone1" parquet:"telephone1"`
	City     string `json:"address1_city" parquet:"address1_city,dict"`
	Postcode string `json:"address1_postalcode" parquet:"address1_postalcode"`
	Born     string `json:"birthdate" parquet:"birthdate"`
	Gender   int32  `json:"gendercode" parquet:"gendercode"`
	Credit   cents  `json:"creditlimit" parquet:"creditlimit,decimal(2:18)"`
	Silent   bool   `json:"donotemail" parquet:"donotemail"`
}

// cents are an amount with two decimal places.
type cents int64

func (c cents) append(dst []byte) []byte { return fmt.Appendf(dst, "%d.%02d", c/100, c%100) }

// MarshalJSON writes a number.
func (c cents) MarshalJSON() ([]byte, error) { return c.append(nil), nil }

// everyone makes up people, by their places in the file.
func everyone(rows int) iter.Seq2[int, *person] {
	return func(yield func(int, *person) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		var p person
		for i := range rows {
			if p.becomes(i, random); !yield(i, &p) {
				return
			}
		}
	}
}

func (p *person) becomes(i int, random *rand.Rand) {
	n := random.Uint64()
	pick := func(from []string) string {
		s := from[n%uint64(len(from))]
		n /= uint64(len(from))
		return s
	}
	*p = person{First: pick(firstNames), Last: pick(lastNames), City: pick(cities)}
	p.Email = fmt.Sprintf("person.%07d@example.org", i)
	p.Phone = fmt.Sprintf("+49 30 %07d", random.IntN(10_000_000))
	p.Postcode = fmt.Sprintf("%05d", random.IntN(100_000))
	p.Born = fmt.Sprintf("%04d-%02d-%02d", 1930+random.IntN(75), 1+random.IntN(12), 1+random.IntN(28))
	p.Gender = int32(1 + random.IntN(2))
	p.Credit = cents(100 * random.IntN(20_000))
	p.Credit += cents(random.IntN(100))
	p.Silent = random.IntN(4) == 0
}

func (p *person) appendCSV(dst []byte) []byte {
	for _, text := range []string{p.Email, p.First, p.Last, p.Phone, p.City, p.Postcode, p.Born} {
		dst = append(append(dst, text...), ',')
	}
	dst = append(strconv.AppendInt(dst, int64(p.Gender), 10), ',')
	dst = append(p.Credit.append(dst), ',')
	return strconv.AppendBool(dst, p.Silent)
}

// WriteUpTo writes a file of so many bytes, to the end of a row, and says how many rows that are.
func WriteUpTo(w io.Writer, bytes int64) (rows int, err error) {
	out := bufio.NewWriterSize(w, 1<<18)
	out.WriteString(Header + "\n")
	left := bytes - int64(len(Header)) - 1
	var line []byte
	for i, p := range everyone(math.MaxInt) {
		if left <= 0 {
			break
		}
		line = append(p.appendCSV(line[:0]), '\n')
		if _, err := out.Write(line); err != nil {
			return rows, fmt.Errorf("write row %d: %w", i+1, err)
		}
		left -= int64(len(line))
		rows++
	}
	return rows, out.Flush()
}

// WriteJSONLines writes the same people, an object a line.
func WriteJSONLines(w io.Writer, rows int) error {
	out := bufio.NewWriterSize(w, 1<<18)
	lines := json.NewEncoder(out)
	for i, p := range everyone(rows) {
		if err := lines.Encode(p); err != nil {
			return fmt.Errorf("write row %d: %w", i+1, err)
		}
	}
	return out.Flush()
}

// groupRows is how many rows are in a row group.
const groupRows = 50_000

// WriteParquet writes the same people in row groups, compressed with Snappy.
func WriteParquet(w io.Writer, rows int) error {
	out := parquet.NewGenericWriter[person](w, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(groupRows))
	for i, p := range everyone(rows) {
		if _, err := out.Write([]person{*p}); err != nil {
			return fmt.Errorf("write row %d: %w", i+1, err)
		}
	}
	return out.Close()
}
