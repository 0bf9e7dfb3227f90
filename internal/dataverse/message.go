package dataverse

import (
	"context"

	"penstock/internal/fault"
)

// message is one of the things that can be done to records, and the bulk action that does it to many.
type message struct {
	verb  Verb
	order int    // of writing within one Write, and place in messages
	name  string // of the bulk action; "" is none
	// elastic: the action exists on elastic tables only.
	elastic bool
}

// The service has no bulk action for references and people.
var (
	upsertMultiple = &message{verb: Upsert, order: 0, name: "UpsertMultiple"}
	createMultiple = &message{verb: Create, order: 1, name: "CreateMultiple"}
	peopling       = &message{verb: people, order: 2} // before a state that closes the activity
	updateMultiple = &message{verb: Update, order: 3, name: "UpdateMultiple"}
	deleteMultiple = &message{verb: Delete, order: 4, name: "DeleteMultiple", elastic: true}
	associating    = &message{verb: Associate, order: 5}
	disassociating = &message{verb: Disassociate, order: 6}

	messages = [...]*message{upsertMultiple, createMultiple, peopling, updateMultiple, deleteMultiple, associating, disassociating}
)

// takes reports whether the table takes a bulk action. What is known is kept per client.
func (w *Writer) takes(ctx context.Context, m *message) (bool, error) {
	if m.name == "" || m.elastic && !w.elastic() || w.client.old {
		return false, nil
	}
	yes, err := w.client.Supports(ctx, m.name, w.table.Name)
	if fault.Is(err, fault.Denied) {
		// It may not be asked; the table itself will tell.
		w.client.offer(m.name, w.table.Name, true)
		return true, nil
	}
	return yes, err
}

func (w *Writer) elastic() bool { return w.table.Type == "Elastic" }
