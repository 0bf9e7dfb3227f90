package bucket

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Event tells that an object was written.
type Event struct {
	Bucket    string
	Key       string // as it is, not URL-encoded
	Size      int64
	ETag      string // without quotes
	Sequencer string // hexadecimal; a later write of the key has a greater one
	Time      time.Time
	Reason    string // PutObject, "POST Object", CopyObject, CompleteMultipartUpload
}

// EventBridge renders the event as EventBridge delivers it for S3: source aws.s3,
// detail-type "Object Created", the key raw, no version-id because the bucket has
// no versions. The same write has the same id whenever it is told.
func (e Event) EventBridge(region, account string) ([]byte, error) {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("s3://"+e.Bucket+"/"+e.Key+"#"+e.Sequencer))
	return json.Marshal(bridgeEvent{
		Version: "0", ID: id.String(), DetailType: "Object Created", Source: "aws.s3", Account: account,
		Time: e.Time.UTC().Format(time.RFC3339), Region: region, Resources: []string{"arn:aws:s3:::" + e.Bucket},
		Detail: bridgeDetail{
			Version: "0", Bucket: bridgeBucket{e.Bucket},
			Object:    bridgeObject{Key: e.Key, Size: e.Size, ETag: e.ETag, Sequencer: e.Sequencer},
			RequestID: strings.ToUpper(strings.ReplaceAll(id.String(), "-", "")[:16]),
			Requester: account, SourceIP: "127.0.0.1", Reason: e.Reason,
		},
	})
}

type bridgeEvent struct {
	Version    string       `json:"version"`
	ID         string       `json:"id"`
	DetailType string       `json:"detail-type"`
	Source     string       `json:"source"`
	Account    string       `json:"account"`
	Time       string       `json:"time"`
	Region     string       `json:"region"`
	Resources  []string     `json:"resources"`
	Detail     bridgeDetail `json:"detail"`
}

type bridgeDetail struct {
	Version   string       `json:"version"`
	Bucket    bridgeBucket `json:"bucket"`
	Object    bridgeObject `json:"object"`
	RequestID string       `json:"request-id"`
	Requester string       `json:"requester"`
	SourceIP  string       `json:"source-ip-address"`
	Reason    string       `json:"reason"`
}

type bridgeBucket struct {
	Name string `json:"name"`
}

type bridgeObject struct {
	Key       string `json:"key"`
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	Sequencer string `json:"sequencer"`
}
