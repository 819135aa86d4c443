import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTokenVerifier, remoteIssuer } from "../../../src/access/tokens.ts";
import { explainFailure } from "../../../src/access/unauthenticated.ts";
import { forge, type KeyServer, makeKey, serveKeys, signWith } from "../../../testkit/token-forge.ts";

const key = makeKey("RS256", "k1");
const tenant = randomUUID();
let keys: KeyServer;
beforeAll(async () => {
  keys = await serveKeys([key]);
});
afterAll(() => keys.close());

type Settings = Partial<Parameters<typeof remoteIssuer>[0]>;

/** Verifies a token of an issuer that is configured with `settings`: the scopes, or what the log says. */
async function verified(settings: Settings, header: object, claims: object): Promise<unknown> {
  const issuer = "https://login.example.com/";
  const verify = createTokenVerifier([
    remoteIssuer({
      issuer,
      jwks_uri: keys.url,
      audience: "api://keyhold",
      algorithms: ["RS256"],
      tenants: [tenant],
      operator: false,
      typ: "JWT",
      max_age_seconds: 86_400,
      ...settings,
    }),
  ]);
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: issuer,
    aud: "api://keyhold",
    sub: "alice",
    iat: now,
    exp: now + 3600,
    tenant_id: tenant,
    ...claims,
  };
  return verify(forge({ alg: "RS256", kid: "k1", ...header }, payload, signWith(key))).then(
    (token) => (token.kind === "member" ? token.scopes : token.kind),
    explainFailure,
  );
}

const twoScopes = ["credentials:read", "audit:read"];
const cognito = {
  typ: "none",
  audience: "the-client",
  audience_claim: "client_id",
  scope_prefix: "keyhold/",
} as const;

describe("an access token is taken as it comes from", () => {
  test.for([
    ["Okta", { typ: "none" }, {}, { scp: twoScopes, cid: "0oa1", uid: "00u1", ver: 1 }],
    [
      "Cognito",
      cognito,
      {},
      {
        aud: undefined,
        client_id: "the-client",
        token_use: "access",
        scope: "keyhold/credentials:read keyhold/audit:read aws.cognito.signin.user.admin",
      },
    ],
    [
      "Entra",
      {},
      { typ: "JWT", x5t: "x" },
      { scp: "credentials:read audit:read", tid: randomUUID(), azp: "x" },
    ],
    [
      "Auth0",
      {},
      { typ: "JWT" },
      { scope: "credentials:read audit:read", aud: ["api://keyhold", "https://x.example/userinfo"] },
    ],
    [
      "Keycloak",
      {},
      { typ: "JWT" },
      { scope: "credentials:read audit:read", typ: "Bearer", azp: "x", realm_access: { roles: ["a"] } },
    ],
    ["Spring and Duende", { typ: "at+jwt" }, { typ: "at+jwt" }, { scope: twoScopes, client_id: "x" }],
    [
      "one that writes both claims, of which the standard's counts",
      {},
      { typ: "JWT" },
      { scope: twoScopes, scp: ["credentials:reveal"] },
    ],
  ] as const)("%s", async ([, settings, header, claims]) => {
    expect(await verified(settings, header, claims)).toEqual(twoScopes);
  });
});

describe("and is refused, with a reason for the log, where", () => {
  test.for([
    ["the type is missing and not configured to be", {}, {}, {}, "claims: typ is missing"],
    [
      "the type is that of another kind of token",
      { typ: "none" },
      { typ: "logout+jwt" },
      {},
      "claims: typ is not as configured",
    ],
    [
      "the audience is another",
      {},
      { typ: "JWT" },
      { aud: "api://other" },
      "claims: aud is not as configured",
    ],
    [
      "the client is another",
      cognito,
      {},
      { client_id: "another-client" },
      "claims: client_id is not as configured",
    ],
    [
      "the client stands where an audience is wanted",
      cognito,
      {},
      { aud: "the-client" },
      "claims: client_id is not as configured",
    ],
    [
      "the audience is missing",
      {},
      { typ: "JWT" },
      { aud: undefined, client_id: "api://keyhold" },
      "claims: aud is missing",
    ],
    ["scopes are no texts", {}, { typ: "JWT" }, { scp: [7] }, "claims: scp has another form"],
    ["the key is another", {}, { typ: "JWT", kid: "k2" }, {}, "signature: the issuer has no such key"],
    [
      "the algorithm is another",
      { algorithms: ["ES256"] },
      { typ: "JWT" },
      {},
      "signature: the algorithm is not configured",
    ],
    [
      "the tenant is another",
      {},
      { typ: "JWT" },
      { tenant_id: randomUUID() },
      "tenant: the issuer may not sign for this tenant",
    ],
    [
      "the tenant is missing",
      {},
      { typ: "JWT" },
      { tenant_id: undefined },
      "tenant: tenant_id is missing, and it is no token of the operator",
    ],
    ["its time is over", {}, { typ: "JWT" }, { exp: 1_000_000_000 }, "expired"],
  ] as const)("%s", async ([, settings, header, claims, reason]) => {
    expect(await verified(settings, header, claims)).toBe(reason);
  });

  test("an issuer's prefix is missing: such scopes are not Keyhold's", async () => {
    const claims = { aud: undefined, client_id: "the-client", scope: "credentials:read keyhold/audit:read" };
    expect(await verified(cognito, {}, claims)).toEqual(["audit:read"]);
  });
});
