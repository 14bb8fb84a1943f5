//! Owner changes across both servers, and configurations from both.

use assure_json::{ChoiceMessage, Configuration, DeviceDataMessage, Method, ParameterChoice};
use assure_proto::{AuthenticatedKey, ParameterSet};
use authority::bootstrap::OwnerNow;
use authority::registration::{
    AdoptMirror, ChangeOwner, ConfigurationAnswer, OperationId, OwnerAnswer, OwnerPart, PendingChange,
    ReadConfiguration,
};
use axum::http::StatusCode;
use axum::response::Response;
use model::{ManagementId, Uuid};

use super::RegistrationServer;
use super::query::OwnerQuery;
use super::recovery_flow::Brought;
use crate::answer::{content, empty, fault, later, not_run};

impl RegistrationServer {
    /// One of the four owner calls, to its end: 204, 403, 503.
    pub(super) async fn change_owner(
        &self,
        caller: ManagementId,
        device: Uuid,
        query: OwnerQuery,
    ) -> Response {
        let change = ChangeOwner {
            device,
            caller: caller.clone(),
            case_string: query.case_string,
            target: query.target,
            operation: OperationId(self.executor.bytes()),
            keys: self.keys.clone(),
            origin: self.origin(caller.as_str()),
        };
        match self.executor.run(change).await {
            Ok(Ok(OwnerAnswer::Stands)) => empty(StatusCode::NO_CONTENT),
            Ok(Ok(OwnerAnswer::Forbidden)) => empty(StatusCode::FORBIDDEN),
            Ok(Ok(OwnerAnswer::Later { retry_after })) => later(retry_after),
            Ok(Ok(OwnerAnswer::OnItsWay(change))) => match self.drive(device, &change).await {
                Ok(()) => empty(StatusCode::NO_CONTENT),
                Err(refusal) => refusal,
            },
            Ok(Err(error)) => fault("change owner", &error),
            Err(error) => not_run("change owner", &error),
        }
    }

    /// Brings a pending change to its end on both servers. What fails stays pending and is driven on by a
    /// repeated call, or by [`RegistrationServer::run`].
    async fn drive(&self, device: Uuid, change: &PendingChange) -> Result<(), Response> {
        let driven = self.try_drive(device, change).await;
        if driven.is_err() {
            self.woken.notify_one();
        }
        driven
    }

    /// The same, waking nobody.
    pub(super) async fn try_drive(&self, device: Uuid, change: &PendingChange) -> Result<(), Response> {
        match self.bring(device, change).await? {
            Brought::Complete => Ok(()),
            Brought::Behind => Err(fault("change owner", &"the bootstrap server was ahead")),
            Brought::Unknown => Err(fault("change owner", &"the bootstrap server does not know the device")),
        }
    }

    pub(super) async fn adopt(&self, device: Uuid, mirror: OwnerNow) -> Result<bool, Response> {
        let adopt = AdoptMirror { device, mirror, origin: self.origin("bootstrap") };
        match self.executor.run(adopt).await {
            Ok(Ok(behind)) => Ok(behind),
            Ok(Err(bad)) => Err(fault("adopt owner", &bad)),
            Err(error) => Err(not_run("adopt owner", &error)),
        }
    }

    /// `GET /v1/devices/{uuid}/configuration`: 200, 403, 503.
    pub(super) async fn configuration(&self, caller: ManagementId, device: Uuid) -> Response {
        let data = match self.bootstrap.device_data(device, &caller).await {
            Ok(Some(data)) => data,
            Ok(None) => return empty(StatusCode::FORBIDDEN),
            Err(error) => return fault("read device data", &error),
        };
        let (keys, seed) = (self.keys.clone(), self.executor.bytes());
        match self.executor.run(ReadConfiguration { device, caller, keys, seed }).await {
            Ok(Ok(ConfigurationAnswer::Part(part))) if !is_of_one_chain(&data, &part) => {
                // One of the two servers has not taken the new generation in yet.
                later(core::time::Duration::from_secs(60))
            }
            Ok(Ok(ConfigurationAnswer::Part(part))) => match assemble(data, *part) {
                Some(configuration) => content("application/json", configuration.to_json()),
                None => fault("read configuration", &"the stored parameter set is malformed"),
            },
            Ok(Ok(ConfigurationAnswer::Forbidden)) => empty(StatusCode::FORBIDDEN),
            Ok(Ok(ConfigurationAnswer::NotYet)) => later(core::time::Duration::from_secs(60)),
            Ok(Err(bad)) => fault("read configuration", &bad),
            Err(error) => not_run("read configuration", &error),
        }
    }
}

/// Whether the bootstrap server's key is vouched for by the class 1 key of this configuration: a device would
/// refuse any other.
fn is_of_one_chain(data: &DeviceDataMessage, part: &OwnerPart) -> bool {
    let signer = AuthenticatedKey::decode(&data.bootstrap_key).map(|key| key.signature().key_id);
    part.keys_before.iter().any(|key| AuthenticatedKey::decode(key).map(|key| key.id()) == signer)
}

/// Source: aSSURE 15.2, decision G 15 (order of the keys).
fn assemble(data: DeviceDataMessage, part: OwnerPart) -> Option<Configuration> {
    let mut authenticated_keys = part.keys_before;
    authenticated_keys.push(data.bootstrap_key);
    authenticated_keys.extend(part.keys_after);
    let parameter_choices = match part.parameter_set {
        Some(bytes) => choices(&ParameterSet::decode(&bytes).ok()?),
        None => Vec::new(),
    };
    let owner_information = part.owner_data;
    Some(Configuration { device: data.device, authenticated_keys, owner_information, parameter_choices })
}

/// The JSON twin of a parameter set (ruling A-ASSURE-44).
fn choices(set: &ParameterSet) -> Vec<ParameterChoice> {
    let method = |method: assure_proto::ParameterMethod| match method {
        assure_proto::ParameterMethod::Get => Method::Get,
        assure_proto::ParameterMethod::Post => Method::Post,
        assure_proto::ParameterMethod::Put => Method::Put,
        assure_proto::ParameterMethod::Delete => Method::Delete,
    };
    let message = |message: &assure_proto::ParameterMessage| ChoiceMessage {
        method: method(message.method),
        path: message.path.clone(),
        payload: message.payload.name().to_owned(),
        required: message.required,
        min: message.min,
        max: message.max,
        description: message.description.clone(),
    };
    let choice = |choice: &assure_proto::ParameterChoice| ParameterChoice {
        name: choice.name.clone(),
        messages: choice.messages.iter().map(message).collect(),
    };
    set.choices.iter().map(choice).collect()
}
