package dataversetest

import (
	"net/http"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/payload"
)

// operation is a function or an action that is bound to nothing.
type operation struct {
	method string
	serve  func(*Server, *request) (*response, error)
}

// boundOperation is one that is bound to a record.
type boundOperation struct {
	method string
	serve  func(*Server, *request, *table, *reference) (*response, error)
}

var operations map[string]operation
var bound map[string]boundOperation

func init() { // the functions lead back to the routes
	operations = map[string]operation{
		"WhoAmI":                      {http.MethodGet, (*Server).whoAmI},
		"RetrieveVersion":             {http.MethodGet, (*Server).retrieveVersion},
		"RetrieveCurrentOrganization": {http.MethodGet, (*Server).retrieveCurrentOrganization},
		"FetchXmlToQueryExpression":   {http.MethodGet, (*Server).fetchToQuery},
		"RetrieveTotalRecordCount":    {http.MethodGet, (*Server).retrieveTotalRecordCount},
		"BulkDelete":                  {http.MethodPost, (*Server).bulkDelete},
		"PublishXml":                  {http.MethodPost, (*Server).publish},
		"PublishAllXml":               {http.MethodPost, (*Server).publish},
		"AddListMembersList":          {http.MethodPost, (*Server).addListMembers},
		"CopyMembersList":             {http.MethodPost, (*Server).copyMembers},

		"InitializeFileBlocksUpload":   {http.MethodPost, (*Server).beginUpload},
		"UploadBlock":                  {http.MethodPost, (*Server).uploadBlock},
		"CommitFileBlocksUpload":       {http.MethodPost, (*Server).commitUpload},
		"InitializeFileBlocksDownload": {http.MethodPost, (*Server).beginDownload},
		"DownloadBlock":                {http.MethodPost, (*Server).downloadBlock},
		"DeleteFile":                   {http.MethodPost, (*Server).deleteFile},
	}
	bound = map[string]boundOperation{
		"systemuser.RetrieveUserPrivileges": {http.MethodGet, (*Server).retrieveUserPrivileges},
		"list.AddMemberList":                {http.MethodPost, (*Server).addMember},
		"list.RemoveMemberList":             {http.MethodPost, (*Server).removeMember},
	}
}

// typed begins the answer of a function or action.
func (r *request) typed(o *output, name string) *output {
	return o.raw(`{"@odata.context":`).str(r.base + "$metadata#Microsoft.Dynamics.CRM." + name)
}

func (s *Server) whoAmI(r *request) (*response, error) {
	var o output
	r.typed(&o, "WhoAmIResponse").raw(`,"BusinessUnitId":`).str(businessUnit).raw(`,"UserId":`).str(r.user.ID)
	return jsonReply(o.raw(`,"OrganizationId":`).str(s.options.OrganizationID).raw("}")), nil
}

// serverVersion is the build that the emulator says it is.
const serverVersion = "9.2.24112.193"

func (s *Server) retrieveVersion(r *request) (*response, error) {
	var o output
	return jsonReply(r.typed(&o, "RetrieveVersionResponse").raw(`,"Version":`).str(serverVersion).raw("}")), nil
}

func (s *Server) retrieveCurrentOrganization(r *request) (*response, error) {
	host := r.base[:len(r.base)-len("api/data/v"+r.version+"/")]
	var o output
	r.typed(&o, "RetrieveCurrentOrganizationResponse").raw(`,"Detail":{"OrganizationId":`).str(s.options.OrganizationID)
	o.raw(`,"FriendlyName":"Penstock Emulator","OrganizationVersion":`).str(serverVersion)
	o.raw(`,"EnvironmentId":`).str(s.options.OrganizationID).raw(`,"DatacenterId":"00000000-0000-0000-0000-000000000000","Geo":"EMEA","TenantId":`).str(s.tenant())
	o.raw(`,"UrlName":"penstock","UniqueName":"penstock","State":"Enabled","Endpoints":{"Count":3,"IsReadOnly":false,`)
	o.raw(`"Keys":["WebApplication","OrganizationService","OrganizationDataService"],"Values":[`)
	o.str(host).raw(",").str(host + "XRMServices/2011/Organization.svc").raw(",").str(host + "XRMServices/2011/OrganizationData.svc")
	return jsonReply(o.raw("]}}}")), nil
}

// retrieveTotalRecordCount counts tables. The service's figure may be a day old; this one is not.
func (s *Server) retrieveTotalRecordCount(r *request) (*response, error) {
	e, err := r.path[0].Arg("EntityNames", r.query.Aliases)
	if err != nil {
		return nil, err
	}
	list, _ := e.(odata.List)
	names, ok := list.Strings()
	if !ok || len(names) == 0 {
		return nil, failf(400, "0x80040203", "The parameter EntityNames is missing or is no list of table names.")
	}
	counts := make([]int64, len(names))
	err = s.read(r, func(w *work) error {
		for i, name := range names {
			t := s.table(name)
			if t == nil {
				return failf(404, "0x80040217", "The entity with a name = '%s' was not found in the MetadataCache.", name)
			}
			if err := r.user.may("Read", t); err != nil {
				return err
			}
			if err := w.ready(t); err != nil {
				return err
			}
			row, err := w.tx.Row("SELECT count(*) FROM " + t.sql())
			if err != nil {
				return err
			}
			counts[i] = row[0].(int64)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var o output
	r.typed(&o, "RetrieveTotalRecordCountResponse").raw(`,"EntityRecordCountCollection":{"Count":`).num(int64(len(names))).raw(`,"IsReadOnly":false,"Keys":[`)
	for i, name := range names {
		if i > 0 {
			o.raw(",")
		}
		o.str(name)
	}
	o.raw(`],"Values":[`)
	for i, n := range counts {
		if i > 0 {
			o.raw(",")
		}
		o.num(n)
	}
	return jsonReply(o.raw("]}}")), nil
}

// parameters reads the body of an action.
func (r *request) parameters() (*payload.Value, error) {
	if err := r.expectJSON(); err != nil {
		return nil, err
	}
	v, err := payload.Parse(r.body)
	if err != nil {
		return nil, errPayload("", "%v", err)
	}
	if v.Kind != payload.Object {
		return nil, errPayload("", "An unexpected '%s' node was found when reading from the JSON reader. A 'StartObject' node was expected.", nodeName(&v))
	}
	return &v, nil
}

// publish answers PublishXml and PublishAllXml. Changes of tables are in force at once here.
func (s *Server) publish(*request) (*response, error) { return reply(http.StatusNoContent), nil }
