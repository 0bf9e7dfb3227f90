package conformance

import (
	"fmt"
	"strings"
)

var valueFacts = []fact{
	{documented, "text comes back as it was written, in any script", func(p *probe) {
		p.parcel(1, `"cnf_name":"Ümläut \"x\" \u0009 😀","cnf_notes":"two\r\nlines"`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_name": "Ümläut \"x\" \t 😀", "cnf_notes": "two\r\nlines"})
	}},
	{inferred, "decimals are rounded to the column's places, not refused", func(p *probe) {
		p.parcel(1, `"cnf_areaha":12.5006,"cnf_slope":-1.254,"cnf_value":922.1234`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_areaha": 12.501, "cnf_slope": -1.25, "cnf_value": 922.12})
	}},
	{documented, "whole numbers beyond 2^53 keep every digit", func(p *probe) {
		p.parcel(1, `"cnf_visits":9007199254740993`)
		p.equal("cnf_visits", fmt.Sprint(p.read(p.at(1))["cnf_visits"]), "9007199254740993")
	}},
	{documented, "a time with an offset is kept in UTC", func(p *probe) {
		p.parcel(1, `"cnf_surveyedon":"2026-01-02T05:04:05+02:00","cnf_harvestat":"2026-01-02T03:04:05Z"`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_surveyedon": "2026-01-02T03:04:05Z", "cnf_harvestat": "2026-01-02T03:04:05Z"})
	}},
	{inferred, "times are kept to the second", func(p *probe) {
		p.parcel(1, `"cnf_surveyedon":"2026-01-02T03:04:05.987Z"`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_surveyedon": "2026-01-02T03:04:05Z"})
	}},
	{documented, "a day is read as it was written", func(p *probe) {
		p.parcel(1, `"cnf_day":"2026-01-02"`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_day": "2026-01-02"})
	}},
	{documented, "choices are numbers, and several of them a text", func(p *probe) {
		p.parcel(1, `"cnf_kind":727000001,"cnf_crops":"727000000,727000002","cnf_isleased":true`)
		p.has(p.read(p.at(1)), map[string]any{"cnf_kind": 727000001, "cnf_crops": "727000000,727000002", "cnf_isleased": true})
	}},
	{documented, "money has a read-only value in the base currency and a currency", func(p *probe) {
		p.parcel(1, `"cnf_value":12.5`)
		v := p.read(p.at(1))
		p.has(v, map[string]any{"cnf_value": 12.5})
		if v["cnf_value_base"] == nil || v["_transactioncurrencyid_value"] == nil || v["exchangerate"] == nil {
			p.t.Errorf("base %v, currency %v, rate %v", v["cnf_value_base"], v["_transactioncurrencyid_value"], v["exchangerate"])
		}
	}},
	{documented, "formatted values and the names of lookups come on request", func(p *probe) {
		p.farm(1, "Delta Farms", "")
		p.parcel(2, `"cnf_kind":727000002,"cnf_isleased":true,"cnf_Farm@odata.bind":"/cnf_farms(`+p.id(1)+`)"`)
		path := p.at(2) + "?$select=cnf_kind,cnf_isleased,_cnf_farm_value"
		p.has(p.read(path, `Prefer: odata.include-annotations="*"`), map[string]any{
			"cnf_kind@OData.Community.Display.V1.FormattedValue":     "Forest",
			"cnf_isleased@OData.Community.Display.V1.FormattedValue": "Leased",
			"_cnf_farm_value": p.id(1),
			"_cnf_farm_value@OData.Community.Display.V1.FormattedValue":           "Delta Farms",
			"_cnf_farm_value@Microsoft.Dynamics.CRM.lookuplogicalname":            "cnf_farm",
			"_cnf_farm_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "cnf_Farm"})
		p.has(p.read(path, `Prefer: odata.include-annotations="Microsoft.Dynamics.CRM.*"`), map[string]any{
			"_cnf_farm_value@Microsoft.Dynamics.CRM.lookuplogicalname": "cnf_farm", "_cnf_farm_value@OData.Community.Display.V1.FormattedValue": nil})
		p.has(p.read(path), map[string]any{"_cnf_farm_value@Microsoft.Dynamics.CRM.lookuplogicalname": nil})
	}},
}

// refusal is a fact about a parcel that cannot be created.
func refusal(m mark, name, members string, status int, code, text string) fact {
	return fact{m, name, func(p *probe) {
		p.refused(status, code, strings.ReplaceAll(text, "{id}", p.id(1)), "POST", "cnf_parcels", p.body(1, strings.ReplaceAll(members, "{other}", p.id(9))))
		p.want(404, "GET", p.at(1), "")
	}}
}

var refusalFacts = []fact{
	refusal(seen, "an unknown property is refused by its name", `"cnf_nope":1`, 400, "0x80048d19", "Invalid property 'cnf_nope' was found in entity 'Microsoft.Dynamics.CRM.cnf_parcel'."),
	refusal(seen, "errors of the payload name the set and a help link", `"cnf_nope":1`, 400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'cnf_parcels', For more information on this error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : Microsoft.OData.ODataException: "),
	refusal(seen, "a navigation property that does not exist is undeclared", `"cnf_farm@odata.bind":"/cnf_farms({other})"`, 400, "0x80048d19", "An undeclared property 'cnf_farm' which only has property annotations in the payload but no property value was found in the payload."),
	refusal(seen, "text is no number", `"cnf_no":"7"`, 400, "0x80048d19", "Cannot convert the literal '7' to the expected type 'Edm.Int32'."),
	refusal(seen, "a fraction is no whole number", `"cnf_no":7.5`, 400, "0x80048d19", "Cannot convert the literal '7.5' to the expected type 'Edm.Int32'."),
	refusal(seen, "a number is no text", `"cnf_name":7`, 400, "0x80048d19", "Cannot convert the literal '7' to the expected type 'Edm.String'."),
	refusal(seen, "a decimal has no exponent", `"cnf_areaha":8.675E-06`, 400, "0x80048d19", "Cannot convert the literal '8.675E-06' to the expected type 'Edm.Decimal'."),
	refusal(documented, "a boolean is no number", `"cnf_isleased":1`, 400, "0x80048d19", "Cannot convert the literal '1' to the expected type 'Edm.Boolean'."),
	refusal(documented, "a boolean is no text", `"cnf_isleased":"true"`, 400, "0x80048d19", "Cannot convert the literal 'true' to the expected type 'Edm.Boolean'."),
	refusal(seen, "a day has no time", `"cnf_day":"2026-01-02T00:00:00Z"`, 400, "0x80048d19", "Cannot convert the literal '2026-01-02T00:00:00Z' to the expected type 'Edm.Date'."),
	refusal(inferred, "there is no 30 February", `"cnf_day":"2026-02-30"`, 400, "0x80048d19", "Edm.Date"),
	refusal(inferred, "a time has an offset or a Z", `"cnf_surveyedon":"2026-01-02T03:04:05+02:00Z"`, 400, "0x80048d19", "Edm.DateTimeOffset"),
	refusal(seen, "times begin in 1753", `"cnf_surveyedon":"1752-12-31T23:59:59Z"`, 400, "0x80040239", "CrmDateTime"),
	refusal(inferred, "malformed JSON is refused", `"cnf_no":`, 400, "0x80048d19", ""),
	refusal(seen, "text of more than the column's length is refused with the length", `"cnf_name":"`+strings.Repeat("x", 101)+`"`, 400, "0x80044331", "A validation error occurred.  The length of the 'cnf_name' attribute of the 'cnf_parcel' entity exceeded the maximum allowed length of '100'."),
	refusal(inferred, "lengths are counted in UTF-16 units", `"cnf_name":"`+strings.Repeat("😀", 51)+`"`, 400, "0x80044331", ""),
	refusal(seen, "a whole number out of the column's range is refused with the range", `"cnf_no":-1`, 400, "0x8004432f", "A validation error occurred. The value -1 of 'cnf_no' on record of type 'cnf_parcel' is outside the valid range. Minimum Value: 0, Maximum value: 1000000000"),
	refusal(seen, "a decimal out of the column's range is refused with the range", `"cnf_areaha":100000.001`, 400, "0x80044330", "A validation error occurred for cnf_parcel.cnf_areaha. The value 100000.001 of type System.Decimal is outside the valid range(0 to 100000)."),
	refusal(seen, "money out of the column's range is refused with the range", `"cnf_value":-0.01`, 400, "0x80044330", "The value -0.01 of type Microsoft.Xrm.Sdk.Money is outside the valid range(0 to 1000000000)."),
	refusal(inferred, "a double out of the column's range is refused", `"cnf_slope":91`, 400, "0x80044330", "System.Double"),
	refusal(seen, "a choice that does not exist is refused with those that do", `"cnf_kind":1`, 400, "0x8004431a", "A validation error occurred. The value 1 of 'cnf_kind' on record of type 'cnf_parcel' is outside the valid range. Accepted Values: 727000000,727000001,727000002"),
	refusal(inferred, "each of several choices has to exist", `"cnf_crops":"727000000,5"`, 400, "0x8004431a", ""),
	refusal(documented, "control characters are refused", `"cnf_name":"a\u0001b"`, 400, "0x80040278", ""),
	refusal(seen, "a lookup to an id that does not exist is refused", `"cnf_Farm@odata.bind":"/cnf_farms({other})"`, 404, "0x80040217", "Does Not Exist"),
	refusal(seen, "a lookup to a key that does not exist is refused", `"cnf_Farm@odata.bind":"/cnf_farms(cnf_code='{other}')"`, 404, "0x80060891", "A record with the specified key values does not exist in cnf_farm entity"),
	refusal(seen, "a status of another state is refused", `"statuscode":2`, 400, "0x80048408", "2 is not a valid status code for state code cnf_parcelState.Active on cnf_parcel with Id {id}."),
	refusal(inferred, "the value property of a lookup is read-only", `"_cnf_farm_value":"{other}"`, 400, "0x80048d19", ""),
	refusal(seen, "a lookup is no plain value", `"cnf_Farm":"{other}"`, 400, "0x80048d19", "'PrimitiveValue'"),
	refusal(seen, "an annotation has a period in its name", `"@foo":1`, 400, "0x80048d19", ""),
	{seen, "a whole number beyond 32 bits is refused", func(p *probe) {
		p.want(400, "POST", "cnf_parcels", p.body(1, `"cnf_no":2147483648`))
	}},
}
