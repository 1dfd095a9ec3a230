//! From a sequence to its entry.

use std::collections::BTreeMap;

use crate::entries::Slot;
use crate::inputs::Sequence;

/// Finds the entry of a sequence. Sequences mostly come in growing order, so they stand in one sorted vector, 16 bytes
/// each, where removal leaves a hole; the few that come late (redriven events) stand in a map beside it.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    sorted: Vec<(Sequence, Slot)>,
    holes: usize,
    late: BTreeMap<Sequence, Slot>,
}

impl Sequences {
    /// Below this length holes are not worth closing.
    const COMPACT_MIN: usize = 64;

    pub(crate) fn insert(&mut self, sequence: Sequence, slot: Slot) {
        if self.sorted.last().is_none_or(|(last, _)| *last < sequence) {
            self.sorted.push((sequence, slot));
        } else {
            self.late.insert(sequence, slot);
        }
    }

    pub(crate) fn get(&self, sequence: Sequence) -> Option<Slot> {
        let found = self.position(sequence).map(|at| self.sorted[at].1).filter(|slot| *slot != Slot::NONE);
        found.or_else(|| self.late.get(&sequence).copied())
    }

    pub(crate) fn remove(&mut self, sequence: Sequence) {
        if self.late.remove(&sequence).is_some() {
            return;
        }
        let Some(at) = self.position(sequence) else { return };
        if self.sorted[at].1 != Slot::NONE {
            self.sorted[at].1 = Slot::NONE;
            self.holes += 1;
        }
        if self.sorted.len() >= Self::COMPACT_MIN && self.holes * 2 > self.sorted.len() {
            self.sorted.retain(|(_, slot)| *slot != Slot::NONE);
            self.holes = 0;
        }
    }

    fn position(&self, sequence: Sequence) -> Option<usize> {
        self.sorted.binary_search_by_key(&sequence, |(known, _)| *known).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((0_u64..200, any::<bool>()), 0..600)) {
            let (mut sequences, mut model) = (Sequences::default(), BTreeMap::new());
            for (n, (sequence, insert)) in steps.into_iter().enumerate() {
                if !insert {
                    sequences.remove(sequence);
                    model.remove(&sequence);
                } else if let std::collections::btree_map::Entry::Vacant(vacant) = model.entry(sequence) {
                    let slot = Slot::new(n);
                    sequences.insert(sequence, slot);
                    vacant.insert(slot);
                }
                for probe in 0..200 {
                    prop_assert_eq!(sequences.get(probe), model.get(&probe).copied());
                }
            }
        }
    }
}
