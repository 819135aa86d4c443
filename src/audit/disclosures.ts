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

/** A secret that is opened to be used, not to be shown. */
export type UseRequest = Extract<DisclosureRequest, { event: "credential.used" }>;

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
    $7::bigint[], $8::integer[], $9::text[], $10::text[], string_to_array($11, E'\\n'))`,
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
      setImmediate(() => void this.#commitNext());
    });
  }

  /** The next group is on its way before the secrets of this one are opened: the database and this process work at once. */
  async #commitNext(): Promise<void> {
    const group = this.#waiting.splice(0, this.#mostInGroup);
    this.#committing = group.length > 0;
    if (group.length === 0) return;
    const answer = await this.#ask(group).catch(unavailable);
    // Without a record, whoever came meanwhile would wait as long once more.
    if (answer instanceof KeyholdError) group.push(...this.#waiting.splice(0));
    void this.#commitNext();
    settle(group, answer);
  }

  async #ask(group: readonly Waiting[]): Promise<readonly Row[]> {
    this.#onGroup(group.length);
    const { rows } = await this.#pool.query<Row>({ ...statement, values: parameters(group) });
    if (rows.length < group.length) throw new Error("the record answered fewer rows than it was asked");
    return rows;
  }
}

function settle(group: readonly Waiting[], answer: readonly Row[] | KeyholdError): void {
  if (answer instanceof KeyholdError) {
    for (const { reject } of group) reject(answer);
    return;
  }
  for (const row of answer) {
    const waiting = group[row.place - 1];
    try {
      waiting?.resolve(readRow(row));
    } catch (error) {
      waiting?.reject(unavailable(error));
    }
  }
}

function unavailable(cause: unknown): KeyholdError {
  return new KeyholdError(
    "record_unavailable",
    "The audit record could not be written, so nothing was disclosed. Try again in a moment.",
    { cause },
  );
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

/**
 * Each column of the group as one text. The driver would quote and escape every element of an array: ids and words need neither,
 * and a line of JSON has no end of line in it.
 */
function parameters(group: readonly Waiting[]): string[] {
  const requests = group.map(({ request }) => request);
  const members = requests.map(({ principal }) => (principal.kind === "member" ? principal : null));
  return [
    array(requests.map(({ principal }) => principal.tenantId)),
    array(members.map((member) => member?.memberId)),
    array(members.map((member) => member?.role)),
    array(members.map((member) => String(member?.reach === "own"))),
    array(members.map((member) => member?.apiKeyId)),
    array(requests.map(({ credentialId }) => credentialId)),
    array(requests.map(({ revision }) => revision)),
    array(requests.map(({ detail }) => detail.version)),
    array(requests.map(({ need }) => need)),
    array(requests.map(({ event }) => event)),
    requests.map(describeOpenly).join("\n"),
  ];
}

/** Without the brace that closes it: the version follows, which the database knows. */
function describeOpenly({ principal, credentialId, detail }: DisclosureRequest): string {
  const line = describeEvent(principal, { credential_id: credentialId, ...detail, version: undefined });
  return line.slice(0, -1);
}

function array(words: readonly (string | number | null | undefined)[]): string {
  return `{${words.map((word) => word ?? "null").join()}}`;
}
