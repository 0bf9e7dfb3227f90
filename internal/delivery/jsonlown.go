package delivery

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"penstock/internal/row"
)

// withoutOwn cuts Penstock's own members out of the row's bytes and notes their names.
func (j *jsonlReader) withoutOwn(line []byte) {
	members := j.scan.members
	kept := 0 // members kept so far
	from := 0 // behind what was copied or cut
	j.raw = j.raw[:0]
	for i, m := range members {
		if !m.own {
			kept++
			continue
		}
		j.ignore(m.name)
		// With a member kept before it the comma before goes too, otherwise the one behind.
		start, end := m.start, m.end
		if kept > 0 {
			start = members[i-1].end
			start += bytes.IndexByte(line[start:], ',')
		} else if i+1 < len(members) {
			end = members[i+1].start
		}
		j.raw = append(j.raw, line[from:start]...)
		from = end
	}
	j.raw = append(j.raw, line[from:]...)
	j.row.Raw = j.raw
}

func (j *jsonlReader) ignore(name []byte) {
	known := slices.ContainsFunc(j.ignored, func(other string) bool { return other == string(name) })
	if !known {
		j.ignored = append(j.ignored, string(name))
	}
}

// refuseAgain rejects a line of a reject file that holds a line which was not JSON, and has not been
// corrected since. The row is that line again, so that another reject file holds the same.
func (j *jsonlReader) refuseAgain() bool {
	var code, message, raw []byte
	for _, m := range j.scan.members {
		switch string(m.name) {
		case row.CodeColumn:
			code = m.cell.Text
		case row.MessageColumn:
			message = m.cell.Text
		case rawMember:
			raw = m.cell.Text
		}
	}
	if raw == nil || (string(code) != CodeBadJSON && string(code) != CodeNotAnObject) || !utf8.Valid(message) {
		return false
	}
	j.raw = append(j.raw[:0], raw...)
	j.row.Raw = j.raw
	j.refuse(string(code), "", string(message))
	return true
}
