//! What a station asks of the registration server: a certificate of its operator, uploads of its gateway.

use std::path::Path;

use bytes::Bytes;
use certificate::{CertificateIdentity, Leaf, make_request};
use http::{Method, Request, Response, StatusCode};
use model::Uuid;
use net::https_client::{CallError, CallLimits, Client, Endpoint};
use net::tls::TlsIdentity;

use super::records::{self, Stage};
use super::station::Station;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::identity::dice;
use crate::serve::{config, single_certificate};

/// A server and our right to call it.
pub(crate) struct Gateway {
    client: Client,
    endpoint: Endpoint,
}

impl Gateway {
    fn new(endpoint: &str, system_ca: &Path, identity: &TlsIdentity) -> Outcome<Self> {
        let endpoint = config::endpoint(endpoint)?;
        let client = Client::new(&[single_certificate(system_ca)?], Some(identity), CallLimits::default());
        let client = client.map_err(|error| files::malformed(system_ca, &error.to_string()))?;
        Ok(Self { client, endpoint })
    }

    /// The maker gateway, called with the station's certificate.
    ///
    /// # Errors
    /// `not-registered` before `maker register`.
    pub(crate) fn of_station(station: &Station, endpoint: &str, system_ca: &Path) -> Outcome<Self> {
        let certificate = station.certificate()?;
        let certificate = certificate
            .ok_or_else(|| Failure::new("not-registered", station.folder().display().to_string()))?;
        let identity = TlsIdentity::of_key(&[certificate], &*station.tls)
            .map_err(|error| Failure::new("internal", "the station's certificate").because(error))?;
        Self::new(endpoint, system_ca, &identity)
    }

    /// The operator's API, called with the operator's certificate.
    pub(crate) fn of_operator(operator: &Path, endpoint: &str, system_ca: &Path) -> Outcome<Self> {
        let pem = files::read_pem(operator)?;
        let key = pem.key.ok_or_else(|| files::malformed(operator, "it holds no private key"))?;
        let identity = TlsIdentity::new(&pem.certificates, &key);
        let identity = identity.map_err(|error| files::malformed(operator, &error.to_string()))?;
        Self::new(endpoint, system_ca, &identity)
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Bytes>, Unanswered> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| Unanswered::BadPath)?;
        self.client.call(&self.endpoint, request).await.map_err(Unanswered::Call)
    }

    /// Has the operator certify the station's key for its maker, and stores the certificate.
    pub(crate) async fn register(&self, station: &Station) -> Outcome {
        let request = make_request(&*station.tls, "station", &mut dice()?)
            .map_err(|error| Failure::new("internal", "the certificate request").because(error))?;
        let path = format!("/v1/makers/{}/certificate", station.maker);
        let answer =
            self.call(Method::PUT, &path, request.into()).await.map_err(|error| self.failure(&error))?;
        if answer.status() != StatusCode::CREATED {
            return Err(self.refusal(answer.status(), &station.maker.to_string()));
        }
        let certificate = answer.body().to_vec();
        let names_us = Leaf::from_der(&certificate).is_ok_and(|leaf| {
            let ours = leaf.public_key().is_ok_and(|key| key == *station.tls.public());
            ours && leaf.identity() == Ok(CertificateIdentity::Maker(station.maker))
        });
        if !names_us {
            return Err(Failure::new("refused", self.endpoint.to_string())
                .because("the certificate that came back is not for this station"));
        }
        station.store_certificate(certificate)
    }

    /// Stores a parameter set and gives the UUID it was assigned.
    pub(crate) async fn store_set(&self, set: Vec<u8>) -> Outcome<Uuid> {
        let answer = self.call(Method::POST, "/v1/parametersets", set.into()).await;
        let answer = answer.map_err(|error| self.failure(&error))?;
        if answer.status() != StatusCode::CREATED {
            return Err(self.refusal(answer.status(), "the parameter set"));
        }
        let text = std::str::from_utf8(answer.body()).unwrap_or_default();
        text.parse().map_err(|_| {
            Failure::new("refused", self.endpoint.to_string()).because("its answer holds no UUID")
        })
    }

    /// Uploads one record and moves its file on.
    ///
    /// # Errors
    /// When the gateway cannot do it now or cannot be reached; the record stays for the next run.
    pub(crate) async fn upload(&self, folder: &Path, device: Uuid, stage: Stage) -> Outcome<Uploaded> {
        let before = records::path(folder, device, stage);
        let blob = files::read(&before, BLOB_LENGTH_MAX)?;
        if stage == Stage::Made {
            records::advance(folder, device, Stage::Made, Stage::Sending)?;
        }
        let moved = |to| records::advance(folder, device, Stage::Sending, to);
        let answer = match self.call(Method::PUT, &format!("/v1/devices/{device}"), blob.into()).await {
            Ok(answer) => answer,
            Err(error) => {
                if stage == Stage::Made && !error.outcome_is_unknown() {
                    moved(Stage::Made)?;
                }
                return Err(self.failure(&error));
            }
        };
        match (answer.status(), stage) {
            (StatusCode::CREATED, _) => moved(Stage::Uploaded).map(|()| Uploaded::Now),
            // Nobody but this station holds the record, and the gateway had not been heard.
            (StatusCode::FORBIDDEN, Stage::Sending) => moved(Stage::Uploaded).map(|()| Uploaded::Before),
            (StatusCode::FORBIDDEN, _) => moved(Stage::Refused).map(|()| Uploaded::Refused),
            // The gateway has not taken it. Any other status may come from one that has: its way to the
            // identity server was blocked, and what it took goes on by itself.
            (status, Stage::Made) if status.is_client_error() => {
                moved(Stage::Made)?;
                Err(self.refusal(status, &device.to_string()))
            }
            (status, _) => Err(self.refusal(status, &device.to_string())),
        }
    }

    fn refusal(&self, status: StatusCode, subject: &str) -> Failure {
        let code = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "try-later",
            _ => "refused",
        };
        Failure::new(code, subject).because(format!("{} answered {status}", self.endpoint))
    }

    fn failure(&self, error: &Unanswered) -> Failure {
        let code = match error {
            Unanswered::BadPath => "internal",
            Unanswered::Call(CallError::UntrustedServer) => "untrusted-server",
            Unanswered::Call(CallError::CertificateRefused) => "not-admitted",
            Unanswered::Call(error) if error.outcome_is_unknown() => "outcome-unknown",
            Unanswered::Call(_) => "cannot-reach",
        };
        Failure::new(code, self.endpoint.to_string()).because(match error {
            Unanswered::BadPath => "a path could not be written".to_owned(),
            Unanswered::Call(error) => error.to_string(),
        })
    }
}

/// The longest record there can be, in bytes.
const BLOB_LENGTH_MAX: u64 = assure_proto::ecies::ECIES_LENGTH_MAX as u64;

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uploaded {
    /// The gateway took it.
    Now,
    /// An earlier run had brought it without hearing so.
    Before,
    /// The device exists: somebody else uploaded this UUID.
    Refused,
}

enum Unanswered {
    BadPath,
    Call(CallError),
}

impl Unanswered {
    fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Call(error) if error.outcome_is_unknown())
    }
}
