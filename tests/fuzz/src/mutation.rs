//! Deterministic mutations of inputs.

/// Keywords of the parsers, in the notation of libFuzzer's dictionaries.
const DICTIONARY: &str = include_str!("../dictionary.txt");

/// Deterministic pseudo-random numbers (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `end`, exclusive; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Returns the entries of the dictionary.
pub(crate) fn dictionary() -> Vec<Vec<u8>> {
    let words = DICTIONARY.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(unescaped).collect()
}

/// Undoes `\\`, `\"` and `\xAB`.
fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            other => other,
        });
    }
    bytes
}

/// Changes an input in one to six places; `other` is another input from which parts are
/// copied.
pub(crate) fn mutate(
    input: &mut Vec<u8>,
    other: &[u8],
    dictionary: &[Vec<u8>],
    random: &mut Random,
) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let size = random.below(7);
        let length = 1 + random.below(1 << size);
        let end = (at + length).min(input.len());
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.below(256) as u8,
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let part = input[at..end].to_vec();
                let place = random.below(input.len() + 1);
                input.splice(place..place, part);
            }
            5 => {
                let from = random.below(other.len() + 1);
                let part = &other[from..(from + length).min(other.len())];
                input.splice(at..end, part.iter().copied());
            }
            6 => {
                const NUMBERS: [&str; 10] = [
                    "0",
                    "-0.0",
                    "-1",
                    "1e999",
                    "1e-400",
                    "0.1",
                    "100.00000000000001",
                    "9007199254740993",
                    "18446744073709551616",
                    "5e-324",
                ];
                input.splice(at..end, NUMBERS[random.below(NUMBERS.len())].bytes());
            }
            7 => {
                let word = &dictionary[random.below(dictionary.len())];
                input.splice(at..end, word.iter().copied());
            }
            _ => {
                let word = &dictionary[random.below(dictionary.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
    }
}
