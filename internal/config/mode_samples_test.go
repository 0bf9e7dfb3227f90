package config

// modeSamples are about modes, keys, what is deleted, and who may drop files.
var modeSamples = []sample{
	{"append", withDestination("mode: append"), true},
	{"append with key", withDestination("mode: append, key: contactid"), false},
	{"append with match_on", withDestination("mode: append, match_on: firstname"), false},
	{"upsert without key", withDestination("mode: upsert"), false},
	{"upsert with empty key", withDestination("mode: upsert, key: []"), false},
	{"upsert with match_on", withDestination("mode: upsert, match_on: [firstname, lastname]"), true},
	{"match_on of one", withDestination("mode: upsert, match_on: firstname"), true},
	{"match_on empty", withDestination("mode: upsert, match_on: []"), false},
	{"key and match_on", withDestination("mode: upsert, key: a, match_on: b"), false},
	{"key twice", withDestination("mode: upsert, key: [a, a]"), false},
	{"key of several", withDestination("mode: upsert, key: [a, b]"), true},
	{"update", withDestination("mode: update, key: a"), true},
	{"update with match_on", withDestination("mode: update, match_on: a"), true},
	{"update without key", withDestination("mode: update"), false},
	{"delete", withDestination("mode: delete, key: a"), true},
	{"delete with match_on", withDestination("mode: delete, match_on: [a, b]"), true},
	{"delete without key", withDestination("mode: delete"), false},
	{"mirror", withDestination("mode: mirror, key: a, filter: {new_source: shop}"), true},
	{"mirror by match_on", withDestination("mode: mirror, match_on: a, allow_whole_table: true"), true},
	{"mirror without key", withDestination("mode: mirror, filter: {new_source: shop}"), false},
	{"mirror of nothing named", withDestination("mode: mirror, key: a"), false},
	{"mirror of the whole table, not allowed", withDestination("mode: mirror, key: a, allow_whole_table: false"), false},
	{"mirror with filter and not the whole table", withDestination("mode: mirror, key: a, filter: {b: 1}, allow_whole_table: false"), true},
	{"mirror with filter and the whole table", withDestination("mode: mirror, key: a, filter: {b: 1}, allow_whole_table: true"), false},
	{"mirror with clear", withDestination("mode: mirror, key: a, allow_whole_table: true, clear: rows"), false},
	{"truncate", withDestination("mode: truncate, allow_whole_table: true"), true},
	{"truncate with key", withDestination("mode: truncate, key: a, filter: {b: 1}"), true},
	{"truncate with match_on", withDestination("mode: truncate, match_on: a, filter: {b: 1}"), false},
	{"truncate of nothing named", withDestination("mode: truncate"), false},
	{"truncate with everything", conn + `destinations:
  d:
    connection: sales
    table: contact
    mode: truncate
    key: emailaddress1
    duplicates: reject
    filter:
      new_source: shop
      new_year: 2026
      new_share: -1.50
      new_active: true
      new_parent: null
    clear: bulkdelete
    max_deletes: {percent: 90, count: 100000}
    leave_undeletable: true
`, true},
	{"clear unknown", withDestination("mode: truncate, filter: {a: 1}, clear: fast"), false},
	{"clear of an upsert", withDestination("mode: upsert, key: a, clear: rows"), false},
	{"filter of an upsert", withDestination("mode: upsert, key: a, filter: {b: 1}"), false},
	{"filter of an append", withDestination("mode: append, filter: {b: 1}"), false},
	{"whole table of a delete", withDestination("mode: delete, key: a, allow_whole_table: true"), false},
	{"max_deletes of an update", withDestination("mode: update, key: a, max_deletes: 5"), false},
	{"leave_undeletable of an upsert", withDestination("mode: upsert, key: a, leave_undeletable: true"), false},
	{"filter empty", withDestination("mode: truncate, filter: {}"), false},
	{"filter as text", withDestination("mode: truncate, filter: new_source eq 1"), false},
	{"filter with capitals", withDestination("mode: truncate, filter: {New_Source: 1}"), false},
	{"filter by a list", withDestination("mode: truncate, filter: {a: [1, 2]}"), false},
	{"filter by a mapping", withDestination("mode: truncate, filter: {a: {b: 1}}"), false},
	{"filter by an empty text", withDestination("mode: truncate, filter: {a: ''}"), false},
	{"max_deletes a number", withDestination("mode: truncate, filter: {a: 1}, max_deletes: 0.5"), true},
	{"max_deletes 101", withDestination("mode: truncate, filter: {a: 1}, max_deletes: 101"), false},
	{"max_deletes negative", withDestination("mode: truncate, filter: {a: 1}, max_deletes: -1"), false},
	{"max_deletes text", withDestination("mode: truncate, filter: {a: 1}, max_deletes: 5%"), false},
	{"max_deletes by count", withDestination("mode: truncate, filter: {a: 1}, max_deletes: {count: 10}"), true},
	{"max_deletes count 0", withDestination("mode: truncate, filter: {a: 1}, max_deletes: {count: 0}"), false},
	{"max_deletes count 1.5", withDestination("mode: truncate, filter: {a: 1}, max_deletes: {count: 1.5}"), false},
	{"max_deletes unknown field", withDestination("mode: truncate, filter: {a: 1}, max_deletes: {percents: 1}"), false},
	{"mode misspelled", withDestination("mode: upsrt, key: a"), false},
	{"mode missing", withDestination("key: a"), false},
	{"mode empty", withDestination("mode: , key: a"), false},

	{"duplicates reject", withDestination("mode: upsert, key: a, duplicates: reject"), true},
	{"duplicates last", withDestination("mode: update, match_on: a, duplicates: last"), true},
	{"duplicates first", withDestination("mode: upsert, key: a, duplicates: first"), false},
	{"duplicates of an append", withDestination("mode: append, duplicates: last"), false},
	{"duplicates of a truncate without key", withDestination("mode: truncate, filter: {a: 1}, duplicates: last"), false},
	{"only_changes", withDestination("mode: upsert, key: a, only_changes: true"), true},
	{"only_changes of a mirror", withDestination("mode: mirror, key: a, allow_whole_table: true, only_changes: true"), true},
	{"only_changes no", withDestination("mode: append, only_changes: false"), true},
	{"only_changes of an append", withDestination("mode: append, only_changes: true"), false},
	{"only_changes of a delete", withDestination("mode: delete, key: a, only_changes: true"), false},
	{"only_changes of a truncate", withDestination("mode: truncate, key: a, allow_whole_table: true, only_changes: true"), false},
	{"only_changes with match_on", withDestination("mode: upsert, match_on: a, only_changes: true"), false},
	{"on_error continue", withDestination("mode: append, on_error: continue"), true},
	{"on_error continue with a threshold", withDestination("mode: append, on_error: continue, rejects: {max_percent: 5}"), true},
	{"on_error stop", withDestination("mode: append, on_error: stop"), true},
	{"on_error stop with threshold 0", withDestination("mode: append, on_error: stop, rejects: {max_percent: 0}"), true},
	{"on_error stop with a threshold", withDestination("mode: append, on_error: stop, rejects: {max_percent: 5}"), false},
	{"on_error ignore", withDestination("mode: append, on_error: ignore"), false},

	{"pii", withDestination("mode: append, pii: true, audiences: [admin, business]"), true},
	{"pii and restricted", withDestination("mode: append, pii: true, audiences: [admin, restricted]"), false},
	{"pii no and restricted", withDestination("mode: append, pii: false, audiences: [restricted]"), true},
	{"pii of a column and restricted", withDestination("mode: append, audiences: [restricted], columns: {A: firstname, B: {to: lastname, pii: true}}"), false},
	{"pii of a column", withDestination("mode: append, audiences: [business], columns: {B: {to: lastname, pii: true}}"), true},
	{"pii of no column and restricted", withDestination("mode: append, audiences: [restricted], columns: {A: firstname, B: {to: lastname, pii: false}, C: {skip: true}}"), true},
}

const aGUID = "5c1d2f6e-1111-2222-3333-444455556666"

// optionSamples are about options of the service.
var optionSamples = []sample{
	{"all options but those that exclude others", conn + `destinations:
  d:
    connection: sales
    table: contact
    mode: upsert
    key: a
    options:
      detect_duplicates: true
      bypass_logic: all
      bypass_plugins: false
      suppress_flows: true
      caller_object_id: ` + aGUID + `
      tag: nightly load
      replace: true
`, true},
	{"options empty", withDestination("mode: append, options: {}"), true},
	{"options unknown", withDestination("mode: append, options: {bypass: sync}"), false},
	{"options as list", withDestination("mode: append, options: [replace]"), false},
	{"bypass sync", withDestination("mode: append, options: {bypass_logic: sync}"), true},
	{"bypass async", withDestination("mode: append, options: {bypass_logic: async}"), true},
	{"bypass by the header's value", withDestination("mode: append, options: {bypass_logic: CustomSync}"), false},
	{"bypass true", withDestination("mode: append, options: {bypass_logic: true}"), false},
	{"bypass plugins", withDestination("mode: append, options: {bypass_plugins: true}"), true},
	{"bypass twice", withDestination("mode: append, options: {bypass_plugins: true, bypass_logic: sync}"), false},
	{"caller_id", withDestination("mode: append, options: {caller_id: " + aGUID + "}"), true},
	{"caller_id in braces", withDestination("mode: append, options: {caller_id: '{" + aGUID + "}'}"), false},
	{"caller by name", withDestination("mode: append, options: {caller_object_id: jo@contoso.com}"), false},
	{"two callers", withDestination("mode: append, options: {caller_id: " + aGUID + ", caller_object_id: " + aGUID + "}"), false},
	{"tag blank", withDestination("mode: append, options: {tag: ' '}"), false},
	{"replace of a mirror", withDestination("mode: mirror, key: a, allow_whole_table: true, options: {replace: true}"), true},
	{"by_id of a mirror", withDestination("mode: mirror, key: a, allow_whole_table: true, options: {by_id: true}"), true},
	{"by_id of an append", withDestination("mode: append, options: {by_id: true}"), false},
	{"by_id with match_on", withDestination("mode: upsert, match_on: a, options: {by_id: true}"), false},
	{"replace of an append", withDestination("mode: append, options: {replace: true}"), false},
	{"replace no", withDestination("mode: append, options: {replace: false}"), true},
	{"suppress_flows as text", withDestination("mode: append, options: {suppress_flows: 'yes'}"), false},
}
