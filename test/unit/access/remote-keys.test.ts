import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Authenticator } from "../../../src/access/authenticate.ts";
import { nowhere } from "../../../src/access/principal.ts";
import { createTokenVerifier, remoteIssuer, type VerifyToken } from "../../../src/access/tokens.ts";
import { failureOf } from "../../../src/access/unauthenticated.ts";
import {
  forge,
  type KeyServer,
  listen,
  makeKey,
  serveKeys,
  signWith,
  type TestKey,
} from "../../../testkit/token-forge.ts";

const issuer = "https://login.example.com";
const first = makeKey("ES256", "first");
const second = makeKey("ES256", "second");
const minute = 60_000;

let keys: KeyServer;
let reports: unknown[];
let verify: VerifyToken;

function configured(jwksUri: string | undefined, name = issuer) {
  return remoteIssuer(
    {
      issuer: name,
      jwks_uri: jwksUri,
      audience: "keyhold",
      algorithms: ["ES256"],
      tenants: "*",
      operator: false,
      typ: "at+jwt",
      max_age_seconds: 3600,
    },
    (error) => reports.push(error),
  );
}

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  reports = [];
  keys = await serveKeys([first]);
  verify = createTokenVerifier([configured(keys.url)]);
});

afterEach(async () => {
  vi.useRealTimers();
  await keys.close();
});

function tokenBy(key: TestKey, kid = key.kid, name = issuer): string {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: name,
    aud: "keyhold",
    sub: "alice",
    iat: now,
    exp: now + 600,
    tenant_id: "6b3c1f0e-5f43-4d9e-9b1a-0c2f7a6d8e11",
  };
  return forge({ alg: "ES256", typ: "at+jwt", kid }, payload, signWith(key));
}

async function outcome(token: string): Promise<string> {
  return verify(token).then(
    () => "accepted",
    (error: unknown) => failureOf(error) ?? "another error",
  );
}

describe("the keys of an issuer", () => {
  it("are fetched once for any number of tokens at once", async () => {
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(tokenBy(first))));

    expect(new Set(outcomes)).toEqual(new Set(["accepted"]));
    expect(keys.state.requests).toBe(1);
  });

  it("are asked for at most twice a minute under ten thousand unknown key ids", async () => {
    const stranger = tokenBy(second).split(".").slice(1).join(".");
    for (let count = 0; count < 10_000; count += 1) {
      pass(6);
      const header = JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: `kid-${count}` });
      expect(await outcome(`${Buffer.from(header).toString("base64url")}.${stranger}`)).toBe("signature");
    }

    expect(keys.state.requests).toBeGreaterThan(0);
    expect(keys.state.requests).toBeLessThanOrEqual(2);
  });

  it("are no more often asked for while the issuer fails", async () => {
    keys.state.failing = true;
    for (let count = 0; count < 1000; count += 1) {
      pass(60);
      expect(await outcome(tokenBy(first, `kid-${count}`))).toBe("keys");
    }

    expect(keys.state.requests).toBeLessThanOrEqual(2);
  });

  it("count half a minute after the issuer began to use a new one", async () => {
    expect(await outcome(tokenBy(first))).toBe("accepted");
    keys.state.keys = [first, second];
    pass(30_000);

    expect(await outcome(tokenBy(second))).toBe("accepted");
    expect(await outcome(tokenBy(first))).toBe("accepted");
  });

  it("do not count five minutes after the issuer took one back", async () => {
    expect(await outcome(tokenBy(first))).toBe("accepted");
    keys.state.keys = [second];
    pass(5 * minute);

    expect(await outcome(tokenBy(first))).toBe("signature");
  });

  it("do not count five minutes after the issuer took one back, for tokens that were believed on the way", async () => {
    const authenticator = new Authenticator(verify, {
      member: async () => ({ memberId: "m1", role: "owner", limits: {} }),
      apiKey: async () => null,
      forget: () => {},
    });
    const ask = (token: string) =>
      authenticator.authenticate(`Bearer ${token}`, nowhere).then(() => "accepted", failureOf);
    const [shownAlways, shownLate] = [tokenBy(first), tokenBy(first)];
    expect(await ask(shownAlways)).toBe("accepted");
    keys.state.keys = [second];

    pass(5 * minute - 1);
    expect([await ask(shownAlways), await ask(shownLate)]).toEqual(["accepted", "accepted"]);
    pass(1);
    expect([await ask(shownAlways), await ask(shownLate)]).toEqual(["signature", "signature"]);
    expect(keys.state.requests).toBe(2);
  });

  it("hold for an hour while the issuer is away, and no longer", async () => {
    expect(await outcome(tokenBy(first))).toBe("accepted");
    keys.state.failing = true;
    pass(59 * minute);
    expect(await outcome(tokenBy(first))).toBe("accepted");

    expect(reports).toHaveLength(1);

    pass(2 * minute);
    expect(await outcome(tokenBy(first))).toBe("keys");
    expect(reports).toHaveLength(2);

    keys.state.failing = false;
    pass(minute);
    expect(await outcome(tokenBy(first))).toBe("accepted");
  });

  it("are not fetched through a redirect", async () => {
    const redirecting = createServer((_, response) => {
      response.writeHead(302, { location: keys.url }).end();
    });
    const url = await listen(redirecting);
    verify = createTokenVerifier([configured(url)]);

    expect(await outcome(tokenBy(first))).toBe("keys");
    expect(keys.state.requests).toBe(0);
    redirecting.close();
  });

  it("are not read beyond the length that a key set can have", async () => {
    const endless = createServer((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(Buffer.alloc(65_536, 0x20)), 1);
      response.on("close", () => clearInterval(timer));
    });
    const url = await listen(endless);
    verify = createTokenVerifier([configured(url)]);

    expect(await outcome(tokenBy(first))).toBe("keys");
    endless.close();
  });
});

describe("an issuer without a configured address of its keys", () => {
  async function provider(metadata: (own: string) => object) {
    const server = createServer((_, response) => {
      response.end(JSON.stringify(metadata(url)));
    });
    const url: string = await listen(server);
    verify = createTokenVerifier([configured(undefined, url)]);
    return { url, close: () => server.close() };
  }

  it("is asked for its metadata", async () => {
    const { url, close } = await provider((own) => ({ issuer: own, jwks_uri: keys.url }));

    expect(await outcome(tokenBy(first, first.kid, url))).toBe("accepted");
    close();
  });

  it("is not believed when the metadata name another issuer", async () => {
    const { url, close } = await provider(() => ({ issuer: "https://evil.example.com", jwks_uri: keys.url }));

    expect(await outcome(tokenBy(first, first.kid, url))).toBe("keys");
    expect(keys.state.requests).toBe(0);
    close();
  });

  it("is not believed when its keys would travel in the clear", async () => {
    const { url, close } = await provider((own) => ({ issuer: own, jwks_uri: "http://keys.example.com/" }));

    expect(await outcome(tokenBy(first, first.kid, url))).toBe("keys");
    close();
  });
});
