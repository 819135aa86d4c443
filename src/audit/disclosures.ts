import type { Pool } from "pg";
import type { Principal } from "../access/principal.ts";
import { assertUuid } from "../crypto/uuid.ts";
import { KeyholdError } from "../errors.ts";
import { describeEvent, type EventDetails } from "./events.ts";

/**
 * What a secret is opened for. An operation class must be in the credential's policy, `reveal` too; `use` is a scope of service
 * code; `validate` opens what is pending, invalid or expired, so that the venue can be asked; `activate` what is switched off, too;
 * `reseal`, for the service alone, whatever is not revoked.
 */
export type Need =
  | "read"
  | "trade"
  | "transfer"
  | "withdraw"
  | "reveal"
  | "use"
  | "validate"
  | "activate"
  | "reseal";

export type DisclosureRequest = Readonly<{
  principal: Principal;
  credentialId: string;
  need: Need;
  /** The revision that a cached secret belongs to; `null` when nothing is cached. */
  revision: number | null;
}> &
  (
    | Readonly<{ event: "credential.used"; detail: Omit<EventDetails["credential.used"], "credential_id"> }>
    | Readonly<{
        event: "credential.revealed";
        detail: Omit<EventDetails["credential.revealed"], "credential_id">;
      }>
  );

export const refusals = [
  "tenant_inactive",
  "member_inactive",
  "principal_changed",
  "api_key_inactive",
  "absent",
  "forbidden",
  "revoked",
  "frozen",
  "inactive",
  "changed",
  "expired",
  "pending",
  "invalid",
  "policy_forbids",
] as const;
export type Refusal = (typeof refusals)[number];

export type Granted = Readonly<{
  outcome: "ok";
  revision: number;
  version: number;
  venue: string;
  environment: "live" | "paper" | "testnet";
  store: string;
  ownerId: string;
  /** The packed sealed fields where they rest in this database, else `null`. */
  sealed: Uint8Array | null;
}>;
export type Disclosure = Granted | Readonly<{ outcome: Refusal }>;

type Waiting = Readonly<{
  request: DisclosureRequest;
  resolve: (disclosure: Disclosure) => void;
  reject: (error: unknown) => void;
}>;

type Row = Readonly<{
  place: number;
  outcome: string;
  revision: number;
  version: number;
  venue: string;
  environment: "live" | "paper" | "testnet";
  store: string;
  owner_id: string;
  sealed: Uint8Array | null;
}>;

const statement = {
  name: "audit_append",
  text: `select * from audit.append($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::uuid[], $6::uuid[],
    $7::bigint[], $8::text[], $9::text[], $10::text[])`,
};

/**
 * The group commit before disclosure: requests that arrive while one group is being committed form the next, so that many share
 * one transaction and one write to disk. The database judges each row and answers row by row.
 *
 * Correct with any number of processes: the chains are locked in order inside the database.
 */
export class Disclosures {
  readonly #pool: Pool;
  readonly #mostInGroup: number;
  readonly #onGroup: (size: number) => void;
  #waiting: Waiting[] = [];
  #committing = false;

  /** `pool` should limit statements to the two seconds after which the record counts as unavailable. */
  constructor(pool: Pool, options: { mostInGroup?: number; onGroup?: (size: number) => void } = {}) {
    this.#pool = pool;
    this.#mostInGroup = options.mostInGroup ?? 256;
    this.#onGroup = options.onGroup ?? (() => undefined);
  }

  /**
   * Resolves once the record of this request is on disk. Throws `record_unavailable` when it cannot be written; the record may
   * then exist without a disclosure, never the reverse. Throws `TypeError` for an id that is no UUID in lower case: one such would
   * spoil its group.
   */
  append(request: DisclosureRequest): Promise<Disclosure> {
    return new Promise((resolve, reject) => {
      assertUuid(request.credentialId, "credentialId");
      this.#waiting.push({ request, resolve, reject });
      if (this.#committing) return;
      this.#committing = true;
      // Requests that were read from their sockets together go together: started at once, the first would go alone.
      setImmediate(() => void this.#commitAll());
    });
  }

  async #commitAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#mostInGroup);
      try {
        this.#onGroup(group.length);
        await this.#commit(group);
      } catch (error) {
        const unavailable = new KeyholdError(
          "record_unavailable",
          "The audit record could not be written, so nothing was disclosed. Try again in a moment.",
          { cause: error },
        );
        // Whoever came meanwhile would wait as long once more.
        for (const { reject } of [...group, ...this.#waiting.splice(0)]) reject(unavailable);
      }
    }
    this.#committing = false;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const { rows } = await this.#pool.query<Row>({ ...statement, values: columns(group) });
    for (const [index, { resolve }] of group.entries()) {
      const row = rows[index];
      if (row === undefined) throw new Error("the record answered fewer rows than it was asked");
      resolve(readRow(row));
    }
  }
}

function readRow(row: Row): Disclosure {
  if (row.outcome !== "ok") {
    const refusal = refusals.find((known) => known === row.outcome);
    if (refusal === undefined) throw new Error(`unknown answer of the record: ${row.outcome}`);
    return { outcome: refusal };
  }
  return {
    outcome: "ok",
    revision: row.revision,
    version: row.version,
    venue: row.venue,
    environment: row.environment,
    store: row.store,
    ownerId: row.owner_id,
    sealed: row.sealed,
  };
}

function columns(group: readonly Waiting[]): unknown[] {
  const requests = group.map(({ request }) => request);
  const members = requests.map(({ principal }) => (principal.kind === "member" ? principal : null));
  return [
    requests.map(({ principal }) => principal.tenantId),
    members.map((member) => member?.memberId ?? null),
    members.map((member) => member?.role ?? null),
    members.map((member) => member?.reach === "own"),
    members.map((member) => member?.apiKeyId ?? null),
    requests.map(({ credentialId }) => credentialId),
    requests.map(({ revision }) => revision),
    requests.map(({ need }) => need),
    requests.map(({ event }) => event),
    requests.map(({ principal, credentialId, detail }) =>
      describeEvent(principal, { credential_id: credentialId, ...detail }),
    ),
  ];
}
