//! Caches the data of a header for the next results with the same header.

use std::cell::RefCell;
use std::rc::Rc;

/// The last header's text and its data. A host passes the same header with every result of a file;
/// comparing its text costs far less than reading it again, and the answer is the same.
#[derive(Debug)]
pub struct Memo<T>(RefCell<Option<(String, Rc<T>)>>);

impl<T> Memo<T> {
    /// Creates an empty cache.
    pub const fn new() -> Self {
        Memo(RefCell::new(None))
    }

    /// Returns the result of `read` for the text. It must depend only on the text.
    pub fn get(&self, text: &str, read: impl FnOnce(&str) -> T) -> Rc<T> {
        if let Some((kept, value)) = &*self.0.borrow()
            && kept == text
        {
            return Rc::clone(value);
        }
        let value = Rc::new(read(text));
        *self.0.borrow_mut() = Some((text.to_owned(), Rc::clone(&value)));
        value
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_until_another_comes() {
        let memo = Memo::new();
        let reads = std::cell::Cell::new(0);
        let length = |text: &str| {
            *memo.get(text, |text| {
                reads.set(reads.get() + 1);
                text.len()
            })
        };
        assert_eq!([length("a"), length("a"), length("bc"), length("a")], [1, 1, 2, 1]);
        assert_eq!(reads.get(), 3);
    }
}
