//! The hash of keys: stable for ever, since tables in files are built on it.
//!
//! Each word is mixed in by one 64x64-to-128-bit multiplication whose halves are folded together (as in
//! wyhash and its kin); a string is its bytes in words of eight, then its length.

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

impl KeyHasher {
    /// A hasher; maps of different seeds order the same keys differently.
    #[inline(always)]
    pub fn new(seed: u64) -> KeyHasher {
        KeyHasher(seed ^ FIRST)
    }

    /// Takes in a word.
    #[inline(always)]
    pub fn word(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word, SECOND);
    }

    /// Takes in bytes, and how many there are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
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
    const GOLDEN: u64 = 10_376_314_876_326_991_219;

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
