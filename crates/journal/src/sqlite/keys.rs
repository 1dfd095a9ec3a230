//! The keys that the index does not have yet.

use std::collections::{BTreeMap, VecDeque};

use laneway_model::Timestamp;

use crate::{Key, Queue, Sequence};

/// A key within its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName {
    pub(crate) hash: [u8; 16],
    pub(crate) queue: Queue,
}

/// What is remembered under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownKey {
    pub(crate) number: u64,
    pub(crate) sequence: Sequence,
    pub(crate) accepted_at: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) fingerprint: Option<[u8; 16]>,
}

/// Whether a repetition asks for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    Same,
    Different,
}

impl KnownKey {
    /// What a repetition under this key is; nothing once the key is free again.
    pub(crate) fn meets(&self, key: &Key, now: Timestamp) -> Option<Repetition> {
        if self.until <= now {
            return None;
        }
        match (self.fingerprint, key.fingerprint) {
            (Some(known), Some(asked)) if known != asked => Some(Repetition::Different),
            (Some(_) | None, Some(_) | None) => Some(Repetition::Same),
        }
    }
}

/// Keys in the order of their numbers, found by name. What is added belongs to the running transaction until
/// [`RecentKeys::commit`].
#[derive(Default)]
pub(crate) struct RecentKeys {
    by_name: BTreeMap<KeyName, KnownKey>,
    order: VecDeque<(u64, KeyName)>,
    staged: Vec<(KeyName, Option<KnownKey>)>,
}

impl RecentKeys {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn get(&self, name: &KeyName) -> Option<&KnownKey> {
        self.by_name.get(name)
    }

    pub(crate) fn add(&mut self, name: KeyName, known: KnownKey) {
        self.order.push_back((known.number, name));
        let before = self.by_name.insert(name, known);
        self.staged.push((name, before));
    }

    /// A point to which [`RecentKeys::roll_back`] can return within the running transaction.
    pub(crate) fn mark(&self) -> usize {
        self.staged.len()
    }

    pub(crate) fn roll_back(&mut self, mark: usize) {
        while self.staged.len() > mark {
            if let Some((name, before)) = self.staged.pop() {
                self.order.pop_back();
                match before {
                    Some(before) => self.by_name.insert(name, before),
                    None => self.by_name.remove(&name),
                };
            }
        }
    }

    pub(crate) fn commit(&mut self) {
        self.staged.clear();
    }

    /// Lets go of keys up to this number, which the index has by now; at most `limit` at a time.
    pub(crate) fn forget(&mut self, to: u64, limit: usize) {
        for _ in 0..limit {
            match self.order.front() {
                Some((number, _)) if *number <= to => {}
                Some(_) | None => return,
            }
            if let Some((number, name)) = self.order.pop_front()
                && self.by_name.get(&name).is_some_and(|known| known.number == number)
            {
                self.by_name.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(byte: u8) -> KeyName {
        KeyName { queue: Queue::Events, hash: [byte; 16] }
    }

    fn known(number: u64) -> KnownKey {
        KnownKey {
            number,
            sequence: number,
            accepted_at: Timestamp::from_millis(0),
            until: Timestamp::from_millis(100),
            fingerprint: Some([1; 16]),
        }
    }

    #[test]
    fn a_key_answers_until_it_is_free() {
        let asked = |fingerprint| Key { hash: [0; 16], fingerprint, until: Timestamp::MAX };
        for (fingerprint, now, expected) in [
            (Some([1; 16]), 99, Some(Repetition::Same)),
            (None, 99, Some(Repetition::Same)),
            (Some([2; 16]), 99, Some(Repetition::Different)),
            (Some([1; 16]), 100, None),
            (Some([2; 16]), 100, None),
        ] {
            assert_eq!(
                known(1).meets(&asked(fingerprint), Timestamp::from_millis(now)),
                expected,
                "{fingerprint:?}"
            );
        }
    }

    #[test]
    fn rolling_back_restores_what_was_replaced() {
        let mut keys = RecentKeys::default();
        keys.add(name(1), known(1));
        keys.commit();
        let mark = keys.mark();
        keys.add(name(1), known(2));
        keys.add(name(2), known(3));
        keys.roll_back(mark);
        assert_eq!((keys.get(&name(1)), keys.get(&name(2)), keys.len()), (Some(&known(1)), None, 1));
    }

    #[test]
    fn forgetting_keeps_a_key_that_was_given_again() {
        let mut keys = RecentKeys::default();
        keys.add(name(1), known(1));
        keys.add(name(2), known(2));
        keys.add(name(1), known(3));
        keys.commit();
        keys.forget(2, 1);
        assert_eq!((keys.len(), keys.get(&name(1))), (2, Some(&known(3))));
        keys.forget(2, 10);
        assert_eq!((keys.len(), keys.get(&name(1)), keys.get(&name(2))), (1, Some(&known(3)), None));
        keys.forget(3, 10);
        assert_eq!((keys.len(), keys.get(&name(1))), (0, None));
    }
}
