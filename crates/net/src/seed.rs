//! Entropy of the operating system, as seeds.

use std::fmt;

use clock::Dice;

/// The operating system gives no entropy; nothing that needs keys may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gives no entropy")
    }
}

impl std::error::Error for NoEntropy {}

/// New dice, seeded by the operating system; each call gives independent ones.
///
/// # Errors
/// [`NoEntropy`].
pub fn dice() -> Result<Dice, NoEntropy> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| NoEntropy)?;
    Ok(Dice::new(seed))
}

/// Seeds the generator of this process from a thread of its own: that takes some ten milliseconds of processor
/// time once, which can pass while a start waits for disks. Whoever needs chance before waits for it.
pub fn prepare() {
    // Whether there is entropy is told to those who ask for it.
    std::thread::spawn(|| drop(dice()));
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_seeds_differ() {
        let (mut one, mut other) = (super::dice().unwrap(), super::dice().unwrap());
        assert_ne!(one.bytes::<32>(), other.bytes::<32>());
    }
}
