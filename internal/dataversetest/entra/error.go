package entra

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// Error is a refusal: the number after AADSTS decides the OAuth error and the status.
type Error struct {
	Code    int
	Status  int
	OAuth   string // invalid_client, invalid_request …
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.Code, e.Message) }

type refusal struct {
	status      int
	oauth, text string
}

var refusals = map[int]refusal{
	7000215: {401, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'."},
	7000222: {401, "invalid_client", "The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."},
	7000218: {401, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	700016:  {400, "unauthorized_client", "Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."},
	700021:  {401, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter."},
	700023:  {401, "invalid_client", "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials."},
	700024:  {401, "invalid_client", "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials."},
	700027:  {401, "invalid_client", "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - %s, Thumbprint of key used by client: '%s']"},
	50012:   {401, "invalid_client", "Client assertion is invalid: %s."},
	50027:   {400, "invalid_request", "JWT token is invalid or malformed: %s."},
	90002:   {400, "invalid_request", "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	900023:  {400, "invalid_request", "Specified tenant identifier '%s' is neither a valid DNS name, nor a valid external domain."},
	900144:  {400, "invalid_request", "The request body must contain the following parameter: '%s'."},
	900561:  {400, "invalid_request", "The endpoint only accepts POST requests. Received a %s request."},
	90014:   {400, "invalid_request", "The request body could not be read as a form: %s."},
	70003:   {400, "unsupported_grant_type", "The app requested an unsupported grant type '%s'."},
	70011:   {400, "invalid_scope", "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope %s is not valid."},
	1002012: {400, "invalid_scope", "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."},
	500011:  {400, "invalid_resource", "The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."},
}

func failure(code int, args ...any) *Error {
	r := refusals[code]
	return &Error{Code: code, Status: r.status, OAuth: r.oauth, Message: fmt.Sprintf(r.text, args...)}
}

// refuse answers in the shape of the token end point: the description ends in the ids that support asks for.
func (a *Authority) refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	trace, correlation := uuid.NewString(), r.Header.Get("client-request-id")
	if correlation == "" {
		correlation = uuid.NewString()
	}
	stamp := a.options.Now().UTC().Format("2006-01-02 15:04:05Z")
	answer(w, e.Status, map[string]any{
		"error": e.OAuth,
		"error_description": fmt.Sprintf("AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s",
			e.Code, e.Message, trace, correlation, stamp),
		"error_codes":    []int{e.Code},
		"timestamp":      stamp,
		"trace_id":       trace,
		"correlation_id": correlation,
		"error_uri":      fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", e.Code),
	})
}
