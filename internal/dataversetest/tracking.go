package dataversetest

import (
	"database/sql/driver"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/storage"
)

// deletedTable remembers the deletions in tables with change tracking.
const deletedTable = "emulator deleted"

// tokenLife is how long a delta token can be used (ExpireChangeTrackingInDays).
const tokenLife = 7 * 24 * time.Hour

const tokenTime = "01/02/2006 15:04:05"

// deltaToken is where the changes of a query begin: after a version, known at a time. On the wire: 919042!08/22/2026 08:10:44.
type deltaToken struct {
	version int64
	at      time.Time
}

func (d deltaToken) String() string {
	return strconv.FormatInt(d.version, 10) + "!" + d.at.UTC().Format(tokenTime)
}

func parseDelta(text string) (deltaToken, error) {
	number, at, ok := strings.Cut(text, "!")
	version, err := strconv.ParseInt(number, 10, 64)
	when, bad := time.Parse(tokenTime, at)
	if !ok || err != nil || bad != nil || version < 0 {
		return deltaToken{}, failf(400, "0x80060888", "The delta token '%s' is not valid.", text)
	}
	return deltaToken{version, when}, nil
}

func (r *request) tracks() bool { return r.prefer.trackChanges || r.query.Other.Has("$deltatoken") }

// mayTrack refuses what cannot be tracked, and what cannot be combined with it.
func (s *Server) mayTrack(r *request, t *table, m *membership) (from deltaToken, err error) {
	if text := r.query.Other.Get("$deltatoken"); text != "" {
		if from, err = parseDelta(text); err != nil {
			return from, err
		}
		if s.now().Sub(from.at) > tokenLife {
			return from, failf(400, "0x80044352", "Version stamp associated with the client has expired. Please perform a full sync.")
		}
	}
	switch {
	case !t.ChangeTracking:
		return from, failf(400, "0x80044353", "Entity: %s does not have change tracking enabled.", t.LogicalName)
	case m != nil:
		return from, failf(400, odata.CodeSyntax, "Change tracking is not supported on a navigation property.")
	case r.query.Filter != nil || len(r.query.OrderBy) > 0 || len(r.query.Expand) > 0 || r.query.Top != nil:
		return from, failf(400, odata.CodeSyntax, "The query options $filter, $orderby, $expand and $top are not supported with change tracking.")
	}
	return from, nil
}

// getChanges answers GET /set with Prefer: odata.track-changes, and the delta links that it gives out.
func (s *Server) getChanges(r *request, t *table, m *membership) (*response, error) {
	from, err := s.mayTrack(r, t, m)
	if err != nil {
		return nil, err
	}
	var o output
	err = s.read(r, func(w *work) error {
		shown, err := t.shown(r.query.Select)
		if err != nil {
			return err
		}
		sel, _, err := w.restrict(t, nil, nil)
		if err != nil {
			return err
		}
		token, err := parseToken(r.query.SkipToken)
		if err != nil {
			return err
		}
		p := &page{t: t, query: r.query, total: -1, shown: shown, since: deltaToken{s.version, s.now()}}
		if token.page > 0 { // what changes while the client pages is in the next delta
			p.since = token.since
		}
		return w.writeChanges(&o, p, sel, from, token)
	})
	if err != nil {
		return nil, err
	}
	a := jsonReply(&o)
	r.prefer.applied = append(r.prefer.applied, "odata.track-changes")
	r.applied(a)
	return a, nil
}

func (w *work) writeChanges(o *output, p *page, sel *selection, from deltaToken, token skipToken) error {
	size := maxPage
	if n := w.r.prefer.pageSize; n > 0 {
		size = min(n, maxPage)
	}
	text := sel.from(w.columnsSQL(sel, p.shown)) + " WHERE " + sel.alias + ".rowid > " + strconv.FormatInt(token.last, 10)
	if from.version > 0 && p.t.version != nil {
		text += " AND " + sel.col(p.t.version) + " > " + strconv.FormatInt(from.version, 10)
	}
	var err error
	if p.rows, err = w.records(text+" ORDER BY "+sel.alias+".rowid LIMIT "+itoa(size+1), sel.args, p.shown); err != nil {
		return err
	}
	if len(p.rows) > size {
		p.rows = p.rows[:size]
		p.next = w.nextLink(p, token, size)
		return w.writePage(o, p)
	}
	if p.gone, err = w.deletedSince(p.t, from, p.since); err != nil {
		return err
	}
	p.delta = w.deltaLink(p)
	return w.writePage(o, p)
}

// deletedSince are the ids of records that were there at one time and are gone at another.
func (w *work) deletedSince(t *table, from, until deltaToken) (ids []string, err error) {
	if from.version == 0 {
		return nil, nil
	}
	if err := w.readyDeleted(); err != nil {
		return nil, err
	}
	err = w.tx.Query("SELECT id FROM "+storage.Quote(deletedTable)+` WHERE "table" = ? AND version > ? AND version <= ? ORDER BY version`,
		[]driver.Value{t.LogicalName, from.version, until.version}, func(row []driver.Value) error {
			ids = append(ids, row[0].(string))
			return nil
		})
	return ids, err
}

func (w *work) readyDeleted() error {
	return w.tx.Exec("CREATE TABLE IF NOT EXISTS " + storage.Quote(deletedTable) + ` ("table" TEXT, id TEXT, version INTEGER, PRIMARY KEY ("table", version))`)
}

// trackDeletion remembers that a record is gone.
func (w *work) trackDeletion(t *table, id string) error {
	if !t.ChangeTracking {
		return nil
	}
	if err := w.readyDeleted(); err != nil {
		return err
	}
	return w.tx.Exec("INSERT INTO "+storage.Quote(deletedTable)+" VALUES (?, ?, ?)", t.LogicalName, id, w.nextVersion())
}

// deltaLink is the query again, for what changes from now on.
func (w *work) deltaLink(p *page) string {
	base, _, _ := strings.Cut(w.r.url, "?")
	if !strings.Contains(base, "://") {
		base = w.r.base + p.t.SetName
	}
	kept := keptOptions(p.query.Raw, "$skiptoken", "$deltatoken")
	return base + "?" + strings.Join(append(kept, "$deltatoken="+strings.ReplaceAll(url.QueryEscape(p.since.String()), "+", "%20")), "&")
}

// countChanges answers GET /set/$count?$deltatoken=….
func (s *Server) countChanges(r *request, t *table, m *membership) (*response, error) {
	from, err := s.mayTrack(r, t, m)
	if err != nil {
		return nil, err
	}
	var n int64
	err = s.read(r, func(w *work) error {
		sel, where, err := w.restrict(t, nil, nil)
		if err != nil {
			return err
		}
		if t.version != nil {
			where += " AND " + sel.col(t.version) + " > " + strconv.FormatInt(from.version, 10)
		}
		if n, err = w.countUpTo(sel, where, maxPage); err != nil {
			return err
		}
		gone, err := w.deletedSince(t, from, deltaToken{version: s.version})
		n = min(n+int64(len(gone)), maxPage)
		return err
	})
	if err != nil {
		return nil, err
	}
	a := reply(http.StatusOK)
	a.header.Set("Content-Type", "text/plain")
	a.body = []byte(strconv.FormatInt(n, 10))
	return a, nil
}
