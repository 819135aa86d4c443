import { randomUUID } from "node:crypto";
import { connect, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Answered,
  type ApiTenant,
  type ApiWorld,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { countRows } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const canary = "canary-5b17";
const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;
let accountId: string;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
  // The first credential makes the tenant's data key that seals, the first cursor the one for MACs.
  accountId = (await registerCredential(tenant.owner)).account_id;
  await tenant.owner.get(`${path}?cursor=none`);
});
afterAll(() => api.close());

const path = "/api/v1/credentials";

/** A registration that would be accepted, but for what is changed. */
function registration(changes: Readonly<Record<string, unknown>> = {}): object {
  const secret = { api_key: canary, api_secret: canary };
  return {
    account_id: accountId,
    venue: "scripted",
    environment: "live",
    label: randomUUID(),
    secret,
    ...changes,
  };
}

function deep(levels: number): unknown {
  return levels === 0 ? canary : { a: deep(levels - 1) };
}

async function register(
  body: object | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return tenant.owner.send("POST", path, { body, headers });
}

const secretOf = (api_key: unknown) => ({ secret: { api_key, api_secret: canary } });

type Bad = readonly [name: string, send: () => Promise<Answered>, status: number, code: string];

const bodies: readonly Bad[] = [
  ["no body", () => tenant.owner.send("POST", path), 400, "malformed"],
  ["an empty body", () => register(""), 400, "malformed"],
  ["half of a JSON document", () => register(`{"account_id": "${canary}`), 400, "malformed"],
  ["JSON with more after it", () => register(`{} ${canary}`), 400, "malformed"],
  ["a list", () => register(`["${canary}"]`), 400, "malformed"],
  ["a text", () => register(`"${canary}"`), 400, "malformed"],
  ["null", () => register("null"), 400, "malformed"],
  ["a field twice", () => register(`{"venue":"${canary}","venue":"x"}`), 400, "malformed"],
  ["__proto__", () => register(`{"__proto__":{"admin":"${canary}"}}`), 400, "malformed"],
  ["seventeen levels", () => register({ params: deep(17) }), 400, "malformed"],
  [
    "two hundred and one fields",
    () => register(Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`${canary}${at}`, at]))),
    400,
    "malformed",
  ],
  ["more than 64 kB", () => register(registration({ label: canary.repeat(6000) })), 413, "too_large"],
  [
    "a form",
    () => register(`venue=${canary}`, { "content-type": "application/x-www-form-urlencoded" }),
    415,
    "unsupported_media_type",
  ],
  ["text", () => register(canary, { "content-type": "text/plain" }), 415, "unsupported_media_type"],
  [
    "a file upload",
    () => register(canary, { "content-type": "multipart/form-data; boundary=x" }),
    415,
    "unsupported_media_type",
  ],
  [
    "a compressed body",
    () => register("\u001f\u008b\u0008", { "content-encoding": "gzip" }),
    400,
    "malformed",
  ],
];

const fields: readonly Bad[] = [
  ["an unknown field", () => register(registration({ [canary]: 1 })), 400, "malformed"],
  ["a number for a text", () => register(registration({ venue: 7 })), 400, "malformed"],
  ["an object for a text", () => register(registration({ label: { $ne: canary } })), 400, "malformed"],
  ["a text for an object", () => register(registration({ secret: canary })), 400, "malformed"],
  ["an account that is no id", () => register(registration({ account_id: canary })), 400, "malformed"],
  ["an unknown environment", () => register(registration({ environment: canary })), 400, "malformed"],
  ["an unknown venue", () => register(registration({ venue: "nowhere" })), 400, "malformed"],
  ["a venue with a path in it", () => register(registration({ venue: `../${canary}` })), 400, "malformed"],
  ["an empty label", () => register(registration({ label: "" })), 400, "malformed"],
  [
    "a label of 65 characters",
    () => register(registration({ label: canary.padEnd(65, "x") })),
    400,
    "malformed",
  ],
  ["an expiry that is no time", () => register(registration({ expires_at: canary })), 400, "malformed"],
  [
    "a class that nobody knows",
    () => register(registration({ policy: { allow: [canary] } })),
    400,
    "malformed",
  ],
  [
    "a field of a secret that nobody knows",
    () => register(registration({ secret: { [canary]: canary } })),
    400,
    "malformed",
  ],
  [
    "a secret without what the venue needs",
    () => register(registration({ secret: { api_key: canary } })),
    400,
    "malformed",
  ],
  [
    "a secret with what the venue does not need",
    () => register(registration({ secret: { api_key: canary, api_secret: canary, token: canary } })),
    400,
    "malformed",
  ],
  ["an empty secret", () => register(registration(secretOf(""))), 400, "malformed"],
  ["a secret with a line break", () => register(registration(secretOf(`${canary}\n`))), 400, "malformed"],
  ["a secret in another script", () => register(registration(secretOf(`${canary}ключ`))), 400, "malformed"],
  [
    "a secret with a space at its end",
    () => register(registration(secretOf(`${canary} `))),
    400,
    "malformed",
  ],
  [
    "a secret of 9000 characters",
    () => register(registration(secretOf(canary.padEnd(9000, "x")))),
    400,
    "malformed",
  ],
  ["a secret that is a number", () => register(registration(secretOf(7))), 400, "malformed"],
];

const elsewhere: readonly Bad[] = [
  ["an account of nobody", () => register(registration({ account_id: randomUUID() })), 404, "not_found"],
  ["an id that is none", () => tenant.owner.get(`${path}/${canary}`), 400, "malformed"],
  ["an id with a zero byte", () => tenant.owner.get(`${path}/%00`), 400, "malformed"],
  ["a path with broken escapes", () => tenant.owner.get(`${path}/%zz${canary}`), 400, "malformed"],
  ["a path that is too long", () => tenant.owner.get(`${path}/${canary.repeat(20)}`), 404, "not_found"],
  ["a path with a step up", () => tenant.owner.get(`${path}/..%2f..%2f${canary}`), 400, "malformed"],
  ["a path to nothing", () => tenant.owner.get(`/api/v1/${canary}`), 404, "not_found"],
  [
    "a method that the path has not",
    () => tenant.owner.send("PUT", path, { body: {} }),
    405,
    "method_not_allowed",
  ],
  ["an unknown filter", () => tenant.owner.get(`${path}?${canary}=1`), 400, "malformed"],
  ["a filter twice", () => tenant.owner.get(`${path}?venue=a&venue=${canary}`), 400, "malformed"],
  ["a filter that cannot be stored", () => tenant.owner.get(`${path}?label=${canary}%00`), 400, "malformed"],
  ["a limit of 0", () => tenant.owner.get(`${path}?limit=0`), 400, "malformed"],
  ["a limit of 201", () => tenant.owner.get(`${path}?limit=201`), 400, "malformed"],
  ["a limit that is no number", () => tenant.owner.get(`${path}?limit=${canary}`), 400, "malformed"],
  ["a cursor that is none", () => tenant.owner.get(`${path}?cursor=${canary}`), 400, "malformed"],
  [
    "an Idempotency-Key with a space",
    () => register(registration(), { "idempotency-key": `a ${canary}` }),
    400,
    "malformed",
  ],
  [
    "an Idempotency-Key of 256 characters",
    () => register(registration(), { "idempotency-key": canary.padEnd(256, "x") }),
    400,
    "malformed",
  ],
];

describe("bad input is answered with its problem and leaves nothing behind:", () => {
  it.each([...bodies, ...fields, ...elsewhere])("%s", async (_, send, status, code) => {
    const before = await countRows(api.world.database.owner);
    const answered = await send();
    const after = await countRows(api.world.database.owner);

    expect(answered).toMatchObject({ status, json: { status, code, type: `/problems/${code}` } });
    expect(answered.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
    expect(answered.text).not.toContain(canary);
    // A miss is written down; nothing else is.
    expect({ ...after, "audit.links": 0 }).toEqual({ ...before, "audit.links": 0 });
  });

  it("the same request without the fault is accepted", async () => {
    expect((await register(registration())).status).toBe(201);
  });

  it("and none of it is in the log, though everything else is", () => {
    expect(api.log()).not.toContain(canary);
    expect(api.log()).toContain('"status":413');
  });
});

describe("on a connection", () => {
  let port: number;
  beforeAll(async () => {
    await api.app.listen({ host: "127.0.0.1", port: 0 });
    port = addressOf(api.app.server.address()).port;
  });

  function addressOf(address: AddressInfo | string | null): AddressInfo {
    if (address === null || typeof address === "string") throw new Error("no port");
    return address;
  }

  /** Sends bytes as they are, and answers with what comes back until the end. */
  function exchange(text: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: string[] = [];
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      socket.setEncoding("utf8");
      socket.on("data", (chunk: string) => chunks.push(chunk));
      socket.on("close", () => resolve(chunks.join("")));
      socket.on("error", reject);
    });
  }

  const head = (...lines: string[]): string =>
    [`POST ${path} HTTP/1.1`, "Host: a", "Connection: close", ...lines, "", ""].join("\r\n");

  it.each([
    ["bytes that are no HTTP", "\u0016\u0003\u0001\u0000\n", 400, "malformed"],
    [
      "a header without an end to its name",
      `GET / HTTP/1.1\r\nHost: a\r\n${canary}\r\n\r\n`,
      400,
      "malformed",
    ],
    ["headers of 20 kB", `GET / HTTP/1.1\r\nHost: a\r\nX: ${canary.repeat(2000)}\r\n\r\n`, 413, "too_large"],
    ["two lengths", `${head("Content-Length: 1", "Content-Length: 2")}{}`, 400, "malformed"],
    [
      "a length and chunks",
      `${head("Content-Length: 2", "Transfer-Encoding: chunked")}0\r\n\r\n`,
      400,
      "malformed",
    ],
  ])("%s are answered with a problem and the end", async (_, sent, status, code) => {
    const answer = await exchange(sent);

    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(`"code":"${code}"`);
    expect(answer).not.toContain(canary);
  });

  it("nobody may take longer than ten seconds for the headers, or thirty for the whole request", () => {
    expect(api.app.server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 30_000 });
  });

  it("a body that is no UTF-8 is refused", async () => {
    const body = Buffer.concat([Buffer.from(`{"${canary}":"`), Buffer.from([0xff]), Buffer.from('"}')]);
    const headers = head(
      `Authorization: Bearer ${tenant.owner.token}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    );
    const answer = await exchange(Buffer.concat([Buffer.from(headers), body]));

    expect(answer).toContain('"detail":"The body is not UTF-8."');
  });

  it("a request without a token is refused before its body is read", async () => {
    const answer = await exchange(head("Content-Type: application/json", "Content-Length: 1000000000"));

    expect(answer).toMatch(/^HTTP\/1.1 401 /);
  });
});
