import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLocalIssuer } from "../../../src/access/local-issuer.ts";
import { createTokenVerifier } from "../../../src/access/tokens.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keyhold-issuer-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const request = { subject: "alice", scopes: ["credentials:read"], ttlSeconds: 600 };

describe("Keyhold's own issuer", () => {
  it("signs tokens that its public key verifies, for a member and for the operator", async () => {
    const { issuer, mintToken } = await openLocalIssuer(folder);
    const verify = createTokenVerifier([issuer]);
    const tenantId = randomUUID();

    expect(await verify(await mintToken({ ...request, tenantId, agent: true }))).toMatchObject({
      kind: "member",
      tenantId,
      subject: "alice",
      scopes: ["credentials:read"],
      agent: true,
    });
    expect(await verify(await mintToken({ ...request, scopes: ["platform:tenants"] }))).toMatchObject({
      kind: "operator",
    });
  });

  it("keeps its key in a file that only its owner can read, and uses it again", async () => {
    const before = await openLocalIssuer(folder);
    const after = await openLocalIssuer(folder);
    const token = await before.mintToken({ ...request, tenantId: randomUUID() });

    expect(statSync(join(folder, "signing-key.json")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["signing-key.json"]);
    expect(await createTokenVerifier([after.issuer])(token)).toMatchObject({ subject: "alice" });
  });

  it("has one key when several processes start at once", async () => {
    const issuers = await Promise.all(Array.from({ length: 8 }, () => openLocalIssuer(folder)));
    const token = await issuers[0]?.mintToken({ ...request, tenantId: randomUUID() });

    for (const { issuer } of issuers) {
      expect(await createTokenVerifier([issuer])(token ?? "")).toMatchObject({ subject: "alice" });
    }
  });

  it("does not accept the tokens of another installation", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "keyhold-issuer-"));
    const [ours, theirs] = await Promise.all([openLocalIssuer(folder), openLocalIssuer(elsewhere)]);
    const token = await theirs.mintToken({ ...request, tenantId: randomUUID() });

    await expect(createTokenVerifier([ours.issuer])(token)).rejects.toMatchObject({
      code: "unauthenticated",
    });
    rmSync(elsewhere, { recursive: true });
  });

  it("refuses to start with a key that others can read", async () => {
    await openLocalIssuer(folder);
    chmodSync(join(folder, "signing-key.json"), 0o644);

    await expect(openLocalIssuer(folder)).rejects.toThrow(/can be read by others\. Run: chmod 600/);
  });

  it.skipIf(process.getuid?.() !== 0)("refuses to start with a key of another user", async () => {
    await openLocalIssuer(folder);
    chownSync(join(folder, "signing-key.json"), 1234, 1234);

    await expect(openLocalIssuer(folder)).rejects.toThrow(/belongs to user 1234, who could change it/);
  });

  it("refuses to start with a file that holds no key, and leaves it as it is", async () => {
    const path = join(folder, "signing-key.json");
    writeFileSync(path, '{"kty":"OKP"}', { mode: 0o600 });

    await expect(openLocalIssuer(folder)).rejects.toThrow(/holds no Ed25519 private key/);
    expect(readFileSync(path, "utf8")).toBe('{"kty":"OKP"}');
  });

  it.each([0, -1, 3601, Number.NaN])("signs no token that lives %s seconds", async (ttlSeconds) => {
    const { mintToken } = await openLocalIssuer(folder);

    expect(() => mintToken({ ...request, ttlSeconds })).toThrow(RangeError);
  });
});
