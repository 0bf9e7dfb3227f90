package dataverse

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"penstock/internal/fault"
)

// send makes one attempt at one bulk call. A standard table takes all of its
// records or none.
func (w *Writer) send(ctx context.Context, c call, out []Outcome) error {
	body := newPayload()
	defer body.release()
	var err error
	if body.bytes, err = w.appendTargets(body.bytes, c.records); err != nil {
		return err
	}
	answer, err := w.client.send(ctx, &request{
		method: http.MethodPost, url: w.client.root + w.table.Set + "/Microsoft.Dynamics.CRM." + c.message.name + w.query, headers: w.headers, session: w.client.session(w.table),
		body: body, contentType: "application/json", prefer: w.prefer(),
		rows: len(c.records), sizer: w.sizers[c.message.order], observer: &w.options.Observer, before: w.options.Before,
	})
	if err != nil {
		return err
	}
	w.passed.Add(int64(len(c.records)))
	for _, r := range c.records {
		out[r.at] = Outcome{Result: r.result}
	}
	if c.message == createMultiple {
		return w.checkIDs(c.records, answer.body)
	}
	return nil
}

// prefer asks elastic tables which rows failed; they say so in an annotation.
func (w *Writer) prefer() string {
	if w.table.Type == "Elastic" {
		return `odata.include-annotations="*"`
	}
	return ""
}

// checkIDs compares the ids of created records with those sent. Rule I2: where
// the service chose its own, a repeat would double rows, so the run stops.
func (w *Writer) checkIDs(records []record, body []byte) error {
	var in struct {
		IDs []string `json:"Ids"`
	}
	same := json.Unmarshal(body, &in) == nil && len(in.IDs) == len(records)
	for i := 0; same && i < len(records); i++ {
		same = strings.EqualFold(in.IDs[i], records[i].id)
	}
	if !same {
		return w.idsIgnored()
	}
	return nil
}

func (w *Writer) idsIgnored() error {
	return fault.New(fault.Refused, "client_ids_ignored", "table %q does not create records with the ids it is given", w.table.Name).
		Advise("use mode upsert with an alternate key, which needs no ids of our own")
}

// appendTargets writes the body of a bulk call. The columns of an operation are
// rendered JSON already and are spliced in as they are.
func (w *Writer) appendTargets(dst []byte, records []record) ([]byte, error) {
	dst = append(dst, `{"Targets":[`...)
	for i, r := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = w.appendTarget(dst, r); err != nil {
			return dst, err
		}
	}
	return append(dst, `]}`...), nil
}

func (w *Writer) appendTarget(dst []byte, r record) ([]byte, error) {
	dst = append(dst, w.odata...)
	var err error
	if r.id != "" {
		dst = append(dst, `,"`...)
		dst = append(dst, w.table.PrimaryID...)
		dst = append(dst, `":"`...)
		dst = append(dst, r.id...)
		dst = append(dst, '"')
		if w.elastic() {
			dst = appendPartition(dst, &r)
		}
	} else {
		// Key columns stand in the id only: repeated in the body, a create fails.
		dst = append(dst, `,"@odata.id":"`...)
		dst = append(dst, w.table.Set...)
		dst = append(dst, '(')
		if r.key != nil {
			dst = append(dst, r.key...)
		} else if dst, err = w.table.appendKey(dst, r.op.Key, "=", ","); err != nil {
			return dst, broken(r.op, "has a key that cannot be written")
		}
		dst = append(dst, `)"`...)
	}
	if r.withKey {
		if dst, err = w.appendKeyColumns(dst, r.op); err != nil {
			return dst, err
		}
	}
	if inner := members(r.op.Set); len(inner) > 0 && r.op.Do != Delete {
		dst = append(dst, ',')
		dst = append(dst, inner...)
	}
	return append(dst, '}'), nil
}

// appendKeyColumns writes the columns of a key as members of a body.
func (w *Writer) appendKeyColumns(dst []byte, op *Operation) ([]byte, error) {
	for _, part := range op.Key {
		column, ok := w.table.keyColumn(part.Column)
		text, quoted, err := literalText(part.Value)
		if !ok || err != nil {
			return dst, broken(op, "has a key that cannot be written")
		}
		switch {
		case strings.HasPrefix(column.property, "_") && column.property != part.Column: // a lookup
			if column.bind == nil {
				return dst, fault.New(fault.Refused, "polymorphic_key", "key column %q may point to several tables", part.Column).
					Advise("write by primary id")
			}
			dst = append(dst, `,"`+column.bind.Navigation+`@odata.bind":"/`+column.bind.Set+`(`...)
			dst = append(append(dst, text...), `)"`...)
		case quoted:
			dst = append(dst, `,"`+column.property+`":`...)
			dst = append(dst, trimBlanks(part.Value)...)
		case column.bare:
			dst = append(append(append(dst, `,"`+column.property+`":"`...), text...), '"')
		default:
			dst = append(append(dst, `,"`+column.property+`":`...), text...)
		}
	}
	return dst, nil
}

func isObject(set json.RawMessage) bool {
	set = trimBlanks(set)
	return len(set) >= 2 && set[0] == '{' && set[len(set)-1] == '}'
}

// members is what stands between the braces of a JSON object; nothing when there is none.
func members(set json.RawMessage) []byte {
	set = trimBlanks(set)
	if len(set) < 2 {
		return nil
	}
	return trimBlanks(set[1 : len(set)-1])
}
