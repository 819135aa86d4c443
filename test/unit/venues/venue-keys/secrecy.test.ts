import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey } from "../../../../simulator/control.ts";
import { fault } from "../../../../simulator/faults.ts";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createRecipient, sealFields } from "../../../../src/venues/process/protocol.ts";
import { markerOf } from "../../../../src/venues/venue-keys.ts";
import { countInMemory, leaksIn } from "../../../../testkit/leaks.ts";
import { deletion, Desk, fieldsOf, keyVenues, targetOf, textOf } from "./desk.ts";

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk[Symbol.asyncDispose]());
beforeEach(() => desk.simulator.control.reset());

const marker = markerOf("rotation 1");
const secretsOf = ({ apiKey, apiSecret, passphrase }: Partial<IssuedKey>): string[] =>
  [apiKey, apiSecret, passphrase].filter((text) => text !== undefined);

/** Everything that could be logged of an answer. */
const shown = (answer: unknown) => Buffer.from(`${inspect(answer, { depth: 9 })}\n${JSON.stringify(answer)}`);

describe.each(keyVenues)("an answer about a key at %s", (venue) => {
  test("shows no part of a credential, whatever came of the call", async () => {
    const [parent, current] = [desk.addParent(venue), desk.addCurrent(venue)];
    const target = targetOf(parent, current);
    const keys = desk.keys(venue);
    const { control } = desk.simulator;
    const answers: unknown[] = [];
    const created = await keys.create(target, marker);
    answers.push(created, await keys.create(target, marker), await keys.find(target, marker));
    for (const planned of [fault.refuse("unknown_key"), fault.html(503), fault.loseAnswer]) {
      control.fail(venue, planned, { times: 1, method: "POST" });
      answers.push(await keys.create(target, markerOf(`rotation ${answers.length}`)));
      control.fail(venue, planned, { times: 1, method: deletion[venue] });
      answers.push(await keys.revoke(target, fieldsOf(current)));
      control.clearFaults(venue);
    }
    const secrets = [parent, current, ...desk.keysOf(venue)].flatMap((key) =>
      secretsOf({ ...key, apiSecret: key.apiSecret ?? "none" }),
    );
    expect(leaksIn(shown(answers), secrets)).toEqual([]);
    expect(leaksIn(shown(control.requests()), secrets)).toEqual([]);
    // The control: the same look at the fields as they are finds every one of them.
    if (created.outcome !== "created") throw new Error("no key was created");
    for (const [name] of created.fields) {
      const text = textOf(created.fields, name);
      expect(leaksIn(shown([...answers, text]), [text])).not.toEqual([]);
    }
  });

  test("shows no part of one that the venue repeats in its refusal", async () => {
    const [parent, current] = [desk.addParent(venue), desk.addCurrent(venue)];
    const words = `not ${parent.apiSecret}, ${encodeURIComponent(current.apiSecret)} or ${current.apiKey}`;
    const body = { code: "77777", retCode: 77777, msg: words, retMsg: words, label: "NO", message: words };
    const numeric = venue === "binance" ? { ...body, code: -77777 } : body;
    desk.simulator.control.fail(venue, fault.json(400, numeric), { method: "POST" });
    const answer = await desk.keys(venue).create(targetOf(parent, current), marker);
    expect(answer).toMatchObject({
      outcome: "refused",
      reason: "refused",
      message: expect.stringContaining("not [removed], [removed] or [removed]"),
    });
    expect(leaksIn(shown(answer), [...secretsOf(parent), ...secretsOf(current)])).toEqual([]);
  });
});

describe("a new secret on its way to the serving process", () => {
  const canary = "canary-of-a-new-secret";
  const fields = () => new Map([["api_secret", Secret.fromText(canary)] as const]);

  test("arrives in buffers that can be zeroed, opens for this call alone, and cannot be read on the way", () => {
    const [one, other] = [createRecipient(), createRecipient()];
    const sealed = sealFields(fields(), one.publicKey);
    expect(leaksIn(Buffer.from(sealed), [canary])).toEqual([]);
    expect(() => other.openSecrets(sealed)).toThrow();
    const opened = one.openSecrets(sealed).get("api_secret");
    if (opened === undefined) throw new Error("nothing arrived");
    const bytes = opened.expose((exposed) => exposed);
    expect(leaksIn(Buffer.from(bytes), [canary])).toContain("raw");
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
    opened[Symbol.dispose]();
    expect(leaksIn(Buffer.from(bytes), [canary])).toEqual([]);
  });

  test("does not open when any byte was altered", () => {
    const recipient = createRecipient();
    const sealed = sealFields(fields(), recipient.publicKey);
    for (let index = 0; index < sealed.byteLength; index += 1) {
      const altered = Uint8Array.from(sealed);
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(() => recipient.openSecrets(altered), `byte ${index}`).toThrow();
    }
    expect(recipient.openSecrets(sealed).has("api_secret")).toBe(true);
  });
});

async function says(program: ChildProcess, line: string): Promise<void> {
  let text = "";
  while (!text.includes(line)) {
    if (program.stdout === null) throw new TypeError("no output to read");
    const [chunk] = await once(program.stdout, "data");
    text += String(chunk);
  }
}

test.runIf(existsSync("/proc/self/mem"))(
  "a key that was created is nowhere in the serving process once it was forgotten",
  async () => {
    const [parent, current] = [desk.addParent("gate"), desk.addCurrent("gate")];
    const script = fileURLToPath(new URL("serving-process.ts", import.meta.url));
    const program = spawn(process.execPath, [script, desk.simulator.url("gate")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { pid } = program;
    if (pid === undefined) throw new Error("the program did not start");
    program.stdin.write([parent, current].map(({ apiKey, apiSecret }) => apiKey + apiSecret).join(""));
    await says(program, "done");
    const made = desk.keysOf("gate").slice(1);
    expect(made).toHaveLength(5);
    const secret = made[2]?.apiSecret ?? "";
    for (const used of [secret, parent.apiSecret]) expect(await countInMemory(pid, used)).toBe(0);
    // The control: the same look finds what is really there.
    program.stdin.write(secret);
    await says(program, "kept");
    expect(await countInMemory(pid, secret)).toBeGreaterThan(0);
    program.stdin.end("\n");
    await once(program, "exit");
  },
  180_000,
);
