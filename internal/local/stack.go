package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/dataversetest"
	"penstock/internal/delivery"
	"penstock/internal/local/bucket"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// The buckets of the embedded S3.
const (
	InboxBucket = "penstock-inbox"
	WorkBucket  = "penstock-work"
)

// runsAtOnce is how many runs the embedded state machine has in progress; the rest wait their turn.
const runsAtOnce = 8

// StackOptions describe the cloud on a laptop.
type StackOptions struct {
	Dir       string // keeps all state
	Config    func() (*config.Config, error)
	S3        string // address to listen on; "" is a free port of 127.0.0.1
	Dataverse string // likewise, TLS
	Plain     string // plain HTTP for clients that cannot take a private authority; "" is none
	UserAgent string
	Log       *slog.Logger
	Progress  func(run.Progress)
	Ended     func(run.Start, run.Finished, error) // a run came to its end
	Ignored   func(key, why string)                // an upload starts nothing; nil for nobody
	Waiting   func(folder string)                  // the first part of a delivery came; nil for nobody
	Emulator  dataversetest.Options                // its File is set by the stack
	Clock     dataverse.Clock                      // of the client's waits; nil is the wall clock
}

// Stack is S3 with its events, the state machine with its functions, secrets
// and a Dataverse organisation, in one process.
type Stack struct {
	Steps    *run.Steps
	Emulator *Emulator
	S3       *bucket.Server
	Drop     string // a directory: DROP/AUDIENCE/DESTINATION/FILE is taken as an upload

	options     StackOptions
	shop        *Workshop
	connections *run.Connections
	objects     *s3.Client
	parts       waiting

	ready   chan struct{}   // closed when events can be taken, or never will be
	ctx     context.Context // of the runs
	stop    context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	active  map[string]bool
	closed  bool
}

// StartStack opens everything and goes on with runs that an earlier process left unfinished.
func StartStack(o StackOptions) (s *Stack, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s = &Stack{options: o, slots: make(chan struct{}, runsAtOnce), active: map[string]bool{}, ready: make(chan struct{}), Drop: filepath.Join(o.Dir, "drop")}
	s.ctx, s.stop = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.stop() // before events are let in: they are kept for the next start
		}
		close(s.ready)
		if err != nil {
			s.Close(context.Background())
		}
	}()
	o.Emulator.File = filepath.Join(o.Dir, "dataverse.db")
	s.Emulator, err = StartEmulator(EmulatorOptions{Listen: o.Dataverse, HTTP: o.Plain, TLSDir: filepath.Join(o.Dir, "tls"), Server: o.Emulator})
	if err != nil {
		return s, err
	}
	if err := s.startS3(); err != nil {
		return s, err
	}
	s.wire()
	if s.shop, err = NewWorkshop(o.Dir, s.Steps); err != nil {
		return s, err
	}
	return s, s.resume()
}

func (s *Stack) startS3() (err error) {
	s.S3, err = bucket.New(filepath.Join(s.options.Dir, "s3"), bucket.Options{OnCreated: s.created, Log: s.options.Log})
	if err != nil {
		return fmt.Errorf("open the embedded S3: %w", err)
	}
	for _, name := range []string{InboxBucket, WorkBucket} {
		if err := s.S3.EnsureBucket(name); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	addr := s.options.S3
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := s.S3.Start(addr); err != nil {
		return fmt.Errorf("start the embedded S3: %w", err)
	}
	return nil
}

func (s *Stack) wire() {
	s.objects = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.S3.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("penstock", "penstock", ""),
	})
	user := s.options.Emulator.Users
	if len(user) == 0 {
		user = []dataversetest.User{dataversetest.DefaultUser}
	}
	credential, _ := json.Marshal(map[string]string{"client_id": user[0].ClientID, "client_secret": user[0].Secrets[0]})
	work := store.S3(s.objects, WorkBucket)
	s.connections = &run.Connections{
		UserAgent: s.options.UserAgent, Clock: s.options.Clock, Work: work,
		Secrets: secret.Reader{Getenv: func(string) string { return string(credential) }},
	}
	s.Steps = &run.Steps{
		Work: work, Inbox: delivery.Bucket{Client: s.objects},
		Config:  func(context.Context) (*config.Config, error) { return s.emulated(s.options.Config()) },
		Connect: s.connections.Connect,
		Launch:  s.launch, Now: time.Now, Log: s.options.Log, Limits: delivery.DefaultLimits, Progress: s.options.Progress,
	}
}

// emulated leads every connection to the embedded organisation: whatever the
// configuration names, nothing here ever reaches a real environment.
func (s *Stack) emulated(cfg *config.Config, err error) (*config.Config, error) {
	if err != nil {
		return nil, err
	}
	emulated := *cfg
	emulated.Connections = make(map[string]*config.Connection, len(cfg.Connections))
	for name, conn := range cfg.Connections {
		here := *conn
		here.URL, here.Authority, here.CAFile = s.Emulator.URL, s.Emulator.URL, s.Emulator.CAFile
		here.AllowCustomHost = true
		here.Credential = "env:PENSTOCK_EMULATOR"
		if here.Tenant == "" {
			here.Tenant = "emulated.example"
		}
		emulated.Connections[name] = &here
	}
	return &emulated, nil
}

// errNotUp keeps an event for the next start.
var errNotUp = errors.New("the stack is not up")

// created is EventBridge: an object arrived, and the event goes to receive as JSON.
// Events of an earlier process come before the stack is up: they wait.
func (s *Stack) created(e bucket.Event) error {
	<-s.ready
	if s.ctx.Err() != nil {
		return errNotUp
	}
	if e.Bucket != InboxBucket {
		return nil
	}
	body, err := e.EventBridge("us-east-1", "000000000000")
	if err != nil {
		return fmt.Errorf("render the event: %w", err)
	}
	var event run.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return fmt.Errorf("read the event: %w", err)
	}
	received, err := s.Steps.Receive(s.ctx, event)
	if err != nil {
		return err
	}
	key := event.Detail.Object.Key
	if received.State == run.Ignored && s.options.Ignored != nil {
		s.options.Ignored(key, received.Why)
	}
	if folder := s.parts.see(key); folder != "" && s.options.Waiting != nil {
		s.options.Waiting(folder)
	}
	return nil
}

// launch is StartExecution: idempotent by name.
func (s *Stack) launch(ctx context.Context, name string, input []byte) (started bool, err error) {
	var start run.Start
	if err := json.Unmarshal(input, &start); err != nil {
		return false, fmt.Errorf("read the start of run %s: %w", name, err)
	}
	ended, err := s.Steps.Finished(ctx, start.Destination, name)
	if err == nil && !ended.Stopped() || err != nil && !errors.Is(err, store.ErrNotExist) {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[name] || s.closed {
		return false, nil // a closed stack goes on with it at its next start
	}
	s.active[name] = true
	s.running.Go(func() { s.execute(start) })
	return true, nil
}

func (s *Stack) execute(start run.Start) {
	defer func() {
		s.mu.Lock()
		delete(s.active, start.Run)
		s.mu.Unlock()
	}()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.ctx.Done():
		return
	}
	finished, err := s.shop.Execute(s.ctx, start)
	if s.options.Ended != nil {
		s.options.Ended(start, finished, err)
	}
}

// resume goes on with the runs that have a start and no end.
func (s *Stack) resume() error {
	for info, err := range s.Steps.Work.List(s.ctx, "starts/") {
		if err != nil {
			return fmt.Errorf("look for unfinished runs: %w", err)
		}
		var start run.Start
		if err := store.ReadJSON(s.ctx, s.Steps.Work, info.Key, &start); err != nil {
			return fmt.Errorf("look for unfinished runs: %w", err)
		}
		if _, err := s.Steps.LaunchRun(s.ctx, start); err != nil {
			return err
		}
	}
	return nil
}

// Waiting names the folders whose parts no manifest or marker has completed, of those that came since the start.
func (s *Stack) Waiting() []string { return s.parts.left() }

// Objects is a client of the embedded S3.
func (s *Stack) Objects() *s3.Client { return s.objects }

// Wait waits until no run is in progress.
func (s *Stack) Wait() { s.running.Wait() }

// Close stops taking deliveries, lets the runs in progress end until ctx is
// done, stops those that are left (they go on at the next start) and closes everything.
func (s *Stack) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() { s.running.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-ctx.Done():
		s.stop()
		<-idle
	}
	s.stop()
	var errs []error
	if s.connections != nil {
		s.connections.Close()
	}
	if s.S3 != nil {
		errs = append(errs, s.S3.Close())
	}
	if s.Emulator != nil {
		errs = append(errs, s.Emulator.Close(ctx))
	}
	return errors.Join(errs...)
}
