// Texts of failures, written by a test of http-front from its catalogue: change them there.

/** What the console knows of a failure. */
export interface Entry {
  readonly title: string;
  readonly why: string;
  readonly attempts: readonly string[];
}

export const TEXTS: Readonly<Record<string, Entry>> = {
  'account-exists': {
    title: 'This account name is taken',
    why: 'Names are given once; capitals make no difference.',
    attempts: ['Choose another name'],
  },
  'account-unknown': {
    title: 'There is no account of this name',
    why: 'It was removed or never made.',
    attempts: ['List the accounts again'],
  },
  'accounts-full': {
    title: 'There are as many accounts as may be',
    why: '200 accounts are kept.',
    attempts: ['Remove one that is not used'],
  },
  'activation-ended': {
    title: 'This link was used or has ended',
    why: 'A link is for one account and for half an hour.',
    attempts: ['Make a new one on the server: `thingstead account offer`', 'Sign in, when the account was made already'],
  },
  'address-refused': {
    title: 'Calls from this address are not allowed',
    why: 'The list of allowed addresses leaves it out.',
    attempts: ['Come from an allowed address', 'An administrator changes the list in the settings'],
  },
  'already-yours': {
    title: 'You already own this device',
    why: 'It was claimed before.',
    attempts: ['Open it'],
  },
  'cannot-await': {
    title: 'A transfer of this device cannot be expected',
    why: 'It was replaced, or is not expected.',
    attempts: ['Look at the device\'s status'],
  },
  'cannot-reach': {
    title: 'A server could not be reached',
    why: 'It is not running, or the network is down.',
    attempts: ['Check that the server runs and its address in the configuration'],
  },
  'certificate-refused': {
    title: 'This is not a certificate that a client can be given',
    why: 'One to four X.509 version 3 certificates in PEM are taken, of at most 8192 bytes each, and no private key beside them.',
    attempts: ['Name the certificate alone, without its key and without those of its issuers'],
  },
  'certificate-taken': {
    title: 'The key of this certificate is another client\'s',
    why: 'A key says which client it is: it belongs to one.',
    attempts: ['Make a key pair of its own for this client', 'Take it back from the other client first'],
  },
  'claim-limit': {
    title: 'Too many refused claims from this system',
    why: 'The authority answers a system again only after a while when it was refused too often, or is busy.',
    attempts: ['Wait as long as it says, then repeat: repeating is safe', 'Check the printed string meanwhile'],
  },
  'claim-on-its-way': {
    title: 'The claim is on its way',
    why: 'The authority has not answered yet; asking again never claims twice.',
    attempts: ['Ask again in a moment'],
  },
  'claim-refused': {
    title: 'The authority did not give you this device',
    why: 'It does not say why, to anybody: someone else owns it, the case string does not match, or its maker has not registered it.',
    attempts: ['Check the printed string: 32 characters, 0-9 and a-f', 'Ask the seller to transfer or release it', 'Ask the maker with the device id'],
  },
  'client-exists': {
    title: 'This client name is taken',
    why: 'Names are given once; capitals make no difference.',
    attempts: ['Choose another name'],
  },
  'client-unknown': {
    title: 'There is no MQTT client of this name',
    why: 'It was removed or never made.',
    attempts: ['List them with `thingstead client list`'],
  },
  'clients-full': {
    title: 'There are as many MQTT clients as may be',
    why: '10,000 are kept.',
    attempts: ['Remove one that is not used'],
  },
  'code-refused': {
    title: 'This is no code of a label',
    why: 'A character is missing, wrong or has changed places: the last one tells.',
    attempts: ['Read it again: 13 letters and digits in groups of four', 'Take a picture of the label instead'],
  },
  'cross-site': {
    title: 'Another site\'s page made this call',
    why: 'Calls are taken from the console\'s own pages alone.',
    attempts: ['Open the console and act there'],
  },
  'device-offline': {
    title: 'The device is not connected',
    why: 'It is off, or has no network.',
    attempts: ['Leave out --fresh: what it said last is kept', 'Try again when it is back'],
  },
  'device-refused': {
    title: 'The device said no',
    why: 'It answered with a failure.',
    attempts: ['Look at the device\'s status and keys'],
  },
  'device-silent': {
    title: 'The device did not answer in time',
    why: 'It may still have done it.',
    attempts: ['Ask the device what it has now', 'Send it again: most commands do the same when they come twice'],
  },
  'enrolment-refused': {
    title: 'The device was not put on record',
    why: 'What it would prove itself with cannot be used.',
    attempts: ['Compare with docs/smart-devices.md', 'Have the maker\'s record file: `thingstead things add --enrol FILE`'],
  },
  'file-digest-wrong': {
    title: 'The bytes that arrived are not the announced ones',
    why: 'The digest of what arrived is another; all of it was thrown away.',
    attempts: ['Send the file again from its first byte: three tries are given', 'Announce it anew with the digest it has now'],
  },
  'file-lent-out': {
    title: 'Too many may fetch this file already',
    why: '64 grants to fetch it hold, each for the time it was asked for.',
    attempts: ['Use one of them', 'Wait until some have ended'],
  },
  'file-name-refused': {
    title: 'A file cannot have this name',
    why: 'Names have 1 to 128 bytes, and neither control characters nor / or \\.',
    attempts: ['Choose another name'],
  },
  'file-size-refused': {
    title: 'A file cannot have this size',
    why: 'A file has 1 byte to 256 MiB, and no more bytes than were announced.',
    attempts: ['Announce its real size', 'Split it'],
  },
  'files-full': {
    title: 'The device\'s files take all the room there is',
    why: 'A device has up to 1,000 files and 1 GiB, those that were only announced included.',
    attempts: ['Remove files that nobody needs'],
  },
  'grant-refused': {
    title: 'No grant was made',
    why: 'It would allow nothing, or nobody.',
    attempts: ['Name a party other than the owner, an act, and times that lie ahead'],
  },
  'grant-unknown': {
    title: 'There is no such grant',
    why: 'It was taken back, or went with its thing, account or client.',
    attempts: ['See what is granted: `thingstead grant list`'],
  },
  'image-not-built': {
    title: 'No new image was built',
    why: 'Nothing about the device has changed, or it takes no such messages.',
    attempts: ['Look at the device\'s status'],
  },
  'internal': {
    title: 'An internal error',
    why: 'A part of Thingstead broke its own rule; the log of the server names the request.',
    attempts: ['Try again', 'Report it with the log'],
  },
  'last-administrator': {
    title: 'The last administrator was kept',
    why: 'Nobody could manage accounts any more.',
    attempts: ['Make another administrator first'],
  },
  'leaving-already': {
    title: 'The device is changing hands already',
    why: 'An earlier transfer or release has not ended.',
    attempts: ['Wait until it has ended'],
  },
  'model-refused': {
    title: 'The thing\'s model was not taken',
    why: 'A part of it cannot be used.',
    attempts: ['Mend the part that is named', 'Compare with docs/things.md'],
  },
  'name-refused': {
    title: 'This cannot be an account\'s name',
    why: 'A name is 1 to 48 of a-z, 0-9, dot, underscore, hyphen and @.',
    attempts: ['Choose another name'],
  },
  'never-reported': {
    title: 'The device never said that',
    why: 'No value of this property has come yet.',
    attempts: ['Ask the device: --fresh'],
  },
  'no-load-balancer': {
    title: 'No load balancer runs here',
    why: 'The configuration has no section `[lbs]`, so nothing would let the device in.',
    attempts: ['Add the section `[lbs]`, then start the server again', 'Add the thing alone: leave the enrolment out'],
  },
  'no-such-name': {
    title: 'The thing has nothing of this name',
    why: 'Its model names no such property, action or event, or the number is not kept.',
    attempts: ['Look at its description: `thingstead things show ID`'],
  },
  'not-granted': {
    title: 'Refused by default',
    why: 'No grant lets you do this.',
    attempts: ['Ask the owner of the thing for a grant', 'Ask why: `thingstead grant who`'],
  },
  'not-here': {
    title: 'Not here, or not yours',
    why: 'The answer is the same for what does not exist and for what you may not see.',
    attempts: ['Check the id', 'Ask whoever owns the device'],
  },
  'not-in-queue': {
    title: 'It is no longer in the queue',
    why: 'It was sent, or has ended.',
    attempts: ['Look at what became of it: `thingstead things operation`'],
  },
  'not-on-record': {
    title: 'The load balancer has no record of this device',
    why: 'The thing is bound to no smart device, or its device was never put on record.',
    attempts: ['Put it on record: `thingstead things enrol ID`'],
  },
  'not-permitted': {
    title: 'Your account may not do this',
    why: 'Its duties do not hold it.',
    attempts: ['Ask an administrator for the duty'],
  },
  'not-so-described': {
    title: 'The thing\'s model does not have it so',
    why: 'A property says whether it can be read, written and observed.',
    attempts: ['Look at its description: `thingstead things show ID`'],
  },
  'on-record-already': {
    title: 'The device is on record already',
    why: 'A record is made once; codes can be replaced, windows opened.',
    attempts: ['Look at it: `thingstead things record ID`', 'Give it another code: `thingstead things code ID`'],
  },
  'outcome-unknown': {
    title: 'We do not know if it worked',
    why: 'The connection broke after the request had left.',
    attempts: ['Ask again: it is done once'],
  },
  'password-too-simple': {
    title: 'The password was not taken',
    why: 'A password has 8 to 128 characters of at least two kinds: lower, upper, digit, sign.',
    attempts: ['Choose a longer one: four words with a hyphen between them are easier to keep than eight signs'],
  },
  'password-wrong': {
    title: 'The old password is another one',
    why: 'It was mistyped, or changed elsewhere.',
    attempts: ['Type it again'],
  },
  'proven-better': {
    title: 'The old protocol is not run with this device',
    why: 'It proved itself by the secure profile, and there is no way back.',
    attempts: ['Leave it as it is: it needs no old protocol', 'If it was changed for an older device: remove the thing and add it anew'],
  },
  'refused': {
    title: 'The server refused',
    why: 'It does not say why.',
    attempts: ['Check the ids and who owns the device', 'Ask an administrator what your duties allow'],
  },
  'request-unreadable': {
    title: 'The request was not taken',
    why: 'A field is missing, unknown or of another form.',
    attempts: ['Load the page again', 'Compare with `thingstead api`'],
  },
  'setting-refused': {
    title: 'A setting was not taken',
    why: 'It is outside of its bounds.',
    attempts: ['Choose a value within the bounds'],
  },
  'sign-in-failed': {
    title: 'Name or password wrong',
    why: 'Which of them is not said, to anybody: that would help somebody who guesses.',
    attempts: ['Check both and try again', 'An administrator can remove the account and add it anew'],
  },
  'signed-out': {
    title: 'You were signed out',
    why: 'Nothing happened for the idle time, an administrator ended the session, or the account was removed.',
    attempts: ['Sign in again: you come back to the same page'],
  },
  'thing-exists': {
    title: 'Such a thing is there already',
    why: 'Its id or its device belongs to a thing.',
    attempts: ['Look for it: `thingstead things list`'],
  },
  'thing-full': {
    title: 'The thing has as many as may be',
    why: '256 operations are kept and none of them has ended, or 64 sub-devices are behind it or refused.',
    attempts: ['Withdraw an operation, or wait until one has ended', 'Remove the thing of a sub-device that is no more'],
  },
  'token-missing': {
    title: 'The page was older than the session',
    why: 'It holds the token of an earlier sign-in.',
    attempts: ['Load the page again, then repeat'],
  },
  'too-many-tries': {
    title: 'Too many tries',
    why: 'After some failed tries nobody can sign in from this address for a while, whatever the name.',
    attempts: ['Wait as long as it says', 'An administrator can unlock the account'],
  },
  'transfer-refused': {
    title: 'The device was not given up',
    why: 'The authority does not say why: the recipient is not known, or has to accept it first, or the device is not yours any more.',
    attempts: ['Check the management id of the recipient', 'Ask the recipient to accept the device first, then repeat'],
  },
  'try-later': {
    title: 'The server cannot do this now',
    why: 'Too many changes, or a part of it is down.',
    attempts: ['Wait as long as it says, then repeat: repeating is safe'],
  },
  'value-refused': {
    title: 'The value was not taken',
    why: 'It is not of the form that the thing\'s model gives.',
    attempts: ['Look at the form in its description: `thingstead things show ID`'],
  },
};
