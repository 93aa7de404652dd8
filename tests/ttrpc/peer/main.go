// peer: the other side of our ttrpc, by containerd's own code.
//
//	peer messages       every message that we know, with every field set, as Go encodes it
//	peer call SOCKET    calls a task service and prints what came back
//	peer serve SOCKET   is a task and an events service
package main

import (
	"fmt"
	"os"
)

func main() {
	verb, socket := "", ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	if len(os.Args) > 2 {
		socket = os.Args[2]
	}
	var err error
	switch verb {
	case "messages":
		err = messages()
	case "call":
		err = call(socket)
	case "serve":
		err = serve(socket)
	default:
		err = fmt.Errorf("usage: peer messages | call SOCKET | serve SOCKET")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
