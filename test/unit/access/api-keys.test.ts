import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hashApiKey, isApiKey, makeApiKey } from "../../../src/access/api-keys.ts";

describe("an API key", () => {
  it("holds 256 random bits behind a marker by which scanners can find a leaked one", () => {
    const { key } = makeApiKey();

    expect(key).toMatch(/^kh_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(key.slice(3), "base64url")).toHaveLength(32);
    expect(new Set(Array.from({ length: 1000 }, () => makeApiKey().key)).size).toBe(1000);
  });

  it("is recognised by a prefix that tells next to nothing of it", () => {
    const { key, prefix } = makeApiKey();

    expect(key.startsWith(prefix)).toBe(true);
    expect(prefix).toHaveLength(10);
  });

  it("is kept as its SHA-256 only", () => {
    const { key, hash } = makeApiKey();

    expect(Buffer.from(hash).equals(createHash("sha256").update(key).digest())).toBe(true);
    expect(hashApiKey(key)).toEqual(hash);
  });

  it.each([
    "",
    "kh_",
    `kh_${"a".repeat(42)}`,
    `kh_${"a".repeat(44)}`,
    `KH_${"a".repeat(43)}`,
    `kh_${"a".repeat(42)}=`,
  ])("is not %j", (text) => {
    expect(isApiKey(text)).toBe(false);
    expect(isApiKey(makeApiKey().key)).toBe(true);
  });
});
