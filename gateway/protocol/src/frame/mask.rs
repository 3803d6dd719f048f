//! The masking of client frames: XOR with a repeated four-byte key.

/// Masks or unmasks `payload` in place; `payload` starts at the key's first byte.
pub(crate) fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let half = u64::from(u32::from_ne_bytes(mask));
    let key = (half << 32) | half;
    // Eight bytes at a time, which the compiler widens to vectors; the chunk is a multiple of the
    // key's length, so that the tail starts at the key's first byte again.
    let (chunks, tail) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ key).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_masked_as_byte_by_byte() {
        let mask = [0x12, 0xfe, 0x00, 0x9a];
        for length in 0..70_u8 {
            let plain: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            let expected: Vec<u8> =
                plain.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let mut masked = plain.clone();
            apply(mask, &mut masked);
            assert_eq!(masked, expected, "length {length}");
            apply(mask, &mut masked);
            assert_eq!(masked, plain, "length {length}");
        }
    }
}
