package run

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"penstock/internal/delivery"
	"penstock/internal/fault"
)

// small makes objects be copied wherever reading stops in them, into parts of so many bytes.
func small(t *testing.T, part int64) {
	from, size := reframeFrom, framePart
	t.Cleanup(func() { reframeFrom, framePart = from, size })
	reframeFrom, framePart = 1, part
}

func zstandard(body []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(body, nil)
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.Create("contacts.csv")
	f.Write(body)
	w.Close()
	return b.Bytes()
}

// left fails for each object that prepare should have taken away.
func (d *desk) left(plan *Plan) {
	d.t.Helper()
	for _, kind := range []string{"spool/", "frames/"} {
		for info, err := range d.Work.List(d.t.Context(), plan.folder()+kind) {
			d.t.Errorf("%s is still there, %v", info.Key, err)
		}
	}
}

// Rule P2: a compressed file that takes many invocations, of which some die, gives what one gives.
func TestCompressedFilesInSteps(t *testing.T) {
	small(t, 96<<10)
	packed, err := os.ReadFile("testdata/contacts.csv.bz2") // by bzip2 1.0.8: the standard library has no writer
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"contacts.csv.gz": gzipped(body), "contacts.csv.zst": zstandard(body), "contacts.csv.bz2": packed, "contacts.csv.zip": zipped(body)} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, mirrored)
			want := d.prepare(name, file)
			watched := &framesWatch{memory: d.Work.(*memory), read: map[string]int{}}
			d.Work = watched
			var got *made
			invocations := 0
			if name == "contacts.csv.gz" {
				dying := &dying{Store: watched}
				d.Work = dying
				got, invocations = d.steps(name, file, dying)
			} else {
				got = d.shortSteps(name, file, func(n int) { invocations = n })
			}
			samePrepared(t, want, got)
			d.left(got.Plan)
			if len(watched.read) < 2 {
				t.Errorf("the copy is not one of several invocations: %v", watched.read)
			}
			t.Logf("%d invocations, %d parts stored", invocations, watched.puts.Load())
		})
	}
}

// metered counts what is read from the inbox.
type metered struct {
	delivery.Files
	read *atomic.Int64
}

func (m metered) OpenFrom(ctx context.Context, o delivery.Object, offset int64) (io.ReadCloser, error) {
	body, err := m.Files.OpenFrom(ctx, o, offset)
	if err != nil {
		return nil, err
	}
	return storedBody{io.TeeReader(body, m), body}, nil
}

func (m metered) OpenAt(ctx context.Context, o delivery.Object) (delivery.RandomAccess, error) {
	file, err := m.Files.OpenAt(ctx, o)
	if err != nil {
		return nil, err
	}
	return meteredFile{file, m.read}, nil
}

func (m metered) Write(p []byte) (int, error) {
	m.read.Add(int64(len(p)))
	return len(p), nil
}

type meteredFile struct {
	delivery.RandomAccess
	read *atomic.Int64
}

func (m meteredFile) ReadAt(p []byte, offset int64) (int, error) {
	m.read.Add(int64(len(p)))
	return m.RandomAccess.ReadAt(p, offset)
}

// wide is a file of few rows and many bytes, which do not pack well.
func wide(rows int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	b := bytes.NewBufferString("emailaddress1,lastname,description\n")
	noise := make([]byte, 904)
	for n := range rows {
		for i := 0; i < len(noise); i += 8 {
			binary.LittleEndian.PutUint64(noise[i:], random.Uint64())
		}
		fmt.Fprintf(b, "p%05d@example.org,l%d,%s\n", n, n, hex.EncodeToString(noise))
	}
	return b.Bytes()
}

// An invocation that goes on reads the file's header, and what it needs; what was read before it does not read again.
func TestNothingIsUnpackedTwice(t *testing.T) {
	small(t, delivery.FramePart)
	body := wide(1500)
	file := gzipped(body)
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1")
	want := d.prepare("people.csv.gz", file)
	inbox := metered{read: new(atomic.Int64)}
	d.Inbox = inbox
	size, invocations, before := int64(len(file)), int64(0), int64(0)
	ahead := size * (10 * 128 << 10) / int64(len(body)) // of the header's stream: ten blocks
	got := d.shortSteps("people.csv.gz", file, func(n int) {
		read := inbox.read.Load() - before
		if before += read; n > 2 && read > ahead { // the second one copies
			t.Errorf("invocation %d read %d bytes of a file of %d", n, read, size)
		}
		invocations = int64(n)
	})
	samePrepared(t, want, got)
	d.left(got.Plan)
	if most := 2*size + ahead*invocations; invocations < 5 || inbox.read.Load() > most {
		t.Errorf("%d invocations read %d bytes of a file of %d, more than %d", invocations, inbox.read.Load(), size, most)
	}
}

// shortSteps prepares a file in invocations that have little time, and tells when one is done.
func (d *desk) shortSteps(name string, body []byte, done func(n int)) *made {
	d.t.Helper()
	in := PrepareIn{Start: d.deliver(name, body)}
	for n := 1; n < 50; n++ {
		prepared, err := d.shortly(in)
		if err != nil {
			d.t.Fatal(err)
		}
		done(n)
		if prepared.State != More {
			return d.made(prepared)
		}
		in.Prepared = &prepared
	}
	d.t.Fatal("it does not end")
	return nil
}

// shortly is an invocation that has time for a few blocks of rows.
func (d *desk) shortly(in PrepareIn) (Prepared, error) {
	d.elapsed = 0
	ctx := deadlined{d.t.Context(), d.now().Add(10 * time.Minute)}
	d.elapsed = 2 * time.Minute
	return d.Prepare(ctx, in)
}

// framesWatch watches the parts of copies, and can fail to store them from one on.
type framesWatch struct {
	*memory
	puts     atomic.Int64
	failFrom int64
	reading  sync.Mutex
	read     map[string]int // parts, by the folder of whoever stored them
}

func (s *framesWatch) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if strings.Contains(key, "/frames/") {
		if n := s.puts.Add(1); s.failFrom > 0 && n >= s.failFrom {
			return errDead
		}
	}
	return s.memory.Put(ctx, key, body)
}

func (s *framesWatch) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if strings.Contains(key, "/frames/") {
		s.reading.Lock()
		defer s.reading.Unlock()
		s.read[path.Dir(key)]++
	}
	return s.memory.Open(ctx, key)
}

// An invocation that dies while it copies leaves parts that nobody reads, and the next one makes the copy anew under another name.
func TestCrashWhileReframing(t *testing.T) {
	small(t, 64<<10)
	body := gzipped(wide(600))
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1")
	want := d.prepare("people.csv.gz", body)
	watched := &framesWatch{memory: d.Work.(*memory), read: map[string]int{}}
	d.Work = watched
	in := PrepareIn{Start: d.deliver("people.csv.gz", body)}
	more, err := d.shortly(in)
	if err != nil || more.State != More {
		t.Fatalf("%+v, %v", more, err)
	}
	in.Prepared = &more
	watched.failFrom = 3
	d.elapsed = 0
	if _, err := d.Prepare(t.Context(), in); !errors.Is(err, errDead) {
		t.Fatalf("%v", err)
	}
	left := map[string]bool{}
	for info := range d.Work.List(t.Context(), more.Folder+"frames/") {
		left[info.Key] = true
		watched.memory.Put(t.Context(), info.Key, strings.NewReader("half"))
	}
	if len(left) < 2 {
		t.Errorf("the one that died has left %v", left)
	}
	watched.failFrom = 0
	prepared, err := d.Prepare(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got := d.made(prepared)
	samePrepared(t, want, got)
	d.left(got.Plan)
}

// A file that one invocation cannot even unpack up to where reading stopped is refused, with advice.
func TestFileThatUnpacksTooSlowly(t *testing.T) {
	small(t, 16<<10)
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1")
	in := PrepareIn{Start: d.deliver("people.csv.gz", gzipped(wide(1000)))}
	for range 30 {
		prepared, err := d.shortly(in)
		if err != nil {
			t.Fatal(err)
		}
		if prepared.State == More {
			in.Prepared = &prepared
			continue
		}
		if prepared.State != Refused || prepared.Reason.Code != "unpacks_too_slowly" || prepared.Reason.File != "people.csv.gz" || prepared.Reason.Advice == "" {
			t.Errorf("%s: %+v", prepared.State, prepared.Reason)
		}
		plan, err := d.readPlan(t.Context(), "d", in.Run)
		if err != nil {
			t.Fatal(err)
		}
		d.left(plan)
		return
	}
	t.Error("it goes on for ever")
}

// A copy that was changed in the run's folder is noticed.
func TestDamagedCopy(t *testing.T) {
	small(t, 512<<10)
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1")
	in := PrepareIn{Start: d.deliver("people.csv.gz", gzipped(wide(900)))}
	for range 30 {
		prepared, err := d.shortly(in)
		if fault.Is(err, fault.Broken) && strings.Contains(err.Error(), "is not as it was written") {
			return
		}
		if err != nil || prepared.State != More {
			t.Fatalf("%+v, %v", prepared, err)
		}
		in.Prepared = &prepared
		for info := range d.Work.List(t.Context(), prepared.Folder+"frames/") {
			if err := d.Work.Put(t.Context(), info.Key, strings.NewReader("other bytes")); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("it goes on for ever")
}

// Invocations outlive a deploy.
func TestStoredReframing(t *testing.T) {
	const text = `{"object":1,"frames":{"part":10,"from":5,"end":35,"whole":true,"sha256":"x"},"stretch":[{"prefix":"runs/d/r/frames/a1/00001-b/","first":0},{"prefix":"runs/d/r/frames/a1/00001-c/","first":2}]}`
	var got reframing
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := reframing{Object: 1, Frames: delivery.Frames{Part: 10, From: 5, End: 35, Whole: true, SHA256: "x"},
		Stretch: []stretch{{"runs/d/r/frames/a1/00001-b/", 0}, {"runs/d/r/frames/a1/00001-c/", 2}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	keys := []string{got.key(0), got.key(1), got.key(2)}
	if diff := cmp.Diff([]string{"runs/d/r/frames/a1/00001-b/00000", "runs/d/r/frames/a1/00001-b/00001", "runs/d/r/frames/a1/00001-c/00002"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// What is hashed for itself, because its rows are not read from its first to its last byte, is hashed by several invocations, once.
func TestHashOverSeveralInvocations(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.Create("people.csv")
	f.Write([]byte("emailaddress1,lastname\na@b.org,x\nc@d.org,y\n"))
	f, _ = w.CreateHeader(&zip.FileHeader{Name: "__MACOSX/bulk", Method: zip.Store}) // passed over
	f.Write(make([]byte, 66<<20))
	w.Close()
	d := newDesk(t, "table: contact\nmode: upsert\nkey: emailaddress1")
	want := d.prepare("people.zip", b.Bytes())
	inbox := metered{read: new(atomic.Int64)}
	d.Inbox = inbox
	invocations := 0
	got := d.shortSteps("people.zip", b.Bytes(), func(n int) { invocations = n })
	samePrepared(t, want, got)
	if most := int64(b.Len()) + 1<<20; invocations < 2 || inbox.read.Load() > most {
		t.Errorf("%d invocations read %d bytes of %d", invocations, inbox.read.Load(), b.Len())
	}
}
