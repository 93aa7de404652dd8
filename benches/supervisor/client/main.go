// client times what a shim makes of containerd's task calls: each runtime once a round, in rotating order.
//
//	client task|exec|pods ROUNDS RUNTIME...
//
// Containers (names, snapshots, specifications) are made before and removed after the clock runs. A line per round:
// the runtime and nanoseconds of wall time.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
)

const (
	address = "/run/containerd/containerd.sock"
	image   = "docker.io/library/busybox:latest"
	// Rounds that are not counted.
	warm = 3
	// Pods at once.
	pods = 50
)

type bench struct {
	client *containerd.Client
	ctx    context.Context
	image  containerd.Image
	serial int
}

func main() {
	rounds, err := strconv.Atoi(os.Args[2])
	check(err)
	client, err := containerd.New(address)
	check(err)
	ctx := namespaces.WithNamespace(context.Background(), "default")
	img, err := client.GetImage(ctx, image)
	check(err)
	b := &bench{client: client, ctx: ctx, image: img}
	measure := map[string]func(string) time.Duration{"task": b.task, "pods": b.pods}[os.Args[1]]
	runtimes := os.Args[3:]
	if os.Args[1] == "exec" {
		measure = b.execs(runtimes)
	}
	for round := 0; round < warm+rounds; round++ {
		for i := range runtimes {
			runtime := runtimes[(round+i)%len(runtimes)]
			if spent := measure(runtime); round >= warm {
				fmt.Println(runtime, spent.Nanoseconds())
			}
		}
	}
	if os.Args[1] == "exec" {
		b.end(runtimes)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (b *bench) container(id, runtime string, args ...string) containerd.Container {
	c, err := b.client.NewContainer(b.ctx, id, containerd.WithRuntime(runtime, nil), containerd.WithImage(b.image),
		containerd.WithNewSnapshot(id, b.image), containerd.WithNewSpec(oci.WithImageConfig(b.image), oci.WithProcessArgs(args...)))
	check(err)
	return c
}

func (b *bench) remove(c containerd.Container) { check(c.Delete(b.ctx, containerd.WithSnapshotCleanup)) }

// create, start, wait, delete of a container that ends at once.
func (b *bench) life(c containerd.Container) {
	task, err := c.NewTask(b.ctx, cio.NullIO)
	check(err)
	done, err := task.Wait(b.ctx)
	check(err)
	check(task.Start(b.ctx))
	<-done
	_, err = task.Delete(b.ctx)
	check(err)
}

func (b *bench) name() string {
	b.serial++
	return fmt.Sprintf("bench-%d", b.serial)
}

func (b *bench) task(runtime string) time.Duration {
	c := b.container(b.name(), runtime, "true")
	defer b.remove(c)
	begin := time.Now()
	b.life(c)
	return time.Since(begin)
}

func (b *bench) pods(runtime string) time.Duration {
	containers := make([]containerd.Container, pods)
	for i := range containers {
		containers[i] = b.container(b.name(), runtime, "true")
	}
	begin := time.Now()
	var all sync.WaitGroup
	for _, c := range containers {
		all.Add(1)
		go func() { defer all.Done(); b.life(c) }()
	}
	all.Wait()
	spent := time.Since(begin)
	for _, c := range containers {
		b.remove(c)
	}
	return spent
}

func (b *bench) execs(runtimes []string) func(string) time.Duration {
	tasks := map[string]containerd.Task{}
	for _, runtime := range runtimes {
		task, err := b.container("exec-"+runtime, runtime, "sleep", "100000").NewTask(b.ctx, cio.NullIO)
		check(err)
		check(task.Start(b.ctx))
		tasks[runtime] = task
	}
	return func(runtime string) time.Duration {
		task := tasks[runtime]
		spec, err := task.Spec(b.ctx)
		check(err)
		process := *spec.Process
		process.Args = []string{"true"}
		begin := time.Now()
		exec, err := task.Exec(b.ctx, b.name(), &process, cio.NullIO)
		check(err)
		done, err := exec.Wait(b.ctx)
		check(err)
		check(exec.Start(b.ctx))
		<-done
		_, err = exec.Delete(b.ctx)
		check(err)
		return time.Since(begin)
	}
}

func (b *bench) end(runtimes []string) {
	for _, runtime := range runtimes {
		c, err := b.client.LoadContainer(b.ctx, "exec-"+runtime)
		check(err)
		task, err := c.Task(b.ctx, nil)
		check(err)
		done, err := task.Wait(b.ctx)
		check(err)
		check(task.Kill(b.ctx, syscall.SIGKILL))
		<-done
		_, err = task.Delete(b.ctx)
		check(err)
		b.remove(c)
	}
}
