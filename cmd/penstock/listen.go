package main

import (
	"errors"
	"net"
	"syscall"

	"penstock/internal/fault"
	"penstock/internal/local"
)

// askFree makes sure that a flag's address can be listened on, so that a person is told which flag to change.
func askFree(flag, address string) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.New(fault.Refused, "address_in_use", "%s: address %s is in use", flag, address).
			Advise("by another penstock? Say %s 127.0.0.1:PORT for another one; port 0 is any that is free", flag)
	case err != nil:
		return fault.New(fault.Refused, "usage", "%s: cannot listen on %s", flag, address).
			Advise("say HOST:PORT, such as 127.0.0.1:8443").Because(err)
	}
	return l.Close()
}

// claim takes a directory for this process until release.
func claim(dir, command string) (release func(), err error) {
	locks, err := local.NewLocks(dir)
	if err != nil {
		return nil, err
	}
	release, err = locks.Take(command)
	if err != nil {
		return nil, err
	}
	if release == nil {
		return nil, fault.New(fault.Refused, "usage", "another penstock %s works in %s", command, dir).Advise("stop it, or say another --dir")
	}
	return release, nil
}
