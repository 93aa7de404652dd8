//! An OCI policy, checked and in the compiler's own terms.

use crate::action::{Verdict, bad};
use crate::program::Flags;
use crate::syscalls::Syscall;
use std::collections::BTreeSet;
use tare_error::Result;
use tare_spec_oci::{Arg, FilterFlag, Operator, Seccomp, SyscallRule};

/// A policy: a default and rules that differ from it.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) default: Verdict,
    pub(crate) rules: Vec<Rule>,
    pub(crate) flags: Flags,
    /// Names that no architecture has a call for.
    pub(crate) unknown: Vec<String>,
    /// All calls the policy names, rules without effect included: they say how new the policy is.
    pub(crate) named: Vec<Syscall>,
}

/// What happens to some calls under some conditions.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) calls: Vec<Syscall>,
    pub(crate) verdict: Verdict,
    /// The rule holds where all conditions of one alternative hold.
    pub(crate) alternatives: Vec<Vec<Condition>>,
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    /// From 0 to 5.
    pub(crate) argument: u8,
    pub(crate) operator: Operator,
    /// The bits that are compared: all but for `MaskedEq`.
    pub(crate) mask: u64,
    /// What they are compared with.
    pub(crate) value: u64,
}

impl Condition {
    /// Whether the comparison means the same with 32 bits: an order with a larger value does not.
    pub(crate) fn can_be_narrow(self) -> bool {
        let equality = matches!(self.operator, Operator::Eq | Operator::Ne | Operator::MaskedEq);
        equality || self.value <= u64::from(u32::MAX)
    }
}

/// The first argument a call does not have.
const ARGUMENTS: u32 = 6;

impl Policy {
    pub(crate) fn read(seccomp: &Seccomp) -> Result<Policy> {
        let default = Verdict::of(seccomp.default_action, seccomp.default_errno_ret, "defaultAction")?;
        if default == Verdict::Notify {
            return Err(
                bad("defaultAction", "SCMP_ACT_NOTIFY cannot be the default action").hint(
                    "the listener would be asked about the calls that start it; name the calls it decides on",
                ),
            );
        }
        let mut policy = Policy {
            default,
            rules: Vec::with_capacity(seccomp.syscalls.len()),
            flags: Flags::default(),
            unknown: Vec::new(),
            named: Vec::new(),
        };
        let mut unknown = BTreeSet::new();
        for (at, rule) in seccomp.syscalls.iter().enumerate() {
            policy.add(rule, at, &mut unknown)?;
        }
        policy.unknown = unknown.into_iter().map(str::to_owned).collect();
        policy.flags = flags(seccomp, &policy.rules);
        Ok(policy)
    }

    fn add<'a>(&mut self, rule: &'a SyscallRule, at: usize, unknown: &mut BTreeSet<&'a str>) -> Result<()> {
        let place = || format!("syscalls[{at}]");
        let verdict = Verdict::of(rule.action, rule.errno_ret, &place())?;
        let handing_over = rule
            .names
            .iter()
            .find(|n| ["write", "sendmsg"].contains(&n.as_str()));
        if let (Verdict::Notify, Some(call)) = (verdict, handing_over) {
            return Err(bad(
                &place(),
                format!("SCMP_ACT_NOTIFY cannot be used for the {call} syscall"),
            )
            .hint("it hands the listener its file descriptor before the listener can answer"));
        }
        let alternatives = alternatives(&rule.args).map_err(|index| {
            bad(&place(), format!("argument {index} does not exist"))
                .hint("system calls have the arguments 0 to 5")
        })?;
        let mut calls = Vec::with_capacity(rule.names.len());
        for name in &rule.names {
            match Syscall::named(name) {
                Some(call) => calls.push(call),
                None if name.is_empty() => return Err(bad(&place(), "a system call without a name")),
                None => _ = unknown.insert(name),
            }
        }
        self.named.extend_from_slice(&calls);
        if verdict != self.default {
            self.rules.push(Rule {
                calls,
                verdict,
                alternatives,
            });
        }
        Ok(())
    }
}

/// All conditions together; each apart where two are on one argument (the reading of runc, and so of docker).
fn alternatives(args: &[Arg]) -> Result<Vec<Vec<Condition>>, u32> {
    let mut conditions = args.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
    conditions.sort_by_key(|c| c.argument);
    if conditions.windows(2).any(|w| w[0].argument == w[1].argument) {
        return Ok(conditions.into_iter().map(|c| vec![c]).collect());
    }
    Ok(vec![conditions])
}

fn condition(arg: &Arg) -> Result<Condition, u32> {
    let argument = u8::try_from(arg.index).ok().filter(|_| arg.index < ARGUMENTS);
    let (mask, value) = match arg.op {
        Operator::MaskedEq => (arg.value, arg.value_two & arg.value),
        _ => (u64::MAX, arg.value),
    };
    Ok(Condition {
        argument: argument.ok_or(arg.index)?,
        operator: arg.op,
        mask,
        value,
    })
}

/// The flags of the load: those asked for, a listener where a rule needs one, and what follows from both.
fn flags(seccomp: &Seccomp, rules: &[Rule]) -> Flags {
    // A policy that has no word about flags is loaded without the mitigation of speculative store bypass, which Linux before 5.16
    // turns on with every filter and programs pay for (runc's and crun's rule).
    let asked = |flag| match &seccomp.flags {
        Some(flags) => flags.contains(&flag),
        None => flag == FilterFlag::SpecAllow,
    };
    let new_listener = rules.iter().any(|r| r.verdict == Verdict::Notify);
    let tsync = asked(FilterFlag::Tsync);
    Flags {
        tsync,
        log: asked(FilterFlag::Log),
        spec_allow: asked(FilterFlag::SpecAllow),
        new_listener,
        // Both together need this one (Linux 5.7), since the call's result can only say one thing.
        tsync_esrch: tsync && new_listener,
        // The kernel refuses this one without a listener.
        wait_killable_recv: asked(FilterFlag::WaitKillableRecv) && new_listener,
    }
}
