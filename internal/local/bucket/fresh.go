package bucket

import (
	"net"
	"net/http"
	"sync"
)

// freshConns are the connections that have not sent a request. Clients dial some
// ahead of need, and http.Server.Shutdown would wait five seconds for them.
type freshConns struct {
	mu      sync.Mutex
	conns   map[net.Conn]bool
	closing bool
}

// watch is an http.Server's ConnState.
func (f *freshConns) watch(conn net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(f.conns, conn)
	case f.closing:
		conn.Close()
	default:
		f.conns[conn] = true
	}
}

func (f *freshConns) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closing = true
	for conn := range f.conns {
		conn.Close()
	}
}
