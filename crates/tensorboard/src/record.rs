//! The records of an event file: length, its checksum, data, their checksum.

/// The record of some data. Checksums are CRC-32C, rotated and shifted by a constant so that data which contain
/// checksums are no special case.
pub(crate) fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(data.len() + 16);
    bytes.extend(length);
    bytes.extend(masked(&length).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked(data).to_le_bytes());
    bytes
}

fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_length_and_both_checksums() {
        let bytes = record(b"123456789");
        assert_eq!(bytes.len(), 8 + 4 + 9 + 4);
        assert_eq!(bytes[..8], 9u64.to_le_bytes());
        // The check value of CRC-32C is e3069283; rotated and shifted.
        let expected = 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(bytes[21..], expected.to_le_bytes());
    }
}
