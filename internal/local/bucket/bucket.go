// Package bucket is an S3 endpoint on loopback that keeps its objects in a directory and tells of each new one.
//
// gofakes3 knows the protocol; this package adds what it leaves out: objects and
// parts on disk, sorted pages, conditional requests, checksums, streamed uploads,
// copies of parts, and the events. There are no versions. Any signature is
// accepted, which is why nothing but a loopback address is ever listened on.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Options of a Server; the zero value is useful.
type Options struct {
	// OnCreated is told of every object that was written, after it is durable:
	// one call at a time, in the order of the writes, at least once. With an
	// error the event is kept and told again later, at the next start at the latest. An object
	// whose telling was cut short by a crash is told of again at the next start.
	// Uploads do not wait for it, but the next event does.
	OnCreated func(Event) error
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log takes what goes wrong inside; discarded when nil.
	Log *slog.Logger
	// NoSync leaves it to the operating system when bytes reach the disk: much
	// faster, safe when this process dies, not when the power fails. For tests and
	// for directories that are thrown away.
	NoSync bool
	// Grace is how long Close waits for requests in flight; 10 s when zero.
	Grace time.Duration
}

// Server is the endpoint. Its methods may be called from several goroutines.
type Server struct {
	disk      *disk
	onCreated func(Event) error
	log       *slog.Logger
	grace     time.Duration
	requests  atomic.Uint64

	http    *http.Server
	fresh   freshConns
	url     atomic.Value // string
	written chan struct{}
	closing chan struct{}
	running sync.WaitGroup
	close   sync.Once
}

// New opens the objects under dir, which one Server at a time may use.
func New(dir string, opts Options) (*Server, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if opts.Grace == 0 {
		opts.Grace = 10 * time.Second
	}
	d, err := openDisk(dir, opts)
	if err != nil {
		return nil, err
	}
	s := &Server{
		disk: d, onCreated: opts.OnCreated, log: opts.Log, grace: opts.Grace,
		written: make(chan struct{}, 1), closing: make(chan struct{}), fresh: freshConns{conns: map[net.Conn]bool{}},
	}
	s.http = &http.Server{
		Handler:           s,
		ConnState:         s.fresh.watch,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn),
	}
	if opts.OnCreated != nil {
		s.running.Go(s.tell)
	}
	return s, nil
}

// Start listens on addr ("127.0.0.1:0" when empty) and serves in the background.
func (s *Server) Start(addr string) error {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	if !resolved.IP.IsLoopback() {
		return fmt.Errorf("listen on %s: %w", addr, errNotLoopback)
	}
	l, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	s.url.Store("http://" + l.Addr().String())
	s.running.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("s3 endpoint ended", "err", err)
		}
	})
	return nil
}

var errNotLoopback = errors.New("not a loopback address: every signature is accepted here, so nobody else may reach it")

// Serve serves on l until Close, then returns nil.
func (s *Server) Serve(l net.Listener) error {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		return fmt.Errorf("serve on %s: %w", l.Addr(), errNotLoopback)
	}
	s.url.Store("http://" + addr.String())
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", addr, err)
	}
	return nil
}

// URL is the endpoint, "" before Start or Serve.
func (s *Server) URL() string {
	url, _ := s.url.Load().(string)
	return url
}

// EnsureBucket makes the bucket name when it is not there.
func (s *Server) EnsureBucket(name string) error {
	if err := gofakes3.ValidateBucketName(name); err != nil {
		return fmt.Errorf("make bucket %q: %w", name, err)
	}
	if err := s.disk.createBucket(name); err != nil && !gofakes3.IsAlreadyExists(err) {
		return fmt.Errorf("make bucket %q: %w", name, err)
	}
	return nil
}

// Close lets the requests in flight finish, tells of what they wrote, and closes the index.
func (s *Server) Close() error {
	var err error
	s.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.grace)
		defer cancel()
		s.fresh.close()
		if err = s.http.Shutdown(ctx); err != nil {
			s.http.Close()
		}
		close(s.closing)
		s.running.Wait()
		err = errors.Join(err, s.disk.close())
	})
	return err
}
