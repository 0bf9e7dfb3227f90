package config

import "slices"

// base is a good configuration; the samples below vary one thing of it.
const base = `connections:
  sales:
    environment: {region: crm4, name: contoso}
    tenant: 5c1d2f6e-1111-2222-3333-444455556666
    credential: secretsmanager:penstock/sales
destinations:
  loyalty-members:
    connection: sales
    table: contact
    mode: upsert
    key: [emailaddress1]
`

const conn = "connections:\n  sales: {url: https://contoso.crm4.dynamics.com, credential: env:X}\n"

func withConnection(fields string) string {
	return "connections:\n  sales: {credential: env:X, " + fields + "}\n"
}

func withDestination(fields string) string {
	return conn + "destinations:\n  d: {connection: sales, table: contact, " + fields + "}\n"
}

func withColumns(columns string) string {
	return conn + "destinations:\n  d:\n    connection: sales\n    table: contact\n    mode: upsert\n    key: emailaddress1\n    columns:\n      Email: emailaddress1\n" + columns
}

// sample is a document that Parse and the JSON Schema must judge alike.
type sample struct {
	name string
	doc  string
	good bool
}

var samples = slices.Concat(fileSamples, modeSamples, optionSamples, formatSamples, valueSamples, columnSamples)

// fileSamples are about the file as a whole, connections, and what every destination has.
var fileSamples = []sample{
	{"base", base, true},
	{"connections only", conn, true},
	{"all of a connection", `connections:
  gov:
    url: https://agency.crm.microsoftdynamics.us/
    tenant: agency.onmicrosoft.us
    credential: file:secrets/gov.json
    authority: https://login.microsoftonline.us
    ca_file: ca.pem
    allow_custom_host: false
    api_version: v9.1
    requests_per_day: 40000
    max_in_flight: 8
`, true},
	{"table missing", conn + "destinations: {d: {connection: sales, mode: append}}\n", false},
	{"table with capitals", conn + "destinations: {d: {connection: sales, table: Contact, mode: append}}\n", false},
	{"segment", conn + "destinations: {d: {connection: sales, segment: {name: x}, mode: append}}\n", false},
	{"connection missing", conn + "destinations: {d: {table: contact, mode: append}}\n", false},
	{"unknown field", withDestination("mode: append, colums: {a: b}"), false},
	{"audience unknown", withDestination("mode: append, audiences: [everyone]"), false},
	{"audiences as text", withDestination("mode: append, audiences: admin"), false},
	{"audiences empty", withDestination("mode: append, audiences: []"), false},
	{"parallel 0", withDestination("mode: append, parallel: 0"), false},
	{"parallel 1.5", withDestination("mode: append, parallel: 1.5"), false},
	{"parallel text", withDestination("mode: append, parallel: many"), false},
	{"percent 101", withDestination("mode: append, rejects: {max_percent: 101}"), false},
	{"percent -1", withDestination("mode: append, rejects: {max_percent: -1}"), false},
	{"percent 0", withDestination("mode: append, rejects: {max_percent: 0}"), true},
	{"rejects empty", withDestination("mode: append, rejects: {}"), true},
	{"rejects unknown field", withDestination("mode: append, rejects: {max: 1}"), false},

	{"no connections", "destinations: {d: {connection: a, table: b, mode: append}}\n", false},
	{"connections empty", "connections: {}\n", false},
	{"a list", "- connections\n", false},
	{"unknown section", conn + "conections: {}\n", false},
	{"connection name with capitals", "connections: {Sales: {url: https://a.crm.dynamics.com, credential: env:X}}\n", false},
	{"connection name with dot", "connections: {a.b: {url: https://a.crm.dynamics.com, credential: env:X}}\n", false},
	{"connection name too long", "connections: {a234567890123456789012345678901234567890123456789012345678901234: {url: https://a.crm.dynamics.com, credential: env:X}}\n", false},
	{"destination name starts with hyphen", conn + "destinations: {-d: {connection: sales, table: b, mode: append}}\n", false},
	{"neither url nor environment", withConnection("tenant: a"), false},
	{"both url and environment", withConnection("url: https://a.crm.dynamics.com, environment: {region: crm, name: a}"), false},
	{"credential missing", "connections: {sales: {url: https://a.crm.dynamics.com}}\n", false},
	{"credential pasted", "connections: {sales: {url: https://a.crm.dynamics.com, credential: S3cr3t~value}}\n", false},
	{"credential as mapping", "connections: {sales: {url: https://a.crm.dynamics.com, credential: {client_secret: S3cr3t~value}}}\n", false},
	{"credential env with dash", "connections: {sales: {url: https://a.crm.dynamics.com, credential: env:A-B}}\n", false},
	{"credential file empty", "connections: {sales: {url: https://a.crm.dynamics.com, credential: 'file:'}}\n", false},
	{"region with dot", withConnection("environment: {region: crm4.dynamics.com.evil, name: a}"), false},
	{"name with slash", withConnection("environment: {region: crm4, name: evil.org/a}"), false},
	{"name with hyphen at the end", withConnection("environment: {region: crm4, name: a-}"), false},
	{"region missing", withConnection("environment: {name: a}"), false},
	{"url of GCC High", withConnection("url: https://a.crm.microsoftdynamics.us"), true},
	{"url of DoD", withConnection("url: https://a.crm.appsplatform.us"), true},
	{"url of China", withConnection("url: https://a.crm.dynamics.cn"), true},
	{"url elsewhere", withConnection("url: https://dataverse.example.org"), false},
	{"url with a look-alike suffix", withConnection("url: https://a.crm4.notdynamics.com"), false},
	{"url with suffix as prefix", withConnection("url: https://a.dynamics.com.evil.org"), false},
	{"url with capitals", withConnection("url: https://Contoso.crm4.dynamics.com"), false},
	{"url with a port", withConnection("url: 'https://a.crm4.dynamics.com:8443'"), false},
	{"url with the default port", withConnection("url: 'https://a.crm4.dynamics.com:443'"), true},
	{"url with path", withConnection("url: https://a.crm4.dynamics.com/api/data/v9.2"), false},
	{"url with query", withConnection("url: 'https://a.crm4.dynamics.com?x=1'"), false},
	{"url with user", withConnection("url: 'https://me:S3cr3t@a.crm4.dynamics.com'"), false},
	{"url without scheme", withConnection("url: a.crm4.dynamics.com"), false},
	{"url over http", withConnection("url: http://a.crm4.dynamics.com"), false},
	{"custom https", withConnection("url: 'https://dataverse.example.org:8443', allow_custom_host: true"), true},
	{"custom http on loopback", withConnection("url: 'http://127.0.0.1:8080', allow_custom_host: true"), true},
	{"custom http on localhost", withConnection("url: 'http://localhost:8080/', allow_custom_host: true"), true},
	{"custom http on ::1", withConnection("url: 'http://[::1]:8080', allow_custom_host: true"), true},
	{"custom http elsewhere", withConnection("url: 'http://192.168.1.9:8080', allow_custom_host: true"), false},
	{"custom http on a false loopback", withConnection("url: 'http://127.0.0.1.evil.org', allow_custom_host: true"), false},
	{"loopback not allowed", withConnection("url: 'http://127.0.0.1:8080'"), false},
	{"authority elsewhere", withConnection("url: https://a.crm.dynamics.com, authority: https://login.example.org"), false},
	{"authority look-alike", withConnection("url: https://a.crm.dynamics.com, authority: https://login.microsoftonline.com.evil.org"), false},
	{"authority custom", withConnection("url: https://a.crm.dynamics.com, authority: 'https://127.0.0.1:9443', allow_custom_host: true"), true},
	{"authority over http", withConnection("url: https://a.crm.dynamics.com, authority: 'http://127.0.0.1:9443', allow_custom_host: true"), false},
	{"authority with tenant", withConnection("url: https://a.crm.dynamics.com, authority: https://login.microsoftonline.com/common"), false},
	{"tenant with slash", withConnection("url: https://a.crm.dynamics.com, tenant: a/b"), false},
	{"tenant number", withConnection("url: https://a.crm.dynamics.com, tenant: 12"), false},
	{"allow_custom_host yes", withConnection("url: https://a.crm.dynamics.com, allow_custom_host: yes"), false},
	{"api_version v8.2", withConnection("url: https://a.crm.dynamics.com, api_version: v8.2"), true},
	{"api_version v8.1", withConnection("url: https://a.crm.dynamics.com, api_version: v8.1"), false},
	{"requests_per_day 0", withConnection("url: https://a.crm.dynamics.com, requests_per_day: 0"), false},
	{"requests_per_day 1.5", withConnection("url: https://a.crm.dynamics.com, requests_per_day: 1.5"), false},
	{"requests_per_day text", withConnection("url: https://a.crm.dynamics.com, requests_per_day: all"), false},
	{"max_in_flight 1", withConnection("url: https://a.crm.dynamics.com, max_in_flight: 1"), true},
	{"max_in_flight 0", withConnection("url: https://a.crm.dynamics.com, max_in_flight: 0"), false},
	{"max_in_flight 53", withConnection("url: https://a.crm.dynamics.com, max_in_flight: 53"), false},
	{"api_version number", withConnection("url: https://a.crm.dynamics.com, api_version: 9.2"), false},
	{"ca_file blank", withConnection("url: https://a.crm.dynamics.com, ca_file: ' '"), false},
}
