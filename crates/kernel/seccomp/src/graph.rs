//! A decision graph over the words of `struct seccomp_data`, in which equal decisions are one node.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A node of a [`Graph`]; nodes refer to older nodes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node(u32);

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The program ends with this value.
    Return(u32),
    /// One comparison decides where to go on.
    Test { test: Test, yes: Node, no: Node },
}

/// A comparison of a word with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    pub(crate) word: Word,
    pub(crate) compare: Compare,
    pub(crate) with: u32,
}

/// A word of `struct seccomp_data`, and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    /// Byte offset: 0 is the call's number, 4 the architecture, 16 on the arguments.
    pub(crate) offset: u32,
    pub(crate) mask: u32,
}

/// How a word is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Compare {
    Equal,
    Greater,
    GreaterOrEqual,
    /// Any of the bits is set.
    AnyBit,
}

impl Word {
    pub(crate) const NUMBER: Word = Word::whole(0);
    pub(crate) const ARCH: Word = Word::whole(4);

    pub(crate) const fn whole(offset: u32) -> Word {
        Word {
            offset,
            mask: u32::MAX,
        }
    }

    /// A comparison with this word.
    pub(crate) fn is(self, compare: Compare, with: u32) -> Test {
        Test {
            word: self,
            compare,
            with,
        }
    }
}

/// The nodes made so far.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    steps: Vec<Step>,
    known: HashMap<Step, Node, BuildHasherDefault<Mix>>,
}

/// A short hash: the keys are ours and few, so nobody can choose them to collide in a way that matters (the number of
/// nodes is bounded by the rules, the rules by the document).
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0.rotate_left(23) ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_isize(&mut self, word: isize) {
        // What tells the variants of an enum apart.
        self.write(&word.to_ne_bytes()[..1]);
    }
}

impl Graph {
    /// The end of the program with a value.
    pub(crate) fn end(&mut self, value: u32) -> Node {
        self.add(Step::Return(value))
    }

    /// A choice; no node is made where both ways are one.
    pub(crate) fn choose(&mut self, test: Test, yes: Node, no: Node) -> Node {
        if yes == no {
            return yes;
        }
        self.add(Step::Test { test, yes, no })
    }

    pub(crate) fn step(&self, node: Node) -> Step {
        self.steps[node.index()]
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    fn add(&mut self, step: Step) -> Node {
        let next = Node(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        *self.known.entry(step).or_insert_with(|| {
            self.steps.push(step);
            next
        })
    }
}

impl Node {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
