/** A row that gives rights, as its signed text says it. */
export type Grant = Readonly<{
  kind: string;
  /** Raised each time that it is signed. */
  number: number;
  tenantId: string;
  id: string;
  /** Of a credential: which versions may be opened. */
  versions: readonly number[];
}>;

type Reason = "unsigned" | "altered" | "rolled_back" | "absent";

/** Rights in the database are not those that this installation signed. It never leaves the service as it is. */
export class UnprovenRights extends Error {
  override readonly name = "UnprovenRights";
  readonly tenantId: string;
  readonly detail: Readonly<{ kind: string; id: string; reason: Reason }>;

  constructor(tenantId: string, kind: string, id: string, reason: Reason) {
    super(`${kind} ${id}: ${reason}`);
    this.tenantId = tenantId;
    this.detail = { kind, id, reason };
  }
}

/** Reads what every grant begins with (0014_grants.sql), and of a credential's what it ends with. Throws `TypeError` for another text. */
export function parseGrant(text: string): Grant {
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
