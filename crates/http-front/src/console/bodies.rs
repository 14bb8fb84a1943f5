//! What each call takes and gives: the types that read and write it, as schemas.

use assure_json::StatusAnswer;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{
    AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::{
    audit, claims, clients, details, file_channel as files, listeners, people, risks, setting, sign_in,
};
use crate::management::{DeviceJson, bodies as devices};
use crate::platform::AuditPage;
use crate::things::{bodies as things, children, record_bodies as records};

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// What one call takes and gives, and the schemas that it names.
#[derive(Default)]
pub(super) struct Bodies {
    pub(super) query: Vec<Parameter>,
    pub(super) request: Option<RequestBody>,
    /// By status.
    pub(super) answers: Vec<(u16, Response)>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

impl Bodies {
    /// A reference to the schema of `T`, which is noted with all that it names.
    fn named<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        Ref::from_schema_name(T::name()).into()
    }

    fn query(mut self, name: &str, what: &str, required: Required) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
        let parameter = parameter.description(Some(what)).required(required).schema(Some(text()));
        self.query.push(parameter.build());
        self
    }

    fn may_name(self, name: &str, what: &str) -> Self {
        self.query(name, what, Required::False)
    }

    fn names(self, name: &str, what: &str) -> Self {
        self.query(name, what, Required::True)
    }

    fn takes_as(mut self, kind: &str, schema: impl Into<RefOr<Schema>>, required: Required) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.request =
            Some(RequestBodyBuilder::new().content(kind, content).required(Some(required)).build());
        self
    }

    fn takes<T: ToSchema>(mut self) -> Self {
        let schema = self.named::<T>();
        self.takes_as(JSON, schema, Required::True)
    }

    fn gives_as(mut self, status: u16, kind: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let answer = ResponseBuilder::new().description("It was done.").content(kind, content).build();
        self.answers.push((status, answer));
        self
    }

    fn gives<T: ToSchema>(mut self, status: u16) -> Self {
        let schema = self.named::<T>();
        self.gives_as(status, JSON, schema)
    }

    /// An answer without a body.
    fn ends(mut self, status: u16) -> Self {
        self.answers.push((status, ResponseBuilder::new().description("It was done.").build()));
        self
    }

    /// One of two texts.
    fn words(words: &'static [&'static str]) -> ObjectBuilder {
        text().enum_values(Some(words.iter().copied()))
    }

    /// The two forms of a page of the audit log.
    fn pages_of_the_log(mut self) -> Self {
        let (found, page) = (self.named::<audit::ListJson>(), self.named::<AuditPage>());
        self.gives_as(200, JSON, Schema::OneOf(OneOfBuilder::new().item(found).item(page).build()))
    }

    /// The whole log in either of its forms.
    fn whole_log(mut self) -> Self {
        let schema = self.named::<audit::ExportJson>();
        let contents = [(JSON, schema), ("text/csv", text().build().into())];
        let answer = contents
            .into_iter()
            .fold(ResponseBuilder::new().description("It was done."), |answer, (kind, schema)| {
                answer.content(kind, ContentBuilder::new().schema(Some(schema)).build())
            });
        self.answers.push((200, answer.build()));
        self
    }

    /// A command with how long it may take.
    fn takes_a_command(mut self) -> Self {
        let command = self.named::<devices::CommandJson>();
        let within = object().property("within_secs", u64::schema()).build();
        let both = AllOfBuilder::new().item(command).item(within).build();
        self.takes_as(JSON, Schema::AllOf(both), Required::True)
    }
}

fn status_answer() -> ObjectBuilder {
    // Source: aSSURE 11.2.3.
    let _shape: fn(&StatusAnswer) -> (u8, &str) = |answer| (answer.status, &answer.description);
    let status = object().property("status", u8::schema()).required("status");
    status.property("description", String::schema()).required("description")
}

/// What the call `id` takes and gives; `None` for one that nobody has described.
pub(super) fn of(id: &str) -> Option<Bodies> {
    let it = Bodies::default();
    Some(match id {
        "account.activate" => it.takes::<sign_in::ActivateJson>().gives::<sign_in::SessionJson<'_>>(201),
        "login" => it.takes::<sign_in::SignInJson>().gives::<sign_in::SessionJson<'_>>(200),
        "whoami" => it.gives::<sign_in::SessionJson<'_>>(200),
        "account.password" => it.takes::<sign_in::PasswordJson>().ends(204),
        "account.offer" => it.gives::<sign_in::OfferJson>(201),
        "account.list" => it.gives::<people::AccountsJson>(200),
        "account.add" => it.takes::<people::AddJson>().ends(201),
        "client.list" => it.gives::<clients::ClientsJson>(200),
        "client.add" => it.takes::<clients::AddClientJson>().ends(201),
        "client.password" => it.takes::<clients::ClientPasswordJson>().ends(204),
        "client.key" => it.gives::<clients::ClientKeyJson<'_>>(200),
        "client.certificate" => it.takes_as("application/x-pem-file", text(), Required::True).ends(204),
        "client.remove" | "client.key-remove" | "client.certificate-remove" => it.ends(204),
        "account.duties" => it.takes::<people::DutiesJson>().ends(204),
        "account.sessions" => it.gives::<people::SessionsJson>(200),
        "logout" | "account.lock" | "account.unlock" | "account.remove" | "account.sign-out" => it.ends(204),
        "settings.show" => it.gives::<setting::SettingsJson>(200),
        "settings.set" => it.takes::<setting::SettingsJson>().ends(204),
        "audit.list" => it
            .may_name("before", "Goes back from here; empty: from the newest entry.")
            .may_name(
                "q",
                "Words that all have to fit; who: op: result: address: device: since:, - turns around.",
            )
            .may_name("after", "Goes on from here, oldest first; not with the others.")
            .pages_of_the_log(),
        "audit.export" => it.may_name("format", "csv or json.").whole_log(),
        "risk.list" => it.gives::<risks::RisksJson>(200),
        "risk.accept" => it.takes::<risks::AcceptJson>().ends(204),
        "listeners" => it.gives::<listeners::ListenersJson<'_>>(200),
        "stream" => it
            .may_name("topics", "devices, audit, risks; parted by commas.")
            .may_name("after", "The id of the last event that was seen.")
            .gives_as(200, "text/event-stream", text()),
        "api" => it.gives_as(200, JSON, object()),
        "timestamp" => {
            it.gives_as(200, "application/cbor", text().format(Some(SchemaFormat::Custom("binary".into()))))
        }
        _ => return of_devices(id),
    })
}

fn of_things(id: &str) -> Option<Bodies> {
    let it = Bodies::default();
    let detail = "true: with times, versions and what is wanted.";
    let after = "Goes on behind this one.";
    Some(match id {
        "things.list" => it
            .may_name(
                "q",
                "Words that all have to stand in the title; is:osap is:mqtt is:compat, - turns around.",
            )
            .may_name("after", after)
            .may_name("format", "array (Thing Descriptions) or summary.")
            .directory(),
        "things.add" => it.takes::<things::NewThingJson>().gives::<things::AddedJson>(201),
        "things.show" | "things.directory" => it.gives_as(200, "application/td+json", object()),
        "things.replace" => it.takes_as(JSON, object(), Required::True).ends(204),
        "things.remove" => it.ends(204),
        "things.read-all" => it.may_name("detail", detail).gives_or_streams(object()),
        "things.read" => it
            .may_name("fresh", "true: asks the device first.")
            .may_name("detail", detail)
            .gives_or_streams(ObjectBuilder::new().schema_type(SchemaType::AnyValue)),
        "things.next-value" | "things.next-event" => {
            it.gives_as(200, JSON, ObjectBuilder::new().schema_type(SchemaType::AnyValue))
        }
        "things.history" => {
            it.may_name("after", "Behind the report of this number.").gives::<things::SeriesJson>(200)
        }
        "things.write" => it
            .may_name("wait", "How many seconds to wait for the device: 0 to 25.")
            .takes_as(JSON, ObjectBuilder::new().schema_type(SchemaType::AnyValue), Required::True)
            .ends(204)
            .gives::<things::DesiredJson>(202),
        "things.call" => it
            .may_name("within", "How many seconds the device has: 1 to 86400.")
            .may_name("wait", "How many seconds to wait for the device: 0 to 25.")
            .takes_as(JSON, ObjectBuilder::new().schema_type(SchemaType::AnyValue), Required::False)
            .gives_as(200, JSON, ObjectBuilder::new().schema_type(SchemaType::AnyValue))
            .gives::<things::OperationJson>(201)
            .ends(204),
        "things.operation" | "things.withdraw" => it.gives::<things::OperationJson>(200),
        "things.events" | "things.event" => {
            let mut it = it.may_name("after", "Behind the event of this number.");
            let page = it.named::<things::EventsJson>();
            it.gives_or_streams(page)
        }
        "things.watch" => it
            .may_name(
                "properties",
                "Names, parted by commas; all when it is left out, none when it is empty.",
            )
            .may_name("events", "Likewise.")
            .may_name("after", "Kept events behind this number come first.")
            .gives_as(200, "text/event-stream", text()),
        "grant.list" => it
            .may_name("thing", "Only those on this thing.")
            .may_name("after", after)
            .gives::<things::GrantsJson>(200),
        "grant.add" => it.takes::<things::NewGrantJson>().gives::<things::GrantJson>(201),
        "grant.revoke" => it.ends(204),
        "grant.who" => it
            .names("thing", "With which thing.")
            .names("act", "read, write, call or observe.")
            .names("name", "With which property, action or event.")
            .may_name("party", "Only about this party.")
            .gives::<things::WhoJson>(200),
        _ => return of_records(id),
    })
}

fn of_records(id: &str) -> Option<Bodies> {
    let it = Bodies::default();
    Some(match id {
        "things.record"
        | "things.window"
        | "things.close-window"
        | "things.block"
        | "things.unblock"
        | "things.forbid-compat" => it.gives::<records::RecordJson>(200),
        "things.allow-compat" => it.takes::<records::CompatJson>().gives::<records::RecordJson>(200),
        "things.enrol" => it.takes::<records::EnrolmentJson>().gives::<records::RecordJson>(200),
        "things.code" => it.takes::<records::NewCodeJson>().gives::<records::RecordJson>(200),
        "things.children" => it.gives::<children::ChildrenJson>(200),
        "things.adopt" => it.takes::<children::AdoptionJson>().gives::<things::AddedJson>(201),
        "things.decline" => it.ends(204),
        "things.models" => it.gives::<records::ModelsJson>(200),
        _ => return None,
    })
}

fn of_devices(id: &str) -> Option<Bodies> {
    let it = Bodies::default();
    Some(match id {
        "owner.id" => it.gives::<devices::OwnIdJson>(200),
        "owner.takes" => {
            it.takes_as("text/plain", Bodies::words(&["announced", "all"]), Required::True).ends(204)
        }
        "owner.list" => it
            .may_name("after", "The last device of the page before.")
            .may_name(
                "q",
                "Words that all have to fit; is: maker: model: kind: id: due: owner:, - turns around.",
            )
            .gives::<devices::DevicesJson>(200),
        "owner.show" => it.gives::<DeviceJson>(200),
        "owner.register" => it.names("case_string", "The string on the case.").ends(201),
        "owner.status" => it.gives_as(200, JSON, status_answer()),
        "owner.info" => it.gives::<devices::InfoJson>(200),
        "owner.replace" => it.names("uuid", "The device that takes its place.").ends(201),
        "owner.claim" => it.takes::<claims::ClaimJson>().gives::<claims::ClaimedJson>(201).under_way(),
        "owner.bootstrap" => {
            let mut it = it;
            let wishes = it.named::<devices::WishesJson>();
            it.takes_as(JSON, wishes, Required::False).gives::<devices::BuiltJson>(202)
        }
        "owner.fetch" => it.ends(202),
        "owner.transfer" => it.names("to", "The management id of the next owner.").ends(204),
        "owner.release" | "owner.accept" | "owner.decline" => it.ends(204),
        "owner.timeline" => it.may_name("before", "Goes back from here.").gives::<audit::BackPage>(200),
        "owner.keys" => it.gives::<details::KeysJson>(200),
        "owner.channels" => it.gives::<details::ChannelsJson>(200),
        "owner.offers" => it.gives::<details::OffersJson>(200),
        "things.order" => it.takes_a_command().gives::<devices::PlacedJson>(201),
        "things.outcome" => it.gives::<devices::OrderJson>(200),
        "files.list" => {
            it.may_name("after", "The last file of the page before.").gives::<files::FilesJson>(200)
        }
        "files.offer" => it.takes::<files::OfferJson>().gives::<files::TokenJson>(201),
        "files.lend" => it.takes::<files::LendJson>().gives::<files::TokenJson>(201),
        "files.remove" => it.ends(204),
        "files.fetch" => it.gives_as(200, BYTES, text()),
        "files.bring" => it.takes_as(BYTES, text(), Required::True).gives::<files::FileJson>(200).ends(204),
        "network.show" => {
            it.may_name("after", "The last pair of the page before.").gives::<devices::LinksJson>(200)
        }
        "network.apply" => it.takes::<devices::NetworkJson>().gives::<devices::PlannedJson>(201),
        _ => return of_things(id),
    })
}

impl Bodies {
    /// JSON, or the same as it changes, for whoever accepts a stream.
    fn gives_or_streams(mut self, schema: impl Into<RefOr<Schema>>) -> Self {
        let answer = ResponseBuilder::new()
            .description("It was done.")
            .content(JSON, ContentBuilder::new().schema(Some(schema)).build())
            .content("text/event-stream", ContentBuilder::new().schema(Some(text())).build());
        self.answers.push((200, answer.build()));
        self
    }

    /// The directory in its two forms.
    fn directory(mut self) -> Self {
        let summary = self.named::<things::ThingsJson>();
        let all = ArrayBuilder::new().items(object()).build();
        let answer = ResponseBuilder::new()
            .description("It was done.")
            .content("application/ld+json", ContentBuilder::new().schema(Some(Schema::Array(all))).build())
            .content(JSON, ContentBuilder::new().schema(Some(summary)).build());
        self.answers.push((200, answer.build()));
        self
    }

    /// The claim was asked for a moment ago under the same name, and is not over.
    fn under_way(mut self) -> Self {
        let problem = self.named::<super::problem::Problem>();
        self.gives_as(202, "application/problem+json", problem)
    }
}
