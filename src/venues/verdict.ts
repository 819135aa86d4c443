/** What a venue says a key may do. `unknown` when it does not say; never a guess. */
export type Grant = "yes" | "no" | "unknown";

export type Permissions = Readonly<{
  read: Grant;
  trade: Grant;
  withdraw: Grant;
  transfer: Grant;
  /** Addresses that the venue binds the key to; `null` when it does not say. Empty means not bound. */
  boundIps: readonly string[] | null;
  /** Permission words of the venue that Keyhold does not know. Any such word counts as withdraw. */
  unknownWords: readonly string[];
}>;

/** Facts about the account behind a key, where the venue shows them. Never a secret. */
export type AccountFacts = Readonly<{
  /** Stable id of the account at the venue: lets a rotation prove that both keys belong together. */
  id?: string;
  number?: string;
  /** `live`, `paper`, `testnet` … in the venue's own sense. */
  type?: string;
  status?: string;
  /** Flags that restrict the account, such as `trading_blocked`. */
  blocked?: readonly string[];
}>;

export type Valid = Readonly<{
  outcome: "valid";
  permissions: Permissions;
  /** RFC 3339 time at which the venue ends the key; `null` when it does not say or the key never ends. */
  expiresAt: string | null;
  /**
   * How much later the end may be, in milliseconds, where the venue gives the time that is left in whole
   * units.
   */
  expiresWithinMs?: number;
  account: AccountFacts;
}>;

/** Present where nothing of the call has left this machine, so that nothing took place. */
export type MaybeUnsent = Readonly<{ unsent?: true }>;

/** Definite: the venue knows the credential is bad, with an answer that covers the credential alone. */
export type Rejected = MaybeUnsent &
  Readonly<{
    /**
     * Present where the clock of this machine is far off the venue's, so that a refusal proves nothing about
     * the key.
     */
    clockOff?: true;
    outcome: "rejected";
    reason:
      | "bad_key"
      | "bad_signature"
      | "bad_passphrase"
      | "expired"
      | "revoked"
      | "wrong_environment"
      | "malformed";
    message: string;
  }>;

/** What a refusal may be about where the venue does not say. */
export type Cause = "key" | "secret" | "environment" | "permission" | "address" | "clock";

/** The request was refused for certain, with an answer that covers more than the credential. */
export type Ambiguous = Pick<Rejected, "unsent" | "clockOff"> &
  Readonly<{ outcome: "ambiguous"; causes: readonly Cause[]; message: string }>;

/** Definite about this request, not about the key: a permission or an address is missing. */
export type Limited = MaybeUnsent &
  Readonly<{ outcome: "insufficient_permission" | "ip_not_allowed"; message: string }>;

/** Says nothing about the key. Never changes a credential. */
export type Indefinite = MaybeUnsent &
  Readonly<{
    outcome:
      | "clock_skew"
      | "nonce"
      | "rate_limited"
      | "venue_unavailable"
      | "timeout"
      | "blocked"
      | "unexpected_answer";
    message: string;
  }>;

/**
 * The venue was asked, or need not be: its answers are the same for a key that is good and for one that is
 * not.
 */
export type Unproven = MaybeUnsent &
  Readonly<{
    outcome: "unproven";
    message: string;
    /**
     * The form of an answer that may be a refusal: to be compared with how the venue refuses a key that it
     * does not know.
     */
    form?: string;
  }>;

export type Verdict = Valid | Rejected | Ambiguous | Limited | Indefinite | Unproven;
export type Outcome = Verdict["outcome"];
