import { describe, expect, it } from "vitest";
import { makeApiKey } from "../../../src/access/api-keys.ts";
import { Authenticator } from "../../../src/access/authenticate.ts";
import type { ActiveApiKey, ActiveMember } from "../../../src/access/membership.ts";
import { notNarrowed } from "../../../src/access/narrowing.ts";
import { nowhere } from "../../../src/access/principal.ts";
import type { VerifiedToken } from "../../../src/access/tokens.ts";
import { failureOf } from "../../../src/access/unauthenticated.ts";

const tenantId = "2f0b8b0e-6a55-4a5e-9d0c-5b8e2f5f3b11";
const member: ActiveMember = { memberId: "m1", role: "trader", limits: {} };
const apiKey: ActiveApiKey = {
  ...member,
  apiKeyId: "k1",
  tenantId,
  scopes: ["credentials:read"],
  agent: false,
  makers: [],
  narrowing: notNarrowed,
};

function setUp(token: Partial<VerifiedToken> = {}) {
  const state = { now: 1_000_000, verified: 0, member: member as ActiveMember | null, forgotten: "" };
  const verified: VerifiedToken = Object.assign(
    {
      kind: "member" as const,
      issuer: "i",
      subject: "s",
      tenantId,
      scopes: ["credentials:read", "audit:read"],
      agent: false,
      narrowing: notNarrowed,
      validUntil: state.now + 60_000,
      verifyAgainAt: Infinity,
    },
    token,
  );
  const authenticator = new Authenticator(
    () => {
      state.verified += 1;
      return Promise.resolve(verified);
    },
    {
      member: () => Promise.resolve(state.member),
      apiKey: () => Promise.resolve(apiKey),
      forget: (memberId) => (state.forgotten = memberId),
    },
    () => state.now,
  );
  const ask = (authorization: string | undefined) =>
    authenticator.authenticate(authorization, nowhere).catch(failureOf);
  return { state, authenticator, ask };
}

describe("authentication", () => {
  it("verifies a token once, and looks the membership up each time", async () => {
    const { state, ask } = setUp();
    await ask("Bearer a.b.c");
    expect(await ask("Bearer a.b.c")).toMatchObject({ kind: "member", memberId: "m1", reach: "own" });
    state.member = null;

    expect(await ask("Bearer a.b.c")).toBe("membership");
    expect(state.verified).toBe(1);
  });

  it("does not let a token that was verified outlive its expiry", async () => {
    const { state, ask } = setUp();
    await ask("Bearer a.b.c");
    state.now += 60_000;

    expect(await ask("Bearer a.b.c")).toBe("expired");
  });

  it("verifies a token again once the issuer may have taken its key back", async () => {
    const { state, ask } = setUp({ verifyAgainAt: 1_010_000 });
    await ask("Bearer a.b.c");
    state.now += 9999;
    await ask("Bearer a.b.c");
    expect(state.verified).toBe(1);

    state.now += 1;
    await ask("Bearer a.b.c");
    expect(state.verified).toBe(2);
  });

  it("tells tokens apart that differ in one letter", async () => {
    const { state, ask } = setUp();
    await ask("Bearer a.b.c");
    await ask("Bearer a.b.d");

    expect(state.verified).toBe(2);
  });

  it("cuts scopes down to the role", async () => {
    const { ask } = setUp();

    expect(await ask("Bearer a.b.c")).toMatchObject({ scopes: new Set(["credentials:read"]) });
  });

  it("asks no membership of the operator", async () => {
    const { state, ask } = setUp({ kind: "operator" });
    state.member = null;

    expect(await ask("Bearer a.b.c")).toEqual({
      kind: "operator",
      issuer: "i",
      subject: "s",
      origin: nowhere,
    });
  });

  it("knows an API key by its form and verifies no token then", async () => {
    const { state, ask } = setUp();

    expect(await ask(`Bearer ${makeApiKey().key}`)).toMatchObject({ memberId: "m1", apiKeyId: "k1" });
    expect(state.verified).toBe(0);
  });

  it.each([undefined, "", "Bearer", "Basic abc", "Bearer a b", "Bearer a,b", "Bearer ä", " Bearer a"])(
    "needs a bearer token and nothing beside it: %s",
    async (authorization) => {
      const { state, ask } = setUp();

      expect(["missing", "malformed"]).toContain(await ask(authorization));
      expect(state.verified).toBe(0);
    },
  );

  it("forgets a member when it is told to", () => {
    const { state, authenticator } = setUp();
    authenticator.forget("m1");

    expect(state.forgotten).toBe("m1");
  });
});
