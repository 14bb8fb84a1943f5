//! The one catalogue of failures: code, exit status, and what a person can do.
//!
//! Exit: 1 our fault, 2 usage or unreadable input, 3 refused, 5 cannot reach, 6 outcome unknown, 7 partly
//! done, 8 a check found something. Codes are never reused.

/// One failure as people read it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Kebab-case words.
    pub(crate) code: &'static str,
    /// The exit status.
    pub(crate) exit: u8,
    /// What happened, in a few words.
    pub(crate) title: &'static str,
    /// Why it usually happens.
    pub(crate) why: &'static str,
    /// What to try, best first.
    pub(crate) attempts: &'static [&'static str],
}

macro_rules! catalogue {
    ($($code:literal $exit:literal $title:literal $why:literal [$($attempt:literal),* $(,)?])*) => {
        /// Every failure.
        pub(crate) const ENTRIES: &[Entry] = &[
            $(Entry { code: $code, exit: $exit, title: $title, why: $why, attempts: &[$($attempt),*] }),*
        ];
    };
}

catalogue! {
    "file-unreadable" 2 "a file could not be read" "it does not exist, or may not be read by this user"
        ["check the path and its permissions"]
    "file-unwritable" 1 "a file could not be written" "the folder is missing, the disk is full, or it may not be written by this user"
        ["check the folder, its permissions and the free space"]
    "file-malformed" 2 "a file is not of the expected form" "it was cut, changed, or made by another program"
        ["make it again with the command that made it", "check that it is the file you meant"]
    "config-unreadable" 2 "the configuration could not be used" "a key is unknown, missing or of another kind"
        ["`thingstead serve --check` names every listener", "compare with the configuration in the README"]
    "store-unavailable" 1 "the store could not be opened" "another process has it open, or the disk failed"
        ["stop the other process", "check the disk"]
    "store-key-wrong" 2 "the store does not open with its key" "seal.key belongs to another store or was changed"
        ["put the seal.key of this store back"]
    "no-entropy" 1 "no randomness" "the operating system gives no entropy" ["check the system's random source"]
    "cannot-listen" 1 "a port could not be opened" "another process listens there, or the address is not of this machine"
        ["stop the other process or choose another port in the configuration"]
    "cannot-reach" 5 "a server could not be reached" "it is not running, or the network is down"
        ["check that the server runs and its address in the configuration"]
    "untrusted-server" 5 "a server is not the one it should be" "its certificate is not under the given CA"
        ["check the CA file, and that the address is that of the right server"]
    "not-admitted" 4 "the server does not accept our certificate" "the certificate is of another authority, or of no kind that may call here"
        ["use the certificate file that belongs to this server"]
    "refused" 3 "the server refused" "it does not say why" ["check the ids and who owns the device"]
    "claim-refused" 3 "the authority did not give you the device"
        "it does not say why, to anybody: owned by another, wrong case string, or not registered"
        ["check the printed string (32 characters, 0-9 a-f)", "ask the seller to transfer it"]
    "try-later" 3 "the server cannot do this now" "too many changes, or a part of it is down"
        ["wait as long as it says, then repeat: repeating is safe"]
    "outcome-unknown" 6 "it is not known whether this happened" "the connection broke after the request had left"
        ["repeat the same command: it is done once"]
    "not-enrolled" 3 "the server is not enrolled" "the identity server has not answered its request"
        ["run `thingstead identity enrol FILE --fingerprint HEX` with the fingerprint that `serve` printed"]
    "fingerprint-differs" 3 "the fingerprint is another one" "the file is not the one the server wrote, or the fingerprint was mistyped"
        ["compare with what `thingstead serve` printed at its start; do not enrol otherwise"]
    "fingerprint-needed" 2 "nothing was enrolled" "the fingerprint was not given"
        ["run it again with --fingerprint and what `thingstead serve` printed on the server"]
    "no-identity" 2 "there is no identity server here" "no authority was made in this folder"
        ["check the folder", "make an authority with `thingstead identity init`"]
    "station-differs" 3 "another station has this id" "its key or its maker is another one than that of the listed station"
        ["make a new station: its id is drawn"]
    "no-station" 2 "there is no station here" "no station was made in this folder"
        ["check the folder", "make one with `thingstead maker station`"]
    "not-registered" 3 "the station has no certificate" "the registration server's operator has not certified it"
        ["run `thingstead maker register` with operator.pem of the registration server"]
    "partly-done" 7 "not all of it was done" "a part was refused"
        ["look at the lines above for which part"]
    "gap-file-missing" 2 "a file of the air gap is missing" "files are taken in the order of their numbers"
        ["bring the file with this number, then repeat"]
    "gap-file-refused" 3 "a file of the air gap was not taken" "it is not from who it should be, or not for this server"
        ["do not use it; find out where it came from"]
    "already-there" 3 "it exists already" "the folder holds the result of an earlier run"
        ["use it, or choose another folder"]
    "label-unreadable" 2 "no label could be read" "the picture holds no aSSURE label"
        ["take the picture again, closer and straight", "type the UUID and the string instead"]
    "device-failed" 1 "the device program failed" "it ended before its work was done"
        ["look at what it printed above"]
    "order-refused" 2 "the order of the station was not carried out" "it is not of the form that the factory line has"
        ["use the station of the same version"]
    "state-missing" 2 "there is no device here" "no device was made in this folder"
        ["check the folder", "make one with `thingstead device make`"]
    "state-damaged" 2 "the device's state does not open" "seal.key or both copies of the state were changed, cut, or belong to another device"
        ["put the folder back as it was, seal.key included"]
    "state-in-use" 3 "the device runs already" "another process uses this state"
        ["stop the other process, or choose another folder"]
    "data-folder-refused" 2 "this folder cannot hold user data" "it holds the device's state, which must outlive an erasure"
        ["choose a folder that holds nothing but user data"]
    "step-missing" 1 "a step did not happen" "a server or device did not do its part in time"
        ["look at the server named above and its log"]
    "request-id-malformed" 2 "the name of the request could not be used" "it is not 32 hexadecimal digits"
        ["leave it out: a fresh one is drawn and printed"]
    "recovered-too-often" 3 "this generation has had its recoveries"
        "a device refuses owner numbers that rise by more than 1024 in all"
        ["have the identity server issue a new generation: `thingstead identity generation --help`"]
    "gap-folder-shared" 2 "two servers would write the same folder of the air gap"
        "a file's name holds its receiver and number, not its sender: one would overwrite the other's"
        ["give each server a gap_out folder of its own",
         "if the other server is gone for good, remove the file `writer` in that folder"]
    "not-confirmed" 2 "not done without confirmation" "this cannot be undone, and nobody confirmed it"
        ["type the UUID when asked, or add --yes in a script"]
    "not-built-yet" 3 "this does not exist yet" "this version does not do it"
        ["see CHANGELOG.md for what it does"]
    "internal" 1 "an internal error" "a part of Thingstead broke its own rule" ["report it with the log"]
}

/// The entry of `code`.
pub(crate) fn entry(code: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_used_once_and_helps() {
        for (at, entry) in ENTRIES.iter().enumerate() {
            let again = ENTRIES[at + 1..].iter().any(|other| other.code == entry.code);
            assert!(!again, "{} stands twice", entry.code);
            assert!(!entry.attempts.is_empty(), "{} says nothing to try", entry.code);
            assert!((1..=8).contains(&entry.exit), "{}", entry.code);
            let text = [entry.title, entry.why].concat().to_lowercase();
            assert!(
                !text.contains("please") && !text.contains("invalid") && !text.contains('!'),
                "{}",
                entry.code
            );
        }
    }
}
