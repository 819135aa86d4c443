import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { notNarrowed } from "../../../src/access/narrowing.ts";
import {
  createTokenVerifier,
  remoteIssuer,
  type VerifiedToken,
  type VerifyToken,
} from "../../../src/access/tokens.ts";
import { KeyholdError } from "../../../src/errors.ts";
import {
  attacker,
  ec,
  ed,
  forgedTokens,
  issuer,
  now,
  operators,
  operatorToken,
  other,
  otherKey,
  rsa,
  tenant,
  token,
} from "../../../testkit/forged-tokens.ts";
import { type KeyServer, serveKeys } from "../../../testkit/token-forge.ts";

let keys: KeyServer;
let otherKeys: KeyServer;
let trap: KeyServer;
let verify: VerifyToken;

beforeAll(async () => {
  [keys, otherKeys, trap] = await Promise.all([
    serveKeys([ec, ed, rsa]),
    serveKeys([otherKey]),
    serveKeys([attacker]),
  ]);
  const common = {
    audience: "keyhold",
    tenants: [tenant],
    operator: false,
    typ: "at+jwt",
    max_age_seconds: 3600,
  } as const;
  verify = createTokenVerifier([
    remoteIssuer({ ...common, issuer, algorithms: ["ES256", "EdDSA"] as const, jwks_uri: keys.url }),
    remoteIssuer({ ...common, issuer: other, algorithms: ["ES256"], jwks_uri: otherKeys.url, tenants: "*" }),
    remoteIssuer({
      ...common,
      issuer: operators,
      algorithms: ["ES256"],
      jwks_uri: keys.url,
      tenants: [],
      operator: true,
    }),
  ]);
});

afterAll(async () => {
  await Promise.all([keys.close(), otherKeys.close(), trap.close()]);
});

async function refusalOf(text: string): Promise<unknown> {
  return verify(text).then(
    (accepted: VerifiedToken) => accepted,
    (error: unknown) => error,
  );
}

describe("a token is refused that has", () => {
  it.each(forgedTokens)("$name, while its twin without that is accepted", async ({ forged, twin }) => {
    const refused = await refusalOf(forged(trap.url));
    const accepted = await refusalOf(twin(trap.url));

    expect(refused).toBeInstanceOf(KeyholdError);
    expect(refused).toMatchObject({ code: "unauthenticated" });
    expect(accepted).toMatchObject({ subject: expect.any(String), validUntil: expect.any(Number) });
  });
});

describe("all refusals", () => {
  it("are of more than sixty kinds and read the same", async () => {
    const refusals = await Promise.all(forgedTokens.map(({ forged }) => refusalOf(forged(trap.url))));
    const texts = new Set(
      refusals.map((refusal) =>
        refusal instanceof KeyholdError ? JSON.stringify([refusal.detail, refusal.facts]) : "accepted",
      ),
    );

    expect(forgedTokens.length).toBeGreaterThanOrEqual(60);
    expect(texts.size).toBe(1);
  });

  it("ask no address that a token names, though the address would answer", async () => {
    expect(trap.state.requests).toBe(0);

    await fetch(trap.url);
    expect(trap.state.requests).toBe(1);
  });
});

describe("a token says", () => {
  it("tenant, subject, scopes and whether it is an agent's", async () => {
    const verified = await verify(
      token({ payload: { scope: "credentials:read credentials:use", agent: true } }),
    );

    expect(verified).toEqual({
      kind: "member",
      issuer,
      subject: "alice",
      tenantId: tenant,
      scopes: ["credentials:read", "credentials:use"],
      agent: true,
      narrowing: notNarrowed,
      validUntil: (now + 615) * 1000,
      verifyAgainAt: expect.any(Number),
    });
  });

  it("nothing of a tenant when it is the operator's", async () => {
    expect(await verify(operatorToken())).toMatchObject({
      kind: "operator",
      issuer: operators,
      subject: "alice",
    });
  });
});
