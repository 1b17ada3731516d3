//! Bits and Huffman codes of the coded data of a JPEG scan.

/// Why the coded data of a scan cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The data end before the last block.
    Incomplete,
    /// A code or a value that is impossible.
    Damaged,
}

/// Bits from the most significant one, without stuffed zeros, up to the next marker.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    bits: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, bits: 0, count: 0 }
    }

    /// Reads bytes until there are more than 56 bits, or to the end.
    fn fill(&mut self) {
        if let Some(next) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_be_bytes(*next);
            let ones = !word;
            // Whether no byte of the word is 0xff, by the usual test for a zero byte of its complement.
            if ones.wrapping_sub(0x0101_0101_0101_0101) & !ones & 0x8080_8080_8080_8080 == 0 {
                // The bits of a byte that does not fit stay for the next time, which sets them again.
                self.bits |= word >> self.count;
                let bytes = (63 - self.count) / 8;
                self.at += bytes as usize;
                self.count += 8 * bytes;
                return;
            }
        }
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xff {
                if self.data.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.bits |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits, with zeros after the end. Sixteen more are there as well before the end.
    fn peek(&mut self) -> u32 {
        if self.count < 32 {
            self.fill();
        }
        (self.bits >> 48) as u32
    }

    /// Passes over at most 16 bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Fault> {
        if count > self.count {
            self.fill();
        }
        if count > self.count {
            return Err(Fault::Incomplete);
        }
        self.bits <<= count;
        self.count -= count;
        Ok(())
    }

    /// A number of at most 16 bits.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Fault> {
        if count == 0 {
            return Ok(0);
        }
        let value = self.peek() >> (16 - count);
        self.skip(count)?;
        Ok(value)
    }

    /// A signed number (T.81, figure F.12).
    pub(super) fn signed(&mut self, count: u32) -> Result<i32, Fault> {
        let value = self.take(count)? as i32;
        if count > 0 && value < 1 << (count - 1) { Ok(value - (1 << count) + 1) } else { Ok(value) }
    }

    /// The symbol of the next Huffman code.
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        let bits = self.peek();
        let (length, symbol) = table.short[(bits >> (16 - SHORT)) as usize];
        if length > 0 {
            self.skip(length.into())?;
            return Ok(symbol);
        }
        for length in SHORT + 1..=16 {
            let code = (bits >> (16 - length)) as i32;
            let (most, offset) = table.long[length as usize];
            if code <= most {
                self.skip(length)?;
                return table.symbols.get((code + offset) as usize).copied().ok_or(Fault::Damaged);
            }
        }
        // Zeros after the end may look like no code at all.
        Err(if self.count < 16 { Fault::Incomplete } else { Fault::Damaged })
    }

    /// Goes to the restart marker with a number from 0 to 7.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Fault> {
        (self.bits, self.count) = (0, 0);
        while let Some(&byte) = self.data.get(self.at) {
            self.at += 1;
            match self.data.get(self.at) {
                Some(&next) if byte == 0xff && next != 0 && next != 0xff => {
                    self.at += 1;
                    return if next == 0xd0 + number { Ok(()) } else { Err(Fault::Damaged) };
                }
                _ => {}
            }
        }
        Err(Fault::Incomplete)
    }
}

/// Bits of codes in the table of short codes.
const SHORT: u32 = 9;

/// A Huffman table.
#[derive(Clone, Debug)]
pub(super) struct Huffman {
    /// Length and symbol by the next bits; length 0 for longer codes.
    short: Box<[(u8, u8); 1 << SHORT]>,
    /// By length: the largest code, and the offset from a code to the place of its symbol.
    long: [(i32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// The table of 16 numbers of codes and the symbols (T.81, annex C).
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table =
            Self { short: Box::new([(0, 0); 1 << SHORT]), long: [(-1, 0); 17], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0usize, 0usize);
        for (length, &count) in (1u32..=16).zip(counts) {
            let count = usize::from(count);
            if code + count > 1 << length || place + count > symbols.len() {
                return None;
            }
            if count > 0 {
                table.long[length as usize] = ((code + count) as i32 - 1, place as i32 - code as i32);
            }
            for i in 0..if length <= SHORT { count } else { 0 } {
                let width = 1 << (SHORT - length);
                let start = (code + i) * width;
                table.short[start..start + width].fill((length as u8, symbols[place + i]));
            }
            code = (code + count) << 1;
            place += count;
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_numbers_are_read_past_stuffed_zeros() {
        // Codes 0, 10, 110 for 5, 6, 7.
        let mut counts = [0; 16];
        counts[..3].fill(1);
        let table = Huffman::new(&counts, &[5, 6, 7]).unwrap();
        // 110 10 0 11 | ff 00: 1111 1111.
        let mut bits = Bits::new(&[0b1101_0011, 0xff, 0]);
        let symbols: Vec<u8> = (0..3).map(|_| bits.symbol(&table).unwrap()).collect();
        assert_eq!(symbols, [7, 6, 5]);
        assert_eq!((bits.take(2), bits.signed(4), bits.take(4)), (Ok(3), Ok(15), Ok(15)));
        assert_eq!(bits.symbol(&table), Err(Fault::Incomplete));
        assert!(Huffman::new(&[3; 16], &[0; 48]).is_none());
    }

    #[test]
    fn long_codes_are_read() {
        let mut counts = [0; 16];
        (counts[0], counts[11], counts[15]) = (1, 1, 1);
        let table = Huffman::new(&counts, &[1, 2, 3]).unwrap();
        let mut bits = Bits::new(&[0b1000_0000, 0b0000_1000, 0b0000_0001, 0b0000_0000]);
        assert_eq!(bits.symbol(&table), Ok(2));
        assert_eq!(bits.symbol(&table), Ok(3));
    }

    #[test]
    fn a_restart_must_have_its_number() {
        assert_eq!(Bits::new(&[1, 2, 0xff, 0, 0xff, 0xff, 0xd2, 9]).restart(2), Ok(()));
        assert_eq!(Bits::new(&[0xff, 0xd3]).restart(2), Err(Fault::Damaged));
        assert_eq!(Bits::new(&[1, 2]).restart(2), Err(Fault::Incomplete));
    }
}
