//! The few fields of a certificate that rustls does not expose: read from its DER, without validation.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// A member with the number 0: the version, and the hash of RSASSA-PSS.
const MEMBER_0: u8 = 0xa0;

/// One value: its tag, its content, and all of its bytes.
#[derive(Clone, Copy, Debug)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The values of a sequence.
#[derive(Clone, Copy, Debug)]
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    /// Nothing at the end, and if the bytes are not DER.
    fn next(&mut self) -> Option<Element<'a>> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, header) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let digits = usize::from(first & 0x7f);
            // Longer than 2^24 bytes is no certificate.
            let digits = rest.get(..digits).filter(|digits| (1..=3).contains(&digits.len()))?;
            let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, 2 + digits.len())
        };
        let whole = self.0.get(..header + length)?;
        self.0 = self.0.get(header + length..)?;
        Some(Element { tag, content: whole.get(header..)?, whole })
    }
}

impl<'a> Elements<'a> {
    fn next_of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|element| element.tag == tag).map(|element| element.content)
    }
}

/// The members of a certificate: the signed part, the algorithm, the signature.
fn members(certificate: &[u8]) -> Option<Elements<'_>> {
    Elements(certificate).next_of(SEQUENCE).map(Elements)
}

/// The members of the signed part, from the serial number on.
fn signed_members(certificate: &[u8]) -> Option<Elements<'_>> {
    let mut signed = Elements(members(certificate)?.next_of(SEQUENCE)?);
    let after_version = {
        let mut after = signed;
        after.next_of(MEMBER_0).map(|_| after)
    };
    if let Some(after) = after_version {
        signed = after;
    }
    signed.next()?;
    Some(signed)
}

/// Whether a certificate is valid at a time.
pub(super) fn valid_at(certificate: &[u8], now: Timestamp) -> bool {
    let valid = || {
        let mut signed = signed_members(certificate)?;
        let _algorithm = signed.next_of(SEQUENCE)?;
        let _issuer = signed.next_of(SEQUENCE)?;
        let mut validity = Elements(signed.next_of(SEQUENCE)?);
        let (from, until) = (time(validity.next()?)?, time(validity.next()?)?);
        let now = now.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%SZ").to_string();
        Some(from <= now && now <= until)
    };
    valid().unwrap_or(false)
}

/// A time as year, month, day, hour, minute, second and Z, which sort as they are.
fn time(element: Element<'_>) -> Option<String> {
    let text = std::str::from_utf8(element.content).ok().filter(|text| text.is_ascii())?;
    match element.tag {
        GENERALIZED_TIME => Some(text.to_owned()),
        // Two digits of a year are those from 1950 to 2049.
        UTC_TIME if text.get(..2)? < "50" => Some(format!("20{text}")),
        UTC_TIME => Some(format!("19{text}")),
        _ => None,
    }
}

/// The public key, with what kind of key it is.
pub(super) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    // Algorithm, issuer, validity, subject.
    let mut signed = signed_members(certificate)?;
    signed.nth(4).filter(|key| key.tag == SEQUENCE).map(|key| key.whole)
}

/// The certificate's `tls-server-end-point` (RFC 5929): its hash, by the hash of its signature, but
/// SHA-256 in place of MD5 and SHA-1. Nothing if its signature has no hash of its own.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut members = members(certificate)?;
    members.next_of(SEQUENCE)?;
    let mut algorithm = Elements(members.next_of(SEQUENCE)?);
    let name = algorithm.next_of(OBJECT_IDENTIFIER)?;
    let bits = match name {
        // 1.2.840.113549.1.1: RSA with MD5, SHA-1, SHA-256, SHA-384, SHA-512, and PSS.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, hash] => match hash {
            4 | 5 | 11 => 256,
            12 => 384,
            13 => 512,
            10 => hash_of_pss(algorithm)?,
            _ => return None,
        },
        // 1.2.840.10045.4: ECDSA with SHA-1, SHA-256, SHA-384, SHA-512.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => 256,
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, hash] => match hash {
            2 => 256,
            3 => 384,
            4 => 512,
            _ => return None,
        },
        _ => return None,
    };
    Some(match bits {
        512 => Sha512::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha256::digest(certificate).to_vec(),
    })
}

/// The hash in the parameters of RSASSA-PSS; SHA-1, which counts as SHA-256, if they name none.
fn hash_of_pss(mut parameters: Elements<'_>) -> Option<u32> {
    let mut parameters = Elements(parameters.next_of(SEQUENCE)?);
    let Some(hash) = parameters.next_of(MEMBER_0) else { return Some(256) };
    let name = Elements(Elements(hash).next_of(SEQUENCE)?).next_of(OBJECT_IDENTIFIER)?;
    match name {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 1] => Some(256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2] => Some(384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 3] => Some(512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_valid_for_its_time_and_hashes_by_its_signature() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2060, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let der = certificate.der();
        let at = |time: &str| valid_at(der, time.parse().unwrap());
        assert!(at("2020-01-01T00:00:00Z") && at("2059-12-31T23:59:59Z"));
        assert!(!at("2019-12-31T23:59:59Z") && !at("2060-01-01T00:00:01Z"));
        assert_eq!(server_end_point(der).unwrap(), Sha384::digest(der).to_vec());
        assert_eq!(public_key(der).unwrap(), rcgen::PublicKeyData::subject_public_key_info(&key));
    }

    #[test]
    fn a_truncated_certificate_has_no_fields() {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = certificate.cert.der();
        for length in 0..der.len() {
            assert_eq!(server_end_point(&der[..length]), None);
            assert_eq!(public_key(&der[..length]), None);
            assert!(!valid_at(&der[..length], Timestamp::now()));
        }
    }
}
