//! Signals by name, as kill(1) writes them.

/// Number and name, without `SIG`.
const NAMES: &[(i32, &str)] = &[
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGILL, "ILL"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGABRT, "IOT"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGKILL, "KILL"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGSTKFLT, "STKFLT"),
    (libc::SIGCHLD, "CHLD"),
    (libc::SIGCHLD, "CLD"),
    (libc::SIGCONT, "CONT"),
    (libc::SIGSTOP, "STOP"),
    (libc::SIGTSTP, "TSTP"),
    (libc::SIGTTIN, "TTIN"),
    (libc::SIGTTOU, "TTOU"),
    (libc::SIGURG, "URG"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGWINCH, "WINCH"),
    (libc::SIGIO, "IO"),
    (libc::SIGIO, "POLL"),
    (libc::SIGPWR, "PWR"),
    (libc::SIGSYS, "SYS"),
];

/// The first and the last real-time signal as users count them; the C library keeps those below for itself.
const REAL_TIME: (i32, i32) = (34, 64);

/// The name of a signal without `SIG`; none for real-time ones and for what is no signal.
pub fn name(number: i32) -> Option<&'static str> {
    let found = NAMES.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| *name)
}

/// The number of a signal given by number (`15`), by name (`TERM`, `SIGTERM`, in any case), or counted from the first or
/// last real-time signal (`RTMIN+3`, `SIGRTMAX-1`); none for what is no signal. `0` is taken: it only asks.
pub fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..=REAL_TIME.1).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((number, _)) = NAMES.iter().find(|(_, known)| *known == name) {
        return Some(*number);
    }
    let counted = |rest: &str, from: i32| {
        let distance = if rest.is_empty() {
            0
        } else {
            rest.parse::<i32>().ok()?
        };
        let number = from.checked_add(distance)?;
        (REAL_TIME.0..=REAL_TIME.1).contains(&number).then_some(number)
    };
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => counted(rest, REAL_TIME.0),
        (_, Some(rest)) => counted(rest, REAL_TIME.1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn signals_in_every_spelling() {
        for (text, expected) in [
            ("9", Some(9)),
            ("0", Some(0)),
            ("KILL", Some(9)),
            ("SIGKILL", Some(9)),
            ("sigterm", Some(15)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMAX+1", None),
            ("RTMIN-1", None),
            ("65", None),
            ("-1", None),
            ("SIG", None),
            ("", None),
            ("NOSUCH", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}
