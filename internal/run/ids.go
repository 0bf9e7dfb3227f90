package run

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// recordIDs derives the primary ids of the records that a run creates (rule I2):
// the same delivery into the same destination always gives a row the same id,
// so a call sent twice cannot double it.
//
// The ids also ascend in SQL Server's order of uniqueidentifiers, which compares
// bytes 10–15 first, then 8–9: arrival time and row number stand there, a hash
// in the rest. Random ids would fragment the table's clustered index; Microsoft
// advises sequential ones.
type recordIDs struct {
	hash    [sha256.Size]byte
	arrived uint32 // seconds since 1970
}

func newRecordIDs(organisation, table, destination, delivery string, ordinal int, arrived time.Time) recordIDs {
	h := sha256.New()
	for _, part := range []string{"penstock record id 1", organisation, table, destination, delivery} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	var count [4]byte
	binary.BigEndian.PutUint32(count[:], uint32(ordinal))
	h.Write(count[:])
	ids := recordIDs{arrived: uint32(arrived.Unix())}
	h.Sum(ids.hash[:0])
	return ids
}

// MaxRows is how many rows a delivery may have: a record id has 30 bits for the row number.
const MaxRows = 1<<30 - 1

// ID is the record id of a source row, lower-case with dashes. Rows count from 1 to MaxRows.
func (ids recordIDs) ID(row int64) string {
	var b [16]byte
	copy(b[:8], ids.hash[:8])
	b[6] = b[6]&0x0f | 0x80 // version 8: a layout of our own (RFC 9562)
	binary.BigEndian.PutUint16(b[8:], uint16(row&0x3fff)|0x8000)
	binary.BigEndian.PutUint32(b[10:], ids.arrived)
	binary.BigEndian.PutUint16(b[14:], uint16(row>>14))

	text := make([]byte, 36)
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text)
}
