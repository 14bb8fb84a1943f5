//! Random numbers from a seed.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A cryptographic generator (ChaCha20) that draws everything from one seed.
///
/// The edge seeds it from the operating system; a simulation seeds it with a number and replays the run.
/// Not `Clone`: two copies would repeat nonces.
pub struct Dice(ChaCha20Rng);

impl Dice {
    /// Dice that draw from `seed`.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Dice for a numbered run of a test or simulation; never for keys that leave it.
    #[must_use]
    pub fn numbered(run: u64) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&run.to_be_bytes());
        Self::new(seed)
    }

    /// New dice with a seed drawn from these: each machine gets its own.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self::new(self.bytes())
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A number in `0..bound`, each equally likely; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let unfair = u64::MAX - u64::MAX % bound;
        loop {
            let draw = u64::from_be_bytes(self.bytes());
            if draw < unfair {
                return draw % bound;
            }
        }
    }
}

impl core::fmt::Debug for Dice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Dice(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut a, mut b) = (Dice::numbered(7), Dice::numbered(7));
        assert_eq!(a.bytes::<40>(), b.bytes::<40>());
        assert_ne!(Dice::numbered(8).bytes::<40>(), Dice::numbered(7).bytes::<40>());
        assert_ne!(a.split().bytes::<16>(), a.bytes::<16>());
    }

    #[test]
    fn below_stays_below() {
        let mut dice = Dice::numbered(1);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.below(1), 0);
        let draws: [u64; 64] = core::array::from_fn(|_| dice.below(3));
        assert!(draws.iter().all(|draw| *draw < 3));
        assert!((0..3).all(|face| draws.contains(&face)), "every face comes up");
    }
}
