//! Seeded mutations, for the smoke runs on the stable toolchain. The same seed gives the same inputs.

/// A source of inputs: mutations of a few seed inputs.
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    state: u64,
}

/// Bytes at which parsers change their mind.
const TELLING: &[u8] = b"\x00\x7f\x80\x81\x82\x88\x89\x8a\xfe\xff\r\n :?&=%+\"\\{}[],.-0";

/// No input grows beyond this.
const INPUT_BYTES_MAX: usize = 4096;

impl Mutator {
    /// A source that replays from `seed`.
    pub fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        assert!(!seeds.is_empty(), "nothing to mutate");
        Self { seeds, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The seeds in one folder, in the order of their names.
    pub fn read_seeds(folder: &std::path::Path) -> Vec<Vec<u8>> {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .expect("the seed folder is part of the repository")
            .map(|entry| entry.expect("a readable entry").path())
            .collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).expect("a readable seed")).collect()
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let at = self.below(self.seeds.len());
        let mut input = self.seeds[at].clone();
        for _ in 0..self.below(6) {
            self.mutate(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let until = at + self.below(input.len() - at + 1);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 if at < input.len() => input[at] = TELLING[self.below(TELLING.len())],
            3 => input.insert(at, TELLING[self.below(TELLING.len())]),
            4 => input.truncate(at),
            5 => {
                input.drain(at..until);
            }
            6 => {
                let part = input[at..until].to_vec();
                input.splice(at..at, part);
            }
            _ => {
                let other = self.below(self.seeds.len());
                let from = self.below(self.seeds[other].len() + 1);
                input.truncate(at);
                input.extend_from_slice(&self.seeds[other][from..]);
            }
        }
    }

    fn below(&mut self, sides: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % sides
    }
}
