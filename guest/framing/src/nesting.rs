//! The open brackets of a scan: their number and their kinds.

/// The open brackets. Their kinds are stored for the outer 128, which is the depth of common
/// parsers; deeper ones are only counted, so that memory does not grow with depth.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    depth: u64,
    /// Bit `n` is set if the bracket of level `n` is square.
    square: u128,
}

const KNOWN_LEVELS: u64 = u128::BITS as u64;

impl Nesting {
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }

    pub(crate) fn clear(&mut self) {
        self.depth = 0;
    }

    #[inline]
    pub(crate) fn open(&mut self, bracket: u8) {
        if self.depth < KNOWN_LEVELS {
            let bit = 1_u128 << self.depth;
            if bracket == b'[' {
                self.square |= bit;
            } else {
                self.square &= !bit;
            }
        }
        self.depth += 1;
    }

    /// Whether the innermost open bracket is known to be a brace.
    pub(crate) fn in_braces(&self) -> bool {
        match self.depth {
            0 => false,
            depth if depth > KNOWN_LEVELS => false,
            depth => self.square & (1_u128 << (depth - 1)) == 0,
        }
    }

    /// Closes the innermost bracket of this kind and everything left open inside it, and returns
    /// whether there was one. In a valid document, that bracket is always the innermost; in a
    /// malformed one, `{"a": [1}` ends at its brace.
    #[inline]
    pub(crate) fn close(&mut self, bracket: u8) -> bool {
        if self.depth > KNOWN_LEVELS {
            self.depth -= 1;
            return true;
        }
        let open = match self.depth {
            0 => 0,
            depth => u128::MAX >> (KNOWN_LEVELS - depth),
        };
        let alike = open & if bracket == b']' { self.square } else { !self.square };
        match alike.checked_ilog2() {
            Some(level) => {
                self.depth = u64::from(level);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Nesting;

    #[test]
    fn counts_beyond_the_known_levels() {
        let mut nesting = Nesting::default();
        for _ in 0..300 {
            nesting.open(b'[');
        }
        for _ in 0..300 {
            assert!(nesting.close(b']'));
        }
        assert_eq!(nesting.depth(), 0);
        assert!(!nesting.close(b']'));
    }

    #[test]
    fn closes_what_was_left_open_inside() {
        let mut nesting = Nesting::default();
        nesting.open(b'{');
        nesting.open(b'[');
        nesting.open(b'[');
        assert!(nesting.close(b'}'));
        assert_eq!(nesting.depth(), 0);
        nesting.open(b'{');
        assert!(!nesting.close(b']'));
        assert_eq!(nesting.depth(), 1);
    }
}
