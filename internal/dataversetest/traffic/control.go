package traffic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const guide = `Control of the emulator's traffic

GET    /_emulator/stats          counters: requests, throttles, execution time, rows and writes by table
GET    /_emulator/requests       the latest requests as JSON Lines; ?last=N, status=, method=, user=, table=, verb=, fault=, path= (part of the URL)
GET    /_emulator/limits         service protection limits
POST   /_emulator/limits         change the members given, e.g. {"scale":0.0167,"servers":2}; a limit of 0 is off
PUT    /_emulator/limits         replace all; members left out are 0
GET    /_emulator/latency        the cost model
POST   /_emulator/latency        change the members given, e.g. {"request":"30ms","row":"10ms","verbs":{"upsert":2}}
PUT    /_emulator/latency        replace all
GET    /_emulator/faults         faults in force, and how often each has struck
POST   /_emulator/faults         add faults, e.g. ["drop-after:every=7,path=UpsertMultiple",{"what":"deadlock","table":"contact","first":2}]
DELETE /_emulator/faults[/ID]    lift all faults, or one
POST   /_emulator/reset          empty the organisation and start the counters anew; ?keep=data or ?keep=counters
`

// Control serves /_emulator/: what people and tests read and set while the
// emulator runs. It asks for no credentials.
func (g *Gate) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_emulator/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, guide+g.options.Guide) })
	mux.HandleFunc("/_emulator/", func(w http.ResponseWriter, r *http.Request) {
		Complain(w, http.StatusNotFound, fmt.Errorf("there is no %s %s; GET /_emulator/ lists what there is", r.Method, r.URL.Path))
	})
	mux.HandleFunc("GET /_emulator/stats", func(w http.ResponseWriter, r *http.Request) { Reply(w, g.Stats(r.Context())) })
	mux.HandleFunc("GET /_emulator/requests", g.controlRequests)
	mux.HandleFunc("GET /_emulator/limits", func(w http.ResponseWriter, _ *http.Request) { Reply(w, g.Limits()) })
	mux.HandleFunc("POST /_emulator/limits", func(w http.ResponseWriter, r *http.Request) { change(w, r, g.Limits(), g.putLimits) })
	mux.HandleFunc("PUT /_emulator/limits", func(w http.ResponseWriter, r *http.Request) { change(w, r, Limits{}, g.putLimits) })
	mux.HandleFunc("GET /_emulator/latency", func(w http.ResponseWriter, _ *http.Request) { Reply(w, g.Costs()) })
	mux.HandleFunc("POST /_emulator/latency", func(w http.ResponseWriter, r *http.Request) { change(w, r, g.Costs().withoutNames(), g.mergeCosts) })
	mux.HandleFunc("PUT /_emulator/latency", func(w http.ResponseWriter, r *http.Request) { change(w, r, Costs{}, g.putCosts) })
	mux.HandleFunc("GET /_emulator/faults", func(w http.ResponseWriter, _ *http.Request) { Reply(w, g.Faults()) })
	mux.HandleFunc("POST /_emulator/faults", g.controlAddFaults)
	mux.HandleFunc("DELETE /_emulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		g.RemoveFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_emulator/faults/{id}", g.controlRemoveFault)
	mux.HandleFunc("POST /_emulator/reset", g.controlReset)
	return mux
}

// change decodes a body over settings, puts them in force, and answers with what is in force.
func change[T interface{ Validate() error }](w http.ResponseWriter, r *http.Request, settings T, set func(T) T) {
	text, err := body(w, r)
	if err == nil {
		err = decodeStrict(text, &settings)
	}
	if err == nil {
		err = settings.Validate()
	}
	if err != nil {
		Complain(w, http.StatusBadRequest, err)
		return
	}
	Reply(w, set(settings))
}

func (g *Gate) putLimits(l Limits) Limits {
	g.SetLimits(l)
	return g.Limits()
}

func (g *Gate) putCosts(c Costs) Costs {
	g.SetCosts(c)
	return g.Costs()
}

// mergeCosts keeps the verbs and tables that c does not name.
func (g *Gate) mergeCosts(c Costs) Costs {
	old := g.Costs()
	maps.Copy(old.Verbs, lowerKeys(c.Verbs))
	maps.Copy(old.Tables, lowerKeys(c.Tables))
	c.Verbs, c.Tables = old.Verbs, old.Tables
	return g.putCosts(c)
}

func (g *Gate) controlAddFaults(w http.ResponseWriter, r *http.Request) {
	text, err := body(w, r)
	var faults []Fault
	if err == nil {
		faults, err = decodeFaults(text)
	}
	var ids []int
	if err == nil {
		ids, err = g.AddFaults(faults...)
	}
	if err != nil {
		Complain(w, http.StatusBadRequest, err)
		return
	}
	Reply(w, map[string][]int{"ids": ids})
}

// decodeFaults reads a list of faults, each an object or in ParseFault's form; or one alone.
func decodeFaults(text []byte) ([]Fault, error) {
	var list []json.RawMessage
	if err := decodeStrict(text, &list); err != nil {
		if list = []json.RawMessage{text}; !json.Valid(text) {
			return nil, err
		}
	}
	faults := []Fault{}
	for i, one := range list {
		f, err := decodeFault(one)
		if err != nil {
			return nil, fmt.Errorf("fault %d: %w", i+1, err)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func decodeFault(text []byte) (Fault, error) {
	var compact string
	if json.Unmarshal(text, &compact) == nil && compact != "" {
		return ParseFault(compact)
	}
	var f Fault
	return f, decodeStrict(text, &f)
}

func (g *Gate) controlRemoveFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !g.RemoveFault(id) {
		Complain(w, http.StatusNotFound, fmt.Errorf("there is no fault %s", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gate) controlReset(w http.ResponseWriter, r *http.Request) {
	query, err := queryOf(r, "keep")
	if err != nil {
		Complain(w, http.StatusBadRequest, err)
		return
	}
	keep := query["keep"]
	if keep != "" && keep != "data" && keep != "counters" {
		Complain(w, http.StatusBadRequest, fmt.Errorf("keep=%s: data or counters can be kept", keep))
		return
	}
	if keep != "data" {
		if g.options.Reset == nil {
			Complain(w, http.StatusNotImplemented, errors.New("this server cannot empty its data; ?keep=data resets the counters alone"))
			return
		}
		if err := g.options.Reset(r.Context()); err != nil {
			Complain(w, http.StatusInternalServerError, fmt.Errorf("reset the data: %w", err))
			return
		}
	}
	if keep != "counters" {
		g.ResetCounters()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gate) controlRequests(w http.ResponseWriter, r *http.Request) {
	query, err := queryOf(r, "last", "status", "method", "user", "table", "verb", "fault", "path")
	last := 0
	if err == nil && query["last"] != "" {
		if last, err = strconv.Atoi(query["last"]); err != nil || last < 1 {
			err = fmt.Errorf("last=%s is not a number of requests", query["last"])
		}
	}
	if err != nil {
		Complain(w, http.StatusBadRequest, err)
		return
	}
	list := slices.DeleteFunc(g.Requests(), func(e Entry) bool { return !e.meets(query) })
	if last > 0 && last < len(list) {
		list = list[len(list)-last:]
	}
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, e := range list {
		encoder.Encode(e)
	}
}

// meets tells whether e is one of those that a query asks for.
func (e Entry) meets(query map[string]string) bool {
	for name, value := range query {
		var ok bool
		switch name {
		case "status":
			ok = strconv.Itoa(e.Status) == value
		case "method":
			ok = strings.EqualFold(e.Method, value)
		case "user":
			ok = strings.EqualFold(e.User, value)
		case "table":
			ok = strings.EqualFold(e.Table, value)
		case "verb":
			ok = strings.EqualFold(e.Verb, value)
		case "fault":
			ok = strings.Contains(e.Fault, value) && e.Fault != ""
		case "path":
			ok = strings.Contains(e.URL, value)
		default:
			ok = true
		}
		if !ok {
			return false
		}
	}
	return true
}

// queryOf reads the query, which may have the known parameters only, each once.
func queryOf(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	query := map[string]string{}
	for name, list := range values {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown parameter %q%s", name, didYouMean(name, known))
		}
		if len(list) > 1 {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		query[name] = list[0]
	}
	return query, nil
}

// Decode reads a body strictly: one value, and no member that v does not have.
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	text, err := body(w, r)
	if err != nil {
		return err
	}
	return decodeStrict(text, v)
}

func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
}

func Reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(v)
}

func Complain(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"error\":{\"message\":%s}}\n", quoteJSON(err.Error()))
}
