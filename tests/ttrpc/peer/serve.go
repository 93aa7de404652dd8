package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	eventtypes "github.com/containerd/containerd/api/events"
	task "github.com/containerd/containerd/api/runtime/task/v3"
	events "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/ttrpc"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Serves until it is killed.
func serve(socket string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	task.RegisterTTRPCTaskService(server, &tasks{})
	events.RegisterEventsService(server, &sink{})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return server.Serve(context.Background(), listener)
}

// All that is not asked of it panics, and is never asked.
type tasks struct{ task.TTRPCTaskService }

func (*tasks) Connect(ctx context.Context, r *task.ConnectRequest) (*task.ConnectResponse, error) {
	if r.ID == "missing" {
		return nil, status.Error(codes.NotFound, "container not created")
	}
	version := "no namespace"
	if md, ok := ttrpc.GetMetadata(ctx); ok {
		if values, ok := md.Get("containerd-namespace-ttrpc"); ok {
			version = strings.Join(values, ",")
		}
	}
	return &task.ConnectResponse{ShimPid: 1, TaskPid: 2, Version: version}, nil
}

// Waits as long as the caller does.
func (*tasks) Wait(ctx context.Context, r *task.WaitRequest) (*task.WaitResponse, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(10 * time.Second):
		return &task.WaitResponse{ExitStatus: 7}, nil
	}
}

func (*tasks) State(ctx context.Context, r *task.StateRequest) (*task.StateResponse, error) {
	var size int
	fmt.Sscanf(r.ID, "size %d", &size)
	return &task.StateResponse{Bundle: strings.Repeat("s", size)}, nil
}

func (*tasks) Kill(ctx context.Context, r *task.KillRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

type sink struct{}

// Says what it understood of an event.
func (*sink) Forward(ctx context.Context, r *events.ForwardRequest) (*emptypb.Empty, error) {
	e := r.Envelope
	value, err := typeurl.UnmarshalAny(e.Event)
	if err != nil {
		return nil, err
	}
	exit, ok := value.(*eventtypes.TaskExit)
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument, "a %T", value)
	}
	fmt.Println(e.Namespace, e.Topic, e.Timestamp.AsTime().Unix(), exit.ContainerID, exit.ID, exit.Pid, exit.ExitStatus, exit.ExitedAt.AsTime().UnixNano())
	return &emptypb.Empty{}, nil
}
