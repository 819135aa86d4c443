import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateDataKey } from "../../src/crypto/data-key.ts";
import { seal, type Sealed } from "../../src/crypto/envelope.ts";
import { Secret } from "../../src/crypto/secret.ts";
import type { SecretRef, Store } from "../../src/stores/store.ts";

/** A store under test, and how to put it out of reach. */
export type StoreUnderTest = Readonly<{
  store: Store;
  /** A tenant that may keep secrets here. */
  tenantId: string;
  /** From now on the store cannot be reached. */
  disconnect(): Promise<void>;
  close(): Promise<void>;
}>;

/** What every store must do. A new store is finished when it passes. */
export function storeContract(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`the store ${name}`, () => {
    let subject: StoreUnderTest;
    beforeAll(async () => {
      subject = await create();
    });
    afterAll(() => subject.close());

    const newRef = (version = 1): SecretRef => ({
      tenantId: subject.tenantId,
      credentialId: randomUUID(),
      venue: "binance",
      environment: "live",
      version,
    });

    test("gives back what was put, byte for byte", async () => {
      const ref = newRef();
      const fields = sealedFields(ref);
      expect(await subject.store.put(ref, fields)).toEqual({ outcome: "written" });
      const answer = await subject.store.get(ref);
      expect(answer.outcome).toBe("found");
      if (answer.outcome !== "found") return;
      expect([...answer.fields.keys()].toSorted()).toEqual([...fields.keys()].toSorted());
      for (const [field, bytes] of fields)
        expect(Buffer.compare(answer.fields.get(field) ?? Buffer.of(), bytes)).toBe(0);
    });

    test("takes the same bytes twice, as after a lost answer", async () => {
      const ref = newRef();
      const fields = sealedFields(ref);
      await subject.store.put(ref, fields);
      expect(await subject.store.put(ref, fields)).toEqual({ outcome: "written" });
    });

    test("refuses other bytes under a version that exists, and keeps the first", async () => {
      const ref = newRef();
      const first = sealedFields(ref);
      await subject.store.put(ref, first);
      expect(await subject.store.put(ref, sealedFields(ref))).toEqual({ outcome: "conflict" });
      const answer = await subject.store.get(ref);
      const kept = answer.outcome === "found" ? answer.fields.get("api_key") : undefined;
      expect(Buffer.compare(kept ?? Buffer.of(), first.get("api_key") ?? Buffer.of(1))).toBe(0);
    });

    test("of ten writers of one version, one wins and the others see a conflict", async () => {
      const ref = newRef();
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => subject.store.put(ref, sealedFields(ref))),
      );
      expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual([
        ...Array<string>(9).fill("conflict"),
        "written",
      ]);
    });

    test("keeps versions apart", async () => {
      const first = newRef(1);
      const second = { ...first, version: 2 };
      await subject.store.put(first, sealedFields(first));
      await subject.store.put(second, sealedFields(second));
      await subject.store.destroy(first);
      expect((await subject.store.get(first)).outcome).toBe("absent");
      expect((await subject.store.get(second)).outcome).toBe("found");
    });

    test("says absent for what was never put, and for what was destroyed", async () => {
      const ref = newRef();
      expect(await subject.store.get(ref)).toEqual({ outcome: "absent" });
      await subject.store.put(ref, sealedFields(ref));
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
      expect(await subject.store.get(ref)).toEqual({ outcome: "absent" });
    });

    test("destroys twice without complaint", async () => {
      const ref = newRef();
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
    });

    test("does not show one tenant's secret under another's name", async () => {
      const ref = newRef();
      await subject.store.put(ref, sealedFields(ref));
      expect((await subject.store.get({ ...ref, tenantId: randomUUID() })).outcome).toBe("absent");
      expect((await subject.store.get(ref)).outcome).toBe("found");
    });

    test("says unavailable, and does not throw, when it cannot be reached", async () => {
      expect((await subject.store.health()).outcome).toBe("healthy");
      const ref = newRef();
      await subject.disconnect();
      expect((await subject.store.put(ref, sealedFields(ref))).outcome).toBe("unavailable");
      expect((await subject.store.get(ref)).outcome).toBe("unavailable");
      expect((await subject.store.destroy(ref)).outcome).toBe("unavailable");
      expect((await subject.store.health()).outcome).toBe("unavailable");
    });
  });
}

/** Freshly sealed each time, so that no two calls give the same bytes. */
function sealedFields({ tenantId, credentialId, version }: SecretRef): ReadonlyMap<string, Sealed> {
  const key = generateDataKey();
  return new Map(
    ["api_key", "api_secret"].map((field) => {
      using secret = Secret.fromText(randomUUID());
      return [field, seal(key, { tenantId, credentialId, version, field }, secret)];
    }),
  );
}
