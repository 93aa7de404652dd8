package main

import (
	"fmt"
	"sort"

	_ "github.com/containerd/cgroups/v3/cgroup1/stats"
	_ "github.com/containerd/cgroups/v3/cgroup2/stats"
	_ "github.com/containerd/containerd/api/events"
	_ "github.com/containerd/containerd/api/runtime/sandbox/v1"
	_ "github.com/containerd/containerd/api/runtime/task/v2"
	_ "github.com/containerd/containerd/api/runtime/task/v3"
	_ "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	_ "github.com/containerd/containerd/api/types"
	_ "github.com/containerd/containerd/api/types/runc/options"
	_ "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	_ "github.com/containerd/containerd/api/types/task"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// What the messages of a shim are made of.
var packages = map[protoreflect.FullName]bool{
	"containerd.task.v2": true, "containerd.task.v3": true, "containerd.v1.types": true,
	"containerd.runtime.sandbox.v1": true, "containerd.types": true, "containerd.events": true,
	"containerd.services.events.ttrpc.v1": true, "containerd.runc.v1": true, "runtimeoptions.v1": true,
	"io.containerd.cgroups.v1": true, "io.containerd.cgroups.v2": true,
}

// One line for each: its name, and its bytes in hexadecimal.
func messages() error {
	var lines []string
	protoregistry.GlobalTypes.RangeMessages(func(t protoreflect.MessageType) bool {
		d := t.Descriptor()
		if packages[d.ParentFile().Package()] && !d.IsMapEntry() {
			message := t.New()
			fill(message, 1)
			bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(message.Interface())
			if err != nil {
				panic(err)
			}
			lines = append(lines, fmt.Sprintf("%s %x", d.FullName(), bytes))
		}
		return true
	})
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	return nil
}

// Sets every field: to its number times the depth, to a text that names it, to a list of two.
func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := 0; i < fields.Len(); i++ {
		f := fields.Get(i)
		switch {
		case f.IsMap():
			entries := m.Mutable(f).Map()
			value := entries.NewValue()
			if f.MapValue().Kind() == protoreflect.MessageKind {
				fill(value.Message(), depth+1)
			} else {
				value = single(f.MapValue(), depth)
			}
			entries.Set(single(f.MapKey(), depth).MapKey(), value)
		case f.IsList():
			list := m.Mutable(f).List()
			for n := 1; n <= 2; n++ {
				if f.Kind() == protoreflect.MessageKind {
					element := list.NewElement()
					fill(element.Message(), depth+n)
					list.Append(element)
				} else {
					list.Append(single(f, depth+n))
				}
			}
		case f.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, single(f, depth))
		}
	}
}

func single(f protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	n := int(f.Number()) * depth
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("%s-%d", f.Name(), depth))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0, byte(n), 0xff})
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(-n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-int64(n) << 40)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(1<<31 + uint32(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1<<63 + uint64(n))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n) / 3)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(f.Enum().Values().Len() - 1).Number())
	}
	panic(fmt.Sprintf("%s is a %s", f.FullName(), f.Kind()))
}
