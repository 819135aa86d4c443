import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StoreName } from "../../src/config/stores.ts";
import { seal, type Sealed } from "../../src/crypto/envelope.ts";
import { generateDataKey } from "../../src/crypto/keys.ts";
import { Secret } from "../../src/crypto/secret.ts";
import type { SealedFields, SecretRef, Store } from "../../src/stores/store.ts";

/** A store under test, and how to put it out of reach. */
export type StoreUnderTest = Readonly<{
  store: Store;
  /** A tenant that may keep secrets here. */
  tenantId: string;
  /** Puts a version there as an operator does it, where Keyhold itself does not write. */
  plant?(ref: SecretRef, fields: SealedFields): Promise<void>;
  /** Puts a value there that Keyhold never wrote, under a version that is free. */
  plantForeign(ref: SecretRef): Promise<void>;
  /**
   * From now on the store cannot be reached; answers it as somebody has it who does not wait long. What lies in the process itself
   * always can be reached.
   */
  disconnect(): Promise<Store>;
  close(): Promise<void>;
}>;

/** What every store must do, given what it declares that it can do. A new store is finished when it passes. */
export function storeContract(
  name: StoreName,
  capabilities: Store["capabilities"],
  create: () => Promise<StoreUnderTest>,
): void {
  describe(`the store ${name}`, () => {
    let subject: StoreUnderTest;
    beforeAll(async () => {
      subject = await create();
    });
    afterAll(() => subject?.close());

    const newRef = (version = 1): SecretRef => ({
      tenantId: subject.tenantId,
      credentialId: randomUUID(),
      venue: "binance",
      environment: "live",
      version,
    });
    const keep = async (ref: SecretRef, fields: SealedFields): Promise<void> => {
      if (subject.plant !== undefined) return subject.plant(ref, fields);
      expect(await subject.store.put(ref, fields)).toEqual({ outcome: "written" });
    };

    test("has the name and the capabilities that it is tested for", () => {
      expect(subject.store).toMatchObject({ name, capabilities });
      expect(subject.plant === undefined).toBe(capabilities.writes);
    });

    test("gives back what was kept, byte for byte", async () => {
      const ref = newRef();
      const fields = sealedFields(ref);
      await keep(ref, fields);
      const answer = await subject.store.get(ref);
      expect(answer.outcome).toBe("found");
      if (answer.outcome !== "found") return;
      expect([...answer.fields.keys()].toSorted()).toEqual([...fields.keys()].toSorted());
      for (const [field, bytes] of fields)
        expect(Buffer.compare(answer.fields.get(field) ?? Buffer.of(), bytes)).toBe(0);
    });

    test("says absent for what was never kept, and for another version of what was", async () => {
      const ref = newRef(2);
      expect(await subject.store.get(ref)).toEqual({ outcome: "absent" });
      await keep(ref, sealedFields(ref));
      expect((await subject.store.get(ref)).outcome).toBe("found");
      expect(await subject.store.get({ ...ref, version: 1 })).toEqual({ outcome: "absent" });
      expect(await subject.store.get({ ...ref, version: 3 })).toEqual({ outcome: "absent" });
    });

    test("does not show one tenant's secret under another's name", async () => {
      const ref = newRef();
      await keep(ref, sealedFields(ref));
      expect((await subject.store.get({ ...ref, tenantId: randomUUID() })).outcome).toBe("absent");
      expect((await subject.store.get(ref)).outcome).toBe("found");
    });

    test("refuses to give out a value that Keyhold did not write", async () => {
      const ref = newRef();
      await subject.plantForeign(ref);
      expect(await subject.store.get(ref)).toEqual({ outcome: "denied", reason: "foreign" });
    });

    test("takes no id that is not a UUID, which could leave its place", async () => {
      const ref = newRef();
      for (const id of ["..", "../x", "%2e%2e", "*", "+", "", ref.credentialId.toUpperCase()]) {
        await expect(subject.store.get({ ...ref, credentialId: id })).rejects.toThrow(TypeError);
        await expect(subject.store.get({ ...ref, tenantId: id })).rejects.toThrow(TypeError);
      }
    });

    test("destroys what is not there without complaint, twice", async () => {
      const ref = newRef();
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
    });

    if (capabilities.writes) writing(() => subject, newRef);
    else readingOnly(() => subject, newRef);
  });
}

/** Of stores that Keyhold writes to; the last test leaves them out of reach. */
function writing(current: () => StoreUnderTest, newRef: (version?: number) => SecretRef): void {
  describe("when it is written to", () => {
    let subject: StoreUnderTest;
    beforeAll(() => {
      subject = current();
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

    test("says absent for what was destroyed, and destroys it twice without complaint", async () => {
      const ref = newRef();
      await subject.store.put(ref, sealedFields(ref));
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
      expect(await subject.store.get(ref)).toEqual({ outcome: "absent" });
      expect(await subject.store.destroy(ref)).toEqual({ outcome: "destroyed" });
    });

    test("takes a version whose number leaves a gap, for not every number is used", async () => {
      const first = newRef(1);
      const fifth = { ...first, version: 5 };
      await subject.store.put(first, sealedFields(first));
      expect(await subject.store.put(fifth, sealedFields(fifth))).toEqual({ outcome: "written" });
      expect((await subject.store.get(first)).outcome).toBe("found");
      expect(await subject.store.get({ ...first, version: 3 })).toEqual({ outcome: "absent" });
      expect((await subject.store.get(fifth)).outcome).toBe("found");
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

    test("says unavailable, and does not throw, when it cannot be reached", async () => {
      expect((await subject.store.health()).outcome).toBe("healthy");
      const ref = newRef();
      const lost = await subject.disconnect();
      expect((await lost.put(ref, sealedFields(ref))).outcome).toBe("unavailable");
      expect((await lost.get(ref)).outcome).toBe("unavailable");
      expect((await lost.destroy(ref)).outcome).toBe("unavailable");
      expect((await lost.health()).outcome).toBe("unavailable");
    });
  });
}

/** Of stores that only an operator fills. They lie in the process, so nothing puts them out of reach. */
function readingOnly(current: () => StoreUnderTest, newRef: (version?: number) => SecretRef): void {
  test("refuses every write, and changes nothing", async () => {
    const { store, plant } = current();
    const [free, taken] = [newRef(), newRef()];
    await plant?.(taken, sealedFields(taken));
    const refusal = { outcome: "denied", reason: "read_only" };
    expect(await store.put(free, sealedFields(free))).toEqual(refusal);
    expect(await store.put(taken, sealedFields(taken))).toEqual(refusal);
    expect(await store.destroy(taken)).toEqual(refusal);
    expect(await store.get(free)).toEqual({ outcome: "absent" });
    expect((await store.get(taken)).outcome).toBe("found");
    expect(await store.health()).toEqual({ outcome: "healthy" });
  });
}

/** Freshly sealed each time, so that no two calls give the same bytes. */
export function sealedFields({ tenantId, credentialId, version }: SecretRef): ReadonlyMap<string, Sealed> {
  const key = generateDataKey();
  return new Map(
    ["api_key", "api_secret"].map((field) => {
      using secret = Secret.fromText(randomUUID());
      return [field, seal(key, { tenantId, credentialId, version, field }, secret)];
    }),
  );
}
