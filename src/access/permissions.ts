import type { Reach } from "../db/tenant.ts";

/** All scopes of tokens and API keys. A scope matches as a whole; there are no wildcards. */
export const scopes = [
  "tenant:read",
  "tenant:write",
  "members:read",
  "members:write",
  "accounts:read",
  "accounts:write",
  "api-keys:read",
  "api-keys:write",
  "credentials:read",
  "credentials:write",
  "credentials:validate",
  "credentials:use",
  "credentials:trade",
  "credentials:transfer",
  "credentials:withdraw",
  "credentials:reveal",
  "webhooks:read",
  "webhooks:write",
  "audit:read",
] as const;
export type Scope = (typeof scopes)[number];

/** The only scope of the operator, who creates and suspends tenants and sees nothing inside them. */
export const operatorScope = "platform:tenants";

const everything = scopes;

/**
 * Role → the most scopes of its members, and how far they reach: `own` is what they own, `tenant-read` and
 * `tenant-write` are everything of their tenant. The scopes of a token are reduced to those of the member's
 * role.
 */
export const roles = {
  owner: { reach: "tenant-write", scopes: everything },
  admin: {
    reach: "tenant-write",
    scopes: everything.filter(
      (scope) =>
        scope !== "credentials:reveal" &&
        scope !== "credentials:withdraw" &&
        scope !== "credentials:transfer",
    ),
  },
  trader: {
    reach: "own",
    scopes: [
      "tenant:read",
      "members:read",
      "accounts:read",
      "accounts:write",
      "api-keys:read",
      "api-keys:write",
      "credentials:read",
      "credentials:write",
      "credentials:validate",
      "credentials:use",
      "credentials:trade",
      "credentials:transfer",
      "credentials:withdraw",
      "credentials:reveal",
    ],
  },
  viewer: { reach: "own", scopes: ["tenant:read", "members:read", "accounts:read", "credentials:read"] },
  auditor: {
    reach: "tenant-read",
    scopes: [
      "tenant:read",
      "members:read",
      "accounts:read",
      "api-keys:read",
      "credentials:read",
      "webhooks:read",
      "audit:read",
    ],
  },
} as const satisfies Record<string, { reach: Reach; scopes: readonly Scope[] }>;
export type Role = keyof typeof roles;

/**
 * Which role may give which roles. Only an owner makes owners. The roles that an administrator gives reveal
 * only what their member owns.
 */
export const givenBy: Readonly<Partial<Record<Role, readonly Role[]>>> = {
  owner: ["owner", "admin", "trader", "viewer", "auditor"],
  admin: ["admin", "trader", "viewer", "auditor"],
};

/**
 * The scopes that an agent never has, in any role. It reads and places orders. It sees no key, moves no money
 * out of an account, changes nothing, and does not read what is sent to the webhooks of the tenant.
 */
const neverForAgents: readonly Scope[] = scopes.filter(
  (scope) =>
    scope.endsWith(":write") ||
    scope === "credentials:reveal" ||
    scope === "credentials:withdraw" ||
    scope === "credentials:transfer" ||
    scope === "webhooks:read",
);

/**
 * The scopes that a token or key never has if it is narrowed to credentials or accounts, because they concern
 * the whole tenant.
 */
const neverWhenNarrowed: readonly Scope[] = [
  "tenant:write",
  "members:write",
  "webhooks:read",
  "webhooks:write",
  "audit:read",
];

export function isScope(word: string): word is Scope {
  return scopes.some((scope) => scope === word);
}

export function isRole(word: string): word is Role {
  return Object.hasOwn(roles, word);
}

/**
 * The scopes of `asked` that a role allows, also to an agent and to a caller that is narrowed to credentials
 * or accounts.
 */
export function grantedScopes(
  role: Role,
  asked: Iterable<string>,
  agent: boolean,
  narrowed = false,
): ReadonlySet<Scope> {
  const allowed: readonly Scope[] = roles[role].scopes;
  const granted = new Set<Scope>();
  for (const word of asked) {
    if (!isScope(word) || !allowed.includes(word)) continue;
    if (agent && neverForAgents.includes(word)) continue;
    if (narrowed && neverWhenNarrowed.includes(word)) continue;
    granted.add(word);
  }
  return granted;
}
