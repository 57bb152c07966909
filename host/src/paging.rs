//! Lists that are read in batches or pages, so that memory is bounded.

use futures_util::{Stream, StreamExt as _};

/// The maximum number of rows of a batch: enough that a commit or a round trip costs little for each.
pub(crate) const BATCH_ROWS: usize = 1_000;

/// The maximum number of bytes of a batch, plus one row, which bounds memory for large documents.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// The maximum number of rows of a page.
pub(crate) const PAGE_ROWS: u32 = 1_000;

/// The number of rows of a page with documents: those that do not fit on it are read again.
pub(crate) const PAGE_ROWS_WITH_DOCUMENTS: u32 = 100;

/// Whether a batch is full.
pub(crate) fn is_full(rows: usize, bytes: usize) -> bool {
    rows >= BATCH_ROWS || bytes >= BATCH_BYTES
}

/// Reads the next batch of a stream; it is empty at the stream's end.
pub(crate) async fn next_batch<R, E>(
    rows: &mut (impl Stream<Item = Result<R, E>> + Unpin),
    row_bytes: impl Fn(&R) -> usize,
) -> Result<Vec<R>, E> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while !is_full(batch.len(), bytes) {
        let Some(row) = rows.next().await else { break };
        let row = row?;
        bytes += row_bytes(&row);
        batch.push(row);
    }
    Ok(batch)
}

/// A page of a list.
#[cfg(feature = "client")]
pub(crate) trait Page {
    /// The position at which a page begins.
    type Cursor;

    /// Returns the position of the next page; `None` on the last page.
    fn next_cursor(&self) -> Option<Self::Cursor>;
}

/// The pages of a list, one after the other.
#[derive(Debug)]
#[cfg(feature = "client")]
pub(crate) struct Pages<C> {
    cursor: Option<C>,
    ended: bool,
}

#[cfg(feature = "client")]
impl<C> Pages<C> {
    /// Begins at the cursor, or at the list's beginning.
    pub(crate) fn from(cursor: Option<C>) -> Self {
        Pages { cursor, ended: false }
    }

    /// Whether the last page was read.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads the next page; `None` after the last.
    pub(crate) async fn next<P: Page<Cursor = C>, E>(
        &mut self,
        read: impl AsyncFnOnce(Option<C>) -> Result<P, E>,
    ) -> Result<Option<P>, E> {
        if self.ended {
            return Ok(None);
        }
        let page = read(self.cursor.take()).await?;
        self.cursor = page.next_cursor();
        self.ended = self.cursor.is_none();
        Ok(Some(page))
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt as _, stream};

    use super::*;

    /// Numbers up to ten, three a page.
    struct Numbers(Vec<u32>);

    impl Page for Numbers {
        type Cursor = u32;

        fn next_cursor(&self) -> Option<u32> {
            self.0.last().map(|last| last + 1).filter(|next| *next < 10)
        }
    }

    fn read(pages: &mut Pages<u32>) -> Option<Vec<u32>> {
        let page = |from: Option<u32>| {
            let from = from.unwrap_or(0);
            Numbers((from..10.min(from + 3)).collect())
        };
        let read = pages.next(async |cursor| Ok::<_, Infallible>(page(cursor)));
        read.now_or_never().unwrap().unwrap().map(|page| page.0)
    }

    #[test]
    fn every_page_is_read_once_and_nothing_after_the_last() {
        let mut pages = Pages::from(None);
        assert_eq!(read(&mut pages), Some(vec![0, 1, 2]));
        assert!(!pages.ended());
        let rest: Vec<u32> = std::iter::from_fn(|| read(&mut pages)).flatten().collect();
        assert_eq!(rest, [3, 4, 5, 6, 7, 8, 9]);
        assert!(pages.ended() && read(&mut pages).is_none());
        assert_eq!(read(&mut Pages::from(Some(9))), Some(vec![9]));
    }

    #[test]
    fn a_batch_ends_at_its_rows_or_with_the_row_that_has_its_bytes() {
        let lengths = |bytes: usize, count: usize| {
            let mut rows = stream::iter((0..count).map(|_| Ok::<_, Infallible>(bytes)));
            let mut lengths = Vec::new();
            loop {
                let batch = next_batch(&mut rows, |bytes| *bytes).now_or_never().unwrap().unwrap();
                if batch.is_empty() {
                    return lengths;
                }
                lengths.push(batch.len());
            }
        };
        assert_eq!(lengths(1, 2 * BATCH_ROWS + 1), [BATCH_ROWS, BATCH_ROWS, 1]);
        assert_eq!(lengths(BATCH_BYTES - 1, 5), [2, 2, 1]);
        assert_eq!(lengths(2 * BATCH_BYTES, 2), [1, 1]);
        assert!(lengths(1, 0).is_empty());
    }
}
