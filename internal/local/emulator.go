package local

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"penstock/internal/dataversetest"
	"penstock/internal/fault"
)

// EmulatorOptions say where the emulator listens and who may enter.
type EmulatorOptions struct {
	Listen string // TLS; "" is a free port of 127.0.0.1
	HTTP   string // plain HTTP, loopback only; "" is none
	TLSDir string // where its certificate is kept; "" is a directory of its own that goes at the end
	Server dataversetest.Options
}

// Emulator is the Dataverse emulator with its listeners.
type Emulator struct {
	Server   *dataversetest.Server
	URL      string // https://…: Web API, token endpoint
	PlainURL string // http://…, when asked for
	CAFile   string // the authority to trust
	servers  []*http.Server
	tlsDir   string // to remove at the end
}

// StartEmulator opens the emulator; it serves until Close.
func StartEmulator(o EmulatorOptions) (e *Emulator, err error) {
	e = &Emulator{}
	defer func() {
		if err != nil {
			e.Close(context.Background())
		}
	}()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.TLSDir == "" {
		if o.TLSDir, err = os.MkdirTemp("", "penstock-tls-*"); err != nil {
			return e, fmt.Errorf("make a directory for the certificate: %w", err)
		}
		e.tlsDir = o.TLSDir
	}
	if o.HTTP != "" && !loopback(o.HTTP) {
		return e, fault.New(fault.Refused, "usage", "plain HTTP is served on loopback addresses only, not on %s", o.HTTP).
			Advise("use 127.0.0.1:PORT; other machines connect by TLS")
	}
	if e.Server, err = dataversetest.New(o.Server); err != nil {
		return e, fmt.Errorf("open the emulator: %w", err)
	}
	listener, err := listen(o.Listen)
	if err != nil {
		return e, err
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	names := []string{"127.0.0.1", "::1", "localhost"}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if name, err := os.Hostname(); err == nil {
			names = append(names, name)
		}
	} else if !loopback(o.Listen) {
		names = append(names, host)
	}
	cert, ca, err := Certificate(o.TLSDir, names...)
	if err != nil {
		listener.Close()
		return e, err
	}
	if e.CAFile, err = filepath.Abs(ca); err != nil {
		listener.Close()
		return e, fmt.Errorf("find the certificate: %w", err)
	}
	e.URL = "https://" + net.JoinHostPort(host, port)
	// HTTP/1.1 only, as the service's front door is used: many connections spread over its servers.
	e.serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}))
	if o.HTTP != "" {
		plain, err := listen(o.HTTP)
		if err != nil {
			return e, err
		}
		e.PlainURL = "http://" + plain.Addr().String()
		e.serve(plain)
	}
	return e, nil
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fault.New(fault.Refused, "address_in_use", "cannot listen on %s", addr).Advise("choose another address").Because(err)
	}
	return l, nil
}

// loopback tells whether only this machine can reach an address.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (e *Emulator) serve(l net.Listener) {
	server := &http.Server{Handler: e.Server, ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0)} // clients that leave in a handshake are no news to who reads the terminal
	e.servers = append(e.servers, server)
	go func() { _ = server.Serve(l) }() // ends with Close; clients see the rest
}

// Close lets requests in flight end, until ctx is done, and closes the organisation.
func (e *Emulator) Close(ctx context.Context) error {
	var errs []error
	if e.Server != nil {
		e.Server.Traffic().Close() // what is only delayed goes on at once
	}
	for _, server := range e.servers {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, server.Close())
		}
	}
	if e.Server != nil {
		errs = append(errs, e.Server.Close())
	}
	if e.tlsDir != "" {
		errs = append(errs, os.RemoveAll(e.tlsDir))
	}
	return errors.Join(errs...)
}
