//! `thingstead identity`: made, asked, cut short, lied to; never a socket.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use assure_proto::{BootstrapKey, GapContent, RegistrationKeys, RejectReason};
use certificate::{CertificateIdentity, Leaf, identity_of, pem_blocks};
use crypto::KeyKind;
use model::ServerRole;
use net::x509_path::{PeerRole, check};
use serde_json::Value;

use super::offline::{Factory, IMPORT, Online, PROGRAM, Place, contains, now};

// verifies: ASSURE-5.1-02
#[test]
fn an_authority_is_made_once_and_its_public_files_again_at_will() {
    let place = Place::new();
    let made = place.json("identity init --data id --out pub");
    let bundle = place.bundle();
    assert_eq!(made["authority"], bundle.authority.to_string());
    assert_eq!(bundle.generation, 1);
    let first = (place.read("pub/ta.bundle"), place.read("pub/system-ca.pem"));
    assert_eq!(place.fails("identity init --data id --out pub"), ("already-there".into(), 3));
    assert_eq!(place.fails("identity init --data id --out other"), ("already-there".into(), 3));
    assert_eq!(place.names("other"), Vec::<String>::new(), "who is refused leaves nothing");
    assert_eq!(place.fails("identity init --data new --out pub"), ("already-there".into(), 3));
    assert!(!place.path("new").exists());
    place.ok("identity bundle --data id --out again");
    assert_eq!((place.read("again/ta.bundle"), place.read("again/system-ca.pem")), first);
    let status = place.json("identity status --data id");
    assert_eq!((&status["authority"], &status["registration"]), (&made["authority"], &Value::Null));
    assert_eq!(place.fails("identity status --data nowhere"), ("no-identity".into(), 2));
    assert!(!place.path("nowhere").exists(), "looking makes nothing");
}

#[test]
fn no_key_stands_in_a_file_in_the_clear() {
    let place = Place::with_authority();
    let keys = place.identity_keys();
    let all = [&keys.ec_root.key, &keys.rsa_root.key, &keys.upload_key, &keys.gap.key, keys.system_ca.key()];
    for (name, bytes) in place.files_below("id").into_iter().chain(place.files_below("pub")) {
        for key in all {
            let pkcs8 = key.pkcs8().unwrap();
            // In an EC key the private number follows the header; an RSA key ends in private ones.
            let private = match key.public().kind() {
                KeyKind::Ec(_) => &pkcs8.expose()[40..60],
                KeyKind::Rsa { .. } => &pkcs8.expose()[pkcs8.len() - 40..],
            };
            assert!(!contains(&bytes, private), "{name}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(place.path(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name} is for its owner alone");
        }
    }
}

// verifies: ASSURE-5.1-02
#[test]
fn a_server_is_enrolled_after_its_fingerprint_was_compared() {
    let place = Place::with_authority();
    let mut server = Online::registration();
    let (file, fingerprint) = server.ask(&place);
    let enrol = format!("identity enrol {file} --data id --gap-out in");
    let output = place.run(&format!("{enrol} --json"));
    assert_eq!(output.status.code(), Some(2), "without a fingerprint it is only shown");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["fingerprint"], &shown["role"]),
        (&Value::from(fingerprint.clone()), &"registration".into())
    );
    assert_eq!(place.names("in"), Vec::<String>::new());
    let mut wrong = fingerprint.clone();
    wrong.replace_range(63.., if fingerprint.ends_with('0') { "1" } else { "0" });
    for typed in [wrong.as_str(), &fingerprint[..62], "00"] {
        let refused = place.fails(&format!("{enrol} --fingerprint {typed}"));
        assert_eq!(refused, ("fingerprint-differs".into(), 3), "{typed}");
    }
    assert_eq!(place.names("in"), Vec::<String>::new());
    place.ok(&format!("{enrol} --fingerprint {}", fingerprint.to_uppercase()));
    let enrolment = server.read_answer(&place);
    assert_eq!(enrolment.authenticated().unwrap().len(), 2);
    let status = place.json("identity status --data id");
    assert_eq!(status["registration"], server.id().to_string());
}

#[test]
fn a_server_gets_a_certificate_for_its_key_its_role_and_its_names() {
    let place = Place::with_authority();
    for (mut server, role) in
        [(Online::registration(), ServerRole::Registration), (Online::bootstrap(), ServerRole::Bootstrap)]
    {
        server.enrol(&place);
        let der = |name: &str| {
            let text = String::from_utf8(place.read(name)).unwrap();
            pem_blocks(&text).unwrap().remove(0).der.expose().to_vec()
        };
        let certificate = der(&format!("in/{}.crt.pem", server.id()));
        assert_eq!(identity_of(&certificate), Ok(CertificateIdentity::Server(role)));
        assert_eq!(Leaf::from_der(&certificate).unwrap().public_key().as_ref(), Ok(server.keys.tls.public()));
        let (chain, roots) = ([certificate], [der("pub/system-ca.pem")]);
        for name in ["localhost", "127.0.0.1"] {
            assert_eq!(check(&chain, &roots, now().utc.unwrap(), PeerRole::Server(name)), Ok(()), "{name}");
        }
        assert!(check(&chain, &roots, now().utc.unwrap(), PeerRole::Server("other")).is_err());
    }
}

#[test]
fn what_was_changed_on_the_way_is_not_what_was_compared() {
    let place = Place::with_authority();
    let mut server = Online::registration();
    let (file, fingerprint) = server.ask(&place);
    let enrol = format!("identity enrol {file} --fingerprint {fingerprint} --data id --gap-out in");
    let (request, beside) = (place.read(&file), format!("out/{}.csr", server.id()));
    let names = place.read(&beside);
    // Another name, so that somebody else's machine would be certified.
    let text = [&b"evil.example\n127.0.0.1\n\n"[..], &names[b"localhost\n127.0.0.1\n\n".len()..]].concat();
    place.write(&beside, &text);
    assert_eq!(place.fails(&enrol), ("fingerprint-differs".into(), 3));
    // Another server's certificate request under this server's name.
    let (mut other, elsewhere) = (Online::impostor(ServerRole::Bootstrap), Place::with_authority());
    other.ask(&elsewhere);
    place.write(&beside, &elsewhere.read(&format!("out/{}.csr", other.id())));
    assert_eq!(place.fails(&enrol), ("fingerprint-differs".into(), 3));
    place.write(&beside, &names[..names.len() - 1]);
    assert_eq!(place.fails(&enrol), ("gap-file-refused".into(), 3));
    fs::remove_file(place.path(&beside)).unwrap();
    assert_eq!(place.fails(&enrol), ("file-unreadable".into(), 2));
    place.write(&beside, &names);
    for at in (0..request.len()).step_by(61) {
        let mut altered = request.clone();
        altered[at] ^= 1;
        place.write(&file, &altered);
        assert_eq!(place.fails(&enrol), ("gap-file-refused".into(), 3), "byte {at}");
    }
    assert_eq!(place.names("in"), Vec::<String>::new());
    place.write(&file, &request);
    place.ok(&enrol);
}

#[test]
fn enrolling_again_completes_what_was_cut_short_and_doubles_nothing() {
    let place = Place::with_authority();
    let mut server = Online::registration();
    let (file, fingerprint) = server.ask(&place);
    let enrol = format!("identity enrol {file} --fingerprint {fingerprint} --data id --gap-out in");
    let certificate = format!("in/{}.crt.pem", server.id());
    // Neither file can be written: a folder stands in the way of the first.
    fs::create_dir_all(place.path(&certificate)).unwrap();
    assert_eq!(place.fails(&enrol), ("file-unwritable".into(), 1));
    assert_eq!(place.names("in").iter().filter(|name| name.ends_with(".gap")).count(), 0);
    fs::remove_dir(place.path(&certificate)).unwrap();
    place.ok("identity export --data id --gap-out in");
    server.read_answer(&place);
    let written = place.read(&certificate);
    place.ok(&enrol);
    assert_eq!(place.read(&certificate), written, "one certificate, however often it is asked for");
    assert_eq!(place.names("in").len(), 2);
}

#[test]
fn a_second_server_does_not_get_the_role_and_no_certificate() {
    let place = Place::with_authority();
    Online::registration().enrol(&place);
    let mut second = Online::impostor(ServerRole::Registration);
    let (file, fingerprint) = second.ask(&place);
    let enrol = format!("identity enrol {file} --fingerprint {fingerprint} --data id --gap-out in");
    assert_eq!(place.fails(&enrol), ("refused".into(), 3));
    assert!(!place.path(&format!("in/{}.crt.pem", second.id())).exists());
    let elsewhere = Place::with_authority();
    let (file, fingerprint) = second.ask(&elsewhere);
    fs::copy(elsewhere.path(&file), place.path("out/foreign.gap")).unwrap();
    let foreign =
        format!("identity enrol out/foreign.gap --fingerprint {fingerprint} --data id --gap-out in");
    assert_eq!(place.fails(&foreign), ("gap-file-refused".into(), 3), "a request to another authority");
}

// verifies: ASSURE-5.1-02, ASSURE-14.1-06, ASSURE-14.1-07, ASSURE-14.1-08, ASSURE-14.1-09, ASSURE-14.1-10
#[test]
fn records_of_every_kind_are_issued_to_both_servers() {
    let mut factory = Factory::new();
    let kinds = ["secret", "p256", "p384", "rsa2048"];
    let devices = kinds.map(|kind| factory.submit(kind).0);
    let said = factory.place.ok(IMPORT);
    let expected: String = devices.iter().map(|device| format!("{device}\tissued\n")).collect();
    assert_eq!(said, expected);
    for (number, (device, kind)) in (2..).zip(devices.into_iter().zip(kinds)) {
        let [registration, bootstrap] = factory.contents(number);
        let GapContent::IssueRegistration { device: at, maker, keys, .. } = registration else {
            panic!("{:?}", registration.kind());
        };
        assert_eq!((at, maker), (device, factory.maker));
        let GapContent::IssueBootstrap { device: at, key, .. } = bootstrap else {
            panic!("{:?}", bootstrap.kind())
        };
        assert_eq!(at, device);
        match kind {
            "secret" => {
                assert!(matches!(keys, RegistrationKeys::SharedSecret(_)));
                assert!(matches!(key, BootstrapKey::Secret(_)));
            }
            "rsa2048" => assert!(matches!((keys, key), (RegistrationKeys::Rsa, BootstrapKey::Public(_)))),
            _ => assert!(matches!((keys, key), (RegistrationKeys::Ec, BootstrapKey::Public(_)))),
        }
    }
    let before = factory.place.files_below("in");
    assert_eq!(factory.place.ok(IMPORT), "", "run again, nothing is left to do");
    assert_eq!(factory.place.files_below("in"), before);
    assert_eq!(factory.place.json("identity status --data id")["files_taken"], 5);
}

#[test]
fn a_hole_stops_the_import_and_is_named() {
    let mut factory = Factory::new();
    let (first, _) = factory.submit("p256");
    let (_, missing) = factory.submit("p256");
    let (third, _) = factory.submit("p256");
    fs::rename(factory.place.path(&missing), factory.place.path("kept")).unwrap();
    let output = factory.place.run(IMPORT);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{first}\tissued\n"),
        "what comes before it"
    );
    assert!(String::from_utf8(output.stderr).unwrap().contains("number 3"));
    fs::rename(factory.place.path("kept"), factory.place.path(&missing)).unwrap();
    let said = factory.place.ok(&format!("{IMPORT} --quiet"));
    assert_eq!(said.lines().count(), 2);
    assert_eq!(said.lines().last(), Some(third.to_string().as_str()));
}

#[test]
fn altered_foreign_and_replayed_files_move_nothing() {
    let mut factory = Factory::new();
    let (device, file) = factory.submit("p256");
    let genuine = factory.place.read(&file);
    let refused = |bytes: &[u8], what: &str| {
        factory.place.write(&file, bytes);
        assert_eq!(factory.place.fails(IMPORT), ("gap-file-refused".into(), 3), "{what}");
    };
    for at in (0..genuine.len()).step_by(101) {
        let mut altered = genuine.clone();
        altered[at] ^= 1;
        refused(&altered, &format!("byte {at}"));
    }
    refused(&genuine[..genuine.len() / 2], "half a file");
    refused(b"", "nothing");
    let enrolment = factory.place.names("out").into_iter().find(|name| name.ends_with("1.gap")).unwrap();
    refused(&factory.place.read(&format!("out/{enrolment}")), "the request for enrolment, as the next file");
    // A file of an authority with the same servers does not open here.
    let mut elsewhere = Factory::new();
    let (_, foreign) = elsewhere.submit("p256");
    refused(&elsewhere.place.read(&foreign), "a file for another authority");
    assert_eq!(factory.place.json("identity status --data id")["files_taken"], 1);
    factory.place.write(&file, &genuine);
    assert_eq!(factory.place.ok(IMPORT), format!("{device}\tissued\n"), "the genuine one is none the worse");
    let third = file.replace("0002.gap", "0003.gap");
    factory.place.write(&third, &genuine);
    assert_eq!(factory.place.fails(IMPORT), ("gap-file-refused".into(), 3), "an old file under a new number");
}

// verifies: TS-M11, ASSURE-9.2.1-12
#[test]
fn records_of_stations_that_are_not_listed_are_rejected_and_say_so() {
    let mut factory = Factory::new();
    let other = factory.place.json("maker station --data other --bundle pub/ta.bundle --maker new");
    let other_maker = other["maker"].as_str().unwrap().parse().unwrap();
    let (device, blob) = factory.place.device("other", "secret");
    factory.upload(other_maker, device, &blob);
    let said: Value = factory.place.json(IMPORT);
    assert_eq!((&said["outcome"], &said["device"]), (&"rejected".into(), &device.to_string().into()));
    assert!(said["why"].as_str().unwrap().contains("station"));
    let rejected = GapContent::Rejected { device, reason: RejectReason::UnknownStation };
    assert_eq!(factory.contents(2), [rejected.clone(), rejected]);
    let log = factory.place.ok("identity audit --data id");
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["operation"], &last["result"]), (&"identity.issue".into(), &"unknown station".into()));
    assert_eq!(last["device"], device.to_string());
}

#[test]
fn answers_that_could_not_be_written_are_written_by_the_next_run() {
    let mut factory = Factory::new();
    let (device, _) = factory.submit("secret");
    let name = format!("in/{}", factory.bootstrap.answer_name(&factory.place.bundle(), 2));
    fs::create_dir_all(factory.place.path(&name)).unwrap();
    assert_eq!(factory.place.fails(IMPORT), ("file-unwritable".into(), 1));
    fs::remove_dir(factory.place.path(&name)).unwrap();
    assert_eq!(factory.place.ok("identity export --data id --gap-out in --quiet").trim().len(), 1);
    let [registration, bootstrap] = factory.contents(2);
    assert!(matches!(registration, GapContent::IssueRegistration { device: at, .. } if at == device));
    assert!(matches!(bootstrap, GapContent::IssueBootstrap { device: at, .. } if at == device));
    assert_eq!(factory.place.ok(IMPORT), "", "it was taken, and is not taken twice");
}

#[test]
fn records_wait_until_both_servers_are_enrolled() {
    let place = Place::with_authority();
    assert_eq!(place.fails(IMPORT), ("not-enrolled".into(), 3));
    Online::registration().enrol(&place);
    assert_eq!(place.fails(IMPORT), ("not-enrolled".into(), 3));
    Online::bootstrap().enrol(&place);
    assert_eq!(place.ok(IMPORT), "");
}

#[test]
fn an_audit_log_names_every_step_in_order() {
    let mut factory = Factory::new();
    let (device, _) = factory.submit("p256");
    factory.place.ok(IMPORT);
    let log = factory.place.ok("identity audit --data id");
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let operations: Vec<&str> = entries.iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["identity.enrol", "identity.enrol", "identity.station", "identity.issue"]);
    assert_eq!((&entries[3]["actor"], &entries[3]["result"]), (&"registration".into(), &"done".into()));
    assert_eq!(entries[3]["device"], device.to_string());
    assert!(entries.windows(2).all(|pair| pair[0]["cursor"].as_str() < pair[1]["cursor"].as_str()));
}

// verifies: ASSURE-5.1-02
#[test]
fn a_watch_takes_what_comes_without_a_socket_and_survives_its_kill() {
    let mut factory = Factory::new();
    let mut watch = factory.place.command(&format!("{IMPORT} --watch"));
    let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for kind in ["p256", "secret"] {
        let (device, _) = factory.submit(kind);
        assert_eq!(lines.next().unwrap().unwrap(), format!("{device}\tissued"));
    }
    let open: Vec<String> = fs::read_dir(format!("/proc/{}/fd", child.id()))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .collect();
    assert!(open.iter().any(|path| path.starts_with("pipe:")), "the look sees what is open: {open:?}");
    assert!(!open.iter().any(|path| path.starts_with("socket:")), "{open:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (device, _) = factory.submit("p256");
    assert_eq!(
        factory.place.ok(IMPORT),
        format!("{device}\tissued\n"),
        "the next run goes on where it ended"
    );
    assert_eq!(factory.place.json("identity status --data id")["files_taken"], 4);
}

#[test]
fn a_watch_leaves_the_store_to_others_while_nothing_comes_and_stops_when_it_is_asked_to() {
    let mut factory = Factory::new();
    for signal in ["-INT", "-TERM"] {
        let mut watch = factory.place.command(&format!("{IMPORT} --watch"));
        let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (device, _) = factory.submit("p256");
        assert_eq!(lines.next().unwrap().unwrap(), format!("{device}\tissued"));
        // It is written before the store is closed; whoever comes in between is told so, and comes again.
        let status = || factory.place.run("identity status --data id").status.success();
        assert!((0..1000).any(|_| status()), "the store is free");
        let (device, _) = factory.submit("p256");
        assert_eq!(lines.next().unwrap().unwrap(), format!("{device}\tissued"), "and is taken up again");
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(130), &b""[..]), "{signal}");
    }
    assert_eq!(factory.place.ok(IMPORT), "", "nothing is left half done");
}

// verifies: ASSURE-5.1-02
#[test]
fn no_command_of_the_identity_server_makes_a_socket() {
    if Command::new("strace").arg("-V").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "strace is needed here");
        println!("SKIPPED peer strace: not installed");
        return;
    }
    let place = Place::new();
    let traced = |words: &str| {
        let output = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=socket,socketpair,execve", "-o", "trace", PROGRAM])
            .args(words.split_whitespace())
            .current_dir(&place.0)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        let trace = String::from_utf8(place.read("trace")).unwrap();
        assert!(trace.contains("execve"), "the trace sees calls");
        assert!(!trace.contains("socket"), "{words}: {trace}");
    };
    traced("identity init --data id --out pub");
    for mut server in [Online::registration(), Online::bootstrap()] {
        let (file, fingerprint) = server.ask(&place);
        traced(&format!("identity enrol {file} --fingerprint {fingerprint} --data id --gap-out in"));
    }
    place.ok("maker station --data st --bundle pub/ta.bundle --maker new");
    traced("identity stations add st/station.file --data id");
    for words in [IMPORT, "identity export --data id --gap-out in", "identity status --data id"] {
        traced(words);
    }
    traced("identity audit --data id");
}
