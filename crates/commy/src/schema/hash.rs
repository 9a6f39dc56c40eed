//! The hash of keys: stable for ever, since tables in files are built on it.
//!
//! Each word is mixed in by one 64x64-to-128-bit multiplication whose halves are folded together (as in
//! wyhash and its kin). A string is its length, then its bytes by two words at a time:
//!
//! ```text
//! length   pairs of words
//!   0      --
//!   1..3   first byte, middle byte, last byte in one word | 0
//!   4..8   first four bytes | last four
//!   9..16  first eight bytes | last eight
//!  17..    each whole sixteen bytes but the last, | and the last sixteen, which may overlap those before
//! ```
//!
//! A pair is mixed in by one multiplication, too, both of whose factors depend on what came before, and so on the
//! seed: nobody who does not know it can choose words that make one of them zero. There are few branches, since a
//! wrongly predicted one keeps the processor from looking up several keys at once.

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;

/// Takes in a key and gives its hash.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher(u64);

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

#[inline(always)]
fn low(words: &[u8; 16]) -> u64 {
    u128::from_le_bytes(*words) as u64
}

#[inline(always)]
fn high(words: &[u8; 16]) -> u64 {
    (u128::from_le_bytes(*words) >> 64) as u64
}

impl KeyHasher {
    /// A hasher; maps of different seeds order the same keys differently.
    #[inline(always)]
    pub fn new(seed: u64) -> KeyHasher {
        KeyHasher(seed ^ FIRST)
    }

    /// A hasher that has taken in what gave this hash.
    #[inline(always)]
    pub(crate) fn after(hash: u64) -> KeyHasher {
        KeyHasher(hash)
    }

    /// Takes in a word.
    #[inline(always)]
    pub fn word(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word, SECOND);
    }

    /// Takes in two words.
    #[inline(always)]
    fn pair(&mut self, first: u64, second: u64) {
        self.0 = fold(self.0 ^ first, self.0.rotate_left(32) ^ SECOND ^ second);
    }

    /// Takes in bytes, and how many there are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            let mut rest = bytes;
            while let Some((words, more)) = rest.split_first_chunk::<16>()
                && !more.is_empty()
            {
                self.pair(low(words), high(words));
                rest = more;
            }
            match bytes.last_chunk::<16>() {
                Some(words) => self.pair(low(words), high(words)),
                None => self.pair(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            }
        } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            self.pair(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
        } else if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
            let middle = bytes[bytes.len() / 2];
            self.pair(u64::from(*first) << 16 | u64::from(middle) << 8 | u64::from(*last), 0);
        }
    }

    /// The hash. Each word was mixed in well enough that no more is needed.
    #[inline(always)]
    pub fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_key_never_changes() {
        let mut hasher = KeyHasher::new(0);
        hasher.word(42);
        hasher.bytes(b"commy keeps its promises");
        assert_eq!(hasher.finish(), GOLDEN);
    }

    /// Files hold tables that were built with this.
    const GOLDEN: u64 = 16_635_814_299_887_946_490;

    #[test]
    fn every_byte_and_the_length_of_a_string_count() {
        let hash = |bytes: &[u8]| {
            let mut hasher = KeyHasher::new(7);
            hasher.bytes(bytes);
            hasher.finish()
        };
        let mut seen = std::collections::HashSet::new();
        for len in 0..70 {
            let mut bytes = vec![0; len];
            assert!(seen.insert(hash(&bytes)), "{len} zeros");
            for index in 0..len {
                bytes[index] = 1;
                assert!(seen.insert(hash(&bytes)), "byte {index} of {len}");
                bytes[index] = 0;
            }
        }
    }

    #[test]
    fn consecutive_numbers_spread_over_the_low_and_the_high_bits() {
        for shift in [0, 57] {
            let mut seen = std::collections::HashSet::new();
            for n in 0..1000u64 {
                let mut hasher = KeyHasher::new(0);
                hasher.word(n);
                seen.insert(hasher.finish() >> shift & 0x7f);
            }
            assert!(seen.len() > 120, "{} of 128 values", seen.len());
        }
    }
}
