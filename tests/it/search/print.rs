//! Fingerprints of 128 bits: two states of a search never share one, for all that matters.

use std::hash::Hasher;

pub struct Print(u128);

impl Default for Print {
    fn default() -> Print {
        Print(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)
    }
}

impl Print {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0 ^ u128::from(value)).wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
        self.0 ^= self.0 >> 67;
    }

    pub fn whole(&self) -> u128 {
        self.0 ^ (self.0 >> 61)
    }
}

impl Hasher for Print {
    fn finish(&self) -> u64 {
        u64::try_from(self.whole() & u128::from(u64::MAX)).unwrap_or_default()
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let value = chunk.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
            self.mix(value);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value.unsigned_abs() as u64);
    }
}
