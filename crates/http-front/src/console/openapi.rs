//! `GET /v1/openapi.json`: every call with its operation id, made from the same table as the gate.
//!
//! Parameters, bodies and answers come from the types that read and write them.

use std::sync::Arc;

use accounts::Permission;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::info::LicenseBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref,
    Required, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::bodies::{self, Bodies};
use super::caller::Caller;
use super::operations::{Need, OPERATIONS, Operation};
use super::problem::Problem;
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
        "PATCH" => HttpMethod::Patch,
        _ => HttpMethod::Get,
    }
}

/// The names of the ways to say who one is.
const CERTIFICATE: &str = "operator";
const SESSION: &str = "session";
const TOKEN: &str = "token";
const PASSPHRASE: &str = "passphrase";

fn nobody() -> [String; 0] {
    []
}

/// How a caller says who it is: any one of these.
fn security(operation: &Operation) -> Vec<SecurityRequirement> {
    let one = |name: &str| SecurityRequirement::new(name, nobody());
    let session = if operation.method == "GET" { one(SESSION) } else { one(SESSION).add(TOKEN, nobody()) };
    match operation.need {
        Need::Nothing => Vec::new(),
        Need::Permission(_) => vec![one(CERTIFICATE), session],
        Need::PermissionOrPassphrase(_) => vec![one(CERTIFICATE), session, one(PASSPHRASE)],
    }
}

fn ways_in(components: ComponentsBuilder) -> ComponentsBuilder {
    let certificate = "The operator's client certificate.".to_owned();
    let certificate =
        SecurityScheme::MutualTls { description: Some(certificate), deprecated: None, extensions: None };
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        super::gate::COOKIE,
        "The session of a person.",
    )));
    let token = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        "x-thingstead-token",
        "The second token of the session; with every change.",
    )));
    let passphrase = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    components
        .security_scheme(CERTIFICATE, certificate)
        .security_scheme(SESSION, session)
        .security_scheme(TOKEN, token)
        .security_scheme(PASSPHRASE, passphrase)
}

fn in_path(name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
    parameter.required(Required::True).schema(Some(text)).build()
}

fn path_item(operation: &Operation, bodies: Bodies) -> PathItem {
    let who = match operation.need {
        Need::Nothing => "Anybody.",
        Need::Permission(permission) | Need::PermissionOrPassphrase(permission) => duty(permission),
    };
    let failure = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let failed = ResponseBuilder::new()
        .description(
            "It was not done; the body says why, as far as the caller is entitled to know. Programs that call \
             as aSSURE 11 has it get the status alone.",
        )
        .content("application/problem+json", failure);
    let names = operation.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let parameters = names.map(in_path).chain(bodies.query);
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .description(Some(who))
        .parameters(Some(parameters))
        .request_body(bodies.request)
        .securities(Some(security(operation)))
        .response("default", failed.build());
    for (status, answer) in bodies.answers {
        described = described.response(status.to_string(), answer);
    }
    PathItem::new(method(operation), described)
}

/// The description of the whole API.
#[must_use]
pub fn description() -> OpenApi {
    let (mut paths, mut components) = (PathsBuilder::new(), ways_in(ComponentsBuilder::new()));
    components = components.schema(Problem::name(), Problem::schema());
    for operation in OPERATIONS {
        let mut bodies = bodies::of(operation.id).unwrap_or_default();
        components = components.schemas_from_iter(std::mem::take(&mut bodies.schemas));
        paths = paths.path(operation.path, path_item(operation, bodies));
    }
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Thingstead management system")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(license.build()));
    OpenApiBuilder::new().info(info.build()).paths(paths.build()).components(Some(components.build())).build()
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
            let bodies = bodies::of(operation.id).unwrap_or_else(|| panic!("{}: no bodies", operation.id));
            assert!(!bodies.answers.is_empty(), "{}: what does it give?", operation.id);
        }
    }
}
