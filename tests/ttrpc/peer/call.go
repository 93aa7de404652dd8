package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Calls the service behind the socket, and prints a line for each answer.
func call(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(conn)
	defer client.Close()
	tasks := task.NewTTRPCTaskClient(client)
	ctx := ttrpc.WithMetadata(context.Background(), ttrpc.MD{"containerd-namespace-ttrpc": {"k8s.io"}})

	connect := func(id string) (string, error) {
		answer, err := tasks.Connect(ctx, &task.ConnectRequest{ID: id})
		return fmt.Sprintf("%d %d %q", answer.GetShimPid(), answer.GetTaskPid(), answer.GetVersion()), err
	}
	for _, id := range []string{"namespace", "one", "missing", "refused", "broken"} {
		show(id)(connect(id))
	}

	_, err = tasks.Pause(ctx, &task.PauseRequest{ID: "x"})
	show("unimplemented")("", err)
	err = client.Call(ctx, "no.such.Service", "Method", &task.PauseRequest{}, &task.PauseRequest{})
	show("service")("", err)

	// The answer comes after the deadline, and is dropped; the connection goes on.
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	_, err = tasks.Wait(short, &task.WaitRequest{ID: "long"})
	cancel()
	show("deadline")("", err)
	show("after")(connect("one"))

	// A request and an answer as long as may be, and longer ones.
	for _, size := range []int{1 << 20, 4<<20 - 200, 4<<20 + 1} {
		_, err = tasks.Kill(ctx, &task.KillRequest{ID: strings.Repeat("k", size)})
		show(fmt.Sprint("request ", size))("", err)
		answer, err := tasks.State(ctx, &task.StateRequest{ID: fmt.Sprint("size ", size)})
		show(fmt.Sprint("answer ", size))(fmt.Sprint(len(answer.GetBundle())), err)
	}

	// A stream, which our side does not have.
	stream, err := client.NewStream(ctx, &ttrpc.StreamDesc{StreamingClient: true}, "containerd.task.v3.Task", "Wait", nil)
	if err == nil {
		err = stream.RecvMsg(&task.WaitResponse{})
	}
	show("stream")("", err)
	show("after")(connect("one"))

	return many(ctx, tasks, socket)
}

// Two hundred calls at once, whose answers come in any order; and a frame that is written a byte at a time.
func many(ctx context.Context, tasks task.TTRPCTaskService, socket string) error {
	var all sync.WaitGroup
	var lock sync.Mutex
	right := 0
	for n := 0; n < 200; n++ {
		all.Add(1)
		go func(n int) {
			defer all.Done()
			answer, err := tasks.Wait(ctx, &task.WaitRequest{ID: fmt.Sprint("status ", n)})
			if err == nil && answer.GetExitStatus() == uint32(n) {
				lock.Lock()
				right++
				lock.Unlock()
			}
		}(n)
	}
	all.Wait()
	show("many")(fmt.Sprint(right), nil)

	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	slow := task.NewTTRPCTaskClient(ttrpc.NewClient(drip{conn}))
	answer, err := slow.Connect(ctx, &task.ConnectRequest{ID: "one"})
	show("drip")(fmt.Sprint(answer.GetTaskPid()), err)
	return conn.Close()
}

// A connection that writes byte by byte.
type drip struct{ net.Conn }

func (d drip) Write(p []byte) (int, error) {
	for n := range p {
		if _, err := d.Conn.Write(p[n : n+1]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// Prints what a call came to: its value, or its code and text.
func show(what string) func(string, error) {
	return func(value string, err error) {
		switch s, ok := status.FromError(err); {
		case err == nil:
			fmt.Printf("%s: ok %s\n", what, value)
		case s.Code() == codes.DeadlineExceeded:
			// The server's word, where it was faster.
			fmt.Printf("%s: gave up\n", what)
		case ok:
			fmt.Printf("%s: %s: %s\n", what, s.Code(), s.Message())
		case errors.Is(err, context.DeadlineExceeded):
			fmt.Printf("%s: gave up\n", what)
		default:
			fmt.Printf("%s: error %s\n", what, bytes.TrimSpace([]byte(err.Error())))
		}
	}
}
