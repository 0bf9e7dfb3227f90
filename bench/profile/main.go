// Command profile is `penstock run` under Go's profilers: the same packages,
// wired as the command line wires them, with a CPU and an allocation profile at
// the end. See docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

func main() {
	configuration := flag.String("config", "penstock.yaml", "the configuration")
	destination := flag.String("d", "contacts", "the destination")
	dir := flag.String("dir", "", "a directory for the run; it should be new")
	profiles := flag.String("profiles", ".", "where cpu.prof and heap.prof go")
	flag.Parse()
	if err := profile(*configuration, *destination, *dir, *profiles, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}

func profile(configuration, destination, dir, profiles, file string) error {
	shop, closeAll, err := open(configuration, dir)
	if err != nil {
		return err
	}
	defer closeAll()
	cpu, err := os.Create(filepath.Join(profiles, "cpu.prof"))
	if err != nil {
		return err
	}
	defer cpu.Close()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	finished, err := shop.DeliverFile(context.Background(), file, destination, false)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d of %d rows written in %.2f s\n", finished.State, finished.Written, finished.Read, finished.Seconds)
	heap, err := os.Create(filepath.Join(profiles, "heap.prof"))
	if err != nil {
		return err
	}
	defer heap.Close()
	runtime.GC() // the profile counts up to the latest collection
	return pprof.Lookup("allocs").WriteTo(heap, 0)
}

// open wires the steps to a directory of this machine, as cmd/penstock does.
func open(configuration, dir string) (*local.Workshop, func(), error) {
	cfg, err := config.Load(configuration)
	if err != nil {
		return nil, nil, err
	}
	work, err := store.Dir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", dir, err)
	}
	connections := &run.Connections{UserAgent: "penstock/profile", Work: work, Secrets: secret.Reader{Dir: filepath.Dir(configuration)}}
	shop, err := local.NewWorkshop(dir, &run.Steps{
		Work: work, Inbox: delivery.Files{}, Connect: connections.Connect, Now: time.Now, Limits: delivery.DefaultLimits,
		Config: func(context.Context) (*config.Config, error) { return cfg, nil },
	})
	return shop, func() { connections.Close(); work.Close() }, err
}
