import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createEnvStore, describeVariable } from "../../../src/stores/env.ts";
import type { SecretRef } from "../../../src/stores/store.ts";
import { sealedFields } from "../../contracts/store-contract.ts";

const ref: SecretRef = {
  tenantId: "0a1b2c3d-0000-4000-8000-00000000000a",
  credentialId: "ffffffff-1111-4111-8111-00000000000b",
  venue: "binance",
  environment: "live",
  version: 12,
};

test("a variable is named after tenant, credential and version, and holds a sealed record in base64", () => {
  const { name, value } = describeVariable(ref, sealedFields(ref));
  expect(name).toBe("KEYHOLD_SEALED_0A1B2C3D00004000800000000000000A_FFFFFFFF11114111811100000000000B_12");
  expect(Buffer.from(value, "base64").subarray(0, 4).toString()).toBe("KHRC");
});

test.each(["", "not base64!", "AAAA", "a2V5"])(
  "a variable that holds %j was not made by Keyhold",
  async (value) => {
    const { name } = describeVariable(ref, sealedFields(ref));
    expect(await createEnvStore({ [name]: value }).get(ref)).toEqual({
      outcome: "denied",
      reason: "foreign",
    });
  },
);

test("a record that lost its end is refused, and the whole one is found", async () => {
  const { name, value } = describeVariable(ref, sealedFields(ref));
  const cut = value.slice(0, value.length - 8);
  expect(await createEnvStore({ [name]: cut }).get(ref)).toEqual({ outcome: "denied", reason: "foreign" });
  expect((await createEnvStore({ [name]: value }).get(ref)).outcome).toBe("found");
});

test("what an operator still sets cannot be destroyed: it would come back", async () => {
  const { name, value } = describeVariable(ref, sealedFields(ref));
  const refusal = { outcome: "denied", reason: "read_only" };
  expect(await createEnvStore({ [name]: value }).destroy(ref)).toEqual(refusal);
  expect(await createEnvStore({}).destroy(ref)).toEqual({ outcome: "destroyed" });
  expect(await createEnvStore({ [name]: value }).destroy({ ...ref, credentialId: randomUUID() })).toEqual({
    outcome: "destroyed",
  });
});
