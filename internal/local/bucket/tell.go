package bucket

// tell hands the events that the index keeps to OnCreated, those of an earlier
// process first. An event leaves the index after OnCreated has taken it, so a
// crash or a failure repeats it rather than loses it.
func (s *Server) tell() {
	for {
		s.tellPending()
		select {
		case <-s.written:
		case <-s.closing: // every write is in the index by now
			s.tellPending()
			return
		}
	}
}

func (s *Server) tellPending() {
	for {
		event, found, err := s.disk.nextEvent()
		if err != nil {
			s.log.Error("read the next event", "err", err)
			return
		}
		if !found {
			return
		}
		if err := s.onCreated(event); err != nil {
			// Told again with the next write, or at the next start.
			s.log.Error("tell of an object", "sequencer", event.Sequencer, "err", err)
			return
		}
		if err := s.disk.forgetEvent(event.Sequencer); err != nil {
			s.log.Error("forget an event", "sequencer", event.Sequencer, "err", err)
			return
		}
	}
}

// wake tells the teller that there may be an event.
func (s *Server) wake() {
	select {
	case s.written <- struct{}{}:
	default: // it has not taken the last call yet, and will see both
	}
}
