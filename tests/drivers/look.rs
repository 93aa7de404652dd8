//! A script that prints how the process that runs it was made.

/// The namespaces of the machine, for [`look!`] to compare with: a folder of links for the container's `/host`.
macro_rules! host {
    () => {
        "mkdir -p /tmp/$N; for n in pid mnt net ipc uts cgroup user time; do ln -s \"$(readlink /proc/self/ns/$n)\" /tmp/$N/$n; done\n"
    };
}

/// Everything that a process can see of how it was made; what differs from one container to the next is left out.
macro_rules! look {
    () => {
        r#"sh -c 'exec 2>&1; id; umask; pwd; env | sort | sed /HOSTNAME/d; hostname | wc -c
echo == status; grep -E "^(Cap|Seccomp|NoNew|Groups|Uid|Gid|Umask|SigBlk|SigIgn|SigCgt|Speculation|Tracer)" /proc/self/status | sed "/^SigIgn/s/:.*//"
echo == stat; awk "{ print \$4 == \$5, \$5 == \$6, \$7, \$8 == \$5, \$18, \$19, \$20, \$41 }" /proc/self/stat; cat /proc/self/oom_score_adj /proc/self/limits /proc/self/personality /proc/self/coredump_filter /proc/self/timerslack_ns
echo == fds; ls /proc/self/fd | wc -l
echo == mounts; sed -E "s/ (shared|master):[0-9]+/ \1/g; s/[0-9a-f]{64}/ID/g" /proc/self/mountinfo | awk "{ n = 7; while (\$n != \"-\") n++; tag = n > 7 && \$(n+1) !~ /cgroup|devtmpfs/ ? \$7 : \"\"
  if (\$5 ~ /^.proc.(acpi|interrupts|keys|timer_list|kcore|scsi|sched_debug)|^.sys.(firmware|devices)|^.sys.fs.cgroup\$/) print \$5, \"masked\"
  else { sub(/,nosymfollow/, \"\", \$6); super = \$(n+1) == \"tmpfs\" ? substr(\$(n+3), 4) : \"\"; print \$5, \$6, tag, \$(n+1), super } }" | sort
echo == dev; ls -l /dev | grep -v core$ | sed "s/ [A-Z][a-z][a-z]  *[0-9]* [0-9:]* / /"; ls -ld /dev /dev/shm /dev/pts /dev/mqueue /sys / | cut -c1-10
echo == masked; for f in /proc/acpi /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/scsi /sys/firmware /proc/latency_stats /proc/interrupts; do [ ! -e $f ] || ls -ld $f | cut -c1; ls -A $f 2>/dev/null | wc -l; head -c 10 $f 2>/dev/null | wc -c; done
echo == refused; for f in /proc/sysrq-trigger /proc/sys/kernel/hostname /proc/irq/0/x /sys/x; do (echo x > $f) 2>&1 | sed "s/.*: //"; done
echo == namespaces; for n in pid mnt net ipc uts cgroup user time; do [ $(readlink /proc/self/ns/$n) = $(readlink /host/$n) ] && echo host $n; done
echo == groups; sed -E "s/[0-9a-f]{64}/ID/" /proc/self/cgroup; ls /sys/fs/cgroup | grep -v ^net_
echo == network; ls /sys/class/net; cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start
echo == files; cat /etc/resolv.conf | grep -v ^# ; wc -l < /etc/hosts; ls -la /proc/1/exe | sed "s/.*-> //"
echo == calls; unshare -U true 2>&1 | sed "s/.*: //"; unshare -m true 2>&1 | sed "s/.*: //"; mount -t tmpfs x /tmp 2>&1 | sed "s/.*: //"; mknod /tmp/n b 7 0 && cat /tmp/n 2>&1 | sed "s/.*: //"; chroot / true && echo chroot; date -s 1 2>&1 | sed "s/.*: //"
'"#
    };
}
