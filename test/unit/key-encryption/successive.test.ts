import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKeyFile } from "../../../src/key-encryption/file.ts";
import { createKeyFile } from "../../../src/key-encryption/key-file.ts";
import type { KeyProvider } from "../../../src/key-encryption/key-provider.ts";
import { successive } from "../../../src/key-encryption/open.ts";

const context = { tenantId: randomUUID(), dataKeyId: randomUUID() };
const dataKey = randomBytes(32);
let folder: string;
let older: KeyProvider;
let newer: KeyProvider;

async function newProvider(name: string): Promise<KeyProvider> {
  await createKeyFile(join(folder, name));
  return loadKeyFile(join(folder, name));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-successive-"));
  older = await newProvider("older");
  newer = await newProvider("newer");
});
afterAll(() => rm(folder, { recursive: true }));

describe("providers behind one another", () => {
  test("are the one that there is, where there is one", () => {
    expect(successive(newer)).toBe(newer);
  });

  test("wrap with the newest, and unwrap what any of them wrapped", async () => {
    const both = successive(newer, older);
    expect(both).toMatchObject({ kind: "file", kekId: newer.kekId });
    const wrapped = await both.wrap(dataKey, context);
    expect(wrapped.kekId).toBe(newer.kekId);
    for (const one of [wrapped, await older.wrap(dataKey, context)])
      expect(Buffer.from(await both.unwrap(one, context))).toEqual(dataKey);
    expect(await both.knows(older.kekId)).toBe(true);
    expect(await both.knows(newer.kekId)).toBe(true);
  });

  test("without the one that wrapped say which key is missing", async () => {
    const { kekId, bytes } = await (await newProvider("stranger")).wrap(dataKey, context);
    const both = successive(newer, older);
    expect(await both.knows(kekId)).toBe(false);
    await expect(both.unwrap({ kekId, bytes }, context)).rejects.toMatchObject({
      code: "key_unavailable",
      detail: expect.stringContaining(kekId),
    });
  });

  test("do not ask an older one that is away for what the newest wrapped, nor pass over one that cannot say", async () => {
    const away: KeyProvider = {
      ...older,
      kekId: older.kekId,
      knows: () => Promise.reject(new Error("away")),
    };
    const wrapped = await newer.wrap(dataKey, context);
    expect(Buffer.from(await successive(newer, away).unwrap(wrapped, context))).toEqual(dataKey);
    await expect(successive(away, newer).unwrap(wrapped, context)).rejects.toThrow("away");
  });
});
