import type { ErrorCode } from "../errors.ts";

/** What the exit code of `keyhold` means to a script. */
export const exitCodes = {
  done: 0,
  /** The service refused, the venue said no, or what was verified does not hold. */
  refused: 1,
  /** The command line, or the environment, is wrong; nothing was sent. */
  usage: 2,
  /** The service or the venue could not be asked; the same command may succeed later. */
  unavailable: 3,
  /** An order may or may not have been placed: repeat with the same Idempotency-Key to find out. */
  unknown: 4,
  /** As shells report SIGINT. */
  interrupted: 130,
} as const;
export type Failure = Exclude<keyof typeof exitCodes, "done">;

/** What stops a command, in words for the person who typed it: lower case, no full stop, never a secret. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly failure: Failure;
  readonly hint: string | null;
  /** A longer text of the service, shown as it came. */
  readonly detail: string | null;
  /** Of the problem that the service answered with. */
  readonly code: string | null;
  /** That problem with all its members, for programs. */
  readonly document: Readonly<Record<string, unknown>>;

  constructor(
    failure: Failure,
    message: string,
    options: Readonly<{
      hint?: string | undefined;
      detail?: string | undefined;
      code?: string | null | undefined;
      document?: Readonly<Record<string, unknown>>;
    }> = {},
  ) {
    super(message);
    this.failure = failure;
    this.hint = options.hint ?? null;
    this.detail = options.detail ?? null;
    this.code = options.code ?? null;
    this.document = options.document ?? {};
  }
}

/** What to type next, for every code of the service. */
export const hints: Readonly<Record<ErrorCode, string>> = {
  malformed: "`--help` after any command shows what it takes",
  unknown_operation: "`keyhold venues <venue>` lists the operations of a venue",
  idempotency_key_required:
    "add --idempotency-key with a name of your own; repeated with it, nothing happens twice",
  credential_inactive: "`keyhold credential update <id> --activate` asks the venue and switches it on",
  unauthenticated: "set KEYHOLD_TOKEN to a token or an API key; `keyhold token` makes one beside the service",
  forbidden: "`keyhold me` shows your role and scopes",
  policy_forbids:
    "`keyhold credential show <id>` shows its policy, `keyhold credential update <id>` changes it",
  frozen: "`keyhold credential show <id>` shows its freezes; `unfreeze` lifts those that your rank may lift",
  not_found: "`list` shows what you may see",
  method_not_allowed: "check that KEYHOLD_URL is the service's own",
  request_timeout: "try again over a better line",
  duplicate: "give it another name, or end the one that is there",
  illegal_state: "`show` shows the present state",
  idempotency_in_flight: "wait for the first request to end",
  stale: "send the command again: it reads the present revision first",
  too_large: "send less at once",
  unsupported_media_type: "check that KEYHOLD_URL is the service's own",
  idempotency_mismatch: "choose another --idempotency-key",
  venue_rejected: "check the key at the venue, and that --environment is the right one",
  venue_ambiguous:
    "check each possible cause at the venue; `keyhold venues <venue>` shows the addresses to allow",
  venue_unproven: "register it where the tenant's policy has allow_unproven, if you are sure of the key",
  venue_account: "make the new key for the same account at the venue",
  wider_permissions: "make a key that may do what the old one may, or add --allow-wider",
  same_secret: "make a new key at the venue first",
  venue_permission: "give the key the permission at the venue",
  venue_ip: "`keyhold venues <venue>` shows the addresses to allow",
  venue_refused: "nothing was done; correct what the venue objects to",
  unsupported_by_venue: "leave out --parent, and you are reminded to rotate by hand",
  request_withheld: "`keyhold venues <venue>` lists what the venue offers; check the parameters",
  withdraw_refused: "make a key at the venue that cannot withdraw",
  permissions_unknown: "`keyhold tenant show` shows the tenant's policy",
  precondition_required: "update this command line: it is older than the service",
  rate_limited: "wait, and send fewer requests",
  internal: "the log of the service says more",
  unsendable: "correct what the message names; nothing was sent",
  no_turn: "nothing was sent; try again in a moment",
  not_sent: "nothing was sent; try again in a moment",
  venue_unavailable: "try again in a moment",
  store_unavailable: "try again in a moment",
  store_denied: "the operator must let Keyhold into the store",
  secret_lost: "replace the secret, or let the operator restore the store",
  secret_damaged: "let the operator look into the store and restore it, or replace the secret",
  record_unavailable: "try again in a moment",
  rights_unproven: "the operator must find out who has written to the database",
  key_unavailable: "the operator must restore the key-encryption key",
  not_ready: "try again in a moment",
};

/** Outcomes of a venue that do not pass by themselves; the service's own detail says what to do. */
const lasting: readonly string[] = ["clock_skew", "nonce", "blocked", "unexpected_answer"];

/** What to type next, where there is something; `outcome` is what the venue answered. */
export function hintFor(code: ErrorCode, outcome?: string): string | undefined {
  return outcome !== undefined && lasting.includes(outcome) ? undefined : hints[code];
}
