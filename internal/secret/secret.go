// Package secret fetches a credential from where a connection says it is kept.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"penstock/internal/fault"
)

// maxBytes bounds a credential; Secrets Manager's own limit is 64 KB.
const maxBytes = 64 << 10

// Reader reads credentials.
type Reader struct {
	// Secrets opens Secrets Manager when a credential is kept there. It is called
	// at the first such credential, so that nobody needs AWS who does not use it.
	Secrets func(context.Context) (*secretsmanager.Client, error)
	Getenv  func(string) string // nil: os.Getenv
	Dir     string              // relative files are resolved against it
}

// Read fetches a credential by its reference: secretsmanager:NAME, env:NAME or
// file:PATH. bare tells that a plain string may be taken as an access token.
// Rule S2: no error holds any of it.
func (r Reader) Read(ctx context.Context, reference string) (data []byte, bare bool, err error) {
	scheme, name, ok := strings.Cut(reference, ":")
	if !ok || name == "" {
		return nil, false, fault.New(fault.Refused, "credential_unreadable", "a credential is secretsmanager:NAME, env:NAME or file:PATH")
	}
	switch scheme {
	case "env":
		data, err = r.env(name)
		return data, true, err
	case "file":
		data, err = r.file(name)
		return data, true, err
	case "secretsmanager":
		data, err = r.manager(ctx, name)
		return data, false, err
	}
	return nil, false, fault.New(fault.Refused, "credential_unreadable", "a credential cannot be kept in %q", scheme).
		Advise("use secretsmanager:NAME, env:NAME or file:PATH")
}

func (r Reader) env(name string) ([]byte, error) {
	get := r.Getenv
	if get == nil {
		get = os.Getenv
	}
	if value := get(name); value != "" {
		return []byte(value), nil
	}
	return nil, fault.New(fault.Denied, "credential_missing", "the environment variable %s is not set", name).
		Advise("set it to the credential's JSON or to an access token")
}

func (r Reader) file(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.Dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.New(fault.Denied, "credential_missing", "the credential's file cannot be opened").At(name, 0, "").Because(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fault.New(fault.Denied, "credential_missing", "the credential's file cannot be read").At(name, 0, "").Because(err)
	}
	if len(data) > maxBytes {
		return nil, fault.New(fault.Refused, "credential_unreadable", "the credential is larger than %d bytes", maxBytes).At(name, 0, "")
	}
	return data, nil
}

func (r Reader) manager(ctx context.Context, name string) ([]byte, error) {
	if r.Secrets == nil {
		return nil, fault.New(fault.Refused, "credential_unreadable", "Secrets Manager is not available here").
			Advise("use env:NAME or file:PATH")
	}
	client, err := r.Secrets(ctx)
	if err != nil {
		return nil, fmt.Errorf("open Secrets Manager: %w", err)
	}
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return nil, managerFault(name, err)
	}
	if out.SecretString == nil {
		return out.SecretBinary, nil
	}
	return []byte(*out.SecretString), nil
}

func managerFault(name string, err error) error {
	var missing *types.ResourceNotFoundException
	var api smithy.APIError
	switch {
	case errors.As(err, &missing):
		return fault.New(fault.Denied, "credential_missing", "Secrets Manager holds no secret %s", name).
			Advise("create it, in this Region, with the credential's JSON").Because(err)
	case errors.As(err, &api) && api.ErrorFault() == smithy.FaultClient:
		return fault.New(fault.Denied, "credential_missing", "the secret %s may not be read (%s)", name, api.ErrorCode()).
			Advise("allow secretsmanager:GetSecretValue on it, and kms:Decrypt when it has a key of its own").Because(err)
	}
	return fault.New(fault.Interrupted, "secrets_unreachable", "Secrets Manager did not answer").Because(err)
}
