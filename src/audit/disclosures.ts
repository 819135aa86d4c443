import type { Pool } from "pg";
import type { Prove } from "../access/membership.ts";
import { canonicalAddress } from "../access/narrowing.ts";
import type { Member, Principal } from "../access/principal.ts";
import { assertUuid } from "../crypto/bytes.ts";
import { KeyholdError } from "../errors.ts";
import { describeEvent, type EventDetails } from "./events.ts";
import { BusyChains, Commits, type Asked, type Waiting } from "./groups.ts";

/**
 * The purpose of opening a secret. The policy of the credential must allow an operation class, and `reveal`.
 * `use` is for a scope of service code. `validate` also opens a pending, invalid or expired credential, so
 * that the venue can check it. `activate` also opens an inactive one. `reseal`, for the service alone, opens
 * each credential that is not revoked.
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
  /** The revision of a cached secret; `null` when nothing is cached. */
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

const refusals = [
  "tenant_inactive",
  "member_inactive",
  "principal_changed",
  "api_key_inactive",
  "narrowed",
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
  /** The packed sealed fields if they are in this database, else `null`. */
  sealed: Uint8Array | null;
}>;
export type Disclosure = Granted | Readonly<{ outcome: Refusal }>;

type WaitingRequest = Waiting &
  Readonly<{
    request: DisclosureRequest;
    resolve: (answered: Readonly<{ row: Row; askedAt: number }>) => void;
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
  link: number;
  grants: string | null;
}>;

const statement = {
  name: "audit_append",
  text: `select * from audit.append($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::uuid[], $6::uuid[],
    $7::bigint[], $8::integer[], $9::text[], $10::text[], string_to_array($11, E'\\n'), $15::integer, $12::inet[],
    $13::text[], $14::text[])`,
};

export type DisclosuresOptions = Readonly<{
  mostInGroup?: number;
  onGroup?: (size: number) => void;
  /** Milliseconds after its arrival at which a request is refused, when its chain is held for so long. */
  withinMs?: number;
  /**
   * The pool in which a request waits for a chain that another connection holds; the first pool when left
   * out.
   */
  waitingPool?: Pool;
  /** Tenants with a slow chain that may wait at once, a connection each. */
  slowAtOnce?: number;
  /** Whether a group continues without the held chains. Otherwise it waits for all of them. */
  skipsHeldChains?: boolean;
}>;

/**
 * The group commit before disclosure: requests that arrive during one commit form the next group, so that
 * many share one transaction and one write to disk. The database judges each row and answers row by row.
 *
 * Correct with any number of processes, because the database locks the chains in order. A group takes the
 * free chains. Requests whose chain is held try again and wait beside the groups of all others (`groups.ts`).
 */
export class Disclosures {
  readonly #prove: Prove;
  readonly #onGroup: (size: number) => void;
  readonly #groups: Commits<WaitingRequest>;
  readonly #busy: BusyChains<WaitingRequest>;

  /** `pool` should limit statements to the two seconds after which the record counts as unavailable. */
  constructor(pool: Pool, prove: Prove, options: DisclosuresOptions = {}) {
    const { mostInGroup = 256, withinMs = 2000, waitingPool = pool } = options;
    const { slowAtOnce = 4, skipsHeldChains = true } = options;
    this.#prove = prove;
    this.#onGroup = options.onGroup ?? (() => undefined);
    const patienceMs = skipsHeldChains ? 0 : withinMs;
    this.#groups = new Commits(
      async (group) => {
        const { settle, unanswered } = await this.#ask(pool, group, patienceMs);
        for (const one of unanswered) this.#busy.add(one);
        return settle;
      },
      { mostInGroup },
    );
    this.#busy = new BusyChains({
      ask: (group, patience) => this.#ask(waitingPool, group, patience),
      withinMs,
      mostInGroup,
      slowAtOnce,
      tryAgain: (one) => this.#take(one),
    });
  }

  /**
   * Resolves when the record of this request is on disk and its rights are proven. Throws
   * `record_unavailable` when the record cannot be written, and `rights_unproven`. Then a record may exist
   * without a disclosure, never the reverse. Throws `TypeError` for an id that is no UUID in lower case,
   * because its whole group would fail.
   */
  async append(request: DisclosureRequest): Promise<Disclosure> {
    assertUuid(request.credentialId, "credentialId");
    const { tenantId } = request.principal;
    const since = performance.now();
    const answered = await new Promise<Readonly<{ row: Row; askedAt: number }>>((resolve, reject) => {
      this.#take({ request, tenantId, since, resolve, reject: (cause) => reject(unavailable(cause)) });
    });
    return this.#judge(request, answered);
  }

  #take(one: WaitingRequest): void {
    if (!this.#busy.joins(one)) this.#groups.push(one);
  }

  /** With a patience of 0 milliseconds a row whose chain is held gets no answer. */
  async #ask(
    pool: Pool,
    group: readonly WaitingRequest[],
    patienceMs: number,
  ): Promise<Asked<WaitingRequest>> {
    this.#onGroup(group.length);
    const values = [...parameters(group), Math.ceil(patienceMs)];
    const askedAt = performance.now();
    const { rows } = await pool.query<Row>({ ...statement, values });
    const answered = new Map(rows.map((row) => [row.place, row]));
    const unanswered = group.filter((_, at) => !answered.has(at + 1));
    if (patienceMs > 0 && unanswered.length > 0)
      throw new Error("the record answered fewer rows than it was asked");
    return { settle: () => settle(group, rows, askedAt), unanswered };
  }

  /** The judgement of the database counts if its rights are signed, and if the version may be opened. */
  async #judge(
    request: DisclosureRequest,
    { row, askedAt }: Readonly<{ row: Row; askedAt: number }>,
  ): Promise<Disclosure> {
    const disclosure = readRow(row);
    if (disclosure.outcome !== "ok") return disclosure;
    const { principal, credentialId, detail } = request;
    const ids = [principal.tenantId, credentialId];
    if (principal.kind === "member") ids.push(principal.memberId);
    if (principal.kind === "member" && principal.apiKeyId !== null) ids.push(principal.apiKeyId);
    const version = detail.version ?? row.version;
    const proof = { link: row.link, grants: row.grants ?? "", askedAt };
    const isInForce = await this.#prove(principal.tenantId, proof, { ids, version });
    return isInForce ? disclosure : { outcome: "changed" };
  }
}

function settle(group: readonly WaitingRequest[], answer: readonly Row[], askedAt: number): void {
  for (const row of answer) group[row.place - 1]?.resolve({ row, askedAt });
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
    if (refusal === undefined) throw unavailable(new Error(`unknown answer of the record: ${row.outcome}`));
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
 * Each column of the group as one text. The driver would quote and escape each element of an array. Ids and
 * words need neither, and a line of JSON contains no end of line.
 */
function parameters(group: readonly WaitingRequest[]): string[] {
  const requests = group.map(({ request }) => request);
  const members = requests.map(({ principal }) => (principal.kind === "member" ? principal : null));
  // For a key the database reads the narrowing from its row.
  const tokens = members.map((member) => (member?.apiKeyId === null ? member : null));
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
    array(members.map(addressOf)),
    array(tokens.map((member) => listOf(member?.narrowing.credentials))),
    array(tokens.map((member) => listOf(member?.narrowing.accounts))),
  ];
}

/** Only a key that is bound to networks needs it. */
function addressOf(member: Member | null): string | null {
  if (member === null || member.narrowing.networks === null) return null;
  return canonicalAddress(member.origin.address);
}

/** A list of ids inside an array of lists, quoted because of its commas. */
function listOf(ids: readonly string[] | null | undefined): string | null {
  return ids === null || ids === undefined ? null : `"{${ids.join(",")}}"`;
}

/** Without the closing brace, because the database adds the version. */
function describeOpenly({ principal, credentialId, detail }: DisclosureRequest): string {
  const line = describeEvent(principal, { credential_id: credentialId, ...detail, version: undefined });
  return line.slice(0, -1);
}

function array(words: readonly (string | number | null | undefined)[]): string {
  return `{${words.map((word) => word ?? "null").join()}}`;
}
