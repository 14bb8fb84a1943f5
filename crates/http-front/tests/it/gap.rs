//! The air gap: files move between the three stores as they would through folders.

use std::sync::Arc;

use assure_proto::GapContent;
use authority::bootstrap::{self, HolderName, IssuedDevice};
use authority::identity::{EnrolServer, Enrolled, ImportSubmit, ReadPartners, Submitted};
use authority::registration::{self, issued_registration};
use authority::{
    ENROLMENT_NUMBER, Enrolment, FileTaken, ForgetWritten, GapPartner, OutboxFile, ReadOutbox, ServerKeys,
    StoreEnrolment, TakeFile,
};
use clock::Now;
use net::now::Clock;
use store::{Operation, Table, run};

use crate::authority::{Authority, origin};

pub(crate) fn ran<O: Operation>(table: &dyn Table, operation: &O) -> O::Reply {
    let now: Now = Clock::start().now();
    run(table, operation, now).unwrap().reply
}

/// Takes all files out of an outbox.
pub(crate) fn emptied(table: &dyn Table) -> Vec<OutboxFile> {
    let files = ran(table, &ReadOutbox);
    for file in &files {
        ran(table, &ForgetWritten { to: file.to, number: file.number });
    }
    files
}

fn applied<R: std::fmt::Debug>(
    taken: Result<FileTaken<Result<R, impl std::fmt::Debug>>, authority::BadRecord>,
) -> R {
    match taken.unwrap() {
        FileTaken::Applied(reply) => reply.unwrap(),
        other => panic!("a file out of turn: {other:?}"),
    }
}

/// Enrols a server at the identity server and stores the answer.
pub(crate) fn enrol(identity: &dyn Table, table: &dyn Table, server: &ServerKeys) -> Enrolment {
    let authority = Authority::of_this_run();
    let (request, keys) = (server.enrolment(), authority.identity.clone());
    let inner = EnrolServer { id: server.gap.id, request, keys, origin: origin("identity") };
    let take = TakeFile { from: server.gap.id, number: ENROLMENT_NUMBER, inner };
    assert_eq!(applied(ran(identity, &take)), Enrolled::Answered);
    let files = emptied(identity);
    let [answer] = &files[..] else { panic!("one answer: {files:?}") };
    let opened = server.open_answer(&*authority.provider, &authority.bundle, &answer.bytes);
    let enrolment = opened.unwrap().expect("it is an answer");
    let inner = StoreEnrolment { enrolment: enrolment.clone() };
    let take = TakeFile { from: authority.identity.authority, number: answer.number, inner };
    assert_eq!(ran(table, &take), Ok(FileTaken::Applied(())));
    enrolment
}

/// Hands uploads to the identity server and its answers to both online servers; says what became of each, and
/// gives the answers.
pub(crate) fn carry(
    identity: &dyn Table,
    registration: &dyn Table,
    bootstrap: &dyn Table,
    uploads: Vec<OutboxFile>,
) -> (Vec<Submitted>, Vec<OutboxFile>) {
    let authority = Authority::of_this_run();
    let partners = ran(identity, &ReadPartners).unwrap();
    let from: &GapPartner = partners.registration.as_ref().expect("it is enrolled");
    let mut became = Vec::new();
    for upload in uploads {
        assert_eq!(upload.to, authority.identity.authority);
        let (header, content) =
            from.open(&*authority.provider, &authority.identity.gap, &upload.bytes).unwrap();
        assert_eq!(header.sequence_number, upload.number);
        let keys = Arc::clone(&authority.identity);
        let inner = ImportSubmit::new(content, &partners, keys, origin("identity")).expect("a submit");
        let take = TakeFile { from: from.id, number: upload.number, inner };
        became.push(applied(ran(identity, &take)));
    }
    let answers = emptied(identity);
    for file in &answers {
        match file.to == authority.registration.gap.id {
            true => import_registration(registration, file.number, opened(file)),
            false => bring_to_bootstrap(bootstrap, file),
        }
    }
    (became, answers)
}

fn opened(file: &OutboxFile) -> GapContent {
    let authority = Authority::of_this_run();
    let to_registration = file.to == authority.registration.gap.id;
    let me = if to_registration { &authority.registration.gap } else { &authority.bootstrap.gap };
    authority.identity_partner().open(&*authority.provider, me, &file.bytes).unwrap().1
}

/// Hands one answer to the bootstrap server.
pub(crate) fn bring_to_bootstrap(bootstrap: &dyn Table, file: &OutboxFile) {
    import_bootstrap(bootstrap, file.number, opened(file));
}

fn import_registration(table: &dyn Table, number: u32, content: GapContent) {
    let (from, origin) = (Authority::of_this_run().identity.authority, origin("registration"));
    if let GapContent::Rejected { device, .. } = content {
        let inner = registration::RemoveDevice { device, operation: None, reason: "rejected", origin };
        assert!(applied(ran(table, &TakeFile { from, number, inner })), "there was nothing to free");
        return;
    }
    let (device, maker, issued) = issued_registration(content).expect("for this server");
    let inner = registration::ImportIssued { device, maker, issued, origin };
    applied(ran(table, &TakeFile { from, number, inner }));
}

fn import_bootstrap(table: &dyn Table, number: u32, content: GapContent) {
    let (from, origin) = (Authority::of_this_run().identity.authority, origin("bootstrap"));
    if let GapContent::Rejected { device, .. } = content {
        return applied(ran(table, &TakeFile { from, number, inner: bootstrap::FreeDevice { device } }));
    }
    let (device, issued) = IssuedDevice::from_gap(content).expect("for this server");
    let holder = HolderName::of_issued(&*Authority::of_this_run().provider, &issued).expect("a usable key");
    let inner = bootstrap::ImportIssued { device, issued, holder, origin };
    applied(ran(table, &TakeFile { from, number, inner }));
}
