package config

// formatSamples are about how files are written.
var formatSamples = []sample{
	{"csv with everything", conn + `destinations:
  d:
    connection: sales
    table: contact
    mode: append
    format: csv
    encoding: Windows-1252
    delimiter: semicolon
    quote: "'"
    escape: backslash
    null: '\N'
    header: none
    names: [emailaddress1, "2024"]
`, true},
	{"xlsx with everything", withDestination("mode: append, format: xlsx, header: false, names: [a], sheet: Members 2026"), true},
	{"jsonl", withDestination("mode: append, format: jsonl, encoding: utf-16"), true},
	{"json", withDestination("mode: append, format: json, encoding: UTF8"), true},
	{"parquet", withDestination("mode: append, format: parquet"), true},
	{"format xml", withDestination("mode: append, format: xml"), false},
	{"encoding unknown", withDestination("mode: append, encoding: ebcdic"), false},
	{"encoding a number", withDestination("mode: append, encoding: 1252"), false},
	{"encoding latin-1", withDestination("mode: append, encoding: Latin-1"), true},
	{"encoding of parquet", withDestination("mode: append, format: parquet, encoding: utf-8"), false},
	{"encoding of xlsx", withDestination("mode: append, format: xlsx, encoding: utf-8"), false},
	{"delimiter a tab", withDestination(`mode: append, delimiter: "\t"`), true},
	{"delimiter a space", withDestination("mode: append, delimiter: ' '"), true},
	{"delimiter by name", withDestination("mode: append, delimiter: pipe"), true},
	{"delimiter of control-A", withDestination(`mode: append, delimiter: "\x01"`), true},
	{"delimiter of two", withDestination("mode: append, delimiter: '||'"), false},
	{"delimiter not ASCII", withDestination("mode: append, delimiter: §"), false},
	{"delimiter empty", withDestination("mode: append, delimiter: ''"), false},
	{"delimiter a backslash", withDestination(`mode: append, delimiter: '\'`), false},
	{"delimiter a line end", withDestination(`mode: append, delimiter: "\n"`), false},
	{"delimiter a number", withDestination("mode: append, delimiter: 1"), false},
	{"delimiter by another name", withDestination("mode: append, delimiter: Tab"), false},
	{"delimiter as a block", conn + "destinations:\n  d:\n    connection: sales\n    table: contact\n    mode: append\n    delimiter: |\n    quote: none\n", false},
	{"delimiter of jsonl", withDestination("mode: append, format: jsonl, delimiter: tab"), false},
	{"delimiter of xlsx", withDestination("mode: append, format: xlsx, delimiter: tab"), false},
	{"quote none", withDestination("mode: append, quote: none"), true},
	{"quote of two", withDestination(`mode: append, quote: '""'`), false},
	{"quote by name", withDestination("mode: append, quote: double"), false},
	{"quote of json", withDestination("mode: append, format: json, quote: none"), false},
	{"escape mysql", withDestination("mode: append, escape: mysql"), true},
	{"escape doubled", withDestination("mode: append, escape: doubled"), true},
	{"escape slash", withDestination("mode: append, escape: slash"), false},
	{"null a word", withDestination("mode: append, null: 'NULL'"), true},
	{"null null", withDestination("mode: append, null: null"), false},
	{"null NULL without quotes", withDestination("mode: append, null: NULL"), false},
	{"null a number", withDestination("mode: append, null: 0"), false},
	{"null of parquet", withDestination("mode: append, format: parquet, null: x"), false},
	{"header each", withDestination("mode: append, header: each"), true},
	{"header first", withDestination("mode: append, header: first"), true},
	{"header true", withDestination("mode: append, header: true"), true},
	{"header false", withDestination("mode: append, header: false"), true},
	{"header no", withDestination("mode: append, header: no"), false},
	{"header 1", withDestination("mode: append, header: 1"), false},
	{"header of jsonl", withDestination("mode: append, format: jsonl, header: each"), false},
	{"names", withDestination("mode: append, names: [a, b]"), true},
	{"names as text", withDestination("mode: append, names: a"), false},
	{"names twice", withDestination("mode: append, names: [a, a]"), false},
	{"names empty", withDestination("mode: append, names: []"), false},
	{"names a number", withDestination("mode: append, names: [2024]"), false},
	{"names blank", withDestination("mode: append, names: [a, ' ']"), false},
	{"names with a header", withDestination("mode: append, header: each, names: [a]"), false},
	{"names with header true", withDestination("mode: append, header: true, names: [a]"), false},
	{"names with the first header", withDestination("mode: append, header: first, names: [a]"), false},
	{"names of parquet", withDestination("mode: append, format: parquet, names: [a]"), false},
	{"sheet", withDestination("mode: append, sheet: Data"), true},
	{"sheet number", withDestination("mode: append, sheet: 1"), false},
	{"sheet of csv", withDestination("mode: append, format: csv, sheet: Data"), false},
}

// valueSamples are about how cells are read.
var valueSamples = []sample{
	{"all values", conn + `destinations:
  d:
    connection: sales
    table: contact
    mode: append
    nulls: clear
    empty: "-"
    decimal: ","
    thousands: "."
    true: [ja, J, 1]
    false: [nein, "N", 0]
    dates: [DD.MM.YYYY HH:mm, DD.MM.YYYY]
    zone: Europe/Berlin
    trim: both
    normalise: nfc
    columns:
      A: {to: a, nulls: skip, empty: leer, decimal: ".", thousands: ",", true: x, false: [n], dates: "YYYYMMDDTHHmmss.SSSZ", zone: UTC, trim: none, normalise: nfkc}
      true: new_true
      false: {to: new_false}
      null: {skip: true}
      yes: new_yes
`, true},
	{"nulls unknown", withDestination("mode: append, nulls: keep"), false},
	{"empty blank", withDestination("mode: append, empty: ''"), false},
	{"empty a number", withDestination("mode: append, empty: 0"), false},
	{"decimal point", withDestination("mode: append, decimal: '.'"), true},
	{"decimal semicolon", withDestination("mode: append, decimal: ';'"), false},
	{"decimal a number", withDestination("mode: append, decimal: 1"), false},
	{"thousands a space", withDestination("mode: append, thousands: ' '"), true},
	{"thousands an apostrophe", withDestination(`mode: append, thousands: "'"`), true},
	{"thousands a comma", withDestination("mode: append, thousands: ','"), true},
	{"thousands empty", withDestination("mode: append, thousands: ''"), false},
	{"thousands an underscore", withDestination("mode: append, thousands: _"), false},
	{"thousands a point without decimal", withDestination("mode: append, thousands: '.'"), false},
	{"thousands and decimal alike", withDestination("mode: append, thousands: ',', decimal: ','"), false},
	{"true a word", withDestination("mode: append, true: ja"), true},
	{"true a boolean", withDestination("mode: append, true: [true, wahr]"), true},
	{"true empty", withDestination("mode: append, true: []"), false},
	{"true null", withDestination("mode: append, true: [null]"), false},
	{"true a mapping", withDestination("mode: append, true: {a: b}"), false},
	{"true twice", withDestination("mode: append, true: [ja, ja]"), false},
	{"true blank", withDestination("mode: append, true: ['']"), false},
	{"dates one", withDestination("mode: append, dates: YYYY-MM-DD"), true},
	{"dates none", withDestination("mode: append, dates: []"), false},
	{"dates a number", withDestination("mode: append, dates: 2024"), false},
	{"dates twice", withDestination("mode: append, dates: [DD.MM.YYYY, DD.MM.YYYY]"), false},
	{"zone a number", withDestination("mode: append, zone: 1"), false},
	{"zone blank", withDestination("mode: append, zone: ' '"), false},
	{"trim left", withDestination("mode: append, trim: left"), false},
	{"trim true", withDestination("mode: append, trim: true"), false},
	{"normalise nfd", withDestination("mode: append, normalise: nfd"), false},
}

// columnSamples are about the section columns and what takes its place.
var columnSamples = []sample{
	{"all of a destination with columns", conn + `destinations:
  d:
    connection: sales
    table: contact
    mode: upsert
    key: emailaddress1
    format: jsonl
    audiences: [admin, business]
    nulls: clear
    parallel: 4
    rejects: {max_percent: 0.5}
    columns:
      Email: emailaddress1
      Tier: {to: new_tier, choice: label}
      Account: {to: parentcustomerid, table: account, by: accountnumber, missing: empty}
      Notes: {skip: true}
      Kept: {to: description, skip: false}
      Interests: {to: new_interests, choice: label, separator: ", "}
      Lists: {associate: contactlist_association, by: listname, separator: pipe}
      Owner: {to: ownerid, table: systemuser, by: internalemailaddress, missing: reject, pii: true}
      Source: {to: new_source, value: shop}
      Year: {to: new_year, value: 2026}
      Active: {to: new_active, value: false}
      Full: {to: fullname, template: "{First} {{x}} {Last}", default: nobody}
      Country: {to: address1_country, default: CH}
      Score: {to: new_score, default: 0, round: true}
`, true},
	{"a text as columns", withDestination("mode: append, columns: a"), false},
	{"columns empty", withDestination("mode: append, columns: {}"), false},
	{"columns null", withDestination("mode: append, columns: "), false},
	{"column to a number", withColumns("      A: 5\n"), false},
	{"column with capitals", withColumns("      A: FirstName\n"), false},
	{"column without to", withColumns("      A: {choice: label}\n"), false},
	{"column empty mapping", withColumns("      A: {}\n"), false},
	{"column unknown field", withColumns("      A: {to: new_tier, defualt: 1}\n"), false},
	{"column with odd name", withColumns("      2024: firstname\n      'a b:c': lastname\n"), true},
	{"column without name", withColumns("      '': firstname\n"), false},
	{"skip and to", withColumns("      A: {to: firstname, skip: true}\n"), false},
	{"skip and pii", withColumns("      A: {skip: true, pii: true}\n"), false},
	{"skip false alone", withColumns("      A: {skip: false}\n"), false},
	{"choice by name", withColumns("      A: {to: new_tier, choice: name}\n"), false},
	{"choice and table", withColumns("      A: {to: new_tier, choice: label, table: account}\n"), false},
	{"choice and missing", withColumns("      A: {to: new_tier, choice: label, missing: empty}\n"), false},
	{"choice and associate", withColumns("      A: {choice: label, associate: a_b}\n"), false},
	{"round", withColumns("      A: {to: creditlimit, round: true}\n"), true},
	{"round no", withColumns("      A: {to: creditlimit, round: false}\n"), true},
	{"round and choice", withColumns("      A: {to: new_tier, choice: label, round: true}\n"), false},
	{"round and party", withColumns("      A: {to: cc, party: cc, round: true}\n"), false},
	{"lookup by id", withColumns("      A: {to: parentcustomerid, table: account, by: id}\n"), true},
	{"lookup by a number", withColumns("      A: {to: parentcustomerid, by: 1}\n"), false},
	{"lookup by capitals", withColumns("      A: {to: parentcustomerid, by: AccountNumber}\n"), false},
	{"missing ignore", withColumns("      A: {to: parentcustomerid, missing: ignore}\n"), false},
	{"associate", withColumns("      A: {associate: accountleads_association, table: lead, missing: empty}\n"), true},
	{"associate with capitals", withColumns("      A: {associate: new_Contact_List}\n"), true},
	{"associate beside to", withColumns("      A: {to: parentcustomerid, associate: a_b}\n"), true},
	{"associate with spaces", withColumns("      A: {associate: a b}\n"), false},
	{"associate and party", withColumns("      A: {to: cc, associate: a_b, party: cc}\n"), false},
	{"party", withColumns("      A: {to: required, party: required}\n      B: {to: required, party: required, by: emailaddress1, separator: ','}\n"), true},
	{"party without to", withColumns("      A: {party: cc}\n"), false},
	{"party of strangers", withColumns("      A: {to: cc, party: strangers}\n"), false},
	{"separator of a choice", withColumns("      A: {to: new_interests, separator: tab}\n"), true},
	{"separator of a lookup", withColumns("      A: {to: parentcustomerid, table: account, separator: ';'}\n"), false},
	{"separator of a number", withColumns("      A: {to: creditlimit, round: true, separator: ';'}\n"), false},
	{"separator empty", withColumns("      A: {to: new_interests, separator: ''}\n"), false},
	{"separator too long", withColumns("      A: {to: new_interests, separator: '-----------------'}\n"), false},
	{"separator a number", withColumns("      A: {to: new_interests, separator: 1}\n"), false},
	{"value null", withColumns("      A: {to: firstname, value: null}\n"), false},
	{"value empty", withColumns("      A: {to: firstname, value: ''}\n"), false},
	{"value a list", withColumns("      A: {to: firstname, value: [a]}\n"), false},
	{"value without to", withColumns("      A: {value: a}\n"), false},
	{"value and default", withColumns("      A: {to: firstname, value: a, default: b}\n"), false},
	{"value and template", withColumns("      A: {to: firstname, value: a, template: '{B}'}\n"), false},
	{"value of a lookup", withColumns("      A: {to: parentcustomerid, table: account, by: accountnumber, value: A1}\n"), true},
	{"default null", withColumns("      A: {to: firstname, default: null}\n"), false},
	{"default a number", withColumns("      A: {to: creditlimit, default: 1.50}\n"), true},
	{"template a number", withColumns("      A: {to: firstname, template: 5}\n"), false},
	{"template empty", withColumns("      A: {to: firstname, template: ''}\n"), false},

	{"include", withDestination("mode: append, include: [firstname, lastname]"), true},
	{"skip list", withDestination("mode: append, skip: [firstname]"), true},
	{"include as text", withDestination("mode: append, include: firstname"), false},
	{"include empty", withDestination("mode: append, include: []"), false},
	{"skip twice", withDestination("mode: append, skip: [a, a]"), false},
	{"skip true", withDestination("mode: append, skip: true"), false},
	{"include and skip", withDestination("mode: append, include: [a], skip: [b]"), false},
	{"include and columns", withDestination("mode: append, include: [A], columns: {A: firstname}"), false},
	{"skip and columns", withDestination("mode: append, skip: [B], columns: {A: firstname}"), false},
}
