// Command sink is a bench's service: it answers what a loader of contacts asks
// of Dataverse and of its sign-in, counts the rows it is sent, and keeps none.
//
// It is no emulator: its metadata is canned, it checks nothing that a row says,
// and it costs as little as a server can, so that what is measured is the client.
package main

import (
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	latency := flag.Duration("latency", 0, "how long a writing call takes")
	hint := flag.Int("hint", 8, "the parallelism that the service suggests (x-ms-dop-hint)")
	dir := flag.String("dir", ".", "where the certificate goes")
	flag.Parse()
	if err := serve(*latency, *hint, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

// serve answers until it is interrupted. Its first line on standard output says where.
func serve(latency time.Duration, hint int, dir string) error {
	s := &sink{hint: hint}
	s.latency.Store(int64(latency))
	plain, secure := httptest.NewServer(s), httptest.NewTLSServer(s)
	defer plain.Close()
	defer secure.Close()
	authority := filepath.Join(dir, "sink.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o644); err != nil {
		return fmt.Errorf("store the certificate: %w", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"url": secure.URL, "plain": plain.URL, "authority": authority}); err != nil {
		return fmt.Errorf("say where it listens: %w", err)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	<-interrupted
	return nil
}
