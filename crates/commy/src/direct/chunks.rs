//! Which elements of the table of blocks have one, in the process.
//!
//! ```text
//! chunks:   of each, how many elements it has, and a bit for each of them that has a block
//! vacant:   a bit for each chunk with elements without a block
//! growing:  a bit for each chunk with fewer elements than there may be
//! ```

/// Elements of a chunk: their headers are a block of a slab, and which of them have blocks is a word.
pub(super) const CHUNK: usize = u64::BITS as usize;

/// What is known of a chunk.
#[derive(Clone, Copy, Default)]
struct Chunk {
    /// Elements that it has.
    len: usize,
    /// A bit for each element, the lowest for the first: whether it has a block.
    used: u64,
}

impl Chunk {
    /// A bit for each element without a block.
    fn vacant(self) -> u64 {
        !self.used & 1u64.checked_shl(self.len as u32).unwrap_or(0).wrapping_sub(1)
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    vacant: Set,
    growing: Set,
    /// How many elements without a block there are.
    vacancies: usize,
}

impl Chunks {
    /// Elements that there are room for notes of.
    pub(super) fn room(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// How many elements without a block there are.
    pub(super) fn vacancies(&self) -> usize {
        self.vacancies
    }

    /// Whether no element of a chunk has a block.
    pub(super) fn is_bare(&self, number: usize) -> bool {
        self.chunks[number].used == 0
    }

    /// Chooses elements without a block: of the first chunks that have such, so that others become empty, then such as
    /// are to be added to chunks, in order.
    pub(super) fn choose(&self, elements: &mut [usize]) {
        let vacant = |number: usize| bits(self.chunks[number].vacant()).map(move |place| number * CHUNK + place);
        let vacant = self.vacant.iter().flat_map(vacant);
        let growing = self.growing.iter().map(|number| (number, self.chunks[number].len));
        let growing = growing.chain((self.chunks.len()..).map(|number| (number, 0)));
        let added = growing.flat_map(|(number, len)| number * CHUNK + len..(number + 1) * CHUNK);
        elements.iter_mut().zip(vacant.chain(added)).for_each(|(element, chosen)| *element = chosen);
    }

    /// Notes that an element has a block; it may be a new one, behind the last of its chunk.
    pub(super) fn fill(&mut self, element: usize) {
        let (number, place) = (element / CHUNK, element % CHUNK);
        if number == self.chunks.len() {
            self.chunks.push(Chunk::default());
            self.growing.set(number, true);
        }
        self.change(number, |chunk| {
            chunk.len = chunk.len.max(place + 1);
            chunk.used |= 1 << place;
        });
    }

    /// Notes that an element has no block any more.
    pub(super) fn empty(&mut self, element: usize) {
        self.change(element / CHUNK, |chunk| chunk.used &= !(1 << (element % CHUNK)));
    }

    /// Notes that a chunk has no elements any more.
    pub(super) fn clear(&mut self, number: usize) {
        self.change(number, |chunk| *chunk = Chunk::default());
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut Chunk)) {
        let chunk = &mut self.chunks[number];
        let before = *chunk;
        change(chunk);
        let (was, is) = (before.vacant(), chunk.vacant());
        self.vacancies = self.vacancies + is.count_ones() as usize - was.count_ones() as usize;
        if (was == 0) != (is == 0) {
            self.vacant.set(number, is != 0);
        }
        if before.len != chunk.len {
            self.growing.set(number, chunk.len < CHUNK);
        }
    }
}

/// The numbers of a word's bits, in order.
fn bits(mut left: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
        left &= left - 1;
        Some(bit)
    })
}

/// Numbers of chunks, the lowest of which are asked for.
#[derive(Default)]
struct Set {
    words: Vec<u64>,
    /// No word before this one has bits.
    first: usize,
}

impl Set {
    fn set(&mut self, number: usize, is_in: bool) {
        let (word, bit) = (number / 64, number % 64);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if is_in {
            self.words[word] |= 1 << bit;
            self.first = self.first.min(word);
        } else {
            self.words[word] &= !(1 << bit);
            while self.words.get(self.first) == Some(&0) {
                self.first += 1;
            }
        }
    }

    /// The numbers, in order.
    fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate().skip(self.first);
        words.flat_map(|(number, word)| bits(*word).map(move |bit| number * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_element_is_chosen_that_has_a_block_and_the_first_are_chosen_first() {
        let mut chunks = Chunks::default();
        let choose = |chunks: &Chunks, many| {
            let mut elements = vec![usize::MAX; many];
            chunks.choose(&mut elements);
            elements
        };
        let all: Vec<usize> = (0..CHUNK * 70).collect();
        for part in all.chunks(100) {
            assert_eq!(choose(&chunks, part.len()), part);
            part.iter().for_each(|element| chunks.fill(*element));
        }
        assert_eq!((chunks.vacancies(), chunks.room()), (0, all.len()));
        for element in [CHUNK * 66 + 3, 5, CHUNK * 2] {
            chunks.empty(element);
        }
        assert_eq!(choose(&chunks, 4), [5, CHUNK * 2, CHUNK * 66 + 3, CHUNK * 70]);
        chunks.fill(5);
        (CHUNK..CHUNK * 3).filter(|element| *element != CHUNK * 2).for_each(|element| chunks.empty(element));
        assert!(chunks.is_bare(1) && chunks.is_bare(2) && !chunks.is_bare(0));
        chunks.clear(2);
        assert_eq!(chunks.vacancies(), CHUNK + 1);
        let now = choose(&chunks, CHUNK * 2 + 2);
        let expected: Vec<usize> = (CHUNK..CHUNK * 2).chain([CHUNK * 66 + 3]).chain(CHUNK * 2..CHUNK * 3).collect();
        assert_eq!(now[..expected.len()], expected);
        assert_eq!(now[expected.len()], CHUNK * 70);
    }
}
