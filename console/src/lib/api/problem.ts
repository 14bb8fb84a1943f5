// A failure as the console keeps it: what happened, why when told, what to do, and the ids to ask with.

/** One failure. */
export interface Problem {
  /** A code of the catalogue. */
  readonly code: string;
  /** Past tense, names the thing; no full stop. */
  readonly title: string;
  readonly why: string;
  readonly attempts: readonly string[];
  /** The server's id of the request. */
  readonly request: string | null;
  /** When it is worth trying again. */
  readonly retryAt: number | null;
}

/** What the console itself knows of a failure. */
export interface Entry {
  readonly title: string;
  readonly why: string;
  readonly attempts: readonly string[];
}

/** Texts of codes; `/ui/help/CODE` shows them. The server's own words win where it sends some. */
export const CATALOGUE: Readonly<Record<string, Entry>> = {
  'activation-ended': {
    title: 'This link was used or has ended',
    why: 'An activation link works once, and for a short time.',
    attempts: ['Start `thingstead serve` again: it makes a new link as long as there is no administrator', 'Sign in, when the account was made already'],
  },
  'sign-in-failed': {
    title: 'Name or password wrong',
    why: 'It does not say which: that would help somebody who guesses.',
    attempts: ['Check both and try again', 'An administrator can remove the account and add it anew'],
  },
  'too-many-tries': {
    title: 'Too many tries',
    why: 'After some failed tries nobody can sign in from this address for a while, whatever the name.',
    attempts: ['Wait until the time shown'],
  },
  'signed-out': {
    title: 'You were signed out',
    why: 'Nothing happened for a while, an administrator ended the session, or the account was removed.',
    attempts: ['Sign in again: you come back to the same page'],
  },
  'token-missing': {
    title: 'The page was older than the session',
    why: 'This tab holds the token of an earlier sign-in.',
    attempts: ['Load the page again, then repeat'],
  },
  'password-too-simple': {
    title: 'The password was not taken',
    why: 'It needs 8 to 128 characters, and two of: lower case, upper case, digits, signs.',
    attempts: ['Choose a longer one: four words with a hyphen between them are easier to keep than eight signs'],
  },
  'account-exists': {
    title: 'This account name is taken',
    why: 'Names are unique, and stay so.',
    attempts: ['Choose another name'],
  },
  'last-administrator': {
    title: 'The last administrator was kept',
    why: 'Without an administrator nobody could let anybody in.',
    attempts: ['Add another administrator first'],
  },
  'claim-refused': {
    title: 'The authority did not give you this device',
    why: 'It does not say why, to anybody. One of: someone else owns it; the case string does not match; its maker has not registered it.',
    attempts: ['Check the printed string: 32 characters, 0-9 and a-f', 'Ask the seller to transfer or release it', 'Ask the maker with the device id'],
  },
  'claim-limit': {
    title: 'Too many refused claims from this system',
    why: 'The authority answers a system again only after a while when it was refused too often.',
    attempts: ['Wait until the time shown', 'Check the printed string meanwhile'],
  },
  'claim-on-its-way': {
    title: 'The claim is on its way',
    why: 'The authority has not answered yet. Asking again never claims twice.',
    attempts: ['Ask again'],
  },
  'already-yours': {
    title: 'You already own this device',
    why: 'A claim for it was granted before.',
    attempts: ['Open it'],
  },
  'not-here': {
    title: 'Not here, or not yours',
    why: 'The server answers alike for what does not exist and for what you may not see.',
    attempts: ['Check the address', 'Ask whoever owns the device'],
  },
  refused: {
    title: 'The server refused',
    why: 'It does not say why.',
    attempts: ['Check who owns the device', 'Ask an administrator what your duties allow'],
  },
  'transfer-refused': {
    title: 'The device was not given up',
    why: 'The authority refused, and does not say why. One of: the recipient is not known; the recipient has to accept it first; the device is not yours any more.',
    attempts: ['Check the management id', 'Ask the recipient to accept the device first, then repeat'],
  },
  'leaving-already': {
    title: 'The device is changing hands already',
    why: 'An earlier transfer or release has not ended.',
    attempts: ['Wait until it has ended'],
  },
  'image-not-built': {
    title: 'No new image was built',
    why: 'The device is not yours now, or nothing is known that an image could hold.',
    attempts: ['Look at its status first'],
  },
  'cannot-await': {
    title: 'A transfer of this device cannot be expected',
    why: 'It was replaced, or is not one that could come to you.',
    attempts: ['Check the device id with its present owner'],
  },
  'not-permitted': {
    title: 'Your account may not do this',
    why: 'Its duties do not hold it.',
    attempts: ['Ask an administrator for the duty'],
  },
  'address-refused': {
    title: 'Calls from this address are not allowed',
    why: 'The list of allowed addresses leaves it out.',
    attempts: ['Come from an allowed address', 'An administrator changes the list under System, Settings'],
  },
  'cross-site': {
    title: 'The page of another site made this call',
    why: 'Calls are taken from the pages of the console alone.',
    attempts: ['Open the console itself, by its own address'],
  },
  'password-wrong': {
    title: 'The old password was another one',
    why: 'It was mistyped, or changed elsewhere.',
    attempts: ['Type it again'],
  },
  'name-refused': {
    title: 'This cannot be the name of an account',
    why: 'A name is 1 to 48 of a-z, 0-9, dot, underscore, hyphen and @.',
    attempts: ['Choose such a name'],
  },
  'account-unknown': {
    title: 'There is no account of this name',
    why: 'It was removed, or never made.',
    attempts: ['Load the list of people again'],
  },
  'accounts-full': {
    title: 'There are as many accounts as may be',
    why: '200 accounts are kept.',
    attempts: ['Remove one that is not used'],
  },
  'setting-refused': {
    title: 'A setting was not taken',
    why: 'A value is outside of its bounds.',
    attempts: ['Choose a value within the bounds'],
  },
  'try-later': {
    title: 'The server cannot do this now',
    why: 'Too much at once, or a part of it is down.',
    attempts: ['Wait a moment, then repeat: repeating is safe'],
  },
  'not-sent': {
    title: 'Not sent',
    why: 'This computer has no network.',
    attempts: ['Repeat when the network is back: what you entered is kept'],
  },
  'cannot-reach': {
    title: 'The server did not answer',
    why: 'It is not running, or the network is down.',
    attempts: ['Try again', 'Look whether `thingstead serve` runs'],
  },
  'outcome-unknown': {
    title: 'We do not know if it worked',
    why: 'The connection broke after the request had left.',
    attempts: ['Ask again: it is done once'],
  },
  'request-unreadable': {
    title: 'The server did not take the request',
    why: 'It is of another version than this page, or a value is outside its limits.',
    attempts: ['Load the page again'],
  },
  'internal': {
    title: 'The server failed',
    why: 'Something went wrong on our side; its log names the request.',
    attempts: ['Try again', 'Look into the log of the server'],
  },
};

/** A failure of the catalogue. */
export function problem(code: string, more: Partial<Problem> = {}): Problem {
  const entry = CATALOGUE[code] ?? CATALOGUE['internal'];
  return {
    code,
    title: entry?.title ?? code,
    why: entry?.why ?? '',
    attempts: entry?.attempts ?? [],
    request: null,
    retryAt: null,
    ...more,
  };
}
