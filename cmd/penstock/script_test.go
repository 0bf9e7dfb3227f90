package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/local"
)

// TestScripts runs the worked examples of testdata. Beside testscript's own
// commands they may say:
//
//	emulator [slow] [reader]      start an emulator; penstock.yaml gets a connection to it, and $CREDENTIAL its credential.
//	                              slow: calls that write take a while. reader: the user may only read.
//	people FILE N                 a CSV file of N contacts; leads FILE N likewise
//	exits CODE penstock ARG…      run it and hold the exit code against CODE
//	json FIELD=VALUE…             standard output was a run's JSON object, whole, adding up, and with these values
//	table SET COLUMN N            the emulator has N rows in a table, each COLUMN once
//	start NAME penstock ARG…      run it beside the script
//	sees NAME PATTERN [VAR…]      wait until NAME writes PATTERN; its groups become variables
//	interrupt NAME                Ctrl-C
//	ends NAME CODE                wait until NAME ends with CODE
//	upload FILE KEY               put an object into the bucket penstock-inbox of $S3
//	ask METHOD PATH [JSON]        set something of the emulator at $HTTP
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Values[worldKey{}] = &world{processes: map[string]*process{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"emulator": startEmulator, "people": writePeople, "leads": writeLeads,
			"exits": exits, "json": checkJSON, "table": checkTable,
			"start": start, "sees": sees, "interrupt": interrupt, "ends": ends,
			"upload": upload, "ask": ask,
		},
	})
}

// world is what a script has started.
type world struct {
	emulator  *local.Emulator
	processes map[string]*process
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// want stops a script that does not give a command what it needs.
func want(ts *testscript.TestScript, neg, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

const configuration = `connections:
  sales:
    url: %[1]s
    authority: %[1]s
    ca_file: %[2]s
    allow_custom_host: true
    tenant: contoso.example
    credential: env:CREDENTIAL
destinations:
  people: {connection: sales, table: contact, mode: upsert, key: emailaddress1}
  strict: {connection: sales, table: contact, mode: upsert, key: emailaddress1, rejects: {max_percent: 0}}
  leads: {connection: sales, table: lead, mode: append}
  members:
    connection: sales
    table: contact
    mode: upsert
    key: emailaddress1
    columns: {Email: emailaddress1, Name: lastname}
`

func startEmulator(ts *testscript.TestScript, neg bool, args []string) {
	o := dataversetest.Options{Users: []dataversetest.User{dataversetest.DefaultUser}, Traffic: traffic.Options{Limits: &traffic.Limits{Servers: 1, DOPHint: 5}}}
	slow := false
	for _, arg := range args {
		switch arg {
		case "slow":
			slow = true
		case "reader":
			o.Users[0].Roles = []dataversetest.Role{{Name: "Reader", Privileges: []string{"prvReadContact", "prvReadLead", "prvReadAccount"}}}
		default:
			want(ts, neg, false, "emulator [slow] [reader]")
		}
	}
	e, err := local.StartEmulator(local.EmulatorOptions{HTTP: "127.0.0.1:0", Server: o})
	ts.Check(err)
	ts.Defer(func() { ts.Check(e.Close(context.Background())) })
	if slow {
		_, err := e.Server.Traffic().AddFaults(traffic.Fault{What: traffic.Latency, Delay: traffic.Duration(slowness), Path: "Multiple"})
		ts.Check(err)
	}
	worldOf(ts).emulator = e
	ts.Setenv("HTTP", e.PlainURL)
	ts.Setenv("URL", e.URL)
	ts.Setenv("CREDENTIAL", credentialOf(dataversetest.DefaultUser))
	ts.Check(os.WriteFile(ts.MkAbs("penstock.yaml"), fmt.Appendf(nil, configuration, e.URL, e.CAFile), 0o644))
}

func credentialOf(user dataversetest.User) string {
	text, _ := json.Marshal(map[string]string{"client_id": user.ClientID, "client_secret": user.Secrets[0]})
	return string(text)
}

func writePeople(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "people FILE N")
	writeRows(ts, args, "emailaddress1,firstname,lastname", "person%d@example.org,First%[1]d,Last%[1]d")
}

func writeLeads(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "leads FILE N")
	writeRows(ts, args, "subject,lastname", "Enquiry %d,Last%[1]d")
}

func writeRows(ts *testscript.TestScript, args []string, header, row string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), csvFile(n, header, row), 0o644))
}

func csvFile(n int, header, row string) []byte {
	text := []byte(header + "\n")
	for i := range n {
		text = fmt.Appendf(text, row+"\n", i)
	}
	return text
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 2, "exits CODE PROGRAM ARG…")
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d instead of %s", code, args[0])
	}
}

// checkJSON holds the contract of --json against standard output.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, true, "json FIELD=VALUE…")
	a, err := readAccount([]byte(ts.ReadFile("stdout")))
	ts.Check(err)
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		if got := fmt.Sprint(a[name]); got != value {
			ts.Fatalf("%s is %s, want %s", name, got, value)
		}
	}
}

// readAccount reads the one JSON object that a run prints for programs, and checks what holds of each.
func readAccount(text []byte) (map[string]any, error) {
	var a map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&a); err != nil {
		return nil, fmt.Errorf("standard output is not a JSON object: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("there is more than one JSON object on standard output")
	}
	counts := map[string]int64{}
	for _, name := range []string{"read", "written", "created", "updated", "upserted", "deleted", "unchanged", "rejected", "not_attempted"} {
		n, _ := a[name].(json.Number)
		count, err := n.Int64()
		if err != nil {
			return nil, fmt.Errorf("%s is no count: %v", name, a[name])
		}
		counts[name] = count
	}
	for _, name := range []string{"run", "state", "removed", "report", "rejects", "seconds"} {
		if _, there := a[name]; !there {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	if counts["read"] != counts["written"]+counts["unchanged"]+counts["rejected"]+counts["not_attempted"] ||
		counts["written"] != counts["created"]+counts["updated"]+counts["upserted"]+counts["deleted"] {
		return nil, fmt.Errorf("the counts do not add up: %v", counts)
	}
	for _, name := range []string{"report", "rejects"} {
		path, there := a[name].(string)
		if !there {
			continue
		}
		if _, err := os.Stat(path); err != nil || !filepath.IsAbs(path) {
			return nil, fmt.Errorf("%s: %s is not there or not absolute: %w", name, path, err)
		}
	}
	if there := a["rejects"] != nil; there != (counts["rejected"] > 0) {
		return nil, fmt.Errorf("%d rejects, and the reject file is %v", counts["rejected"], a["rejects"])
	}
	return a, nil
}

func checkTable(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 3, "table SET COLUMN N")
	rows, err := readTable(worldOf(ts).emulator, args[0], args[1])
	ts.Check(err)
	if strconv.Itoa(len(rows)) != args[2] {
		ts.Fatalf("%d rows in %s, want %s", len(rows), args[0], args[2])
	}
}

// readTable reads a table back with the demo's plain HTTP client, which fails on a value that is there twice.
func readTable(e *local.Emulator, set, column string) (map[string]map[string]any, error) {
	r, err := signIn(context.Background(), e)
	if err != nil {
		return nil, err
	}
	defer r.client.CloseIdleConnections()
	return r.all(context.Background(), set+"?$select="+column, column)
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 2, "start NAME PROGRAM ARG…")
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "CREDENTIAL", "GOCOVERDIR"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	p, err := startProcess(cmd)
	ts.Check(err)
	worldOf(ts).processes[args[0]] = p
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		<-p.done
		ts.Logf("[%s]\n%s", args[0], p.out.String())
	})
}

func processOf(ts *testscript.TestScript, name string) *process {
	p := worldOf(ts).processes[name]
	if p == nil {
		ts.Fatalf("nothing was started as %s", name)
	}
	return p
}

func sees(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 2, "sees NAME PATTERN [VAR…]")
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	found, err := processOf(ts, args[0]).sees(pattern)
	ts.Check(err)
	for i, name := range args[2:] {
		ts.Setenv(name, found[i+1])
	}
}

func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 1, "interrupt NAME")
	ts.Check(processOf(ts, args[0]).cmd.Process.Signal(syscall.SIGINT))
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "ends NAME CODE")
	p := processOf(ts, args[0])
	code, err := p.ends()
	ts.Check(err)
	if strconv.Itoa(code) != args[1] {
		ts.Fatalf("%s ended with %d (%v) instead of %s:\n%s", args[0], code, p.err, args[1], p.out.String())
	}
}

func upload(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "upload FILE KEY")
	client := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(ts.Getenv("S3")), UsePathStyle: true,
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")})
	_, err := client.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(local.InboxBucket), Key: aws.String(args[1]), Body: strings.NewReader(ts.ReadFile(args[0]))})
	ts.Check(err)
}

func ask(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2 || len(args) == 3, "ask METHOD PATH [JSON]")
	request, err := http.NewRequest(args[0], ts.Getenv("HTTP")+args[1], strings.NewReader(strings.Join(args[2:], "")))
	ts.Check(err)
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		ts.Fatalf("%s: %s", args[1], answer.Status)
	}
}
