// Package delivery turns what arrived into rows, in constant memory.
//
// Gather finds the objects of a delivery, Detect finds out how they are written, OpenAll reads their rows, and
// RejectWriter writes rows back as they came. What lies between an object and a row:
//
//	Opener     the bytes of one version of an object: from an offset, or anywhere (Files, Bucket, Framed)
//	unpack     gzip, zstd, bzip2, snappy frames, zip with one file; by content, bounded
//	charset    UTF-16 and Windows-1252 as UTF-8, and back without losing a byte
//	stream     the three above in a goroutine of their own, ahead of the reader and for several objects at once
//	window     the part of the text that is in memory: at most one row more than a block
//	csv, json  cut the window into rows; positions are those that an editor shows
//	parquet, xlsx  need random access and have no text: they give cells and no Raw
//	Rows       one object after the other, as one Reader; row numbers count over all of them
//
// Four decisions hold it together.
//
// Nothing is guessed silently. Detect looks at 256 KiB, writes down why it decides as it does, and refuses
// where two answers are as good, naming both and the setting that decides. What it found is stored with the
// run, so that each later reading reads alike.
//
// One bad row is a reject, a broken file is a refusal. A row that cannot be cut (quotes, cells, characters) has
// Reject set and keeps its bytes; a file that is not what it should be (cut short, damaged, beyond a limit, a
// part that changed) ends reading with fault.Refused. An error of the network is neither, and comes through
// as the Opener gave it.
//
// Bytes are kept. Text of other encodings is decoded so that it can be encoded again, also where it means
// nothing; Raw is the row as UTF-8, and RejectWriter gives back the very bytes that came.
//
// Reading can stop at any row and go on elsewhere (rule P2). Rows.Cursor names object, offset in the unpacked
// object, line and parser state, and the hash so far; Resume goes on there. Compressed objects are unpacked again
// from their beginning for it, unless Reframe has copied them into parts that can be entered anywhere.
package delivery
