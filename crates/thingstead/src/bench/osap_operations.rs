//! The operations of cryptography that a load balancer's part of a proof is made of, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use clock::Dice;
use crypto::{
    Aead, Curve, Group, HashAlgorithm, PakePassword, PakePoint, PakeSide, PrivateKey, Provider, Secret,
    SignatureScheme, draw_scalar,
};

use super::child::{internal, thread_time};
use super::osap::{ABREAST, Kind};
use crate::failure::{Failure, Outcome};

/// What is signed in a run is as long as this.
const SIGNED_LENGTH: usize = 51;
/// Information of one derived key: label, zero, transcript and counter.
const INFO: [u8; 54] = [3; 54];
const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

/// What the operations are done with.
pub(super) struct Operations {
    provider: Arc<dyn Provider>,
    kind: Kind,
    own: Arc<dyn PrivateKey>,
    device: Arc<dyn PrivateKey>,
    /// A point of a device, and what it signed.
    peer: PakePoint,
    signature: Vec<u8>,
    code: PakePassword,
}

fn failed(error: impl std::fmt::Debug) -> Failure {
    internal("an operation of cryptography", format!("{error:?}"))
}

impl Operations {
    pub(super) fn new(
        provider: &Arc<dyn Provider>,
        kind: Kind,
        own: Arc<dyn PrivateKey>,
        device: Arc<dyn PrivateKey>,
        code: &PakePassword,
        dice: &mut Dice,
    ) -> Outcome<Self> {
        let scheme = SignatureScheme::Ecdsa(Curve::P256);
        let signature = device.sign(scheme, &[7; SIGNED_LENGTH], dice).map_err(failed)?;
        let point = device.public().point().ok_or_else(|| internal("a point", "none"))?;
        let peer = point.1.try_into().map_err(failed)?;
        let (provider, code) = (Arc::clone(provider), code.clone());
        Ok(Self { provider, kind, own, device, peer, signature, code })
    }

    /// How often a processor does them in a second: those with keys, or all.
    pub(super) fn per_second(&self, is_all: bool, span: Duration, dice: &mut Dice) -> Outcome<f64> {
        let begin = thread_time()?;
        let mut count = 0_u32;
        while thread_time()?.saturating_sub(begin) < span {
            for _ in 0..ABREAST {
                self.with_keys(dice)?;
                if is_all {
                    self.key_schedule();
                    self.records()?;
                }
                count += 1;
            }
        }
        Ok(f64::from(count) / thread_time()?.saturating_sub(begin).as_secs_f64())
    }

    fn with_keys(&self, dice: &mut Dice) -> Outcome {
        if self.kind == Kind::Code {
            let pake = draw_scalar(Curve::P256, dice, |scalar| self.provider.start_pake(scalar));
            let pake = pake.map_err(failed)?;
            pake.share(PakeSide::Verifier, &self.code.w0).map_err(failed)?;
            pake.finish_verifier(&self.code.w0, &self.code.point_l, &self.peer).map_err(failed)?;
            return Ok(());
        }
        let exchange = self.provider.start_exchange(Group::Nist(Curve::P256), dice);
        exchange.and_then(|exchange| exchange.finish(&self.peer)).map_err(failed)?;
        if self.kind == Kind::KeyPair {
            let (scheme, message) = (SignatureScheme::Ecdsa(Curve::P256), [7; SIGNED_LENGTH]);
            self.own.sign(scheme, &message, dice).map_err(failed)?;
            self.provider.verify(self.device.public(), scheme, &message, &self.signature).map_err(failed)?;
        }
        Ok(())
    }

    /// Transcript, fake record, main key, both proofs, and the keys of the run. Source: OSAP secure profile sections 6
    /// and 10.
    fn key_schedule(&self) {
        let (hashes, fakes, derived) = match self.kind {
            // Offer, answer, TT, T3; of the fake record w0' has two blocks.
            Kind::Code => (4, 4, 7),
            Kind::Psk => (3, 2, 6),
            // The keys by their names as well; nothing of the fake record.
            Kind::KeyPair => (6, 0, 6),
        };
        let (offer, key) = ([5; 200], [9; 32]);
        for _ in 0..hashes {
            self.provider.digest(SHA256, &[&offer, &key]);
        }
        for _ in 0..fakes {
            self.provider.hmac(SHA256, &key, &[&INFO]);
        }
        if self.kind != Kind::Code {
            self.provider.hmac(SHA256, &key, &[&key, &key]);
        }
        self.provider.hmac_each(SHA256, &key, &[&[&INFO], &[&INFO]]);
        self.provider.hmac(SHA256, &key, &[&key]);
        self.provider.hmac(SHA256, &key, &[&key, &key]);
        let info: [&[u8]; 1] = [&INFO];
        let each = vec![&info[..]; derived];
        self.provider.hmac_each(SHA256, &key, &each);
    }

    /// Three records are opened, and two sealed.
    fn records(&self) -> Outcome {
        let ways =
            [3, 4].map(|byte| self.provider.aead(Aead::Aes128Gcm, Secret::from(&[byte; 16][..]).expose()));
        for way in ways {
            let key = way.map_err(failed)?;
            let (nonce, head) = ([1; 12], [2; 14]);
            let mut text = vec![7; 53];
            key.seal(&nonce, &head, &mut text).map_err(failed)?;
            key.open(&nonce, &head, &mut text).map_err(failed)?;
        }
        Ok(())
    }
}
