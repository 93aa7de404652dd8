//! A decision graph over the words of `struct seccomp_data`, in which equal decisions are one node.

use std::collections::HashMap;

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
    known: HashMap<Step, Node>,
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
