package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/goccy/go-yaml"

	"penstock/infra"
	"penstock/internal/asl"
	"penstock/internal/config"
	"penstock/internal/dataversetest"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// access is what S3 would ask a policy about.
type access struct{ function, action, bucket, key string }

// accesses are what each function did.
type accesses struct {
	mu   sync.Mutex
	seen map[access]bool
}

// noting is the transport of a function: what it asks S3 for is noted.
type noting struct {
	*accesses
	function string
	next     s3.HTTPClient
}

func (n noting) Do(r *http.Request) (*http.Response, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	action := map[string]string{"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "POST": "s3:PutObject", "DELETE": "s3:DeleteObject"}[r.Method]
	switch {
	case query.Has("list-type"):
		action, key = "s3:ListBucket", query.Get("prefix")
	case query.Has("versionId"):
		action = "s3:GetObjectVersion"
	}
	n.mu.Lock()
	n.seen[access{n.function, action, bucket, key}] = true
	n.mu.Unlock()
	return n.next.Do(r)
}

// statement is one of a function's policy in template.yaml.
type statement struct {
	Action    any `yaml:"Action"`
	Resource  any `yaml:"Resource"`
	Condition struct {
		StringLikeIfExists map[string][]string `yaml:"StringLikeIfExists"`
	} `yaml:"Condition"`
}

func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			list = append(list, fmt.Sprint(one))
		}
	}
	return list
}

// policies are the statements of each function, by its resource's name.
func policies(t *testing.T) map[string][]statement {
	t.Helper()
	data, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Policies []any `yaml:"Policies"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(data, &template); err != nil {
		t.Fatal(err)
	}
	all := map[string][]statement{}
	for name, r := range template.Resources {
		for _, policy := range r.Properties.Policies {
			one, ok := policy.(map[string]any)
			if !ok || r.Type != "AWS::Serverless::Function" {
				continue // a policy of the account's, by condition
			}
			var parsed struct {
				Statement []statement `yaml:"Statement"`
			}
			text, err := yaml.Marshal(one)
			if err == nil {
				err = yaml.Unmarshal(text, &parsed)
			}
			if err != nil {
				t.Fatal(err)
			}
			all[name] = append(all[name], parsed.Statement...)
		}
	}
	return all
}

// grants is which of a statement's actions and resources allow an access; "" is none.
func (s statement) grants(a access) (action, resource string) {
	if !slices.Contains(texts(s.Action), a.action) {
		return "", ""
	}
	bucket := map[string]string{local.InboxBucket: "InboxBucket", local.WorkBucket: "WorkBucket"}[a.bucket]
	for _, r := range texts(s.Resource) {
		if a.action == "s3:ListBucket" {
			prefixes, limited := s.Condition.StringLikeIfExists["s3:prefix"]
			like := func(p string) bool { return matches(p, a.key) }
			if r == bucket+".Arn" && (!limited || slices.ContainsFunc(prefixes, like)) {
				return a.action, r
			}
			continue
		}
		if pattern, ok := strings.CutPrefix(r, "${"+bucket+".Arn}/"); ok && matches(pattern, a.key) {
			return a.action, r
		}
	}
	return "", ""
}

// matches is how IAM compares: a star stands for any text, slashes included.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		if !ok {
			return false
		}
		_, rest, ok = strings.Cut(rest, part)
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}

// cloud runs deliveries as functions do: each has steps, a client and a memory of its own.
type cloud struct {
	*stack
	*accesses
	steps map[string]*run.Steps // by the function's resource
}

func newCloud(t *testing.T, s *stack) *cloud {
	t.Helper()
	c := &cloud{stack: s, accesses: &accesses{seen: map[access]bool{}}, steps: map[string]*run.Steps{}}
	user := dataversetest.DefaultUser
	credential, _ := json.Marshal(map[string]string{"client_id": user.ClientID, "client_secret": user.Secrets[0]})
	for _, name := range []string{"Receive", "Prepare", "Turn", "Survey", "Apply", "Finish"} {
		client := s3.New(s.Objects().Options(), func(o *s3.Options) { o.HTTPClient = noting{c.accesses, name, http.DefaultClient} })
		work := store.S3(client, local.WorkBucket)
		connections := &run.Connections{Work: work, Clock: hurried{}, Secrets: secret.Reader{Getenv: func(string) string { return string(credential) }}}
		t.Cleanup(func() { connections.Close() })
		c.steps[name] = &run.Steps{Work: work, Inbox: delivery.Bucket{Client: client}, Connect: connections.Connect, Now: time.Now, Limits: delivery.DefaultLimits,
			Patience: time.Second, Worker: 15 * time.Minute,
			Config: func(ctx context.Context) (*config.Config, error) {
				if _, err := store.ReadAll(ctx, work, "config/penstock.yaml", 1<<20); err != nil {
					return nil, err
				}
				return s.Steps.Config(ctx)
			}}
	}
	return c
}

func decoding[In, Out any](step func(context.Context, In) (Out, error)) func(context.Context, json.RawMessage) (json.RawMessage, error) {
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		var in In
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, err
		}
		out, err := step(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

// deliver drops a file and lets its run go through the state machine.
func (c *cloud) deliver(destination, name, body string) run.Finished {
	c.t.Helper()
	key := "inbox/admin/" + destination + "/" + name
	c.put(key, body)
	var event run.Event
	event.Source, event.DetailType, event.Time = "aws.s3", "Object Created", time.Now()
	event.Detail.Bucket.Name, event.Detail.Object.Key, event.Detail.Object.Size = local.InboxBucket, key, int64(len(body))
	event.Detail.Object.Sequencer = "00"
	var input []byte
	c.steps["Receive"].Launch = func(_ context.Context, _ string, in []byte) (bool, error) { input = in; return true, nil }
	received, err := c.steps["Receive"].Receive(c.t.Context(), event)
	if err != nil || received.State != run.Started {
		c.t.Fatalf("receive %s: %+v, %v", key, received, err)
	}
	tasks := map[string]func(context.Context, json.RawMessage) (json.RawMessage, error){
		"Prepare": decoding(c.steps["Prepare"].Prepare), "Turn": decoding(c.steps["Turn"].Turn), "Survey": decoding(c.steps["Survey"].Survey),
		"Apply": decoding(c.steps["Apply"].Apply), "Finish": decoding(c.steps["Finish"].Finish),
	}
	machine, err := asl.Load(infra.Load, infra.LoadName, map[string]string{"PrepareFunction": "Prepare", "TurnFunction": "Turn",
		"SurveyFunction": "Survey", "ApplyFunction": "Apply", "FinishFunction": "Finish", "WorkBucket": local.WorkBucket})
	if err != nil {
		c.t.Fatal(err)
	}
	output, err := machine.Run(c.t.Context(), asl.Env{Name: received.Run, ID: received.Run, ErrorName: fault.Name,
		Task: func(ctx context.Context, resource string, in json.RawMessage) (json.RawMessage, error) {
			return tasks[resource](ctx, in)
		},
		ReadObject: func(ctx context.Context, _, key string) ([]byte, error) {
			return store.ReadAll(ctx, c.Steps.Work, key, 1<<20)
		}}, input)
	var f run.Finished
	if failure := (*asl.Failure)(nil); errors.As(err, &failure) { // the machine's Fail state: Finish has written the account
		f, err = c.Steps.Finished(c.t.Context(), destination, received.Run)
	} else if err == nil {
		err = json.Unmarshal(output, &f)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", key, err)
	}
	c.check(f)
	return f
}

const cloudConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X, requests_per_day: 100000}
destinations:
  tree: {connection: sales, table: cr1_parcel, mode: upsert, key: cr1_no, only_changes: true, rejects: {max_percent: 90},
    columns: {Name: cr1_name, No: cr1_no, Parent: {to: cr1_parent, table: cr1_parcel, by: cr1_no}}}
  added: {connection: sales, table: lead, mode: append, rejects: {max_percent: 90}}
  fresh: {connection: sales, table: cr1_tag, mode: truncate, allow_whole_table: true, max_deletes: 100}
  job: {connection: sales, table: cr1_tag, mode: truncate, allow_whole_table: true, max_deletes: 100, clear: bulkdelete}
  sound: {connection: sales, table: contact, mode: mirror, allow_whole_table: true, key: emailaddress1, max_deletes: 100, only_changes: true}
`

// unexercised are grants that these loads have no use for, and what has.
var unexercised = map[string]string{
	"Receive s3:GetObject ${WorkBucket.Arn}/deliveries/*":           "a list of objects that is too long to travel",
	"Receive s3:PutObject ${WorkBucket.Arn}/deliveries/*":           "the same",
	"Prepare s3:GetObject ${WorkBucket.Arn}/deliveries/*":           "the same",
	"Finish s3:ListBucket InboxBucket.Arn":                          "a delivery that is gone answers 404 and not 403",
	"Receive s3:ListBucket WorkBucket.Arn":                          "an object that is not there answers 404 and not 403",
	"Prepare s3:GetObject ${InboxBucket.Arn}/scheduled/*":           "a schedule's objects",
	"Finish s3:GetObject ${InboxBucket.Arn}/scheduled/*":            "the same",
	"Prepare s3:GetObject ${WorkBucket.Arn}/budget/*":               "a booking that another process was first to write is compared",
	"Prepare s3:DeleteObject ${WorkBucket.Arn}/budget/*":            "bookings that are a day old",
	"Turn s3:DeleteObject ${WorkBucket.Arn}/budget/*":               "the same",
	"Survey s3:DeleteObject ${WorkBucket.Arn}/budget/*":             "the same",
	"Apply s3:DeleteObject ${WorkBucket.Arn}/budget/*":              "the same",
	"Apply s3:GetObject ${WorkBucket.Arn}/connections/*":            "a sign of life whose answer was lost is compared",
	"Prepare s3:PutObject ${WorkBucket.Arn}/runs/*/spool/*":         "what one call of prepare leaves for the next",
	"Prepare s3:PutObject ${WorkBucket.Arn}/runs/*/frames/*":        "the same, of compressed files",
	"Turn s3:GetObject ${WorkBucket.Arn}/config/*":                  "asking whether a dead run's bulk deletion has ended",
	"Turn s3:GetObject ${WorkBucket.Arn}/budget/*":                  "the same",
	"Turn s3:PutObject ${WorkBucket.Arn}/budget/*":                  "the same",
	"Turn s3:GetObject ${WorkBucket.Arn}/runs/*/report.json":        "whether a run that stands in the queue has ended",
	"Survey s3:PutObject ${WorkBucket.Arn}/runs/*/rejects/doubts/*": "records that a mirror leaves in doubt",
	"Survey s3:DeleteObject ${WorkBucket.Arn}/runs/*/survey/asked":  "a bulk deletion that the service did not take",
	"Finish s3:PutObject ${WorkBucket.Arn}/runs/*/undeleted.csv":    "records that Dataverse will not delete",
	"Prepare s3:DeleteObject ${WorkBucket.Arn}/runs/*/spool/*":      "what one call of prepare left is taken away by the last",
	"Prepare s3:DeleteObject ${WorkBucket.Arn}/runs/*/frames/*":     "the same",
	"Prepare s3:PutObject ${WorkBucket.Arn}/runs/*/prepare/*":       "how far one call of prepare came",
	"Prepare s3:DeleteObject ${WorkBucket.Arn}/runs/*/prepare/*":    "the same",
}

// Every function does what its policy in template.yaml allows, and is allowed nothing that none of these loads needs.
func TestFunctionsStayWithinTheirPolicies(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	s.config = func() string { return cloudConfig }
	s.Steps.Launch = func(context.Context, string, []byte) (bool, error) { return true, nil } // the functions do it
	if err := s.Steps.Work.Put(t.Context(), "config/penstock.yaml", strings.NewReader(cloudConfig)); err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, s)
	wants := func(what string, f run.Finished, state string, written int64) {
		t.Helper()
		if f.State != state || f.Written != written {
			t.Fatalf("%s: %+v %+v", what, f, f.Reason)
		}
	}
	wants("links", c.deliver("tree", "1.csv", "Name,No,Parent\nA,1,2\nB,2,\nC,3,99\nD,x,\n"), run.Partial, 3)
	wants("changes", c.deliver("tree", "2.csv", "Name,No,Parent\nA,1,2\nB,2,\nC,3,1\n"), run.Succeeded, 1)
	wants("append", c.deliver("added", "1.jsonl", enquiries(3)), run.Succeeded, 3)
	wants("append again", c.deliver("added", "2.jsonl", enquiries(3)), run.Refused, 0)
	wants("truncate", c.deliver("fresh", "1.csv", "cr1_name\nwet\ndry\n"), run.Succeeded, 2)
	wants("truncate again", c.deliver("fresh", "2.csv", "cr1_name\nwet\n"), run.Succeeded, 1)
	wants("job", c.deliver("job", "1.csv", "cr1_name\nwet\n"), run.Succeeded, 1)
	wants("mirror", c.deliver("sound", "1.csv", people(20)), run.Succeeded, 20)
	wants("mirror again", c.deliver("sound", "2.csv", people(10)), run.Succeeded, 0)
	c.put("inbox/admin/added/folder/part-00000.jsonl", `{"subject":"S","lastname":"Folder"}`+"\n")
	wants("folder", c.deliver("added", "folder/_SUCCESS", ""), run.Succeeded, 1)
	s.fault("status-before:status=403,path=Multiple|batch$,every=1,code=0x80040220")
	wants("failure", c.deliver("sound", "3.csv", people(30)), run.Failed, 0)

	all := policies(t)
	granted := map[string]bool{}
	for _, a := range slices.SortedFunc(maps.Keys(c.seen), func(a, b access) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		allowed := false
		for _, statement := range all[a.function] {
			if action, resource := statement.grants(a); action != "" {
				allowed = true
				granted[a.function+" "+action+" "+resource] = true
			}
		}
		if !allowed {
			t.Errorf("%s may not %s %s of %s", a.function, a.action, a.key, a.bucket)
		}
	}
	for function, statements := range all {
		for _, statement := range statements {
			for _, action := range texts(statement.Action) {
				for _, resource := range texts(statement.Resource) {
					grant := function + " " + action + " " + resource
					switch {
					case !strings.HasPrefix(action, "s3:") || action == "s3:GetObjectVersion": // the inbox has versions in the cloud only
					case !granted[grant] && unexercised[grant] == "":
						t.Errorf("nothing needs %s", grant)
					case granted[grant] && unexercised[grant] != "":
						t.Errorf("%s is needed by these loads", grant)
					}
				}
			}
		}
	}
}
