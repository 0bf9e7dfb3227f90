// Package people makes up contacts: the same file for the same size, whoever asks and wherever.
package people

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
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
	random := rand.New(rand.NewPCG(1, 2))
	culprits := rand.New(rand.NewPCG(3, 4)) // of its own, so that all files share their good rows
	var line []byte
	for i := range o.Rows {
		line = appendPerson(line[:0], i, random)
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

func appendPerson(dst []byte, i int, random *rand.Rand) []byte {
	n := random.Uint64()
	pick := func(from []string) string {
		s := from[n%uint64(len(from))]
		n /= uint64(len(from))
		return s
	}
	first, last, city := pick(firstNames), pick(lastNames), pick(cities)
	return fmt.Appendf(dst, "person.%07d@example.org,%s,%s,+49 30 %07d,%s,%05d,%04d-%02d-%02d,%d,%d.%02d,%t",
		i, first, last, random.IntN(10_000_000), city, random.IntN(100_000),
		1930+random.IntN(75), 1+random.IntN(12), 1+random.IntN(28), 1+random.IntN(2),
		random.IntN(20_000), random.IntN(100), random.IntN(4) == 0)
}
