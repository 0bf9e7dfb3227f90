package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"penstock/internal/delivery"
	"penstock/internal/fault"
	"penstock/internal/store"
)

// Event is an EventBridge event of S3, "Object Created". Fields that are not
// read are left out; unknown ones are ignored, because AWS adds some.
type Event struct {
	Source     string    `json:"source"`
	DetailType string    `json:"detail-type"`
	Time       time.Time `json:"time"`
	Detail     struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"` // raw, unlike in S3's own notifications
			Size      int64  `json:"size"`
			ETag      string `json:"etag"`
			VersionID string `json:"version-id"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"detail"`
}

// Received is what became of an event.
type Received struct {
	State string `json:"state"` // started, known, ignored
	Run   string `json:"run,omitempty"`
	Why   string `json:"why,omitempty"` // of ignored
}

// States of Received.
const (
	Started = "started"
	Known   = "known"
	Ignored = "ignored"
	Partly  = "part" // of a delivery that a manifest or marker will complete
)

// inboxKey is inbox/AUDIENCE/DESTINATION/anything. Destination names are what config allows.
var inboxKey = regexp.MustCompile(`^inbox/([a-z]+)/([a-z0-9][a-z0-9-]{0,62})/(.*[^/])$`)

// ownFolder tells whether a key is directly in its destination's folder.
func ownFolder(key string) bool {
	match := inboxKey.FindStringSubmatch(key)
	return match != nil && !strings.Contains(match[3], "/")
}

// partName is how engines name one file of many: Redshift's PREFIX0000_part_00,
// with or without an ending, Hadoop's and Spark's part-00000…, Snowflake's data_0_0_0.
var partName = regexp.MustCompile(`\d{4}_part_\d{2,}(\.\w+)*$|^part-[a-z]?-?\d{5}|^data_\d+_\d+_\d+(\.\w+)*$`)

// Receive starts the run of an object that arrived, once, however often it is told (rule I1).
//
// Events come in any order, so the place of an object decides, and nothing that
// has arrived before: directly in its destination's folder a file is a delivery
// of its own; in a folder below it is a part of one, which begins with the
// manifest or the marker that engines write last.
func (s *Steps) Receive(ctx context.Context, event Event) (Received, error) {
	o := event.Detail.Object
	match := inboxKey.FindStringSubmatch(o.Key)
	switch {
	case event.Source != "aws.s3" || event.DetailType != "Object Created":
		return s.ignore(event, "it is not about a created object"), nil
	case match == nil:
		return s.ignore(event, "its key is not inbox/AUDIENCE/DESTINATION/FILE"), nil
	}
	switch role := delivery.RoleOf(o.Key); {
	case role == delivery.Aside:
		return Received{State: Ignored, Why: "it is what an engine keeps for itself"}, nil
	case role == delivery.Part && !ownFolder(o.Key):
		s.log().Info("part received", "destination", match[2]) // whoever looks for its run finds that nothing has completed it
		return Received{State: Partly}, nil
	case role == delivery.Part && partName.MatchString(path.Base(o.Key)):
		return s.ignore(event, "its name is that of one part of several: they need a folder of their own, with a manifest or _SUCCESS"), nil
	}
	start := Start{V: 1, Audience: match[1], Destination: match[2], Arrived: event.Time.UTC(),
		Delivery: Delivery{Objects: []delivery.Object{{Bucket: event.Detail.Bucket.Name, Key: o.Key, Version: o.VersionID,
			ETag: strings.Trim(o.ETag, `"`), Sequencer: strings.ToLower(o.Sequencer), Size: o.Size}}}}
	start.Delivery.ID = DeliveryID(start.Delivery.Objects[0])
	pinned, _, err := s.Pin(ctx, start)
	if err != nil {
		return Received{}, err
	}
	return s.LaunchRun(ctx, pinned)
}

// ignore says why an event starts nothing. The key is a file's name and may hold a
// person's, so the log gets the reason and the event's time only.
func (s *Steps) ignore(event Event, why string) Received {
	s.log().Warn("event ignored", "why", why, "time", event.Time)
	return Received{State: Ignored, Why: why}
}

// LaunchRun starts a pinned run's execution. The name is the run's and the input is
// the pinned one, so that Step Functions knows a repetition for what it is.
func (s *Steps) LaunchRun(ctx context.Context, start Start) (Received, error) {
	input, err := json.Marshal(start)
	if err != nil {
		return Received{}, fmt.Errorf("render the start of run %s: %w", start.Run, err)
	}
	started, err := s.Launch(ctx, start.Run, input)
	if err != nil {
		return Received{}, fmt.Errorf("start run %s: %w", start.Run, err)
	}
	state := Started
	if !started {
		state = Known
	}
	s.log().Info("run "+state, "run", start.Run, "destination", start.Destination)
	return Received{State: state, Run: start.Run}, nil
}

// DeliveryID identifies what arrived: the object and the version of it (rule I1).
// Without a version it is the ETag and the sequencer, which differs for the same
// bytes written anew; on this machine it is the content. A manifest or marker
// stands for the objects that it completes: whoever is told of it again must find
// the same run, whatever lies in its folder by then.
func DeliveryID(objects ...delivery.Object) string {
	if len(objects) == 1 {
		return "sha256:" + objectID(objects[0])
	}
	ids := []string{"objects"}
	for _, o := range objects {
		ids = append(ids, objectID(o))
	}
	return "sha256:" + digest(ids...)
}

func objectID(o delivery.Object) string {
	version := []string{"version", o.Version}
	switch {
	case o.Version != "":
	case o.SHA256 != "":
		version = []string{"content", o.SHA256}
	default:
		version = []string{"etag", o.ETag, o.Sequencer}
	}
	return digest(append([]string{o.Bucket, o.Key}, version...)...)
}

// digest hashes parts so that no two lists of parts collide by joining.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// identity is what makes a run that run (rule I1).
func identity(destination, delivery string, ordinal int) string {
	return digest(destination, delivery, fmt.Sprint(ordinal))
}

// Pin gives a delivery its run, once: the first to come writes the start down,
// everybody later gets the one that is written. fresh tells which it was.
// The identity is destination, delivery and the ordinal (rule I1); the
// time in a run's name is only for people.
func (s *Steps) Pin(ctx context.Context, start Start) (pinned Start, fresh bool, err error) {
	if start.Delivery, err = s.writeList(ctx, start.Delivery); err != nil {
		return Start{}, false, err
	}
	id := identity(start.Destination, start.Delivery.ID, start.Ordinal)
	start.Run = start.Arrived.UTC().Format("20060102T150405Z") + "-" + id[:10]
	body, err := json.Marshal(start)
	if err != nil {
		return Start{}, false, fmt.Errorf("render the start of run %s: %w", start.Run, err)
	}
	key := "starts/" + id
	if known, err := s.pinned(ctx, key); err != nil || known != nil {
		if err != nil {
			return Start{}, false, err
		}
		return *known, false, nil
	}
	err = s.Work.Create(ctx, key, body)
	if errors.Is(err, store.ErrExists) {
		known, err := s.pinned(ctx, key)
		if err != nil {
			return Start{}, false, err
		}
		if known == nil {
			return Start{}, false, fault.New(fault.Interrupted, "start_vanished", "object %s was there and is gone", key)
		}
		return *known, false, nil
	}
	if err != nil {
		return Start{}, false, fmt.Errorf("write down the start of run %s: %w", start.Run, err)
	}
	return start, true, nil
}

func (s *Steps) pinned(ctx context.Context, key string) (*Start, error) {
	var known Start
	err := store.ReadJSON(ctx, s.Work, key, &known)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return &known, nil
}

// Latest finds the newest run of a delivery; nil when it never had one.
func (s *Steps) Latest(ctx context.Context, destination, delivery string) (*Start, error) {
	var latest *Start
	for ordinal := 0; ; ordinal++ {
		known, err := s.pinned(ctx, "starts/"+identity(destination, delivery, ordinal))
		if err != nil || known == nil {
			return latest, err
		}
		latest = known
	}
}
