package bucket_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/local/bucket"
)

// TestAWSCLI drives the endpoint with the real client that people have, as it
// comes: default checksums, multipart above 8 MB.
func TestAWSCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the AWS CLI a dozen times")
	}
	cli, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("no aws on PATH: the endpoint is not tried with the AWS CLI")
	}
	events := make(chan bucket.Event, 100)
	s := start(t, t.TempDir(), bucket.Options{OnCreated: func(e bucket.Event) error { events <- e; return nil }})
	c := client(t, s)
	files := t.TempDir()
	aws := func(args ...string) string { return runAWS(t, cli, s.URL(), args...) }

	small, big := filepath.Join(files, "my file+1 ä.csv"), filepath.Join(files, "big.csv")
	bigBody := noise(20 << 20)
	check(t, os.WriteFile(small, []byte("id,name\n1,Ä\n"), 0o600))
	check(t, os.WriteFile(big, bigBody, 0o600))

	aws("s3", "cp", small, "s3://inbox/inbox/business/x/")
	wantKey(t, events, "inbox/business/x/my file+1 ä.csv", "PutObject")
	if got := string(get(t, c, "inbox/business/x/my file+1 ä.csv")); got != "id,name\n1,Ä\n" {
		t.Errorf("the small file became %q", got)
	}
	aws("s3", "cp", big, "s3://inbox/inbox/admin/big.csv")
	wantKey(t, events, "inbox/admin/big.csv", "CompleteMultipartUpload")
	if !bytes.Equal(get(t, c, "inbox/admin/big.csv"), bigBody) {
		t.Error("the big file was changed on its way")
	}

	if out := aws("s3", "ls", "s3://inbox/inbox/business/x/"); !strings.Contains(out, " 13 my file+1 ä.csv") {
		t.Errorf("ls:\n%s", out)
	}

	aws("s3", "mv", "s3://inbox/inbox/business/x/my file+1 ä.csv", "s3://inbox/done/my file+1 ä.csv")
	wantKey(t, events, "done/my file+1 ä.csv", "CopyObject")
	absent(t, c, "inbox/business/x/my file+1 ä.csv")
	aws("s3", "mv", "s3://inbox/inbox/admin/big.csv", "s3://inbox/done/big.csv") // by UploadPartCopy
	wantKey(t, events, "done/big.csv", "CompleteMultipartUpload")
	absent(t, c, "inbox/admin/big.csv")
	back := filepath.Join(t.TempDir(), "back.csv")
	aws("s3", "cp", "s3://inbox/done/big.csv", back) // by ranges
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, bigBody) {
		t.Errorf("the big file came back with %d bytes, %v", len(got), err)
	}

	check(t, os.MkdirAll(filepath.Join(files, "sub"), 0o700))
	check(t, os.WriteFile(filepath.Join(files, "sub", "c.csv"), []byte("c"), 0o600))
	aws("s3", "sync", files, "s3://inbox/synced/")
	want := []string{"synced/big.csv", "synced/my file+1 ä.csv", "synced/sub/c.csv"}
	if keys, _ := listAll(t, c, "synced/", "", "", 1000); !slices.Equal(keys, want) {
		t.Errorf("synced %q, want %q", keys, want)
	}
	aws("s3", "sync", "--delete", filepath.Join(files, "sub"), "s3://inbox/synced/")
	if keys, _ := listAll(t, c, "synced/", "", "", 1000); !slices.Equal(keys, []string{"synced/c.csv"}) {
		t.Errorf("after sync --delete: %q", keys)
	}

	aws("s3", "rm", "--recursive", "s3://inbox/")
	if keys, _ := listAll(t, c, "", "", "", 1000); len(keys) > 0 {
		t.Errorf("left after rm: %q", keys)
	}
}

// runAWS runs the CLI without any of the user's configuration.
func runAWS(t *testing.T, cli, endpoint string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, cli, append(args, "--endpoint-url", endpoint)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=thing", "AWS_DEFAULT_REGION=eu-central-1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "NO_PROXY=127.0.0.1",
		"LC_ALL=C.UTF-8", "PYTHONUTF8=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func wantKey(t *testing.T, events <-chan bucket.Event, key, reason string) {
	t.Helper()
	select {
	case e := <-events:
		if e.Key != key || e.Reason != reason {
			t.Errorf("event %+v, want %s of %s", e, reason, key)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("no event for %s", key)
	}
}
