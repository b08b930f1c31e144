//! Network Data Representation, transfer syntax NDR32, little endian (C706 chapter 14).
//!
//! The one place where RPC bytes are taken apart and put together; the headers of PDUs are NDR too.
//! Alignment counts from the first byte given, which is the start of a stub, or of a PDU (whose
//! header is 16 bytes long, so that both agree).

/// The bytes end early, or a count in them contradicts another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads NDR. Nothing it returns is larger than a constant multiple of the bytes it was given.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    /// Leaves `count` bytes out.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.take(count).map(|_| ())
    }

    /// C706 14.2.2: a primitive lies at a multiple of its size. The gap's content means nothing.
    pub(super) fn align(&mut self, to: usize) -> Result<(), Malformed> {
        self.at = self.at.checked_next_multiple_of(to).ok_or(Malformed)?;
        Ok(())
    }

    /// `N` bytes as they stand.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.align(2)?;
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.align(4)?;
        self.array().map(u32::from_le_bytes)
    }

    /// A unique pointer: whether something follows for it (C706 14.3.10). What follows, follows at
    /// once for a parameter, and behind the whole construction for a member or an element.
    pub(super) fn pointer(&mut self) -> Result<bool, Malformed> {
        Ok(self.u32()? != 0)
    }

    /// The maximum count of a conformant array (C706 14.3.3) whose elements take at least
    /// `smallest` bytes each. A count that the rest of the input cannot hold is refused here, so
    /// that a loop over it ends with the input at the latest.
    pub(super) fn conformance(&mut self, smallest: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let least = count.checked_mul(smallest).ok_or(Malformed)?;
        if least > self.rest().len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// The counts of a conformant and varying array (C706 14.3.3.4) whose elements take at least
    /// `smallest` bytes each: how many there are. The maximum says nothing about the input. Nothing
    /// is left out before them, for no operation here asks for that.
    pub(super) fn varying(&mut self, smallest: usize) -> Result<usize, Malformed> {
        let maximum = self.u32()?;
        let offset = self.u32()?;
        let actual = self.u32()?;
        let count = usize::try_from(actual).map_err(|_| Malformed)?;
        let least = count.checked_mul(smallest).ok_or(Malformed)?;
        if offset != 0 || actual > maximum || least > self.rest().len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// A conformant and varying string of UTF-16 (C706 14.3.4), without its terminator.
    ///
    /// Some clients leave the terminator out, which harms nobody; one in the middle would make two
    /// names of one.
    pub(super) fn string(&mut self) -> Result<String, Malformed> {
        let units = self.varying(2)?;
        let bytes = self.take(units.checked_mul(2).ok_or(Malformed)?)?;
        let units = bytes.chunks_exact(2).map(|pair| match *pair {
            [low, high] => u16::from_le_bytes([low, high]),
            _ => 0,
        });
        let mut text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        if text.ends_with('\0') {
            text.pop();
        }
        if text.contains('\0') {
            return Err(Malformed);
        }
        Ok(text)
    }

    /// An enumeration, which is 16 bits long (C706 14.2.5).
    pub(super) fn enumeration(&mut self) -> Result<u16, Malformed> {
        self.u16()
    }

    /// A unique pointer to a string, both as one parameter.
    pub(super) fn optional_string(&mut self) -> Result<Option<String>, Malformed> {
        if self.pointer()? { self.string().map(Some) } else { Ok(None) }
    }
}

/// Writes NDR; gaps are zero.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    referents: u32,
}

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn align(&mut self, to: usize) {
        // None means that the length is at the end of the address space, where no Vec can be.
        if let Some(length) = self.bytes.len().checked_next_multiple_of(to) {
            self.bytes.resize(length, 0);
        }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.align(2);
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes(&value.to_le_bytes());
    }

    /// A count; one above four milliards does not fit in memory as elements either.
    pub(super) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// The discriminant of a union, where it is an enumeration, and the gap before the arm: all arms
    /// begin where the one that wants the largest alignment does (C706 14.3.8, MS-RPCE 2.2.4.12).
    pub(super) fn arm(&mut self, discriminant: u16) {
        self.u16(discriminant);
        self.align(4);
    }

    /// A unique pointer. The identifiers count up as Windows' do; they must differ from each other.
    pub(super) fn pointer(&mut self, present: bool) {
        if present {
            let referent = 0x0002_0000_u32.saturating_add(self.referents.saturating_mul(4));
            self.referents = self.referents.saturating_add(1);
            self.u32(referent);
        } else {
            self.u32(0);
        }
    }

    /// A conformant and varying string of UTF-16 with its terminator.
    pub(super) fn string(&mut self, text: &str) {
        let units = text.encode_utf16().count().saturating_add(1);
        self.count(units);
        self.u32(0);
        self.count(units);
        for unit in text.encode_utf16() {
            self.bytes(&unit.to_le_bytes());
        }
        self.u16(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        for text in ["", "a", "IPC$", "Döner\u{1F959}"] {
            let mut writer = Writer::default();
            writer.u8(9);
            writer.pointer(true);
            writer.string(text);
            writer.u32(7);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.u8(), Ok(9));
            assert_eq!(reader.optional_string(), Ok(Some(text.to_owned())));
            assert_eq!(reader.u32(), Ok(7));
            assert_eq!(reader.rest(), b"");
        }
    }

    /// Maximum count, offset and actual count of a string, then its units.
    fn string(head: [u32; 3], units: &[u16]) -> Result<String, Malformed> {
        let mut bytes: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        Reader::new(&bytes).string()
    }

    #[test]
    fn counts_of_a_string_must_agree() {
        assert_eq!(string([9, 0, 2], &[65, 0]), Ok("A".to_owned()));
        assert_eq!(string([1, 0, 1], &[65]), Ok("A".to_owned()), "without a terminator");
        assert_eq!(string([0, 0, 0], &[]), Ok(String::new()));
        assert_eq!(string([1, 0, 2], &[65, 0]), Err(Malformed), "more than the maximum");
        assert_eq!(string([9, 1, 2], &[65, 0]), Err(Malformed), "an offset");
        assert_eq!(string([9, 0, 3], &[65, 0]), Err(Malformed), "ends early");
        assert_eq!(string([3, 0, 3], &[65, 0, 66]), Err(Malformed), "terminator inside");
        assert_eq!(string([3, 0, 3], &[65, 0, 0]), Err(Malformed), "two terminators");
        assert_eq!(string([u32::MAX, 0, u32::MAX], &[65]), Err(Malformed));
        assert_eq!(string([u32::MAX, u32::MAX, 1], &[65]), Err(Malformed));
        assert_eq!(string([1, 0, 1], &[0xd800]), Ok("\u{fffd}".to_owned()), "half a pair");
    }

    #[test]
    fn array_counts_are_bounded_by_the_input() {
        let bytes = [3, 0, 0, 0, 1, 2, 3, 4, 5, 6];
        assert_eq!(Reader::new(&bytes).conformance(2), Ok(3));
        assert_eq!(Reader::new(&bytes).conformance(3), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 8]).conformance(1), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 8]).conformance(usize::MAX), Err(Malformed));
    }

    #[test]
    fn alignment_past_the_end_reads_nothing() {
        let mut reader = Reader::new(&[1, 0, 0, 0, 2]);
        assert_eq!(reader.pointer(), Ok(true));
        assert_eq!(reader.u8(), Ok(2));
        assert_eq!(reader.u32(), Err(Malformed));
        assert_eq!(reader.rest(), b"");
    }
}
