//! `GET /v1/openapi.json`: every call with its operation id, made from the same table as the gate.
//!
//! It says what may be called, by whom, and how failures look; the bodies are told in the documentation of the
//! routes.

use std::sync::Arc;

use accounts::Permission;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref,
    Required, ResponseBuilder,
};

use super::caller::Caller;
use super::operations::{Need, OPERATIONS, Operation};
use super::{Console, json};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/openapi.json", get(describe))
}

const fn duty(permission: Permission) -> &'static str {
    match permission {
        Permission::SignedIn => "Anybody who is signed in.",
        Permission::SeeDevices => "Owners, installers (their own devices), auditors.",
        Permission::SeeAllDevices => "Owners, auditors.",
        Permission::SeeOwnership | Permission::Operate => "Owners.",
        Permission::Claim => "Owners, installers.",
        Permission::ReadAudit => "Auditors.",
        Permission::Administer => "Administrators.",
    }
}

fn method(operation: &Operation) -> HttpMethod {
    match operation.method {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn path_item(operation: &Operation) -> PathItem {
    let who = match operation.need {
        Need::Nothing => "Anybody.",
        Need::Permission(permission) | Need::PermissionOrPassphrase(permission) => duty(permission),
    };
    let failure = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let failed = ResponseBuilder::new()
        .description("It was not done; the body says why, as far as the caller is entitled to know.")
        .content("application/problem+json", failure);
    let done = ResponseBuilder::new().description("It was done.");
    let names = operation.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let parameters: Vec<_> = names
        .map(|name| {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
            parameter.required(Required::True).schema(Some(text())).build()
        })
        .collect();
    let described = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .description(Some(who))
        .parameters(Some(parameters))
        .response("2XX", done.build())
        .response("default", failed.build());
    PathItem::new(method(operation), described)
}

/// The description of the whole API.
#[must_use]
pub fn description() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for operation in OPERATIONS {
        paths = paths.path(operation.path, path_item(operation));
    }
    let mut problem = ObjectBuilder::new();
    for name in ["type", "code", "title", "detail", "request"] {
        problem = problem.property(name, text());
    }
    problem = problem.property("try", ArrayBuilder::new().items(text()));
    for name in ["type", "code", "title", "detail", "try"] {
        problem = problem.required(name);
    }
    let info = InfoBuilder::new().title("Thingstead management system").version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(ComponentsBuilder::new().schema("Problem", problem).build()))
        .build()
}

/// `GET /v1/openapi.json`: 200.
async fn describe(State(_): State<Arc<Console>>, _: Caller) -> Response {
    json("describe the API", StatusCode::OK, &description())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_once_under_its_id() {
        let document = serde_json::to_value(description()).expect("it is JSON");
        assert_eq!(document["openapi"], "3.1.0");
        for (at, operation) in OPERATIONS.iter().enumerate() {
            let described = &document["paths"][operation.path][operation.method.to_lowercase()];
            assert_eq!(described["operationId"], operation.id, "{}", operation.path);
            let again = OPERATIONS[at + 1..].iter().any(|other| other.id == operation.id);
            assert!(!again, "{} stands twice", operation.id);
        }
    }
}
