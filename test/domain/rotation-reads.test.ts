import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { register } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { finishRotation, rollBack } from "../../src/credentials/rotation.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { openFileStore } from "../../src/stores/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let folder: string;
let owner: Member;
let accountId: string;

beforeAll(async () => {
  world = await createWorld();
  folder = await mkdtemp(join(tmpdir(), "keyhold-reads-"));
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

const enough = 5000;
const readers = 16;

/** The n-th secret, whose key and secret tell that they belong together. */
const secretNumber = (n: number) => ({ api_key: `key ${n}`, api_secret: `secret ${n}` });

/** Where secrets rest: in this database they come with the record, in another store they are read after it. */
const custodies: Readonly<Record<string, () => Promise<Custody>>> = {
  "in this database": () => Promise.resolve(world.custody),
  "in another store": async () => {
    const files = await openFileStore(join(folder, "secrets"));
    return { ...world.custody, stores: createStores(files, world.custody.stores.first) };
  },
};

/** One credential, what is in force as the test knows it, and the reads of it. */
class Subject {
  readonly id: string;
  readonly #custody: Custody;
  /** The secrets that came into force one after the other; the last may be about to. */
  readonly #history = [1];
  /** The place of the one that is in force for certain. */
  #settled = 0;
  #latest = 1;
  #revision = 1;
  reads = 0;
  rotations = 0;
  readonly failed: string[] = [];

  private constructor(custody: Custody, id: string) {
    this.#custody = custody;
    this.id = id;
  }

  static async register(custody: Custody, label: string): Promise<Subject> {
    const scripted = new ScriptedVenue().in(custody);
    const { id } = await register(scripted, owner, {
      accountId,
      venue: "scripted",
      environment: "live",
      label,
      fields: secretFields(secretNumber(1)),
      policy: { allow: ["read"], reveal: true },
    });
    return new Subject(scripted, id);
  }

  /** Uses and reveals in turn, many at once, until `isOver`. */
  async read(isOver: () => boolean): Promise<void> {
    const reader = async (): Promise<void> => {
      while (!isOver()) await this.#readOnce();
    };
    await Promise.all(Array.from({ length: readers }, reader));
  }

  async #readOnce(): Promise<void> {
    const from = this.#settled;
    const found = await (this.reads % 2 === 0 ? this.#use() : this.#reveal()).catch(String);
    this.reads += 1;
    // What was in force at some moment between the question and the answer.
    const right = this.#history.slice(from).map(pair);
    if (!right.includes(found)) this.failed.push(`${found}, and not ${right.join(" or ")}`);
  }

  /** Rotates until `isOver`: one in three without an overlap, one is ended early, and one is rolled back. */
  async rotate(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const old = this.#history[this.#settled] ?? 1;
      const way = this.rotations % 3;
      await this.#become((this.#latest += 1), way === 0 ? 0 : 3600);
      if (way === 1) await finishRotation(this.#custody, owner, this.id);
      if (way === 2) await this.#return(old);
      this.rotations += 1;
    }
  }

  async #become(n: number, overlapSeconds: number): Promise<void> {
    const fields = secretFields(secretNumber(n));
    await this.#changeTo(n, async () => {
      const input = { fields, overlapSeconds };
      return (await rotate(this.#custody, owner, this.id, this.#revision, input)).credential.revision;
    });
  }

  async #return(old: number): Promise<void> {
    await this.#changeTo(old, async () => {
      return (await rollBack(this.#custody, owner, this.id, this.#revision)).credential.revision;
    });
  }

  async #changeTo(n: number, work: () => Promise<number>): Promise<void> {
    this.#history.push(n);
    this.#revision = await work();
    this.#settled = this.#history.length - 1;
  }

  #use(): Promise<string> {
    return withSecret(this.#custody, owner, { id: this.id }, (fields) =>
      Promise.resolve(
        ["api_key" as const, "api_secret" as const]
          .map((name) => fields.get(name)?.expose((bytes) => Buffer.from(bytes).toString()))
          .join(),
      ),
    );
  }

  async #reveal(): Promise<string> {
    const bytes = await reveal(this.#custody, owner, this.id, "a test");
    const { secret }: { secret: Record<string, string> } = JSON.parse(Buffer.from(bytes).toString());
    return `${secret["api_key"]},${secret["api_secret"]}`;
  }
}

function pair(n: number): string {
  return Object.values(secretNumber(n)).join();
}

describe.each(Object.entries(custodies))("uses and reveals of a secret %s", (name, custodyOf) => {
  test("never fail while it is rotated, and each gets a secret that is in force, whole", async () => {
    const subject = await Subject.register(await custodyOf(), name);
    const isOver = () => subject.reads >= enough && subject.rotations >= 6;
    await Promise.all([subject.read(isOver), subject.rotate(isOver)]);
    expect(subject.failed).toEqual([]);
    expect(subject.reads).toBeGreaterThanOrEqual(enough);
    expect(subject.rotations).toBeGreaterThanOrEqual(6);
  });

  test("the control: a secret that is not in force is noticed, and so is one that is gone", async () => {
    const custody = await custodyOf();
    const subject = await Subject.register(custody, `${name}, for the control`);
    // Behind the back of the test.
    const scripted = new ScriptedVenue().in(custody);
    await rotate(scripted, owner, subject.id, 1, { fields: secretFields(secretNumber(99)) });
    await subject.read(() => subject.reads > 0);
    expect(subject.failed.join()).toContain(`${pair(99)}, and not ${pair(1)}`);
    const { tenantId } = owner;
    const ref = { tenantId, credentialId: subject.id, venue: "scripted", environment: "live" } as const;
    await custody.stores.first.destroy({ ...ref, version: 2 });
    await subject.read(() => subject.reads > 2 * readers);
    expect(subject.failed.join()).toContain("secret_lost");
  });
});
