package config

import "strings"

// destinationOf is a file with one destination; its further fields stand on lines of their own.
func destinationOf(mode, fields string) string {
	return conn + "destinations:\n  d:\n    connection: sales\n    table: contact\n    mode: " + mode + "\n    " +
		strings.TrimSpace(strings.ReplaceAll(fields, "\n", "\n    ")) + "\n"
}

// syntax are documents that a JSON Schema never sees, or cannot judge.
var syntax = []sample{
	{"empty", "", false},
	{"comment only", "# nothing\n", false},
	{"byte order mark and CRLF", "\ufeff" + strings.ReplaceAll(base, "\n", "\r\n"), true},
	{"not UTF-8", "connections:\n  a\xff: 1\n", false},
	{"tab indentation", "connections:\n\tsales: {}\n", false},
	{"open bracket", "connections: {sales: {\n", false},
	{"colon in value", conn + "destinations:\n  d: a: b\n", false},
	{"two documents", conn + "---\na: 1\n", false},
	{"duplicate field", "connections:\n  sales:\n    url: https://a.crm.dynamics.com\n    credential: env:X\n    url: https://b.crm.dynamics.com\n", false},
	{"duplicate destination", conn + "destinations:\n  d: {connection: sales, table: a, mode: append}\n  d: {connection: sales, table: b, mode: append}\n", false},
	{"anchor and alias", "connections:\n  a: &x {url: https://a.crm.dynamics.com, credential: env:X}\n  b: *x\n", false},
	{"merge key", "connections:\n  a: {url: https://a.crm.dynamics.com, credential: env:X}\n  b:\n    <<: {tenant: x}\n", false},
	{"tag", "connections:\n  a: !!map {url: https://a.crm.dynamics.com, credential: env:X}\n", false},
	{"complex key", "? connections\n: {}\n", false},
	{"control character", "connections:\n  a: {url: https://a.crm.dynamics.com, credential: \"env:\\x01\"}\n", false},
	{"unknown connection", conn + "destinations:\n  d: {connection: sale, table: contact, mode: append}\n", false},
	{"unknown connection of several", conn + "  other: {url: https://o.crm.dynamics.com, credential: env:X}\ndestinations:\n  d: {connection: marketing, table: contact, mode: append}\n", false},
	{"two columns to one", withColumns("      Mail: emailaddress1\n"), false},
	{"key not mapped", conn + "destinations:\n  d:\n    connection: sales\n    table: contact\n    mode: upsert\n    key: emailaddress1\n    columns:\n      A: firstname\n", false},
	{"many at once", `connections:
  sales:
    enviroment: {region: crm4, name: contoso}
    credental: env:X
    allow_custom_host: 1
destinations:
  Members:
    connection: sales
    table: Contact
    mode: mirror
    key: 5
    columns: [a, b]
`, false},

	{"filter also a column", destinationOf("mirror", "key: emailaddress1\nfilter: {new_source: shop}\ncolumns:\n  Email: emailaddress1\n  Source: new_source\n"), false},
	{"filter also a constant", destinationOf("mirror", "key: emailaddress1\nfilter: {new_source: shop}\ncolumns:\n  Email: emailaddress1\n  Source: {to: new_source, value: shop}\n"), false},
	{"filter also included", destinationOf("mirror", "key: a\nfilter: {new_source: shop}\ninclude: [a, New_Source]\n"), false},
	{"filter gives a part of the key", destinationOf("mirror", "key: [a, new_source]\nfilter: {new_source: shop}\ncolumns: {A: a}\n"), true},
	{"filter gives a part of the key, included", destinationOf("mirror", "key: [a, new_source]\nfilter: {new_source: shop}\ninclude: [a]\n"), true},
	{"filter with a null for a part of the key", destinationOf("mirror", "key: [a, new_source]\nfilter: {new_source: null}\ncolumns: {A: a}\n"), false},
	{"filter twice", destinationOf("truncate", "filter:\n  a: 1\n  a: 2\n"), false},
	{"filter with an octal number", destinationOf("truncate", "filter: {a: 010}\n"), false},
	{"filter with a grouped number", destinationOf("truncate", "filter: {a: 1_000}\n"), false},
	{"filter with no number", destinationOf("truncate", "filter: {a: .nan}\n"), false},
	{"value in hexadecimal", withColumns("      A: {to: a, value: 0x10}\n"), false},
	{"constant for the key", destinationOf("upsert", "key: [a, b]\ncolumns:\n  A: a\n  B: {to: b, value: 1}\n"), true},
	{"match_on not mapped", destinationOf("upsert", "match_on: [a, b]\ncolumns: {A: a}\n"), false},
	{"delete with other columns", destinationOf("delete", "key: a\ncolumns:\n  A: a\n  B: b\n  C: {associate: a_b}\n"), false},
	{"delete with other columns skipped", destinationOf("delete", "match_on: [a, b]\ncolumns:\n  A: a\n  B: b\n  C: {skip: true}\n"), true},
	{"include without the key", destinationOf("upsert", "key: a\ninclude: [b]\n"), false},
	{"include with the key in capitals", destinationOf("upsert", "key: a\ninclude: [A, b]\n"), true},
	{"skip of the key", destinationOf("upsert", "match_on: [a, b]\nskip: [c, b]\n"), false},
	{"party and another column to one", withColumns("      A: {to: cc, party: cc}\n      B: cc\n"), false},
	{"delimiter and quote alike", withDestination("mode: append, delimiter: \"'\", quote: \"'\""), false},
	{"delimiter a quote", withDestination("mode: append, delimiter: '\"'"), false},
	{"delimiter a quote, others around cells", withDestination("mode: append, delimiter: '\"', quote: none"), true},
	{"quote a comma", withDestination("mode: append, quote: ','"), false},
	{"quote a comma, delimiter another", withDestination("mode: append, quote: ',', delimiter: tab"), true},
	{"null and empty alike", withDestination("mode: append, 'null': x, empty: x"), false},
	{"a column's thousands against the destination's decimal", destinationOf("append", "decimal: ','\ncolumns:\n  A: {to: a, thousands: ','}\n"), false},
	{"a column's decimal against the destination's thousands", destinationOf("append", "thousands: ','\ncolumns:\n  A: {to: a, decimal: ','}\n"), false},
	{"a column's signs turned round", destinationOf("append", "thousands: ','\ncolumns:\n  A: {to: a, decimal: ',', thousands: '.'}\n"), true},
	{"a word for true and false", withDestination("mode: append, true: [Ja, x], false: [ja]"), false},
	{"a column's word for true and the destination's for false", destinationOf("append", "false: [n]\ncolumns:\n  A: {to: a, true: [N]}\n"), false},
	{"zone unknown", withDestination("mode: append, zone: Europe/Atlantis"), false},
	{"zone by offset", withDestination("mode: append, zone: '+01:00'"), false},
	{"zone of the machine", withDestination("mode: append, zone: Local"), false},
	{"zone outside", withDestination("mode: append, zone: ../../etc/passwd"), false},
	{"template not closed", withColumns("      A: {to: a, template: '{First {Last}'}\n"), false},
	{"template not closed at the end", withColumns("      A: {to: a, template: 'a {First'}\n"), false},
	{"template closed twice", withColumns("      A: {to: a, template: '{First}} {Last}'}\n"), false},
	{"template without a name", withColumns("      A: {to: a, template: 'a {}'}\n"), false},
	{"template without columns", withColumns("      A: {to: a, template: 'a {{b}}'}\n"), false},
	{"tag too long", withDestination("mode: append, options: {tag: " + strings.Repeat("ä", 501) + "}"), false},
	{"many at once in a destination", destinationOf("mirror", "key: a\nmatch_on: b\nclear: rows\nonly_change: true\noptions: {replace: 1, caller_id: me}\ncolumns:\n  A: {to: c, dates: [DD.MM.YY], template: '}'}\n  B: {table: x, choice: label}\n"), false},
}
