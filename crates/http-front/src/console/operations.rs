//! Every call of the management system's listener: its operation id, and who may make it.
//!
//! One table for the gate, the description of the API and `cargo xtask parity`. A call that is not in it is
//! refused.

use accounts::Permission;

/// What a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: signing in, and what anybody may know.
    Nothing,
    /// A signed-in account with this permission, or the operator's certificate.
    Permission(Permission),
    /// The same, or a user of the registration API by name and passphrase (aSSURE 11.2).
    PermissionOrPassphrase(Permission),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `group.verb`, the same on buttons, in the API, on the command line and in the audit log.
    pub id: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// Who may.
    pub need: Need,
    /// What it does, in one line.
    pub summary: &'static str,
}

macro_rules! operations {
    ($($id:literal $method:ident $path:literal $need:expr, $summary:literal;)*) => {
        /// Every call.
        pub const OPERATIONS: &[Operation] = &[$(Operation {
            id: $id, method: stringify!($method), path: $path, need: $need, summary: $summary,
        }),*];
    };
}

use Need::{Nothing, Permission as For, PermissionOrPassphrase as Installers};
use Permission::{Administer, Claim, Operate, ReadAudit, SeeDevices, SeeOwnership, SignedIn};

operations! {
    "account.activate" POST "/v1/activation" Nothing, "Make the first administrator by its one-time link";
    "login" POST "/v1/session" Nothing, "Sign in";
    "whoami" GET "/v1/session" For(SignedIn), "Say who is signed in";
    "logout" DELETE "/v1/session" For(SignedIn), "Sign out";
    "account.password" PUT "/v1/session/password" For(SignedIn), "Set a new password";
    "account.offer" POST "/v1/activation/offer" For(Administer), "Make a one-time link for another administrator";
    "account.list" GET "/v1/accounts" For(Administer), "List accounts";
    "account.add" POST "/v1/accounts" For(Administer), "Make an account";
    "account.duties" PUT "/v1/accounts/{name}/duties" For(Administer), "Set what an account may do";
    "account.lock" PUT "/v1/accounts/{name}/lock" For(Administer), "Lock an account";
    "account.unlock" DELETE "/v1/accounts/{name}/lock" For(Administer), "Unlock an account";
    "account.remove" DELETE "/v1/accounts/{name}" For(Administer), "Remove an account";
    "account.sessions" GET "/v1/accounts/{name}/sessions" For(Administer), "List the sessions of an account";
    "account.sign-out" DELETE "/v1/accounts/{name}/sessions" For(Administer), "End the sessions of an account";
    "client.list" GET "/v1/clients" For(Administer), "List MQTT clients";
    "client.add" POST "/v1/clients" For(Administer), "Make an MQTT client";
    "client.password" PUT "/v1/clients/{name}/password" For(Administer), "Set another password of an MQTT client";
    "client.key" PUT "/v1/clients/{name}/key" For(Administer), "Draw the key with which a client calls over CoAP";
    "client.key-remove" DELETE "/v1/clients/{name}/key" For(Administer), "Take the key of a client back";
    "client.certificate" PUT "/v1/clients/{name}/certificate" For(Administer), "Give an MQTT client certificates to sign in with";
    "client.certificate-remove" DELETE "/v1/clients/{name}/certificate" For(Administer), "Take the certificates of an MQTT client back";
    "client.remove" DELETE "/v1/clients/{name}" For(Administer), "Remove an MQTT client";
    "settings.show" GET "/v1/settings" For(Administer), "Show the settings";
    "settings.set" PUT "/v1/settings" For(Administer), "Set the settings";
    "owner.id" GET "/v1/managementsystem" For(SeeDevices), "Show the id that others transfer devices to";
    "owner.takes" PUT "/v1/managementsystem/takes" For(Operate), "Say which transfers are taken";
    "owner.list" GET "/v1/devices" Installers(SeeDevices), "List devices";
    "owner.show" GET "/v1/devices/{uuid}" Installers(SeeDevices), "Show a device";
    "owner.register" POST "/v1/devices/{uuid}" Installers(Claim), "Claim a device (aSSURE 11.2.1)";
    "owner.status" GET "/v1/devices/{uuid}/status" Installers(SeeDevices), "Show a device's status";
    "owner.info" GET "/v1/devices/{uuid}/info" Installers(SeeDevices), "Show what a device says of itself";
    "owner.replace" POST "/v1/devices/{uuid}/replace" Installers(Operate), "Put a device in another's place";
    "owner.claim" POST "/v1/claims" For(Claim), "Claim a device by its label or the string on its case";
    "owner.bootstrap" POST "/v1/devices/{uuid}/bootstrap" For(Operate), "Build a device's image again";
    "owner.fetch" POST "/v1/devices/{uuid}/configuration" For(Operate), "Fetch a device's configuration again";
    "owner.transfer" POST "/v1/devices/{uuid}/transfer" For(Operate), "Pass a device on";
    "owner.release" POST "/v1/devices/{uuid}/release" For(Operate), "Give a device up";
    "owner.accept" POST "/v1/devices/{uuid}/accept" For(Operate), "Expect a transfer";
    "owner.decline" DELETE "/v1/devices/{uuid}/accept" For(Operate), "Expect a transfer no more";
    "things.order" POST "/v1/devices/{uuid}/orders" For(Operate), "Send a device a command";
    "things.outcome" GET "/v1/devices/{uuid}/orders/{number}" For(Operate), "Show what became of a command";
    "files.list" GET "/things/{id}/files" For(SeeOwnership), "List the files of a device";
    "files.offer" POST "/things/{id}/files" For(Operate), "Offer a place for a file of a device";
    "files.lend" POST "/things/{id}/files/{file}/token" For(Operate), "Lend a file out";
    "files.remove" DELETE "/things/{id}/files/{file}" For(Operate), "Remove a file";
    "files.fetch" GET "/v1/files/{file}" Nothing, "Fetch a file, with its token";
    "files.bring" PATCH "/v1/files/{file}" Nothing, "Bring a piece of a file, with its token";
    "things.list" GET "/things" For(SignedIn), "List the things that one may use";
    "things.add" POST "/things" For(Administer), "Add a thing for a device";
    "things.show" GET "/things/{id}" For(SignedIn), "Describe a thing (W3C Thing Description)";
    "things.replace" PUT "/things/{id}" For(Administer), "Give a thing another model";
    "things.remove" DELETE "/things/{id}" For(Administer), "Remove a thing with all that was kept of it";
    "things.read-all" GET "/things/{id}/properties" For(SignedIn), "Read or observe every property";
    "things.read" GET "/things/{id}/properties/{name}" For(SignedIn), "Read or observe a property";
    "things.next-value" GET "/things/{id}/properties/{name}/next" For(SignedIn), "Wait for the next value of a property";
    "things.history" GET "/things/{id}/properties/{name}/history" For(SignedIn), "Show what a property was";
    "things.write" PUT "/things/{id}/properties/{name}" For(SignedIn), "Want another value of a property";
    "things.call" POST "/things/{id}/actions/{name}" For(SignedIn), "Invoke an action";
    "things.operation" GET "/things/{id}/actions/{name}/{number}" For(SignedIn), "Show what became of an action";
    "things.withdraw" DELETE "/things/{id}/actions/{name}/{number}" For(SignedIn), "Take an action out of the queue";
    "things.events" GET "/things/{id}/events" For(SignedIn), "List or receive events";
    "things.event" GET "/things/{id}/events/{name}" For(SignedIn), "List or receive events of one name";
    "things.next-event" GET "/things/{id}/events/{name}/next" For(SignedIn), "Wait for the next event of one name";
    "things.watch" GET "/things/{id}/watch" For(SignedIn), "Follow values and events of a thing";
    "things.record" GET "/things/{id}/record" For(Administer), "Show what is on record of a smart device";
    "things.enrol" POST "/things/{id}/record" For(Administer), "Put the device of a thing on record";
    "things.window" POST "/things/{id}/record/window" For(Administer), "Take the code on the label once more";
    "things.close-window" DELETE "/things/{id}/record/window" For(Administer), "Take the code no more";
    "things.allow-compat" PUT "/things/{id}/record/compat" For(Administer), "Run the old protocol with a smart device";
    "things.forbid-compat" DELETE "/things/{id}/record/compat" For(Administer), "Run the old protocol with it no more";
    "things.block" PUT "/things/{id}/record/block" For(Administer), "Let a smart device in no more";
    "things.unblock" DELETE "/things/{id}/record/block" For(Administer), "Let a smart device in again";
    "things.code" PUT "/things/{id}/record/code" For(Administer), "Give a smart device another code";
    "things.children" GET "/things/{id}/children" For(Administer), "List the sub-devices behind a gateway";
    "things.adopt" PUT "/things/{id}/children/{serial}" For(Administer), "Make a thing of a sub-device";
    "things.decline" DELETE "/things/{id}/children/{serial}" For(Administer), "Refuse a sub-device";
    "things.models" GET "/v1/models" For(Administer), "List the models that come with the program";
    "things.directory" GET "/.well-known/wot" For(SignedIn), "Describe the directory of things";
    "grant.list" GET "/v1/grants" For(Administer), "List who was granted what";
    "grant.add" POST "/v1/grants" For(Administer), "Grant the use of a thing";
    "grant.revoke" DELETE "/v1/grants/{id}" For(Administer), "Take a grant back";
    "grant.who" GET "/v1/grants/who" For(SignedIn), "Say who may do something, and why";
    "network.show" GET "/v1/channels" For(SeeOwnership), "List channels between devices";
    "network.apply" POST "/v1/network" For(Operate), "Make channels between devices";
    "audit.list" GET "/v1/audit" For(ReadAudit), "Read the audit log";
    "owner.timeline" GET "/v1/devices/{uuid}/timeline" For(SeeOwnership), "Show what happened to a device";
    "owner.keys" GET "/v1/devices/{uuid}/keys" For(SeeOwnership), "Show the public parts of a device's keys";
    "owner.channels" GET "/v1/devices/{uuid}/channels" For(SeeOwnership), "Show a device's channels";
    "owner.offers" GET "/v1/offers" For(SeeOwnership), "List transfers that are expected";
    "audit.export" GET "/v1/audit/export" For(ReadAudit), "Export the audit log";
    "risk.list" GET "/v1/risks" For(ReadAudit), "List risks";
    "risk.accept" PUT "/v1/risks/{id}/acceptance" For(Administer), "Accept a risk until a day";
    "listeners" GET "/v1/listeners" For(ReadAudit), "List what listens";
    "stream" GET "/ui/stream" For(SignedIn), "Follow changes";
    "api" GET "/v1/openapi.json" For(SignedIn), "Describe this API";
    "timestamp" GET "/v1/timestamp" Nothing, "Tell the time (aSSURE 11.4)";
}

/// The call of `method` on the route `path`.
pub(super) fn find(method: &str, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.method == method && operation.path == path)
}
