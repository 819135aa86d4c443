import { randomBytes } from "node:crypto";
import { notNarrowed } from "../src/access/narrowing.ts";
import { type Role, roles } from "../src/access/permissions.ts";
import { type Member, nowhere, type Operator } from "../src/access/principal.ts";
import { Secret } from "../src/crypto/secret.ts";
import type { Db } from "../src/db/connect.ts";
import { addMember } from "../src/tenants/member.ts";
import { createTenant } from "../src/tenants/tenant.ts";
import { type FieldName, fieldNames, type SecretFields } from "../src/venues/venue.ts";

export type Tenant = Readonly<{
  id: string;
  owner: Member;
  /** By which the owner's tokens name it. */
  subject: string;
  addMember(role: Role): Promise<Member>;
}>;

/** Its members are those of `issuer`. */
export async function openTenant(db: Db, operator: Operator, issuer: string): Promise<Tenant> {
  const subject = `owner-${randomBytes(4).toString("hex")}`;
  const { tenant, owner_id } = await createTenant(db, operator, {
    name: subject,
    owner: { issuer, subject },
  });
  const owner = memberOf(tenant.id, owner_id, "owner");
  return {
    id: tenant.id,
    owner,
    subject,
    async addMember(role) {
      const someone = `${role}-${randomBytes(4).toString("hex")}`;
      const { id } = await addMember(db, owner, { issuer, subject: someone, role });
      return memberOf(tenant.id, id, role);
    },
  };
}

export function memberOf(tenantId: string, memberId: string, role: Role): Member {
  const { reach, scopes } = roles[role];
  return {
    kind: "member",
    tenantId,
    memberId,
    role,
    reach,
    scopes: new Set(scopes),
    agent: false,
    apiKeyId: null,
    makers: [],
    narrowing: notNarrowed,
    limits: {},
    origin: nowhere,
  };
}

/** The fields of an answer of the simulator, as a caller would send them. */
export function secretFields(fields: Readonly<Record<string, string>>): SecretFields {
  const known = (name: string): FieldName => {
    const field = fieldNames.find((one) => one === name);
    if (field === undefined) throw new Error(`no such field: ${name}`);
    return field;
  };
  return new Map(Object.entries(fields).map(([name, value]) => [known(name), Secret.fromText(value)]));
}
