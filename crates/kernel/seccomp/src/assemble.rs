//! From a decision graph to instructions: last node first, so that every jump's target is already in place.

use crate::graph::{Compare, Graph, Node, Step, Test, Word};
use crate::program::Instruction;

/// Operation codes (`linux/bpf_common.h`, `linux/filter.h`).
pub(crate) mod code {
    pub(crate) const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    pub(crate) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
    pub(crate) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
    pub(crate) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    pub(crate) const IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
    pub(crate) const IF_GREATER_OR_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    pub(crate) const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
    pub(crate) const RETURN: u16 = 0x06; // BPF_RET | BPF_K
}

/// The longest way a conditional jump reaches: its offsets are one byte.
const REACH: usize = 255;

/// The instructions of the decisions that begin at `root`.
pub(crate) fn assemble(graph: &Graph, root: Node) -> Vec<Instruction> {
    let order = order(graph, root);
    let mut work = Assembly {
        graph,
        reversed: Vec::with_capacity(order.len() + order.len() / 2),
        places: vec![Place::default(); graph.len()],
        load: loads(graph, root, &order),
    };
    for node in order {
        work.place(node);
    }
    work.reversed.reverse();
    work.reversed
}

/// Whether a node is reached by some way on which its word is not in the accumulator.
fn loads(graph: &Graph, root: Node, order: &[Node]) -> Vec<bool> {
    let mut load = vec![false; graph.len()];
    load[root.index()] = true;
    for &node in order {
        let Step::Test { test, yes, no } = graph.step(node) else {
            continue;
        };
        for next in [yes, no] {
            if let Step::Test { test: other, .. } = graph.step(next)
                && other.word != test.word
            {
                load[next.index()] = true;
            }
        }
    }
    load
}

/// The nodes reached from `root`, each after all it leads to.
fn order(graph: &Graph, root: Node) -> Vec<Node> {
    let mut order = Vec::with_capacity(graph.len());
    let mut seen = vec![false; graph.len()];
    let mut stack = vec![(root, false)];
    while let Some((node, done)) = stack.pop() {
        if done {
            order.push(node);
            continue;
        }
        if std::mem::replace(&mut seen[node.index()], true) {
            continue;
        }
        stack.push((node, true));
        if let Step::Test { yes, no, .. } = graph.step(node) {
            // The way that is left for last ends up nearest: most often the search's lower half.
            stack.push((no, false));
            stack.push((yes, false));
        }
    }
    order
}

struct Assembly<'a> {
    graph: &'a Graph,
    /// The program from its end.
    reversed: Vec<Instruction>,
    places: Vec<Place>,
    load: Vec<bool>,
}

/// Where a node is, as positions in the reversed program.
#[derive(Clone, Copy, Default)]
struct Place {
    /// For those who come with its word.
    bare: Option<usize>,
    /// For all others.
    loading: usize,
}

impl Assembly<'_> {
    /// Puts a node in front of what is there.
    fn place(&mut self, node: Node) {
        let (test, yes, no) = match self.graph.step(node) {
            Step::Test { test, yes, no } => (test, yes, no),
            Step::Return(value) => return self.end(node, value),
        };
        let mut to_yes = self.target(yes, test.word);
        let mut to_no = self.target(no, test.word);
        // Bringing one target into reach puts an instruction in front, which may move the other out of it.
        while self.distance(to_no).max(self.distance(to_yes)) > REACH {
            if self.distance(to_no) > REACH {
                to_no = self.trampoline(to_no);
            } else {
                to_yes = self.trampoline(to_yes);
            }
        }
        let (yes, no) = (self.distance(to_yes), self.distance(to_no));
        let bare = self.push(opcode(test), narrow(yes), narrow(no), test.with);
        let mut loading = bare;
        if self.load[node.index()] {
            if test.word.mask != u32::MAX {
                self.push(code::AND, 0, 0, test.word.mask);
            }
            loading = self.push(code::LOAD_WORD, 0, 0, test.word.offset);
        }
        let bare = Some(bare);
        self.places[node.index()] = Place { bare, loading };
    }

    /// Where to jump for a node, coming with `loaded` in the accumulator.
    fn target(&mut self, node: Node, loaded: Word) -> usize {
        if let Step::Return(value) = self.graph.step(node)
            && self.distance(self.places[node.index()].loading) >= REACH
        {
            // A copy of the end costs what a jump to it costs, and is nearer.
            self.end(node, value);
        }
        let place = self.places[node.index()];
        match (self.graph.step(node), place.bare) {
            (Step::Test { test, .. }, Some(bare)) if test.word == loaded => bare,
            _ => place.loading,
        }
    }

    fn end(&mut self, node: Node, value: u32) {
        let loading = self.push(code::RETURN, 0, 0, value);
        self.places[node.index()] = Place { bare: None, loading };
    }

    /// A jump, in reach, to what is out of reach.
    fn trampoline(&mut self, to: usize) -> usize {
        let distance = u32::try_from(self.distance(to)).unwrap_or(u32::MAX);
        self.push(code::JUMP, 0, 0, distance)
    }

    /// How many instructions lie between the one placed next and a placed one.
    fn distance(&self, to: usize) -> usize {
        self.reversed.len() - to - 1
    }

    fn push(&mut self, code: u16, yes: u8, no: u8, k: u32) -> usize {
        self.reversed.push(Instruction { code, yes, no, k });
        self.reversed.len() - 1
    }
}

fn opcode(test: Test) -> u16 {
    match test.compare {
        Compare::Equal => code::IF_EQUAL,
        Compare::Greater => code::IF_GREATER,
        Compare::GreaterOrEqual => code::IF_GREATER_OR_EQUAL,
        Compare::AnyBit => code::IF_ANY_BIT,
    }
}

/// A distance that was brought into reach.
fn narrow(distance: usize) -> u8 {
    u8::try_from(distance).unwrap_or(u8::MAX)
}
