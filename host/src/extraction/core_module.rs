//! The core module inside a component, for hosts that cannot load components.

/// The beginning of every component: the magic number, and the version of the format.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The section of a component that is a core module.
const CORE_MODULE: u8 = 1;

/// The first core module of a component, which contains all code of an extractor.
///
/// Its exports have the names of the component's functions with their interface, such as
/// `arc:recording/extraction@0.1.0#extract-json`, and use the Canonical ABI. None if the bytes are no
/// component, or contain no module.
pub fn core_module(component: &[u8]) -> Option<&[u8]> {
    let mut rest = component.strip_prefix(COMPONENT)?;
    loop {
        let (id, after) = rest.split_first()?;
        let (length, after) = length(after)?;
        let (section, after) = after.split_at_checked(length)?;
        if *id == CORE_MODULE {
            return Some(section);
        }
        rest = after;
    }
}

/// A length as LEB128, and the bytes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    // A length has 32 bits, which take five bytes at most.
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_module_is_found_behind_other_sections() {
        let mut component = COMPONENT.to_vec();
        component.extend([0, 2, 1, b'x']);
        let module = [7; 300];
        component.extend([CORE_MODULE, 0xac, 0x02]);
        component.extend(module);
        component.extend([CORE_MODULE, 1, 8]);
        assert_eq!(core_module(&component), Some(&module[..]));
    }

    #[test]
    fn a_truncated_or_invalid_component_has_no_core_module() {
        let whole = [COMPONENT, &[CORE_MODULE, 3, 1, 2, 3]].concat();
        assert_eq!(core_module(&whole), Some(&[1, 2, 3][..]));
        for length in 0..whole.len() {
            assert_eq!(core_module(&whole[..length]), None, "{length}");
        }
        assert_eq!(core_module(b"\0asm\x01\0\0\0\x01\0"), None);
        assert_eq!(core_module(&[COMPONENT, &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 1]].concat()), None);
    }
}
