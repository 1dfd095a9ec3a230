//! A set that forgets what exactly is in it.

/// Answers whether a key may have been added; it never denies one that was. About one in a hundred others is not
/// denied either. It is a chain of Bloom filters, each four times as large as the one before, so that it grows with
/// what is added and needs about 10 bits for each.
#[derive(Default)]
pub(crate) struct Filter {
    links: Vec<Link>,
}

struct Link {
    bits: Vec<u64>,
    room: usize,
}

const FIRST_ROOM: usize = 1 << 15;
const BITS_PER_KEY: usize = 10;
const PROBES: u64 = 7;

impl Filter {
    /// Adds a key, which must be a hash: its bits are used as they are.
    pub(crate) fn add(&mut self, hash: &[u8; 16]) {
        if self.links.last().is_none_or(|link| link.room == 0) {
            let room = FIRST_ROOM << (2 * self.links.len());
            self.links.push(Link { bits: vec![0; (room * BITS_PER_KEY).div_ceil(64)], room });
        }
        if let Some(link) = self.links.last_mut() {
            link.room -= 1;
            for bit in probes(hash, link.bits.len()) {
                link.bits[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// Whether the key may have been added.
    pub(crate) fn may_hold(&self, hash: &[u8; 16]) -> bool {
        self.links
            .iter()
            .any(|link| probes(hash, link.bits.len()).all(|bit| link.bits[bit / 64] & 1 << (bit % 64) != 0))
    }
}

fn probes(hash: &[u8; 16], words: usize) -> impl Iterator<Item = usize> {
    let bits = u128::from_le_bytes(*hash);
    let (start, step, size) = (bits as u64, (bits >> 64) as u64 | 1, words as u64 * 64);
    (0..PROBES).map(move |i| (start.wrapping_add(i.wrapping_mul(step)) % size) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(seed: u64) -> impl Iterator<Item = [u8; 16]> {
        let mut random = fastrand::Rng::with_seed(seed);
        std::iter::repeat_with(move || random.u128(..).to_le_bytes())
    }

    #[test]
    fn nothing_added_is_denied_and_few_others_pass() {
        let mut filter = Filter::default();
        assert!(!filter.may_hold(&[0; 16]));
        let count = FIRST_ROOM * 6;
        for hash in hashes(1).take(count) {
            filter.add(&hash);
        }
        assert!(hashes(1).take(count).all(|hash| filter.may_hold(&hash)));
        let passed = hashes(2).take(10_000).filter(|hash| filter.may_hold(hash)).count();
        assert!(passed < 300, "{passed} of 10,000 strangers passed");
    }
}
