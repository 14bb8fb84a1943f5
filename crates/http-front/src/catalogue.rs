//! The one catalogue of failures: code, exit status, and what a person can do. The command line shows them as
//! sentences, the console as RFC 9457 problems.
//!
//! Exit: 1 our fault, 2 usage or unreadable input, 3 refused, 4 not signed in, 5 cannot reach, 6 outcome unknown, 7 partly
//! done, 8 a check found something. Codes are never reused.

/// One failure as people read it.
#[derive(Debug)]
pub struct Entry {
    /// Kebab-case words.
    pub code: &'static str,
    /// The exit status.
    pub exit: u8,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it usually happens.
    pub why: &'static str,
    /// What to try, best first.
    pub attempts: &'static [&'static str],
}

macro_rules! catalogue {
    ($($code:literal $exit:literal $title:literal $why:literal [$($attempt:literal),* $(,)?])*) => {
        /// Every failure.
        pub const ENTRIES: &[Entry] = &[
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
    "refused" 3 "the server refused"
        "it does not say why"
        ["check the ids and who owns the device", "ask an administrator what your duties allow"]
    "claim-refused" 3 "the authority did not give you this device"
        "it does not say why, to anybody: someone else owns it, the case string does not match, or its maker has not registered it"
        ["check the printed string: 32 characters, 0-9 and a-f",
         "ask the seller to transfer or release it",
         "ask the maker with the device id"]
    "try-later" 3 "the server cannot do this now" "too many changes, or a part of it is down"
        ["wait as long as it says, then repeat: repeating is safe"]
    "answer-too-long" 3 "the answer is longer than what is read" "it has more than 96 MiB"
        ["ask for less at a time"]
    "outcome-unknown" 6 "we do not know if it worked"
        "the connection broke after the request had left"
        ["ask again: it is done once"]
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
    "activation-ended" 3 "this link was used or has ended"
        "a link is for one account and for half an hour"
        ["make a new one on the server: `thingstead account offer`",
         "sign in, when the account was made already"]
    "address-refused" 3 "calls from this address are not allowed"
        "the list of allowed addresses leaves it out"
        ["come from an allowed address", "an administrator changes the list in the settings"]
    "account-exists" 3 "this account name is taken"
        "names are given once; capitals make no difference"
        ["choose another name"]
    "account-unknown" 3 "there is no account of this name"
        "it was removed or never made"
        ["list the accounts again"]
    "client-exists" 3 "this client name is taken"
        "names are given once; capitals make no difference"
        ["choose another name"]
    "client-unknown" 3 "there is no MQTT client of this name"
        "it was removed or never made"
        ["list them with `thingstead client list`"]
    "certificate-refused" 3 "this is not a certificate that a client can be given"
        "one to four X.509 version 3 certificates in PEM are taken, of at most 8192 bytes each, and no private key beside them"
        ["name the certificate alone, without its key and without those of its issuers"]
    "certificate-taken" 3 "the key of this certificate is another client's"
        "a key says which client it is: it belongs to one"
        ["make a key pair of its own for this client", "take it back from the other client first"]
    "clients-full" 3 "there are as many MQTT clients as may be" "10,000 are kept" ["remove one that is not used"]
    "accounts-full" 3 "there are as many accounts as may be" "200 accounts are kept" ["remove one that is not used"]
    "already-yours" 3 "you already own this device"
        "it was claimed before"
        ["open it"]
    "cannot-await" 3 "a transfer of this device cannot be expected" "it was replaced, or is not expected"
        ["look at the device's status"]
    "claim-limit" 3 "too many refused claims from this system"
        "the authority answers a system again only after a while when it was refused too often, or is busy"
        ["wait as long as it says, then repeat: repeating is safe", "check the printed string meanwhile"]
    "claim-on-its-way" 3 "the claim is on its way"
        "the authority has not answered yet; asking again never claims twice"
        ["ask again in a moment"]
    "cross-site" 3 "another site's page made this call" "calls are taken from the console's own pages alone"
        ["open the console and act there"]
    "device-refused" 3 "the device said no" "it answered with a failure" ["look at the device's status and keys"]
    "device-silent" 6 "the device did not answer in time" "it may still have done it"
        ["ask the device what it has now", "send it again: most commands do the same when they come twice"]
    "device-offline" 3 "the device is not connected" "it is off, or has no network"
        ["leave out --fresh: what it said last is kept", "try again when it is back"]
    "grant-refused" 2 "no grant was made" "it would allow nothing, or nobody"
        ["name a party other than the owner, an act, and times that lie ahead"]
    "grant-unknown" 3 "there is no such grant" "it was taken back, or went with its thing, account or client"
        ["see what is granted: `thingstead grant list`"]
    "code-refused" 2 "this is no code of a label" "a character is missing, wrong or has changed places: the last one tells"
        ["read it again: 13 letters and digits in groups of four", "take a picture of the label instead"]
    "enrolment-refused" 2 "the device was not put on record" "what it would prove itself with cannot be used"
        ["compare with docs/smart-devices.md", "have the maker's record file: `thingstead things add --enrol FILE`"]
    "no-load-balancer" 3 "no load balancer runs here" "the configuration has no section `[lbs]`, so nothing would let the device in"
        ["add the section `[lbs]`, then start the server again", "add the thing alone: leave the enrolment out"]
    "not-on-record" 3 "the load balancer has no record of this device" "the thing is bound to no smart device, or its device was never put on record"
        ["put it on record: `thingstead things enrol ID`"]
    "on-record-already" 3 "the device is on record already" "a record is made once; codes can be replaced, windows opened"
        ["look at it: `thingstead things record ID`", "give it another code: `thingstead things code ID`"]
    "proven-better" 3 "the old protocol is not run with this device" "it proved itself by the secure profile, and there is no way back"
        ["leave it as it is: it needs no old protocol", "if it was changed for an older device: remove the thing and add it anew"]
    "model-refused" 2 "the thing's model was not taken" "a part of it cannot be used"
        ["mend the part that is named", "compare with docs/things.md"]
    "never-reported" 3 "the device never said that" "no value of this property has come yet"
        ["ask the device: --fresh"]
    "no-such-name" 3 "the thing has nothing of this name" "its model names no such property, action or event, or the number is not kept"
        ["look at its description: `thingstead things show ID`"]
    "not-granted" 3 "refused by default" "no grant lets you do this"
        ["ask the owner of the thing for a grant", "ask why: `thingstead grant who`"]
    "not-in-queue" 3 "it is no longer in the queue" "it was sent, or has ended"
        ["look at what became of it: `thingstead things operation`"]
    "not-so-described" 3 "the thing's model does not have it so" "a property says whether it can be read, written and observed"
        ["look at its description: `thingstead things show ID`"]
    "thing-exists" 3 "such a thing is there already" "its id or its device belongs to a thing"
        ["look for it: `thingstead things list`"]
    "thing-full" 3 "the thing has as many as may be" "256 operations are kept and none of them has ended, or 64 sub-devices are behind it or refused"
        ["withdraw an operation, or wait until one has ended", "remove the thing of a sub-device that is no more"]
    "value-refused" 2 "the value was not taken" "it is not of the form that the thing's model gives"
        ["look at the form in its description: `thingstead things show ID`"]
    "order-not-sent" 3 "the command was not sent" "the device was not there in time, or the command was withdrawn"
        ["look at the device's status", "send it again with more time"]
    "file-digest-wrong" 3 "the bytes that arrived are not the announced ones"
        "the digest of what arrived is another; all of it was thrown away"
        ["send the file again from its first byte: three tries are given", "announce it anew with the digest it has now"]
    "file-name-refused" 2 "a file cannot have this name"
        "names have 1 to 128 bytes, and neither control characters nor / or \\"
        ["choose another name"]
    "file-size-refused" 3 "a file cannot have this size"
        "a file has 1 byte to 256 MiB, and no more bytes than were announced"
        ["announce its real size", "split it"]
    "file-lent-out" 3 "too many may fetch this file already"
        "64 grants to fetch it hold, each for the time it was asked for"
        ["use one of them", "wait until some have ended"]
    "files-full" 3 "the device's files take all the room there is"
        "a device has up to 1,000 files and 1 GiB, those that were only announced included"
        ["remove files that nobody needs"]
    "image-not-built" 3 "no new image was built"
        "nothing about the device has changed, or it takes no such messages"
        ["look at the device's status"]
    "last-administrator" 3 "the last administrator was kept"
        "nobody could manage accounts any more"
        ["make another administrator first"]
    "leaving-already" 3 "the device is changing hands already"
        "an earlier transfer or release has not ended"
        ["wait until it has ended"]
    "name-refused" 2 "this cannot be an account's name" "a name is 1 to 48 of a-z, 0-9, dot, underscore, hyphen and @"
        ["choose another name"]
    "not-here" 3 "not here, or not yours"
        "the answer is the same for what does not exist and for what you may not see"
        ["check the id", "ask whoever owns the device"]
    "not-permitted" 3 "your account may not do this" "its duties do not hold it" ["ask an administrator for the duty"]
    "not-signed-in" 4 "nobody is signed in" "the session ended, or there was none" ["sign in"]
    "password-too-simple" 2 "the password was not taken"
        "a password has 8 to 128 characters of at least two kinds: lower, upper, digit, sign"
        ["choose a longer one: four words with a hyphen between them are easier to keep than eight signs"]
    "password-wrong" 3 "the old password is another one" "it was mistyped, or changed elsewhere" ["type it again"]
    "request-unreadable" 2 "the request was not taken"
        "a field is missing, unknown or of another form"
        ["load the page again", "compare with `thingstead api`"]
    "setting-refused" 2 "a setting was not taken" "it is outside of its bounds" ["choose a value within the bounds"]
    "sign-in-failed" 4 "name or password wrong"
        "which of them is not said, to anybody: that would help somebody who guesses"
        ["check both and try again", "an administrator can remove the account and add it anew"]
    "signed-out" 4 "you were signed out"
        "nothing happened for the idle time, an administrator ended the session, or the account was removed"
        ["sign in again: you come back to the same page"]
    "token-missing" 3 "the page was older than the session"
        "it holds the token of an earlier sign-in"
        ["load the page again, then repeat"]
    "too-many-tries" 4 "too many tries"
        "after some failed tries nobody can sign in from this address for a while, whatever the name"
        ["wait as long as it says", "an administrator can unlock the account"]
    "transfer-refused" 3 "the device was not given up"
        "the authority does not say why: the recipient is not known, or has to accept it first, or the device is not yours any more"
        ["check the management id of the recipient",
         "ask the recipient to accept the device first, then repeat"]
    "internal" 1 "an internal error"
        "a part of Thingstead broke its own rule; the log of the server names the request"
        ["try again", "report it with the log"]
}

/// A text of the catalogue as a sentence.
#[must_use]
pub fn sentence(words: &str) -> String {
    let end = if words.ends_with(['.', '`']) { "" } else { "." };
    title(words) + end
}

/// A text of the catalogue with a capital, as a title.
#[must_use]
pub fn title(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The entry of `code`.
pub fn entry(code: &str) -> Option<&'static Entry> {
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
