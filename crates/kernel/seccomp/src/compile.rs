//! From a policy to a program: architecture, then call number, then arguments.

use crate::action::Verdict;
use crate::arch::{Interface, X32_BIT};
use crate::arguments::{Compared, Match, decide};
use crate::assemble::assemble;
use crate::graph::{Compare, Graph, Node, Word};
use crate::policy::{Condition, Policy, Rule};
use crate::program::Program;
use crate::search::{Range, push, search};
use crate::syscalls::Syscall;
use tare_error::Result;
use tare_spec_oci::{Arch, Operator, Seccomp};

/// How rules on arguments are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As the kernel reads the arguments. An argument that is an `int` of the call is compared as 32 bits, as the
    /// kernel drops the rest: `socket` with `domain != 40` cannot be passed with 40 and a set bit above. And what a
    /// conditional rule allows is not allowed through `socketcall` or `ipc`, where the condition cannot be checked.
    #[default]
    Kernel,
    /// As libseccomp does, without the `ENOSYS` for calls newer than the policy, which is runc's addition.
    Libseccomp,
}

/// Which compiler this is: raised whenever it makes another program of the same policy, so that nobody takes what an
/// older one has made for its work.
pub const REVISION: u32 = 2;

/// Compiles a policy for the machine's native architecture (see [`native`](crate::native)) as it is loaded.
///
/// # Errors
/// `Invalid` names the member that is wrong and what is allowed; `Unsupported` an architecture without a call table;
/// `Exhausted` a policy of more than 4096 instructions.
pub fn compile(policy: &Seccomp, native: Arch) -> Result<Program> {
    compile_as(policy, native, Reading::default())
}

/// As [`compile`], with a choice of [`Reading`].
///
/// # Errors
/// As [`compile`].
pub fn compile_as(policy: &Seccomp, native: Arch, reading: Reading) -> Result<Program> {
    let (interfaces, skipped) = interfaces(policy, native)?;
    let policy = Policy::read(policy)?;
    let mut graph = Graph::default();
    let mut compiler = Compiler {
        policy: &policy,
        reading,
        graph: &mut graph,
    };
    let root = compiler.architectures(&interfaces);
    let mut program = Program::new(assemble(&graph, root))?;
    program.flags = policy.flags;
    program.unknown = policy.unknown;
    program.skipped = skipped;
    Ok(program)
}

/// The native interface, then the others the policy names; and those of them that cannot be served.
fn interfaces(policy: &Seccomp, native: Arch) -> Result<(Vec<Interface>, Vec<Arch>)> {
    let first = Interface::required(native)?;
    let mut found = vec![first];
    let mut skipped = Vec::new();
    for &arch in &policy.architectures {
        match Interface::of(arch) {
            Some(i) if found.contains(&i) => {}
            Some(i) if i.big_endian == first.big_endian => found.push(i),
            _ if skipped.contains(&arch) => {}
            _ => skipped.push(arch),
        }
    }
    Ok((found, skipped))
}

struct Compiler<'a> {
    policy: &'a Policy,
    reading: Reading,
    graph: &'a mut Graph,
}

/// The error number for a call that does not exist, the same on every architecture of the table.
const ENOSYS: u16 = 38;

/// The rules of one interface, and by which number each is found: the number in the upper half, the rule's place, which
/// is the policy's order, in the lower. Numbers alone are sorted: that is a third of the work of sorting rules.
#[derive(Default)]
struct Entries {
    rules: Vec<Match>,
    keys: Vec<u64>,
}

impl Entries {
    fn with_capacity(rules: usize) -> Entries {
        Entries {
            rules: Vec::with_capacity(rules),
            keys: Vec::with_capacity(rules),
        }
    }

    fn push(&mut self, number: u32, rule: Match) {
        self.keys.push(u64::from(number) << 32 | self.rules.len() as u64);
        self.rules.push(rule);
    }

    /// Each number with its rules, ascending.
    fn groups(&mut self) -> impl Iterator<Item = (u32, impl Iterator<Item = &Match> + Clone)> {
        self.keys.sort_unstable();
        let rules = &self.rules;
        let groups = self.keys.chunk_by(|a, b| a >> 32 == b >> 32);
        groups.filter_map(move |group| {
            let number = u32::try_from(group.first()? >> 32).ok()?;
            let place = |key: &u64| usize::try_from(key & u64::from(u32::MAX)).ok();
            Some((number, group.iter().filter_map(move |key| rules.get(place(key)?))))
        })
    }
}

impl Compiler<'_> {
    /// The choice of architecture; the native one is asked for first. An architecture that is not named kills.
    fn architectures(&mut self, interfaces: &[Interface]) -> Node {
        let mut decided: Vec<(u32, Node)> = Vec::with_capacity(interfaces.len());
        for on in interfaces {
            if decided.iter().all(|(token, _)| *token != on.token) {
                let sharing: Vec<_> = interfaces
                    .iter()
                    .filter(|i| i.token == on.token)
                    .copied()
                    .collect();
                let node = self.numbers(&sharing);
                decided.push((on.token, node));
            }
        }
        let mut node = self.graph.end(Verdict::KillThread.to_return());
        for (token, chosen) in decided.into_iter().rev() {
            node = self
                .graph
                .choose(Word::ARCH.is(Compare::Equal, token), chosen, node);
        }
        node
    }

    /// The choice of call, for interfaces with one token: one, or x86_64 and x32.
    fn numbers(&mut self, interfaces: &[Interface]) -> Node {
        let otherwise = self.graph.end(self.policy.default.to_return());
        let mut ranges: Vec<Range> = vec![(0, otherwise)];
        // x32's numbers lie above all others.
        let (above, below): (Vec<_>, Vec<_>) = interfaces.iter().partition(|i| i.arch == Arch::X32);
        for on in below.into_iter().chain(above) {
            self.calls(on, otherwise, &mut ranges);
        }
        let has = |arch| interfaces.iter().any(|i| i.arch == arch);
        let kill = self.graph.end(Verdict::KillThread.to_return());
        if has(Arch::X86_64) && !has(Arch::X32) {
            push(&mut ranges, X32_BIT, kill);
            // Not a call: a tracer skips a call by making its number -1 (seccomp(2)).
            push(&mut ranges, u32::MAX, otherwise);
        } else if has(Arch::X32) && !has(Arch::X86_64) {
            ranges.retain(|(start, _)| *start >= X32_BIT);
            if ranges.first().is_none_or(|(start, _)| *start > X32_BIT) {
                ranges.insert(0, (X32_BIT, otherwise));
            }
            ranges.insert(0, (0, kill));
        }
        search(self.graph, Word::NUMBER, &ranges)
    }

    /// Adds the ranges of one interface, which lie above those added before.
    fn calls(&mut self, on: &Interface, otherwise: Node, ranges: &mut Vec<Range>) {
        let missing = self.graph.end(Verdict::Errno(ENOSYS).to_return());
        if self.answers_newer() && matches!(on.arch, Arch::S390 | Arch::S390x) {
            // There a call with a number above 255 that the kernel does not know arrives as number 0.
            push(ranges, 0, missing);
            push(ranges, 1, otherwise);
        }
        let mut entries = self.entries(on);
        for (number, rules) in entries.groups() {
            let node = self.call(on, rules);
            push(ranges, number, node);
            push(ranges, number.saturating_add(1), otherwise);
        }
        let newest = self.policy.named.iter().filter_map(|call| call.number(on)).max();
        if let (Some(newest), true) = (newest, self.answers_newer()) {
            push(ranges, newest.saturating_add(1), missing);
            if on.arch == Arch::X86_64 {
                push(ranges, X32_BIT, otherwise);
            }
        }
    }

    /// Whether calls newer than the policy fail with `ENOSYS` instead of its default (runc's rule).
    fn answers_newer(&self) -> bool {
        self.reading == Reading::Kernel && !self.policy.default.permits()
    }

    /// One call: its first unconditional rule, or its conditional ones.
    fn call<'r>(&mut self, on: &Interface, rules: impl Iterator<Item = &'r Match> + Clone) -> Node {
        if let Some(rule) = rules.clone().find(|r| r.conditions.is_empty()) {
            return self.graph.end(rule.value);
        }
        let rules = rules.cloned().collect();
        decide(self.graph, on, rules, self.policy.default.to_return())
    }

    /// All rules, by the numbers their calls have on an interface, in the order of the policy.
    fn entries(&self, on: &Interface) -> Entries {
        let mut entries = Entries::with_capacity(self.policy.named.len());
        for rule in &self.policy.rules {
            for conditions in &rule.alternatives {
                for call in &rule.calls {
                    self.add(on, rule, *call, conditions, &mut entries);
                }
            }
        }
        entries
    }

    fn add(&self, on: &Interface, rule: &Rule, call: Syscall, conditions: &[Condition], to: &mut Entries) {
        let value = rule.verdict.to_return();
        let read = |c: &Condition| {
            let narrow = self.reading == Reading::Kernel && call.is_narrow(c.argument) && c.can_be_narrow();
            Compared::new(*c, on.wide && !narrow)
        };
        if let Some((carrier, sub)) = call.carried(on)
            && (conditions.is_empty() || self.reading == Reading::Libseccomp || !rule.verdict.permits())
        {
            let which = Condition {
                argument: 0,
                operator: Operator::Eq,
                mask: u64::MAX,
                value: u64::from(sub),
            };
            // The carrier's other arguments are not the call's: the first points to them.
            let mut through: Vec<Compared> = Compared::new(which, on.wide).into_iter().collect();
            if self.reading == Reading::Libseccomp {
                through.extend(conditions.iter().filter(|c| c.argument > 0).filter_map(read));
            }
            let conditions = through;
            to.push(carrier, Match { conditions, value });
        }
        if let Some(number) = call.number(on) {
            let conditions = conditions.iter().filter_map(read).collect();
            to.push(number, Match { conditions, value });
        }
    }
}
