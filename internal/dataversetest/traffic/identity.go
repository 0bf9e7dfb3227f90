package traffic

import (
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"sync/atomic"
)

// identities draws request ids and servers. The draws are a hash of a seed and a
// count, so that they need no lock and repeat with the seed.
type identities struct {
	seed    uint64
	count   atomic.Uint64
	cookies [maxServers]affinity
	servers map[string]int // by cookie value
}

// affinity is what a server's responses set.
type affinity struct{ arr, gateway string }

func newIdentities(seed uint64) *identities {
	ids := &identities{seed: mix(seed + 1), servers: make(map[string]int, maxServers)}
	for n := range ids.cookies {
		var b [32]byte
		for i := range 4 {
			binary.BigEndian.PutUint64(b[8*i:], mix(ids.seed+uint64(4*n+i)))
		}
		value := hex.EncodeToString(b[:])
		ids.cookies[n] = affinity{
			arr:     "ARRAffinity=" + value + "; path=/; secure; HttpOnly",
			gateway: "ApplicationGatewayAffinity=" + value[:32] + "; path=/; secure; HttpOnly",
		}
		ids.servers[value] = n
	}
	return ids
}

// next is a new GUID.
func (ids *identities) next() string {
	n := ids.draw()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n)
	binary.BigEndian.PutUint64(b[8:], mix(n^ids.seed))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// server is the one of count servers that gets a request: that of its affinity
// cookie, else any.
func (ids *identities) server(r *http.Request, count int) int {
	if count <= 1 {
		return 0
	}
	if len(r.Header["Cookie"]) > 0 {
		if cookie, err := r.Cookie("ARRAffinity"); err == nil {
			if n, ok := ids.servers[cookie.Value]; ok && n < count {
				return n
			}
		}
	}
	return int(ids.draw() % uint64(count))
}

func (ids *identities) draw() uint64 { return mix(ids.seed + ids.count.Add(1)*0x9e3779b97f4a7c15) }

// mix is the finalizer of SplitMix64.
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
