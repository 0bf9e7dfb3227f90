package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/store"
)

func arrival(key string) Event {
	var e Event
	e.Source, e.DetailType, e.Time = "aws.s3", "Object Created", time.Date(2026, 3, 1, 2, 0, 5, 0, time.UTC)
	e.Detail.Bucket.Name, e.Detail.Object.Key, e.Detail.Object.Size = "inbox", key, 7
	e.Detail.Object.ETag, e.Detail.Object.VersionID, e.Detail.Object.Sequencer = "0cc1", "v-"+key, "00617f"
	return e
}

func receiver(t *testing.T) (*Steps, map[string]int) {
	t.Helper()
	work, err := store.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	launched := map[string]int{}
	return &Steps{Work: work, Launch: func(_ context.Context, name string, _ []byte) (bool, error) {
		launched[name]++
		return launched[name] == 1, nil
	}}, launched
}

func TestWhatAnArrivalStarts(t *testing.T) {
	for key, want := range map[string]string{
		"inbox/admin/people/my file+1.csv":                         Started,
		"inbox/admin/people/report_2026_03_01.csv":                 Started,
		"inbox/admin/people/part-1.csv":                            Started,
		"inbox/admin/people/run/x0000_part_00":                     Partly,
		"inbox/admin/people/run/dt=1/part-00000-c0.snappy.parquet": Partly,
		"inbox/admin/people/run/x_manifest":                        Started,
		"inbox/admin/people/run/_SUCCESS":                          Started,
		"inbox/admin/people/run/0e1f-manifest.csv":                 Started,
		"inbox/admin/people/x_manifest":                            Started, // and refused: somebody must hear of it
		"inbox/admin/people/run/_temporary/0/part-00000":           Partly,
		"inbox/admin/people/run/_started_81":                       Ignored,
		"inbox/admin/people/5c1d.csv.metadata":                     Ignored,
		"inbox/admin/people/x0000_part_00.gz":                      Ignored,
		"inbox/admin/people/0013_part_00.parquet":                  Ignored,
		"inbox/admin/people/part-00000-7f9c.c000.csv":              Ignored,
		"inbox/admin/people/part-r-00000":                          Ignored,
		"inbox/admin/people/data_0_3_1.csv.gz":                     Ignored,
		"inbox/admin/people/":                                      Ignored,
		"inbox/admin/people/run/":                                  Ignored,
		"inbox/people.csv":                                         Ignored,
	} {
		s, launched := receiver(t)
		got, err := s.Receive(t.Context(), arrival(key))
		if err != nil || got.State != want || (len(launched) == 1) != (want == Started) {
			t.Errorf("%s: %+v and %d runs, %v", key, got, len(launched), err)
		}
	}
}

// Events come in any order and more than once; what they start is always the same one run.
func TestOrderOfEventsDoesNotMatter(t *testing.T) {
	events := []Event{arrival("inbox/admin/people/run/_SUCCESS")}
	for i := range 6 {
		events = append(events, arrival(fmt.Sprintf("inbox/admin/people/run/part-%05d.csv", i)))
	}
	events = append(events, events...)
	var run string
	for range 20 {
		s, launched := receiver(t)
		rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, e := range events {
			if _, err := s.Receive(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if len(launched) != 1 {
			t.Fatalf("%d runs: %v", len(launched), launched)
		}
		for name := range launched {
			if run != "" && name != run {
				t.Fatalf("run %s and run %s", run, name)
			}
			run = name
		}
	}
}

// Rule I1: ids of deliveries are stored; those of single objects must never change.
func TestDeliveryIDs(t *testing.T) {
	a := delivery.Object{Bucket: "b", Key: "inbox/x", Version: "1"}
	b := delivery.Object{Key: "/tmp/x", SHA256: "00ff"}
	c := delivery.Object{Bucket: "b", Key: "k", ETag: "e", Sequencer: "s"}
	if got := []string{DeliveryID(a), DeliveryID(b), DeliveryID(c)}; got[0] != "sha256:"+digest("b", "inbox/x", "version", "1") ||
		got[1] != "sha256:"+digest("", "/tmp/x", "content", "00ff") || got[2] != "sha256:"+digest("b", "k", "etag", "e", "s") {
		t.Errorf("ids changed: %q", got)
	}
	seen := map[string]bool{}
	for _, objects := range [][]delivery.Object{{a}, {b}, {a, b}, {b, a}, {a, b, c}, {a, a}} {
		id := DeliveryID(objects...)
		if seen[id] {
			t.Errorf("two deliveries have the id %s", id)
		}
		seen[id] = true
	}
}

// meddler is a bucket in a directory, in which something happens while it is read.
type meddler struct {
	delivery.Files
	dir    string
	before func(o delivery.Object) // it is opened
}

func (m meddler) at(o delivery.Object) delivery.Object {
	return delivery.Object{Key: filepath.Join(m.dir, filepath.FromSlash(o.Key)), Size: o.Size}
}

// as gives a file the look of an object: its content is its ETag.
func (m meddler) as(o delivery.Object) (delivery.Object, error) {
	data, err := os.ReadFile(m.at(o).Key)
	if err != nil {
		return o, fault.New(fault.Refused, "delivery_changed", "the delivered file is gone").At(o.Key, 0, "")
	}
	return delivery.Object{Bucket: "b", Key: o.Key, ETag: digest(string(data)), Size: int64(len(data))}, nil
}

func (m meddler) Pin(_ context.Context, o delivery.Object) (delivery.Object, error) { return m.as(o) }

func (m meddler) List(ctx context.Context, in delivery.Object, limits delivery.Limits) ([]delivery.Object, error) {
	files, err := m.Files.List(ctx, m.at(in), limits)
	for i := range files {
		key, _ := filepath.Rel(m.dir, files[i].Key)
		if files[i], err = m.as(delivery.Object{Key: filepath.ToSlash(key)}); err != nil {
			return nil, err
		}
	}
	return files, err
}

func (m meddler) OpenFrom(ctx context.Context, o delivery.Object, offset int64) (io.ReadCloser, error) {
	if m.before != nil {
		m.before(o)
	}
	if now, err := m.as(o); err != nil || now.ETag != o.ETag {
		return nil, fault.New(fault.Refused, "delivery_changed", "the delivered file was replaced by another one").At(o.Key, 0, "").Because(err)
	}
	return m.Files.OpenFrom(ctx, m.at(o), offset)
}

// What changes while a folder is read ends the reading: never a mixture.
func TestFolderThatChangesWhileItIsRead(t *testing.T) {
	const folder = "inbox/admin/people/run/"
	for name, c := range map[string]struct {
		meddle func(dir string)
		code   string
	}{
		"nothing":             {func(string) {}, ""},
		"a part is replaced":  {func(dir string) { write(t, dir, folder+"part-2.csv", "n\n9\n") }, "delivery_changed"},
		"a part vanishes":     {func(dir string) { os.Remove(filepath.Join(dir, folder, "part-2.csv")) }, "delivery_changed"},
		"a part comes late":   {func(dir string) { write(t, dir, folder+"part-3.csv", "n\n4\n") }, "delivery_changed"},
		"the marker vanishes": {func(dir string) { os.Remove(filepath.Join(dir, folder, "_SUCCESS")) }, "delivery_changed"},
		"it begins anew":      {func(dir string) { write(t, dir, folder+"_SUCCESS", "again") }, "delivery_changed"},
		"engines' own come":   {func(dir string) { write(t, dir, folder+"_committed_1", "x") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range 3 {
				write(t, dir, fmt.Sprintf(folder+"part-%d.csv", i), fmt.Sprintf("n\n%d\n", i))
			}
			write(t, dir, folder+"_SUCCESS", "")
			inbox := &meddler{dir: dir}
			marker, err := inbox.as(delivery.Object{Key: folder + "_SUCCESS"})
			if err != nil {
				t.Fatal(err)
			}
			p := &preparation{Steps: &Steps{Inbox: inbox}, dest: &config.Destination{},
				plan: &Plan{Start: Start{Delivery: Delivery{Objects: []delivery.Object{marker}}}}}
			meddled := false
			inbox.before = func(o delivery.Object) {
				if !meddled && strings.HasSuffix(o.Key, "part-1.csv") {
					meddled = true
					c.meddle(dir)
				}
			}
			rows, err := readAll(t, p)
			code := ""
			if e, ok := fault.As(err); ok {
				code = e.Code
			}
			if code != c.code || err == nil && rows != 3 || !meddled {
				t.Errorf("%d rows, %v", rows, err)
			}
			if d := p.plan.Start.Delivery; len(d.Objects) != 3 || d.By == nil || p.plan.Detected == nil {
				t.Errorf("the plan does not say what was read: %+v", d)
			}
		})
	}
}

func readAll(t *testing.T, p *preparation) (rows int, err error) {
	in, err := p.openDelivery(t.Context())
	if err != nil {
		return 0, err
	}
	defer in.Close()
	for ; err == nil; rows++ {
		_, err = in.Next()
	}
	if err == io.EOF {
		_, err = in.Sum(t.Context(), allowance{}.up)
	}
	return rows - 1, err
}

func write(t testing.TB, dir, key, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A marker's late event must not gather a folder that the next delivery is filling.
func TestMarkerOfAnEarlierDelivery(t *testing.T) {
	dir := t.TempDir()
	inbox := &meddler{dir: dir}
	write(t, dir, "run/_SUCCESS", "1")
	early, _ := inbox.as(delivery.Object{Key: "run/_SUCCESS"})
	write(t, dir, "run/part-0.csv", "n\n1\n")
	write(t, dir, "run/_SUCCESS", "2")
	p := &preparation{Steps: &Steps{Inbox: inbox}, plan: &Plan{Start: Start{Delivery: Delivery{Objects: []delivery.Object{early}}}}}
	if err := p.gather(t.Context()); fault.KindOf(err) != fault.Refused {
		t.Errorf("%v", err)
	}
	// A schedule knows no version: it takes what is there now.
	p.plan.Start.Delivery = Delivery{Objects: []delivery.Object{{Bucket: "b", Key: "run/_SUCCESS"}}}
	if err := p.gather(t.Context()); err != nil || len(p.plan.Start.Delivery.Objects) != 1 || p.plan.Start.Delivery.Objects[0].Key != "run/part-0.csv" {
		t.Errorf("%+v, %v", p.plan.Start.Delivery, err)
	}
	again, _ := json.Marshal(p.plan.Start.Delivery)
	if err := p.gather(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, _ := json.Marshal(p.plan.Start.Delivery); string(now) != string(again) {
		t.Errorf("gathered again: %s", now)
	}
}

// Rule M1: a list that is too long does not travel.
func TestLongListsDoNotTravel(t *testing.T) {
	s, _ := receiver(t)
	start := Start{V: 1, Destination: "people", Arrived: time.Unix(1, 0)}
	for i := range 2000 {
		start.Delivery.Objects = append(start.Delivery.Objects, delivery.Object{Key: fmt.Sprintf("/data/part-%05d.csv", i), SHA256: digest(fmt.Sprint(i)), Size: 10})
	}
	start.Delivery.ID = DeliveryID(start.Delivery.Objects...)
	pinned, fresh, err := s.Pin(t.Context(), start)
	if err != nil || !fresh {
		t.Fatal(err)
	}
	if input, _ := json.Marshal(pinned); len(input) > 4096 {
		t.Errorf("the execution's input has %d bytes", len(input))
	}
	again, fresh, err := s.Pin(t.Context(), start)
	if err != nil || fresh || again.Delivery.List != pinned.Delivery.List {
		t.Errorf("pinned again: %+v, %v", again, err)
	}
	p := &preparation{Steps: s, plan: &Plan{Start: pinned}}
	if err := p.gather(t.Context()); err != nil || len(p.plan.Start.Delivery.Objects) != 2000 || p.plan.Start.Delivery.Objects[1999].Key != "/data/part-01999.csv" {
		t.Errorf("%d objects, %v", len(p.plan.Start.Delivery.Objects), err)
	}
}

// plainRows reads a CSV file with a header, without looking at it first.
func plainRows(t testing.TB, name string, body []byte) delivery.Reader {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, name, string(body))
	rows, err := delivery.OpenAll(t.Context(), delivery.Source{From: delivery.Files{}, Objects: []delivery.Object{{Key: filepath.Join(dir, name), Size: int64(len(body))}}},
		&delivery.Detected{Format: delivery.CSV, Header: delivery.HeaderEach}, delivery.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rows.Close)
	return rows
}
