//! From ranges of a word's values to the comparisons that find the range of one value.

use crate::graph::{Compare, Graph, Node, Word};

/// Where a range begins, and the decision for it; the range ends where the next begins.
pub(crate) type Range = (u32, Node);

/// Joins neighbours with one decision.
pub(crate) fn push(ranges: &mut Vec<Range>, start: u32, node: Node) {
    if let Some(&(last, _)) = ranges.last()
        && last == start
    {
        ranges.pop();
    }
    if ranges.last().is_none_or(|&(_, n)| n != node) {
        ranges.push((start, node));
    }
}

/// The comparisons that choose among `ranges`, of which the first begins at 0 and neighbours differ.
///
/// A range of one value between two that agree costs one comparison for equality; all others are split in halves.
pub(crate) fn search(graph: &mut Graph, word: Word, ranges: &[Range]) -> Node {
    match *ranges {
        [] => unreachable_range(graph),
        [(_, only)] => only,
        [(_, around), (at, single), (after, also)] if around == also && at.checked_add(1) == Some(after) => {
            graph.choose(word.is(Compare::Equal, at), single, around)
        }
        [(_, around), (u32::MAX, single)] => graph.choose(word.is(Compare::Equal, u32::MAX), single, around),
        _ => {
            let middle = split(ranges);
            let (low, high) = ranges.split_at(middle);
            let at = high[0].0;
            let high = search(graph, word, high);
            let low = search(graph, word, low);
            graph.choose(word.is(Compare::GreaterOrEqual, at), high, low)
        }
    }
}

/// The middle, moved by one where that leaves odd halves: an odd half can end in comparisons for equality.
fn split(ranges: &[Range]) -> usize {
    let middle = ranges.len() / 2;
    if middle.is_multiple_of(2) && ranges.len() > 4 {
        middle + 1
    } else {
        middle
    }
}

/// No range at all: nobody calls this so; refusing is the safe answer.
fn unreachable_range(graph: &mut Graph) -> Node {
    graph.end(0)
}
