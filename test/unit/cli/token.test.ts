import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLocalIssuer } from "../../../src/access/local-issuer.ts";
import { scopes } from "../../../src/access/permissions.ts";
import { createTokenVerifier, type VerifyToken } from "../../../src/access/tokens.ts";
import { explainToken } from "../../../src/cli/service.ts";
import { runCli } from "../../../testkit/cli.ts";
import { listen } from "../../../testkit/token-forge.ts";

let folder: string;
let verifyToken: VerifyToken;
const tenant = randomUUID();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
  const { issuer } = await openLocalIssuer(folder);
  verifyToken = createTokenVerifier([issuer]);
});
afterAll(() => rm(folder, { recursive: true }));

const token = (...argv: string[]) => runCli(["token", ...argv], { environment: { KEYHOLD_FOLDER: folder } });

async function verified(...argv: string[]) {
  const { code, output, notes } = await token(...argv);
  expect({ code, notes }).toEqual({ code: 0, notes: "" });
  return verifyToken(output.trimEnd());
}

describe("token", () => {
  test("prints nothing but a token of the operator, which the service accepts", async () => {
    expect(await verified("--operator")).toMatchObject({ kind: "operator", subject: "operator" });
  });

  test("signs for a member with every scope, of which its role leaves what it gives", async () => {
    expect(await verified("--tenant", tenant, "--subject", "alice")).toMatchObject({
      kind: "member",
      tenantId: tenant,
      subject: "alice",
      agent: false,
      scopes,
    });
  });

  test("signs for an agent with the scopes that are named", async () => {
    const argv = ["--scope", "credentials:read,credentials:use", "--scope", "audit:read", "--agent"];
    expect(await verified("--tenant", tenant, "--subject", "bot", ...argv)).toMatchObject({
      agent: true,
      scopes: ["credentials:read", "credentials:use", "audit:read"],
    });
  });

  test.for([
    ["90", 90],
    ["15m", 900],
    ["1h", 3600],
  ] as const)("lives %s", async ([ttl, seconds]) => {
    const { validUntil } = await verified("--operator", "--ttl", ttl);
    const left = (validUntil - Date.now()) / 1000;
    expect(left).toBeGreaterThan(seconds - 5);
    // The verifier adds 15 seconds for clocks that differ.
    expect(left).toBeLessThanOrEqual(seconds + 15);
  });

  test.for([
    ["nobody", []],
    ["a tenant by its name", ["--tenant", "acme", "--subject", "a"]],
    ["a tenant that a script did not find", ["--tenant", "null", "--subject", "a"]],
    ["a tenant without a subject", ["--tenant", tenant]],
    ["an operator with a tenant", ["--operator", "--tenant", tenant]],
    ["a scope that there is not", ["--tenant", tenant, "--subject", "a", "--scope", "credentials:*"]],
    ["a life of two hours", ["--operator", "--ttl", "2h"]],
    ["a life without a length", ["--operator", "--ttl", "0"]],
    ["a word for a time", ["--operator", "--ttl", "soon"]],
  ] as const)("is not signed for %s", async ([, argv]) => {
    expect(await token(...argv)).toMatchObject({
      code: 2,
      output: "",
      notes: expect.stringMatching(/^keyhold: .+\nhint: /),
    });
  });

  test("is not signed with a new key that no service knows", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
    const { code, notes } = await runCli(["token", "--operator"], {
      environment: { KEYHOLD_FOLDER: elsewhere },
    });
    expect({ code, left: await readdir(elsewhere) }).toEqual({ code: 2, left: [] });
    expect(notes).toContain("holds no signing key");
    await rm(elsewhere, { recursive: true });
  });

  test("is not signed where the service takes the tokens of others only", async () => {
    const environment = {
      KEYHOLD_FOLDER: folder,
      KEYHOLD_LOCAL_ISSUER: "off",
      KEYHOLD_ISSUERS: JSON.stringify([
        { issuer: "https://login.example.com", audience: "keyhold", algorithms: ["ES256"], tenants: "*" },
      ]),
    };
    const { code, notes } = await runCli(["token", "--operator"], { environment });
    expect(code).toBe(2);
    expect(notes).toContain("accepts no tokens of its own");
  });

  test.for([
    ["lets in", 200, { code: 0, notes: "" }],
    ["lets in from other networks", 403, { code: 0, notes: "" }],
    [
      "does not know the member of",
      401,
      {
        code: 1,
        output: "",
        notes: expect.stringMatching(/refuses this token.*\n.*alice is an active member of tenant/),
      },
    ],
  ] as const)("is shown to the service, which %s", async ([, status, expected]) => {
    const shown: (string | undefined)[] = [];
    const server = createServer(({ headers }, response) => {
      shown.push(headers.authorization);
      const code = status === 401 ? "unauthenticated" : "forbidden";
      const me = {
        kind: "member",
        tenant_id: tenant,
        member_id: "m",
        role: "owner",
        scopes: [],
        agent: false,
      };
      const problem = { code, title: "T", detail: "D" };
      response.writeHead(status).end(JSON.stringify(status === 200 ? me : problem));
    });
    const url = await listen(server);
    const environment = { KEYHOLD_FOLDER: folder, KEYHOLD_URL: url };
    const ended = await runCli(["token", "--tenant", tenant, "--subject", "alice"], { environment });
    expect(ended).toMatchObject(expected);
    expect(shown).toHaveLength(1);
    if (status !== 401) expect(shown[0]).toBe(`Bearer ${ended.output.trimEnd()}`);
    server.close();
  });
});

describe("a token that the service does not take is explained by what it says itself", () => {
  const now = Date.parse("2026-11-21T10:00:00Z");
  const seconds = now / 1000;
  const jwt = (claims: object) =>
    `e30.${Buffer.from(JSON.stringify({ iss: "i", sub: "alice", tenant_id: tenant, ...claims })).toString("base64url")}.x`;
  test.for([
    [jwt({ exp: seconds - 730 }), "your token expired 12 min ago"],
    [jwt({ exp: seconds - 5 }), "your token expired 5 s ago"],
    [jwt({ exp: seconds - 400_000 }), "your token expired 111 h ago"],
    [jwt({ exp: seconds + 60, nbf: seconds + 90 }), "begins to hold in 1 min: check the clocks"],
    [
      jwt({ exp: seconds + 60, iat: seconds + 10 }),
      `your token is of alice, of tenant ${tenant}, signed by i`,
    ],
    [jwt({ tenant_id: undefined }), "without a tenant_id"],
    [`Bearer ${jwt({})}`, "begins with Bearer"],
    ["kh_abc", "was revoked, or has ended"],
    ["not a token", "neither a JSON Web Token nor an API key"],
  ] as const)("%#: %s", ([text, told]) => {
    expect(explainToken(text, now)).toContain(told);
  });
});
