//! What notifications have told lately, in memory: until when each business number's have come, and which messages came.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use laneway_journal::ContactTouch;
use laneway_model::{Person, PhoneNumber, Timestamp, Touch, Wamid};

/// The most messages that are remembered; the oldest make room.
const MESSAGES_MAX: usize = 100_000;

/// When the last thing happened that a notification told of, per business number: proof that the number's notifications
/// reach this node. It begins empty with the process, so that nothing is taken for proven that was not seen.
#[derive(Debug, Default)]
pub struct LastHeard(Mutex<BTreeMap<PhoneNumber, Timestamp>>);

impl LastHeard {
    /// Notes what has become durable.
    pub fn note(&self, latest: &[(PhoneNumber, Timestamp)]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (business, at) in latest {
            let last = known.entry(*business).or_insert(*at);
            *last = (*last).max(*at);
        }
    }

    /// When the last thing happened at this number that is known of.
    pub fn of(&self, business: PhoneNumber) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&business).copied()
    }
}

/// When the messages were written that came lately, by their ids: which of two read marks is of the newer one. It begins
/// empty with the process; of a message that it does not have, nothing is known.
#[derive(Clone, Debug, Default)]
pub struct LastMessages(Arc<Mutex<Messages>>);

#[derive(Debug, Default)]
struct Messages {
    written: BTreeMap<(PhoneNumber, Wamid), (Person, Timestamp)>,
    order: VecDeque<(PhoneNumber, Wamid)>,
}

impl LastMessages {
    /// Notes what has become durable.
    pub fn note(&self, touches: &[ContactTouch]) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ContactTouch { business, person, touch } in touches {
            let Touch::MessageIn { at, id: Some(id) } = touch else { continue };
            let name = (*business, id.clone());
            if messages.written.insert(name.clone(), (person.clone(), *at)).is_none() {
                messages.order.push_back(name);
            }
            if messages.order.len() > MESSAGES_MAX
                && let Some(oldest) = messages.order.pop_front()
            {
                messages.written.remove(&oldest);
            }
        }
    }

    /// When a message was written, if it is known as this person's.
    pub fn written_at(&self, business: PhoneNumber, person: &Person, message: &Wamid) -> Option<Timestamp> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, at) = messages.written.get(&(business, message.clone()))?;
        (of == person).then_some(*at)
    }

    /// Whether nothing is known, and nobody need ask.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_as_its_persons_and_the_oldest_make_room() {
        let business = PhoneNumber::parse("+316098765432").unwrap();
        let person = |n: usize| Person::parse(&format!("+3161{n:07}")).unwrap();
        let id = |n: usize| Wamid::parse(&format!("wamid.{n}")).unwrap();
        let messages = LastMessages::default();
        assert!(messages.is_empty());
        let touch = |n: usize| ContactTouch {
            business,
            person: person(n),
            touch: Touch::MessageIn { at: Timestamp::from_secs(n as u64), id: Some(id(n)) },
        };
        messages.note(&(0..=MESSAGES_MAX).map(touch).collect::<Vec<_>>());
        let known = |n: usize, of: usize| messages.written_at(business, &person(of), &id(n));
        assert_eq!(known(0, 0), None, "the oldest made room");
        assert_eq!(known(1, 1), Some(Timestamp::from_secs(1)));
        assert_eq!(known(1, 2), None, "it is somebody else's");
    }
}
