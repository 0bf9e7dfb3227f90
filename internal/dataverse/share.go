package dataverse

// Hint is how many calls in flight the service likes for one application user:
// the least of what it has said for any of them. 0 is that it has said nothing.
func (c *Client) Hint() int {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	least := 0
	for _, u := range c.limiter.users {
		if hint := int(u.pace.hint); hint > 0 && (least == 0 || hint < least) {
			least = hint
		}
	}
	return least
}

// Bound sets how many calls each application user may have in flight from now
// on; 0 leaves it to the service. It is for those who share users with other clients.
func (c *Client) Bound(n int) {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	if c.limiter.bound != n {
		c.limiter.bound = n
		c.limiter.notify()
	}
}
