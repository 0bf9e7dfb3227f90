package schema

import (
	"strings"

	"github.com/google/uuid"
)

// namespace makes the ids of one metadata part the same in every process: clients cache them between runs.
var namespace = uuid.MustParse("5a0c2c4e-3b8d-5b0e-9c57-6f2d9a1e7d31")

// ID is a stable id for a part of the metadata, such as ID("attribute", "contact", "firstname").
func ID(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

func (t *Table) identify() {
	if t.MetadataID == "" {
		t.MetadataID = ID("entity", t.LogicalName)
	}
	for _, column := range t.Columns {
		if column.MetadataID == "" {
			column.MetadataID = ID("attribute", t.LogicalName, column.LogicalName)
		}
	}
	for _, key := range t.Keys {
		if key.MetadataID == "" {
			key.MetadataID = ID("key", t.LogicalName, key.LogicalName)
		}
	}
	for _, relationship := range t.Outgoing {
		if relationship.MetadataID == "" {
			relationship.MetadataID = ID("relationship", relationship.SchemaName, relationship.Referencing, relationship.Column, relationship.Referenced)
		}
	}
	for _, many := range t.Many {
		if many.MetadataID == "" {
			many.MetadataID = ID("relationship", many.SchemaName, many.Intersect)
		}
	}
}

// objectTypeCodes are the fixed codes of system tables; custom tables are numbered per environment, from 10,000 on.
var objectTypeCodes = map[string]int{
	"account": 1, "contact": 2, "opportunity": 3, "lead": 4, "annotation": 5, "owner": 7, "systemuser": 8, "team": 9,
	"businessunit": 10, "incident": 112, "competitor": 123, "subject": 129, "activityparty": 135, "organization": 1019,
	"pricelevel": 1022, "product": 1024, "role": 1036, "customeraddress": 1071, "quote": 1084, "salesorder": 1088,
	"invoice": 1090, "privilege": 1023, "territory": 2013, "queue": 2020, "connection": 3234, "activitypointer": 4200,
	"appointment": 4201, "email": 4202, "fax": 4204, "letter": 4207, "phonecall": 4210, "task": 4212,
	"serviceappointment": 4214, "socialactivity": 4216, "recurringappointmentmaster": 4251, "list": 4300, "listmember": 4301,
	"campaign": 4400, "campaignresponse": 4401, "campaignactivity": 4402, "campaignitem": 4403, "bulkoperation": 4406,
	"bulkdeleteoperation": 4424, "sdkmessage": 4606, "sdkmessagefilter": 4607, "asyncoperation": 4700, "workflow": 4703,
	"processstage": 4724, "solution": 7100, "publisher": 7101, "transactioncurrency": 9105, "sla": 9750,
}

// numberTables gives every table without an ObjectTypeCode the code that it has, or one of its own.
func (o *Organization) numberTables(names []string) {
	taken := make(map[int]bool, len(names))
	for _, name := range names {
		table := o.Tables[name]
		if table.ObjectTypeCode == 0 {
			table.ObjectTypeCode = objectTypeCodes[name]
		}
		taken[table.ObjectTypeCode] = true
	}
	next := 10_000
	for _, name := range names {
		table := o.Tables[name]
		if table.ObjectTypeCode != 0 {
			continue
		}
		for taken[next] {
			next++
		}
		table.ObjectTypeCode = next
		taken[next] = true
	}
}
