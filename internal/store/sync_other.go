//go:build !windows

package store

import "os"

// syncFolder sees that the names in an open directory are on the disk.
func syncFolder(dir *os.File) error { return dir.Sync() }
