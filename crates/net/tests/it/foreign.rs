//! Foreign peers: curl and `openssl s_client` against our server, our client against OpenSSL and Python.

use std::path::PathBuf;
use std::process::Stdio;

use certificate::Profile;
use crypto::KeyKind;
use model::Uuid;
use net::https_client::{CallError, CallLimits, Client, Endpoint};
use net::https_server::Limits;
use net::tls::ClientCertificates;
use net::x509_path::{PathError, PeerRole, check};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::world::{Holder, Running, World, get_request, within};

/// Whether a program can be started; its lack is said aloud, and is a failure where CI=true.
async fn found(program: &str, version_flag: &str) -> bool {
    let started = Command::new(program).arg(version_flag).output().await.is_ok();
    if !started {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "peer {program}: not installed");
        println!("SKIPPED peer {program}: not installed");
    }
    started
}

/// A directory for the files of one test, removed at its end.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let name = format!("{test}-{}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Leaf and key of a holder, in files.
    fn holder(&self, name: &str, holder: &Holder) -> (String, String) {
        let leaf = self.file(&format!("{name}.pem"), &holder.leaf_pem);
        (leaf, self.file(&format!("{name}.key"), &holder.key_pem))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        assert!(removed.is_ok() || std::thread::panicking(), "the directory is ours alone");
    }
}

// verifies: ASSURE-9.2-01, ASSURE-9.3-01, ASSURE-1-01
#[tokio::test]
async fn curl_gets_in_with_its_certificate_and_not_without_or_with_a_wrong_one() {
    if !found("curl", "--version").await {
        return;
    }
    let (mut world, mut others) = (World::new("Root"), World::new("Root of others"));
    let roots = world.roots();
    let server = Running::start(&mut world, ClientCertificates::Required(&roots), Limits::default()).await;
    let files = Files::new("curl");
    let profile = Profile::Maker { maker: Uuid([0x11; 16]), until: world.later(1) };
    let (leaf, key) = files.holder("right", &world.holder(&profile));
    let (wrong_leaf, wrong_key) = files.holder("wrong", &others.holder(&profile));
    let root = files.file("root.pem", &world.root_pem());
    let url = format!("https://{}/who", server.endpoint);
    let certificates = [Some((&leaf, &key)), None, Some((&wrong_leaf, &wrong_key))];
    for version in ["1.2", "1.3"] {
        for (row, certificate) in certificates.iter().enumerate() {
            let mut command = Command::new("curl");
            command.args(["--silent", "--noproxy", "*", "--cacert", &root, "--tls-max", version, &url]);
            if let Some((leaf, key)) = certificate {
                command.args(["--cert", leaf, "--key", key]);
            }
            let output = within(command.output()).await.unwrap();
            let body = String::from_utf8_lossy(&output.stdout).into_owned();
            let expected = if row == 0 { "Maker(11111111-1111-1111-1111-111111111111)" } else { "" };
            assert_eq!((output.status.success(), body.as_str()), (row == 0, expected), "{version} {row}");
        }
    }
    let tally = server.stop().await;
    assert_eq!((tally.admitted, tally.handshakes_failed, tally.panicked), (6, 4, 0));
}

#[tokio::test]
async fn curl_gets_in_with_any_certificate_whose_key_it_has_where_any_will_do() {
    if !found("curl", "--version").await {
        return;
    }
    let (mut world, mut others) = (World::new("Root"), World::new("Root of others"));
    let server = Running::start(&mut world, ClientCertificates::Any, Limits::default()).await;
    let files = Files::new("curl-any");
    let profile = Profile::Maker { maker: Uuid([0x11; 16]), until: world.later(1) };
    let (leaf, key) = files.holder("one", &others.holder(&profile));
    let rsa = KeyKind::Rsa { modulus_bits: 2048 };
    let (rsa_leaf, rsa_key) = files.holder("rsa", &others.holder_with(&profile, rsa));
    let root = files.file("root.pem", &world.root_pem());
    let url = format!("https://{}/who", server.endpoint);
    for version in ["1.2", "1.3"] {
        for shown in [Some((&leaf, &key)), Some((&rsa_leaf, &rsa_key)), None] {
            let mut command = Command::new("curl");
            command.args(["--silent", "--noproxy", "*", "--cacert", &root, "--tls-max", version, &url]);
            if let Some((leaf, key)) = shown {
                command.args(["--cert", leaf, "--key", key]);
            }
            let output = within(command.output()).await.unwrap();
            assert!(output.status.success(), "{version} {shown:?}");
        }
    }
    let tally = server.stop().await;
    assert_eq!((tally.admitted, tally.handshakes_failed), (6, 0));
}

// verifies: ASSURE-1-01
#[tokio::test]
async fn openssl_speaks_tls_1_2_and_1_3_to_us_and_nothing_older() {
    if !found("openssl", "version").await {
        return;
    }
    let mut world = World::new("Root");
    let server = Running::start(&mut world, ClientCertificates::NotAsked, Limits::default()).await;
    let files = Files::new("s_client");
    let root = files.file("root.pem", &world.root_pem());
    let target = server.endpoint.to_string();
    for (version, accepted) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &target, "-CAfile", &root, "-verify_return_error"])
            .args(["-verify_ip", "127.0.0.1", "-quiet", "-cipher", "DEFAULT@SECLEVEL=0", version])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        // A peer whose handshake was refused no longer reads.
        let request = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let _refused_before = input.write_all(request).await.is_err();
        let output = within(child.wait_with_output()).await.unwrap();
        drop(input);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(answer.starts_with("HTTP/1.1 200"), accepted, "{version}: {answer}");
    }
}

/// A foreign server and the port that it printed.
struct ForeignServer {
    child: Child,
    endpoint: Endpoint,
}

impl ForeignServer {
    /// Starts `command` and reads lines until one ends in `:PORT`.
    async fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = within(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it prints its port before it ends");
                if let Some((_, port)) = line.rsplit_once(':')
                    && let Ok(port) = port.parse()
                {
                    return port;
                }
            }
        })
        .await;
        Self { child, endpoint: Endpoint { host: "127.0.0.1".to_owned(), port } }
    }

    async fn stop(mut self) {
        within(self.child.kill()).await.unwrap();
    }
}

async fn call(
    server: &ForeignServer,
    roots: &[Vec<u8>],
    identity: Option<&Holder>,
) -> Result<(u16, String), CallError> {
    let identity = identity.map(|holder| &holder.identity);
    let client = Client::new(roots, identity, CallLimits::default()).unwrap();
    let answer = within(client.call(&server.endpoint, get_request("/"))).await?;
    Ok((answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned()))
}

// verifies: ASSURE-1-01
#[tokio::test]
async fn our_client_calls_openssl_with_and_without_a_certificate() {
    if !found("openssl", "version").await {
        return;
    }
    let (mut world, mut others) = (World::new("Root"), World::new("Root of others"));
    let files = Files::new("s_server");
    let (leaf, key) = files.holder("server", &world.holder(&world.server_profile()));
    let root = files.file("root.pem", &world.root_pem());
    let (right, wrong, roots) = (world.operator(), others.operator(), world.roots());
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", &leaf, "-key", &key, version]);
        command.args(["-CAfile", &root, "-Verify", "2", "-verify_return_error"]);
        let server = ForeignServer::start(command).await;
        let (status, page) = call(&server, &roots, Some(&right)).await.unwrap();
        assert_eq!(status, 200);
        assert!(page.contains("OU=Operator") || page.contains("OU = Operator"), "{page}");
        // TLS 1.2 has no alert of its own for a certificate that is missing.
        let missing = if version == "-tls1_2" { CallError::Handshake } else { CallError::CertificateRefused };
        assert_eq!(call(&server, &roots, None).await.err(), Some(missing));
        let refused = call(&server, &roots, Some(&wrong)).await;
        assert_eq!(refused.err(), Some(CallError::CertificateRefused));
        let mistrusting = call(&server, &others.roots(), Some(&right)).await;
        assert_eq!(mistrusting.err(), Some(CallError::UntrustedServer));
        server.stop().await;
    }
}

const PYTHON_SERVER: &str = r#"
import http.server, ssl, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = ("%s from %s" % (self.path, dict(self.connection.getpeercert()["subject"][0]))).encode()
        self.send_response(202)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for byte in body:
            self.wfile.write(b"1\r\n%c\r\n" % byte)
        self.wfile.write(b"0\r\n\r\n")
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.load_verify_locations(sys.argv[3])
context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port:%d" % server.server_address[1], flush=True)
server.serve_forever()
"#;

// verifies: ASSURE-1-01
#[tokio::test]
async fn our_client_reads_a_chunked_answer_of_python() {
    if !found("python3", "--version").await {
        return;
    }
    let mut world = World::new("Root");
    let files = Files::new("python");
    let (leaf, key) = files.holder("server", &world.holder(&world.server_profile()));
    let (root, roots, client) = (files.file("root.pem", &world.root_pem()), world.roots(), world.operator());
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON_SERVER, &leaf, &key, &root]);
    let server = ForeignServer::start(command).await;
    let expected = "/ from {'organizationalUnitName': 'Operator'}".to_owned();
    assert_eq!(call(&server, &roots, Some(&client)).await, Ok((202, expected)));
    server.stop().await;
}

// verifies: GISFI-5.2-09, GISFI-5.3-08
#[tokio::test]
async fn a_path_of_openssl_over_an_intermediate_is_found() {
    if !found("openssl", "version").await {
        return;
    }
    let files = Files::new("chain");
    let make = async |name: &str, curve: &str, issuer: Option<&str>, extensions: &[&str]| {
        let curve = format!("ec_paramgen_curve:{curve}");
        let (subject, key, out) = (format!("/CN={name}"), format!("{name}.key"), format!("{name}.der"));
        let mut command = Command::new("openssl");
        command.current_dir(&files.0).args(["req", "-x509", "-newkey", "ec", "-pkeyopt", &curve, "-nodes"]);
        command.args(["-subj", &subject, "-keyout", &key, "-out", &out, "-outform", "DER", "-days", "2"]);
        command.args(["-config", &files.file("config", "[req]\ndistinguished_name=dn\n[dn]\n")]);
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        if let Some(issuer) = issuer {
            command.args(["-CA", &format!("{issuer}.der"), "-CAkey", &format!("{issuer}.key")]);
        }
        let output = within(command.output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(files.0.join(out)).unwrap()
    };
    let authority = "basicConstraints=critical,CA:TRUE";
    let root = make("root", "P-384", None, &[authority]).await;
    let middle = make("middle", "P-256", Some("root"), &[authority]).await;
    let names = "subjectAltName=DNS:device.example";
    let leaf = make("leaf", "P-256", Some("middle"), &["basicConstraints=CA:FALSE", names]).await;
    let below_leaf = make("below", "P-256", Some("leaf"), &["basicConstraints=CA:FALSE", names]).await;
    let now = World::new("any").later(0);
    let judge = |chain: &[&Vec<u8>]| {
        let chain: Vec<_> = chain.iter().map(|der| (*der).clone()).collect();
        check(&chain, std::slice::from_ref(&root), now, PeerRole::Server("device.example"))
    };
    assert_eq!(judge(&[&leaf, &middle]), Ok(()));
    assert_eq!(judge(&[&leaf]), Err(PathError::UnknownIssuer), "the link is missing");
    assert_eq!(judge(&[&below_leaf, &leaf, &middle]), Err(PathError::WrongPurpose), "a leaf issues nothing");
}
