package mapping

// spellings are the values of the spellings that cells of a column have had: nearly all cells have one of
// a few. The zero value knows none. They belong to one goroutine.
type spellings struct {
	near [16]*spelling // each in its place, if it was the last one to be asked for there
	all  map[string]*spelling
}

type spelling struct{ text, value string }

// mostSeen is how many spellings are remembered.
const mostSeen = 256

// value is that of a spelling which was kept.
func (s *spellings) value(text []byte) (value string, ok bool) {
	if len(text) == 0 {
		return "", false
	}
	place := place(text)
	if known := s.near[place]; known != nil && known.text == string(text) {
		return known.value, true
	}
	known := s.all[string(text)]
	if known == nil {
		return "", false
	}
	s.near[place] = known
	return known.value, true
}

// place tells apart what the spellings of most columns differ in, and costs less than a map's hash.
func place(text []byte) uint {
	n := len(text)
	return (uint(n) + 3*uint(text[0]) + 5*uint(text[n-1])) % uint(len(spellings{}.near))
}

// keep remembers a spelling, unless there are too many already or it is no ordinary one.
func (s *spellings) keep(text []byte, value string) {
	if len(s.all) >= mostSeen || len(text) == 0 || len(text) > ordinaryLabel {
		return
	}
	if s.all == nil {
		s.all = make(map[string]*spelling)
	}
	known := &spelling{string(text), value}
	s.all[known.text] = known
}
