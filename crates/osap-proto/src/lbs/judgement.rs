//! Which secret an offer is judged under, and whether the device proved that it has it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crypto::{CryptoError, Curve, PakeSide, Provider, PublicKey, Secret, SignatureScheme};
use subtle::{Choice, ConstantTimeEq};

use super::{LbsRun, Lines};
use crate::ephemeral::{Drawn, DrawnScalar};
use crate::key_schedule::{
    Hash, Schedule, end_of_second, fixed_signature, main_of_code, main_of_exchange, main_of_psk, sha256,
    signed_by_device, signed_by_lbs, transcript_1, transcript_2,
};
use crate::messages::{SHARE_SIZE, SIGNATURE_SIZE};
use crate::record::RecordLine;
use crate::{
    Claim, CodeRecord, First, Frame, Header, Kdf, MessageKind, ProtocolType, ResultCode, Second, Serial,
    Third,
};

/// The kinds that a record allows. A ticket on record is always allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllowedKinds {
    /// Kind 1: as the record says, or in the owner's window, and not burned.
    pub code: bool,
    /// Kind 2.
    pub psk: bool,
    /// Kind 3.
    pub key_pair: bool,
}

/// The ticket on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketOnRecord {
    /// Names it.
    pub id: [u8; 16],
    /// Its resumption secret, 32 bytes.
    pub secret: Secret,
    /// Its end, Unix seconds.
    pub end_secs: u64,
}

/// What a load balancer knows of a device, as far as these runs need it.
#[derive(Clone, Debug)]
pub struct DeviceRecord {
    /// What the device may prove itself with.
    pub allowed: AllowedKinds,
    /// The floor, by local policy.
    pub min_type: ProtocolType,
    /// The record of the code on its label.
    pub code: Option<CodeRecord>,
    /// The pre-shared key: the maker's, a licence, or that of the enrolment.
    pub psk: Option<Secret>,
    /// The device key, on P-256.
    pub device_key: Option<PublicKey>,
    /// The resumption ticket.
    pub ticket: Option<TicketOnRecord>,
}

impl DeviceRecord {
    /// The same for somebody who is not its device, whatever he shows. What is told of it stays, so that nothing
    /// tells it from the record for others; no credential counts.
    #[must_use]
    pub fn for_a_stranger(self) -> Self {
        Self { min_type: ProtocolType(u8::MAX), allowed: AllowedKinds::default(), ..self }
    }
}

/// Why no H1-II with result 0 was made.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// This result, and what follows it.
    Refused(ResultCode, Vec<u8>),
    /// Our own key or exchange does not do its work.
    OwnFault,
}

/// What H1-III is judged by.
#[derive(Debug)]
pub(super) struct Proof {
    serial: Serial,
    claim: Claim,
    protocol: ProtocolType,
    schedule: Schedule,
    sig_s: Option<[u8; SIGNATURE_SIZE]>,
    /// The key that a signature is checked under: that on record, or that of all fakes.
    device_key: PublicKey,
    /// Whether the credential is one that counts; what does not count is judged all the same.
    is_real: Choice,
}

/// The credential of an offer, or what stands for it.
struct Chosen {
    w0: Secret,
    point_l: PublicKey,
    psk: Secret,
    device_key: PublicKey,
    is_real: Choice,
}

impl LbsRun {
    /// Makes H1-II and what the answer to it is judged by.
    pub(super) fn prepare(
        &mut self,
        offer: First,
        bytes: &[u8],
        found: Option<&DeviceRecord>,
        unix_secs: u64,
    ) -> Result<(Vec<u8>, Proof), NoAnswer> {
        let provider = Arc::clone(&self.provider);
        let provider = provider.as_ref();
        let chosen = self.choose(provider, &offer, found, unix_secs)?;
        let drawn = match self.ephemeral.take() {
            Some(drawn) => Drawn::of(drawn, &offer.claim),
            None => {
                Drawn::for_claim(provider, &mut self.dice, &offer.claim).map_err(|_| NoAnswer::OwnFault)?
            }
        };
        let share: [u8; SHARE_SIZE] = match &drawn.scalar {
            DrawnScalar::Pake(pake) => pake.share(PakeSide::Verifier, &chosen.w0).ok(),
            DrawnScalar::Exchange(exchange) => exchange.public().try_into().ok(),
        }
        .ok_or(NoAnswer::OwnFault)?;
        let is_signed = matches!(offer.claim, Claim::KeyPair(_));
        let header = Header { protocol: offer.header.protocol, group: self.setup.served.clone() };
        let mut answer = Second::encode_before_mac(&header, &drawn.random, &share, is_signed);
        let exporter: &[u8] = self.setup.exporter.as_ref().map_or(&[], |exporter| &exporter[..]);
        let t1 = transcript_1(provider, exporter, bytes);
        let own_key = is_signed.then(|| self.setup.key.public());
        let t2 = transcript_2(provider, &t1, &answer, own_key);
        let main = self.main_of(&offer, drawn.scalar, &chosen, &t2, &share)?;
        let schedule = Schedule::new(provider, main, t2);
        let sig_s =
            if is_signed { Some(self.sign(&signed_by_lbs(&t2)).ok_or(NoAnswer::OwnFault)?) } else { None };
        end_of_second(&mut answer, &schedule.mac_of_lbs, sig_s.as_ref());
        let proof = Proof {
            serial: offer.serial,
            claim: offer.claim,
            protocol: offer.header.protocol,
            schedule,
            sig_s,
            device_key: chosen.device_key,
            is_real: chosen.is_real,
        };
        Ok((answer, proof))
    }

    /// K_main, from the share of the offer, which was checked when it was read.
    fn main_of(
        &mut self,
        offer: &First,
        scalar: DrawnScalar,
        chosen: &Chosen,
        t2: &Hash,
        share: &[u8; SHARE_SIZE],
    ) -> Result<Secret, NoAnswer> {
        let provider = self.provider.as_ref();
        match scalar {
            DrawnScalar::Pake(pake) => {
                match pake.finish_verifier(&chosen.w0, &chosen.point_l, &offer.share) {
                    Ok(secrets) => {
                        let shares = [&offer.share, share];
                        let names = (&offer.serial, &self.setup.realm);
                        Ok(main_of_code(provider, t2, names, shares, &secrets, &chosen.w0))
                    }
                    // Infinity: told as a wrong mac, since anything else would confirm a guess for nothing.
                    Err(CryptoError::BadInput) => Ok(Secret::from(&self.dice.bytes::<32>()[..])),
                    Err(_) => Err(NoAnswer::OwnFault),
                }
            }
            DrawnScalar::Exchange(exchange) => {
                let z = exchange.finish(&offer.share).map_err(|_| NoAnswer::OwnFault)?;
                Ok(match offer.claim {
                    Claim::KeyPair(_) => main_of_exchange(provider, t2, &z),
                    Claim::Psk | Claim::Ticket(_) | Claim::Code(_) => {
                        main_of_psk(provider, t2, &chosen.psk, &z)
                    }
                })
            }
        }
    }

    fn sign(&mut self, message: &[u8]) -> Option<[u8; SIGNATURE_SIZE]> {
        let signature = self.setup.key.sign(SignatureScheme::Ecdsa(Curve::P256), message, &mut self.dice);
        signature.ok().and_then(|signature| fixed_signature(&signature))
    }

    /// The secret of the record, or of the fake one: what is not allowed is not said.
    fn choose(
        &self,
        provider: &dyn Provider,
        offer: &First,
        found: Option<&DeviceRecord>,
        unix_secs: u64,
    ) -> Result<Chosen, NoAnswer> {
        // As much of the fake as the kind needs, whether or not there is a record: what is made hangs on the offer.
        let fakes = &self.setup.fakes;
        let mut fake = Chosen {
            w0: Secret::new(Vec::new()),
            point_l: fakes.point_l().clone(),
            psk: Secret::new(Vec::new()),
            device_key: fakes.device_key().clone(),
            is_real: Choice::from(0),
        };
        let mut fake_kdf = Kdf::Scrypt;
        match offer.claim {
            Claim::Code(_) => (fake.w0, fake_kdf) = fakes.of_code(provider, &offer.serial),
            Claim::Psk | Claim::Ticket(_) => fake.psk = fakes.of_psk(provider, &offer.serial),
            Claim::KeyPair(_) => {}
        }
        let of_code = found.and_then(|record| record.code.as_ref());
        if let Claim::Code(kdf) = offer.claim {
            let right = of_code.map_or(fake_kdf, |code| code.kdf);
            if kdf != right {
                return Err(NoAnswer::Refused(ResultCode::KDF, [right.number()].to_vec()));
            }
        }
        let of_ticket = found.and_then(|record| record.ticket.as_ref());
        if let Claim::Ticket(id) = offer.claim
            && of_ticket.is_none_or(|ticket| ticket.id != id || unix_secs >= ticket.end_secs)
        {
            return Err(NoAnswer::Refused(ResultCode::TICKET, Vec::new()));
        }
        let protocol = offer.header.protocol;
        let is_other_certificate =
            protocol == ProtocolType::MUTUAL && self.setup.certificate_serial.as_ref() != Some(&offer.serial);
        let Some(record) = found.filter(|record| protocol >= record.min_type && !is_other_certificate) else {
            return Ok(fake);
        };
        Ok(match offer.claim {
            Claim::Code(_) if record.allowed.code => fake.with_code(of_code),
            Claim::Psk if record.allowed.psk => fake.with_psk(record.psk.as_ref()),
            Claim::Ticket(_) => fake.with_psk(of_ticket.map(|ticket| &ticket.secret)),
            Claim::KeyPair(key_id) if record.allowed.key_pair => {
                let is_named = |key: &&PublicKey| sha256(provider, &[key.spki()]) == key_id;
                match record.device_key.as_ref().filter(is_named) {
                    Some(key) => Chosen { device_key: key.clone(), is_real: Choice::from(1), ..fake },
                    None => fake,
                }
            }
            Claim::Psk | Claim::KeyPair(_) | Claim::Code(_) => fake,
        })
    }

    /// Judges H1-III; the result is for H1-V.
    pub(super) fn verify(&self, frame: &Frame<'_>, proof: Proof) -> Result<Lines, ResultCode> {
        if frame.kind() != Some(MessageKind::Third) {
            return Err(ResultCode::ORDER);
        }
        let provider = self.provider.as_ref();
        let third = Third::decode(frame.body(), proof.sig_s.is_some()).map_err(|_| ResultCode::MALFORMED)?;
        let mut is_proven = proof.is_real & proof.schedule.mac_of_device.ct_eq(&third.mac);
        if let Some(sig_d) = &third.signature {
            let message = signed_by_device(proof.schedule.transcript());
            let scheme = SignatureScheme::Ecdsa(Curve::P256);
            let is_signed = provider.verify(&proof.device_key, scheme, &message, sig_d).is_ok();
            is_proven &= Choice::from(u8::from(is_signed));
        }
        if !bool::from(is_proven) {
            return Err(ResultCode::NOT_PROVEN);
        }
        let signatures = proof.sig_s.as_ref().zip(third.signature.as_ref());
        let keys = proof.schedule.finish(provider, signatures, matches!(proof.claim, Claim::Code(_)));
        Ok(Lines {
            serial: proof.serial,
            claim: proof.claim,
            protocol: proof.protocol,
            input: RecordLine::new(keys.from_device),
            out: RecordLine::new(keys.from_lbs),
            resume: keys.resume,
            das: keys.das,
            enrol: keys.enrol,
        })
    }
}

impl Chosen {
    fn with_code(self, code: Option<&CodeRecord>) -> Self {
        match code {
            Some(code) => {
                Self { w0: code.w0.clone(), point_l: code.point_l.clone(), is_real: Choice::from(1), ..self }
            }
            None => self,
        }
    }

    fn with_psk(self, psk: Option<&Secret>) -> Self {
        match psk {
            Some(psk) => Self { psk: psk.clone(), is_real: Choice::from(1), ..self },
            None => self,
        }
    }
}
