//! Streams that are rejected as a whole, by their first bytes.

use core::fmt;

/// The reason why a whole stream is rejected. No frame was returned before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FramingError {
    /// The stream begins with a UTF-16 byte order mark.
    Utf16,
    /// The stream begins with a UTF-32 byte order mark.
    Utf32,
    /// The stream is compressed with gzip.
    Gzip,
    /// The stream is compressed with Zstandard.
    Zstd,
    /// The stream is a zip archive.
    Zip,
    /// Bytes were pushed after the stream was finished, which is a bug of the caller.
    Finished,
}

impl fmt::Display for FramingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Utf16 => {
                "the stream is UTF-16 text, not UTF-8; convert it first, for example with `iconv -f UTF-16 -t UTF-8`"
            }
            Self::Utf32 => {
                "the stream is UTF-32 text, not UTF-8; convert it first, for example with `iconv -f UTF-32 -t UTF-8`"
            }
            Self::Gzip => {
                "the stream is compressed with gzip; decompress it first, for example with `gzip -dc`"
            }
            Self::Zstd => {
                "the stream is compressed with Zstandard; decompress it first, for example with `zstd -dc`"
            }
            Self::Zip => {
                "the stream is a zip archive; unpack it and send the files in it, for example with `unzip -p`"
            }
            Self::Finished => {
                "bytes came after the stream was finished; use a new framer for each stream"
            }
        })
    }
}

impl core::error::Error for FramingError {}

/// The length of the longest signature below: fewer bytes cannot distinguish UTF-32 from UTF-16.
pub(crate) const SIGNATURE_BYTES: usize = 4;

/// Checks the first bytes of a stream, and returns how many of them are a UTF-8 byte order mark.
pub(crate) fn check_signature(head: &[u8]) -> Result<usize, FramingError> {
    // UTF-32 comes before UTF-16, because its little-endian mark begins with that of UTF-16.
    const REFUSED: [(&[u8], FramingError); 7] = [
        (&[0xff, 0xfe, 0x00, 0x00], FramingError::Utf32),
        (&[0x00, 0x00, 0xfe, 0xff], FramingError::Utf32),
        (&[0xff, 0xfe], FramingError::Utf16),
        (&[0xfe, 0xff], FramingError::Utf16),
        (&[0x1f, 0x8b], FramingError::Gzip),
        (&[0x28, 0xb5, 0x2f, 0xfd], FramingError::Zstd),
        (b"PK\x03\x04", FramingError::Zip),
    ];
    for (signature, error) in REFUSED {
        if head.starts_with(signature) {
            return Err(error);
        }
    }
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    Ok(if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 })
}
