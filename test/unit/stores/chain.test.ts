import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { StoreName } from "../../../src/config/stores.ts";
import { denied, unavailable } from "../../../src/remote/failure.ts";
import { chain } from "../../../src/stores/chain.ts";
import type { GetResult, SecretRef, Store } from "../../../src/stores/store.ts";
import { sealedFields } from "../../contracts/store-contract.ts";

const ref: SecretRef = {
  tenantId: randomUUID(),
  credentialId: randomUUID(),
  venue: "okx",
  environment: "live",
  version: 3,
};
const found: GetResult = { outcome: "found", fields: sealedFields(ref) };
const absent: GetResult = { outcome: "absent" };

/** A store that answers so, and notes what it was asked. */
function storeThat(answer: GetResult, name: StoreName, asked: string[] = []): Store {
  const note = (operation: string): void => void asked.push(`${name} ${operation}`);
  return {
    name,
    capabilities: { writes: name !== "env" },
    async put() {
      note("put");
      return { outcome: "written" };
    },
    async get() {
      note("get");
      return answer;
    },
    async destroy() {
      note("destroy");
      return { outcome: "destroyed" };
    },
    async health() {
      note("health");
      return { outcome: "healthy" };
    },
  };
}

describe("stores behind one another", () => {
  test("give what the first has, and the others are not asked", async () => {
    const asked: string[] = [];
    const stores = chain(storeThat(found, "vault", asked), storeThat(found, "file", asked));
    expect(await stores.get(ref)).toBe(found);
    expect(asked).toEqual(["vault get"]);
  });

  test.each([
    ["does not have", absent],
    ["cannot say", unavailable("sealed")],
    ["refuses", denied("policy")],
  ])("give from the next what the first %s", async (_, answer) => {
    const asked: string[] = [];
    const [vault, file, env] = [
      storeThat(answer, "vault", asked),
      storeThat(absent, "file", asked),
      storeThat(found, "env", asked),
    ];
    expect(await chain(vault, file, env).get(ref)).toBe(found);
    expect(asked).toEqual(["vault get", "file get", "env get"]);
  });

  test("are absent only where each of them says so; else the first that failed tells why", async () => {
    const of = (...answers: GetResult[]) =>
      chain(
        storeThat(answers[0] ?? absent, "vault"),
        ...answers.slice(1).map((one) => storeThat(one, "file")),
      );
    expect(await of(absent, absent).get(ref)).toEqual(absent);
    expect(await of(absent, unavailable("timeout"), denied("token")).get(ref)).toEqual(
      unavailable("timeout"),
    );
    expect(await of(denied("foreign"), absent, unavailable("timeout")).get(ref)).toEqual(denied("foreign"));
  });

  test("are written, destroyed and judged by the first alone", async () => {
    const asked: string[] = [];
    const stores = chain(storeThat(absent, "vault", asked), storeThat(found, "file", asked));
    expect(stores).toMatchObject({ name: "vault", capabilities: { writes: true } });
    await stores.put(ref, sealedFields(ref));
    await stores.destroy(ref);
    await stores.health();
    expect(asked).toEqual(["vault put", "vault destroy", "vault health"]);
  });
});
