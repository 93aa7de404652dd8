//! From the conditional rules of one call to decisions on its arguments.
//!
//! An argument is 64 bits, the machine compares 32: a comparison of both halves is at most three nodes.

use crate::arch::Interface;
use crate::graph::{Compare, Graph, Node, Test, Word};
use crate::policy::Condition;
use crate::search::{Range, push, search};
use std::collections::{BTreeSet, HashMap, HashSet};
use tare_spec_oci::Operator;

/// A rule of one call: what happens where all conditions hold. Conditions are on ascending arguments.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) conditions: Vec<Compared>,
    pub(crate) value: u32,
}

/// A condition, and how many bits of the argument count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Compared {
    pub(crate) condition: Condition,
    /// All 64, or the lower 32.
    pub(crate) wide: bool,
}

impl Compared {
    /// Reads a condition for an argument of a width; absent where it always holds. A value that does not fit is cut,
    /// as libseccomp does on 32-bit interfaces.
    pub(crate) fn new(condition: Condition, wide: bool) -> Option<Compared> {
        let mut condition = condition;
        if !wide {
            condition.mask &= u64::from(u32::MAX);
            condition.value &= u64::from(u32::MAX);
        }
        let always = condition.operator == Operator::MaskedEq && condition.mask == 0;
        (!always).then_some(Compared { condition, wide })
    }

    fn holds(self, argument: u64) -> bool {
        let Condition { value, mask, .. } = self.condition;
        let argument = if self.wide {
            argument
        } else {
            argument & u64::from(u32::MAX)
        };
        match self.condition.operator {
            Operator::Ne => argument != value,
            Operator::Lt => argument < value,
            Operator::Le => argument <= value,
            Operator::Eq => argument == value,
            Operator::Ge => argument >= value,
            Operator::Gt => argument > value,
            Operator::MaskedEq => argument & mask == value,
        }
    }
}

/// The decisions for one call's rules; `otherwise` where none holds.
pub(crate) fn decide(graph: &mut Graph, on: &Interface, rules: Vec<Match>, otherwise: u32) -> Node {
    let rules = sorted(without_shadowed(rules));
    if let Some(first) = one_argument(&rules) {
        return by_range(graph, on, first, &rules, otherwise);
    }
    let mut no = graph.end(otherwise);
    for rule in rules.iter().rev() {
        let mut yes = graph.end(rule.value);
        for compared in rule.conditions.iter().rev() {
            yes = compare(graph, on, *compared, yes, no);
        }
        no = yes;
    }
    no
}

/// Drops a rule where an earlier one has the same conditions, or the first few of them: it is never asked.
fn without_shadowed(rules: Vec<Match>) -> Vec<Match> {
    let mut seen: HashSet<Vec<Compared>> = HashSet::new();
    let mut kept = Vec::with_capacity(rules.len());
    for rule in rules {
        let shadowed = (1..=rule.conditions.len()).any(|n| seen.contains(&rule.conditions[..n]));
        if !shadowed {
            seen.insert(rule.conditions.clone());
            kept.push(rule);
        }
    }
    kept
}

/// Puts rules into the order in which libseccomp tries them, which matters where rules overlap and disagree: the larger
/// argument first, then equalities before "less" before "greater", then larger values first ("less": smaller). What
/// ranks equal stands in the order of the policy, comparisons that are one in libseccomp's tree together.
fn sorted(mut rules: Vec<Match>) -> Vec<Match> {
    let mut known: HashMap<(usize, NodeName), usize> = HashMap::new();
    rules.sort_by_cached_key(|rule| {
        let mut above = 0;
        let mut ranks = Vec::with_capacity(rule.conditions.len() * 2 + 1);
        for compared in &rule.conditions {
            for (name, rank) in levels(*compared) {
                let next = known.len() + 1;
                let id = *known.entry((above, name)).or_insert(next);
                above = id;
                ranks.push((rank.0, rank.1, rank.2, id));
            }
        }
        // The longer of two rules that begin alike comes first.
        ranks.push((std::cmp::Reverse(0), std::cmp::Reverse(0), u32::MAX, usize::MAX));
        ranks
    });
    rules
}

/// What makes two comparisons one node of libseccomp's tree: argument half, comparison, mask, value.
type NodeName = (u8, u8, u32, u32);

/// A condition as libseccomp's one or two levels: upper half, then lower.
fn levels(
    compared: Compared,
) -> impl Iterator<Item = (NodeName, (std::cmp::Reverse<u8>, std::cmp::Reverse<u8>, u32))> {
    let c = compared.condition;
    let (class, ascending, node) = match c.operator {
        Operator::Eq | Operator::Ne => (3, false, 0),
        Operator::MaskedEq => (3, false, 1),
        Operator::Lt | Operator::Le => (2, true, 2),
        Operator::Ge | Operator::Gt => (1, false, 2),
    };
    let halves = [(1, high(c.mask), high(c.value)), (0, low(c.mask), low(c.value))];
    halves
        .into_iter()
        .skip(usize::from(!compared.wide))
        .map(move |(half, mask, value)| {
            let place = c.argument * 2 + half;
            let order = if ascending { value } else { !value };
            (
                (place, node, mask, value),
                (std::cmp::Reverse(place), std::cmp::Reverse(class), order),
            )
        })
}

/// The argument and width that all rules are about, where there is only one and no mask.
fn one_argument(rules: &[Match]) -> Option<Compared> {
    let first = *rules.first()?.conditions.first()?;
    let same = |rule: &Match| {
        matches!(rule.conditions[..], [c]
            if c.condition.argument == first.condition.argument
                && c.wide == first.wide
                && c.condition.operator != Operator::MaskedEq)
    };
    rules.iter().all(same).then_some(first)
}

/// Rules on one argument, as a search over ranges of its value.
fn by_range(graph: &mut Graph, on: &Interface, of: Compared, rules: &[Match], otherwise: u32) -> Node {
    let mut starts = BTreeSet::from([0]);
    for rule in rules {
        for c in &rule.conditions {
            starts.insert(c.condition.value);
            starts.extend(c.condition.value.checked_add(1));
        }
    }
    let verdict = |argument: u64| {
        let holds = |rule: &&Match| rule.conditions.iter().all(|c| c.holds(argument));
        rules.iter().find(holds).map_or(otherwise, |rule| rule.value)
    };
    if !of.wide {
        starts.retain(|s| *s <= u64::from(u32::MAX));
    }
    let ranges: Vec<(u64, u32)> = starts.into_iter().map(|s| (s, verdict(s))).collect();
    let lower = Word::whole(offset(on, of.condition.argument, false));
    if !of.wide {
        return half(graph, lower, 0, &ranges, otherwise);
    }
    let uppers: BTreeSet<u32> = ranges
        .iter()
        .flat_map(|r| [Some(high(r.0)), high(r.0).checked_add(1)])
        .flatten()
        .collect();
    let mut by_upper: Vec<Range> = Vec::with_capacity(uppers.len());
    for upper in uppers {
        let node = half(graph, lower, upper, &ranges, otherwise);
        push(&mut by_upper, upper, node);
    }
    search(
        graph,
        Word::whole(offset(on, of.condition.argument, true)),
        &by_upper,
    )
}

/// The search over the lower halves of the values with one upper half.
fn half(graph: &mut Graph, word: Word, upper: u32, ranges: &[(u64, u32)], otherwise: u32) -> Node {
    let base = u64::from(upper) << 32;
    let from = ranges.partition_point(|r| r.0 <= base);
    let value = from
        .checked_sub(1)
        .and_then(|i| ranges.get(i))
        .map_or(otherwise, |r| r.1);
    let first = graph.end(value);
    let mut found = vec![(0, first)];
    for &(start, value) in ranges[from..].iter().take_while(|r| high(r.0) == upper) {
        let node = graph.end(value);
        push(&mut found, low(start), node);
    }
    search(graph, word, &found)
}

/// One condition as nodes.
fn compare(graph: &mut Graph, on: &Interface, compared: Compared, yes: Node, no: Node) -> Node {
    let c = compared.condition;
    let upper = compared.wide.then(|| Word::whole(offset(on, c.argument, true)));
    let lower = Word::whole(offset(on, c.argument, false));
    let (yes, no) = match c.operator {
        Operator::Ne | Operator::Lt | Operator::Le => (no, yes),
        Operator::Eq | Operator::Ge | Operator::Gt | Operator::MaskedEq => (yes, no),
    };
    match c.operator {
        Operator::Eq | Operator::Ne | Operator::MaskedEq => {
            let below = equal(graph, lower, low(c.mask), low(c.value), (yes, no));
            upper.map_or(below, |upper| {
                equal(graph, upper, high(c.mask), high(c.value), (below, no))
            })
        }
        Operator::Ge | Operator::Lt => {
            let test = lower.is(Compare::GreaterOrEqual, low(c.value));
            ordered(graph, upper, test, high(c.value), (yes, no))
        }
        Operator::Gt | Operator::Le => {
            let test = lower.is(Compare::Greater, low(c.value));
            ordered(graph, upper, test, high(c.value), (yes, no))
        }
    }
}

/// Whether the masked half equals a value.
fn equal(graph: &mut Graph, word: Word, mask: u32, value: u32, (yes, no): (Node, Node)) -> Node {
    match (mask, value) {
        (0, _) => yes,
        (u32::MAX, _) => graph.choose(word.is(Compare::Equal, value), yes, no),
        (_, 0) => graph.choose(word.is(Compare::AnyBit, mask), no, yes),
        _ => {
            let word = Word { mask, ..word };
            graph.choose(word.is(Compare::Equal, value), yes, no)
        }
    }
}

/// The order of two 64-bit values: by the upper halves, and by the lower ones where those are equal.
fn ordered(graph: &mut Graph, upper: Option<Word>, below: Test, value: u32, (yes, no): (Node, Node)) -> Node {
    let below = graph.choose(below, yes, no);
    let Some(upper) = upper else { return below };
    let equal = graph.choose(upper.is(Compare::Equal, value), below, no);
    graph.choose(upper.is(Compare::Greater, value), yes, equal)
}

/// Where half an argument is in `struct seccomp_data`: its arguments are 64-bit values in the machine's byte order.
fn offset(on: &Interface, argument: u8, upper: bool) -> u32 {
    16 + 8 * u32::from(argument) + if upper == on.big_endian { 0 } else { 4 }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
fn low(value: u64) -> u32 {
    value as u32
}

fn high(value: u64) -> u32 {
    low(value >> 32)
}
