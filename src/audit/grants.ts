import { timingSafeEqual } from "node:crypto";
import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import type { Proof } from "../access/membership.ts";
import type { Db } from "../db/connect.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";

/** A change of rights in a transaction, as `audit.conclude` returns it. */
export type Unsigned = Readonly<{
  kind: string;
  id: string;
  grant_text: string;
  /**
   * The grant before this transaction. Both are `null` for a new row; only the MAC is `null` for a row from a
   * version without MACs.
   */
  was_text: string | null;
  was_mac: Uint8Array | null;
  /** The highest number of this grant in the record. */
  recorded: number | null;
  /** Whether the rights of the tenant were signed before. Then Keyhold did not write a row without a MAC. */
  adopted: boolean;
}>;

export type Signed = Readonly<{ kind: string; id: string; number: number; mac: Uint8Array }>;

export type GrantsOptions = Readonly<{
  /** `false` treats each grant as proven: for the control of a test. */
  verify?: boolean;
  /** Grants that are remembered at most, with a text of some 400 bytes each. */
  most?: number;
}>;

const purpose = "grant";
const encoder = new TextEncoder();

/**
 * Signs grants, on which rights rest, and verifies them. A verified grant is remembered by its MAC, with the
 * text that the MAC covers, so that it costs only a comparison later.
 */
export class Grants {
  readonly #keys: Pick<DataKeySource, "mac" | "warmMac" | "beginMac">;
  readonly #verify: boolean;
  readonly #marks: Marks;
  readonly #verified: LRUCache<string, Readonly<{ line: string; grant: Grant }>>;

  constructor(
    db: Db,
    keys: Pick<DataKeySource, "mac" | "warmMac" | "beginMac">,
    { verify = true, most = 20_000 }: GrantsOptions = {},
  ) {
    this.#keys = keys;
    this.#verify = verify;
    this.#marks = new Marks(db, most);
    this.#verified = new LRUCache({ max: most });
  }

  /** To be called before a transaction, so that it does not wait for another connection when it signs. */
  warm(tenantId: string): Promise<void> {
    return this.#keys.warmMac(tenantId);
  }

  /** Makes the MAC key of a new tenant, which the transaction that creates the tenant stores. */
  begin(tenantId: string): ReturnType<DataKeySource["beginMac"]> {
    return this.#keys.beginMac(tenantId);
  }

  /**
   * Verifies the grants of a proof. Throws `UnprovenRights` when a grant has no MAC or a wrong one, belongs
   * to another tenant, or is older than a known one, and when a requested grant is missing.
   * @returns whether they allow the requested version to be opened.
   */
  async examine(
    tenantId: string,
    proof: Proof,
    { ids, version = null }: Readonly<{ ids: readonly string[]; version?: number | null }>,
  ): Promise<boolean> {
    if (!this.#verify) return true;
    const grants: Grant[] = [];
    for (const line of proof.grants.split("\n")) {
      grants.push(this.#known(line) ?? (await this.#check(tenantId, line)));
    }
    for (const id of ids) {
      if (!grants.some((grant) => grant.id === id)) throw new UnprovenRights(tenantId, "", id, "absent");
    }
    await this.#marks.assertNewest(tenantId, grants, proof);
    return version === null || grants.some(({ versions }) => versions.includes(version));
  }

  /**
   * The MACs for the changes of a transaction. The changed rows must have been signed before: otherwise a
   * change would sign what another writer put into the row. Throws `UnprovenRights`.
   */
  async sign(tenantId: string, unsigned: readonly Unsigned[]): Promise<readonly Signed[]> {
    const signed: Signed[] = [];
    for (const row of unsigned) {
      if (this.#verify) await this.#assertOurs(tenantId, row);
      const { number } = parseGrant(row.grant_text);
      const mac = await this.#mac(tenantId, row.grant_text);
      signed.push({ kind: row.kind, id: row.id, number, mac });
    }
    return signed;
  }

  async #assertOurs(tenantId: string, row: Unsigned): Promise<void> {
    const { kind, id, was_text: text, was_mac: mac, recorded, adopted } = row;
    if (text !== null && mac === null && !adopted) return;
    if (text !== null && mac === null) throw new UnprovenRights(tenantId, kind, id, "unsigned");
    const number = text === null || mac === null ? null : (await this.#authentic(tenantId, text, mac)).number;
    if (number !== recorded) throw new UnprovenRights(tenantId, kind, id, "rolled_back");
  }

  #known(line: string): Grant | undefined {
    const known = this.#verified.get(line.slice(0, line.indexOf(" ")));
    return known?.line === line ? known.grant : undefined;
  }

  async #check(tenantId: string, line: string): Promise<Grant> {
    const space = line.indexOf(" ");
    const [mac, text] = [line.slice(0, space), line.slice(space + 1)];
    const grant = await this.#authentic(tenantId, text, Buffer.from(mac, "hex"));
    this.#verified.set(mac, { line, grant });
    return grant;
  }

  async #authentic(tenantId: string, text: string, mac: Uint8Array): Promise<Grant> {
    const grant = parseGrant(text);
    const { kind, id } = grant;
    if (mac.byteLength === 0) throw new UnprovenRights(tenantId, kind, id, "unsigned");
    const right = await this.#mac(tenantId, text);
    const same = mac.byteLength === right.byteLength && timingSafeEqual(mac, right);
    if (!same || grant.tenantId !== tenantId) throw new UnprovenRights(tenantId, kind, id, "altered");
    return grant;
  }

  #mac(tenantId: string, text: string): Promise<Uint8Array> {
    return this.#keys.mac(tenantId, purpose, encoder.encode(text));
  }
}

const signers = new WeakMap<Db, Grants>();

/**
 * From now on `grants` signs changes over this connection. A verb gets only a connection, so the signer is
 * found by it.
 */
export function signWith(db: Db, grants: Grants): void {
  signers.set(db, grants);
}

export function signerOf(db: Db): Grants | undefined {
  return signers.get(db);
}

/** Throws `Error` for a connection without a signer. */
export function assertSigner(grants: Grants | undefined): Grants {
  if (grants === undefined) throw new Error("no signer for the rights that are changed over this connection");
  return grants;
}

/** A row that gives rights, read from its signed text. */
type Grant = Readonly<{
  kind: string;
  /** Raised with each signature. */
  number: number;
  tenantId: string;
  id: string;
  /** For a credential: the versions that may be opened. */
  versions: readonly number[];
}>;

/**
 * The rights in the database are not those that this installation signed. It is internal: callers get
 * `rights_unproven`.
 */
export class UnprovenRights extends Error {
  override readonly name = "UnprovenRights";
  readonly tenantId: string;
  readonly detail: Readonly<{
    kind: string;
    id: string;
    reason: "unsigned" | "altered" | "rolled_back" | "absent";
  }>;

  constructor(tenantId: string, kind: string, id: string, reason: UnprovenRights["detail"]["reason"]) {
    super(`${kind} ${id}: ${reason}`);
    this.tenantId = tenantId;
    this.detail = { kind, id, reason };
  }
}

/**
 * Reads the beginning of a grant (0014_grants.sql), and the end of a credential's grant. Throws `TypeError`
 * for another text.
 */
function parseGrant(text: string): Grant {
  const parts: unknown = JSON.parse(text);
  if (!Array.isArray(parts)) throw new TypeError("a grant is an array");
  const [kind, number, tenantId, id]: unknown[] = parts;
  if (
    typeof kind !== "string" ||
    typeof number !== "number" ||
    typeof tenantId !== "string" ||
    typeof id !== "string"
  ) {
    throw new TypeError("a grant begins with its kind, number, tenant and id");
  }
  const last: unknown = parts.at(-1);
  const versions =
    kind === "credentials" && Array.isArray(last) ? last.map((one) => Number.parseInt(String(one), 10)) : [];
  return { kind, number, tenantId, id, versions };
}

/** How long a process relies on its marks before it asks the record again. */
const askEveryMs = 60_000;

/**
 * Notices an old row that was put back with its own old MAC. The record contains the number of each signed
 * grant, and this process remembers the newest state of a grant: its number, at which link and when the
 * process saw it, and when the record was asked.
 */
class Marks {
  readonly #db: Db;
  readonly #marks: LRUCache<
    string,
    Readonly<{ number: number; link: number; seenAt: number; heldAt: number }>
  >;

  constructor(db: Db, most: number) {
    this.#db = db;
    this.#marks = new LRUCache({ max: most });
  }

  /** Throws `UnprovenRights`. */
  async assertNewest(
    tenantId: string,
    grants: readonly Grant[],
    proof: Omit<Proof, "grants">,
  ): Promise<void> {
    const now = performance.now();
    const due = grants.filter(({ id }) => now - (this.#marks.get(id)?.heldAt ?? -Infinity) >= askEveryMs);
    if (due.length > 0) await this.#ask(tenantId, due, proof.link);
    for (const grant of grants) this.#hold(grant, proof);
  }

  async #ask(tenantId: string, grants: readonly Grant[], link: number): Promise<void> {
    const ids = grants.map(({ id }) => id);
    const { rows } = await sql<{ id: string; number: number }>`
      select * from audit.grant_numbers(${tenantId}::uuid, ${ids}::uuid[], ${link})`.execute(this.#db);
    const numbers = new Map(rows.map(({ id, number }) => [id, number]));
    for (const { kind, id, number } of grants) {
      // A change commits together with its link, so a number that the record lacks is as wrong as an old one.
      if (numbers.get(id) !== number) throw new UnprovenRights(tenantId, kind, id, "rolled_back");
      const known = this.#marks.get(id);
      const now = performance.now();
      this.#marks.set(id, { ...(known ?? { number, link, seenAt: now }), heldAt: now });
    }
  }

  /**
   * Answers may come out of order. An answer to an earlier question than the mark may have an older link and
   * an older number. An answer to a later question with an older link means that the record was cut.
   */
  #hold({ kind, tenantId, id, number }: Grant, { link, askedAt }: Omit<Proof, "grants">): void {
    const mark = this.#marks.get(id);
    if (mark === undefined) return;
    const isLate = link < mark.link;
    const isWrong = isLate ? number > mark.number || askedAt > mark.seenAt : number < mark.number;
    if (isWrong) throw new UnprovenRights(tenantId, kind, id, "rolled_back");
    if (!isLate) this.#marks.set(id, { ...mark, number, link, seenAt: performance.now() });
  }
}
